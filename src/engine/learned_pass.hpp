// How the engine holds a forward pass whose instructions are chosen at run time: numbers of several words interleaved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "krohn/engine/schedule.hpp"
#include "krohn/model/program.hpp"

namespace krohn {

namespace forward {
template <class Number>
class Probe;
}  // namespace forward

/// A forward pass with scratch memory of its own; the model must outlive it. Arrays hold `lanes` words side by side:
/// number i of word l at [i * lanes + l], aligned to lanes * sizeof(T). The order of a state's numbers is the pass's
/// own where lanes > 1.
template <class T>
class LearnedPass {
 public:
  virtual ~LearnedPass() = default;
  virtual std::size_t lanes() const = 0;
  virtual void initial(T* state) const = 0;
  /// Writes the state of the word in `lane` in the order of Program::state_parts().
  virtual void read_state(const T* state, std::size_t lane, T* out) const = 0;
  /// One token for each lane; `logits` may be null.
  virtual void step(T* state, const std::uint32_t* tokens, T* logits) = 0;
  /// The same for a pass of one lane, seen by `probe`.
  virtual void step(T* state, std::uint32_t token, T* logits, forward::Probe<T>& probe) = 0;
  virtual const Schedule& schedule() const = 0;
  /// As Interpreter::run_operation, for a pass of one lane. `probe` may be null.
  virtual void run_operation(std::size_t index, T* features, T* state, std::uint32_t token,
                             forward::Probe<T>* probe) = 0;
  /// As Interpreter::set_codes.
  virtual void set_codes(std::size_t part, std::size_t unit, std::span<const float> codes) = 0;
};

/// The quickest pass of one lane that this processor runs, for float and double.
template <class T>
std::unique_ptr<LearnedPass<T>> make_pass(const Program& model);

/// With AVX2 and FMA: one word with its columns side by side, eight words, one word in double. Only called where
/// has_avx2_fma() holds.
std::unique_ptr<LearnedPass<float>> make_avx2_pass(const Program& model);
std::unique_ptr<LearnedPass<float>> make_avx2_batch(const Program& model);
std::unique_ptr<LearnedPass<double>> make_avx2_double_pass(const Program& model);

/// With AVX-512: sixteen words where `words` are at most that, else thirty-two. Only called where has_avx512() holds.
std::unique_ptr<LearnedPass<float>> make_avx512_batch(const Program& model, std::size_t words);

}  // namespace krohn
