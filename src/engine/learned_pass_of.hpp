// A forward pass over an Arithmetic behind the engine's interface, and what arithmetics of several words share.
// Included where the instructions that it is compiled for are in force; there instantiated only on types of the
// including file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "krohn/engine/interpreter.hpp"
#include "krohn/error.hpp"
#include "learned_pass.hpp"

namespace krohn {

/// As many words as a vector N of floats has lanes, one to a lane; the including file adds look_up().
template <class N>
struct WordsTogether {
  using Number = N;
  using Weight = float;
  using Wide = N;
  static constexpr std::size_t width = 1;
  static constexpr std::size_t lanes = sizeof(N) / sizeof(float);
  static float weight(float x) { return x; }
  static N constant(double x) { return N(static_cast<float>(x)); }
  static N load(const N* p) { return *p; }
  static void store(N* p, N x) { *p = x; }
  static N spread(N x) { return x; }
  static N weights(const float* p) { return N(*p); }
  static N gather(const float* row, const std::uint32_t* tokens, std::size_t) {
    alignas(N) float values[lanes];
    for (std::size_t l = 0; l < lanes; ++l) values[l] = row[tokens[l]];
    N result;
    std::memcpy(&result, values, sizeof result);
    return result;
  }
  // Tables are [size][16], so that a register or two hold a number of every token.
  static constexpr std::size_t tabulated_tokens = 16;
  static std::size_t table_size(std::size_t size, std::size_t) { return size * tabulated_tokens; }
  static void record(float* table, std::size_t size, std::size_t, std::size_t token, const N* y) {
    for (std::size_t i = 0; i < size; ++i) std::memcpy(table + i * tabulated_tokens + token, y + i, sizeof(float));
  }
};

template <class T, class A>
class LearnedPassOf final : public LearnedPass<T> {
 public:
  explicit LearnedPassOf(const Program& model) : pass_(model) {}
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
  const Schedule& schedule() const override { return pass_.schedule(); }
  void run_operation(std::size_t index, T* features, T* state, std::uint32_t token, forward::Probe<T>* probe) override {
    if constexpr (std::is_same_v<typename A::Number, T>) {
      pass_.run_operation(index, features, state, &token, probe);
    } else {
      throw InternalError("LearnedPass::run_operation: expected a pass of one lane");
    }
  }
  void set_codes(std::size_t part, std::size_t unit, std::span<const float> codes) override {
    pass_.set_codes(part, unit, codes);
  }

 private:
  forward::Interpreter<A> pass_;
};

}  // namespace krohn
