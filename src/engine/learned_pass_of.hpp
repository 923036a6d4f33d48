// A forward pass over an Arithmetic behind the engine's interface. Included where the instructions that it is compiled
// for are in force; instantiated only on types of the including file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "krohn/engine/learned_forward.hpp"
#include "krohn/error.hpp"
#include "learned_pass.hpp"

namespace krohn {

template <class T, class A>
class LearnedPassOf final : public LearnedPass<T> {
 public:
  explicit LearnedPassOf(const LearnedModel& model) : pass_(model) {}
  std::size_t lanes() const override { return A::lanes; }
  void initial(T* state) const override { pass_.initial(reinterpret_cast<typename A::Number*>(state)); }
  void read_state(const T* state, std::size_t lane, T* out) const override {
    pass_.read_state(reinterpret_cast<const typename A::Number*>(state), lane, out);
  }
  void step(T* state, const std::uint32_t* tokens, T* logits) override {
    pass_.step(reinterpret_cast<typename A::Number*>(state), tokens, reinterpret_cast<typename A::Number*>(logits));
  }
  void step(T* state, std::uint32_t token, T* logits, forward::Probe<T>& probe) override {
    if constexpr (std::is_same_v<typename A::Number, T>) {
      pass_.step(state, &token, logits, &probe);
    } else {
      throw InternalError("LearnedPass::step: expected a pass of one lane to look at");
    }
  }

 private:
  forward::ForwardPass<A> pass_;
};

}  // namespace krohn
