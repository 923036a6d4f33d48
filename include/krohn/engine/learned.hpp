// Running learned models on tokens: one word as a stream, many words at once on the CPU or CUDA devices.
//
//     LearnedStream<float> stream(model);
//     for (const std::uint32_t token : tokens) stream.step(token, logits);
//
// The float form is the canonical one ("learned-fp32-v1", docs/semantics.md): batched, vectorised, on a CUDA device or
// one number at a time, it gives the same bits. The double form is the reference of tests. A logit that is NaN or
// infinite ends a run with NumericError.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "krohn/engine/device.hpp"
#include "krohn/model/program.hpp"

namespace krohn {

inline constexpr std::string_view learned_semantics = "learned-fp32-v1";
/// Of a model with codes.
inline constexpr std::string_view snapped_semantics = "learned-fp32-snap-v1";
inline std::string_view semantics_of(const Program& program) {
  return program.snapped() ? snapped_semantics : learned_semantics;
}

template <class T>
class LearnedPass;

/// One word read token by token. The model must outlive the stream. T is float or double.
template <class T>
class LearnedStream {
 public:
  explicit LearnedStream(const Program& model);
  ~LearnedStream();
  LearnedStream(LearnedStream&&) noexcept;
  LearnedStream& operator=(LearnedStream&&) noexcept;

  /// Everything carried from token to token, laid out as Program::state_parts() says. Writing a state that was
  /// read earlier resumes the run there.
  std::span<T> state() noexcept { return state_; }
  std::span<const T> state() const noexcept { return state_; }
  void restart();

  /// Reads a token and writes the logits after it, model.num_logits() numbers. Throws InputError for a token outside
  /// the vocabulary, NumericError where a logit is NaN or infinite.
  void step(std::uint32_t token, std::span<T> logits);

 private:
  const Program* model_;
  std::unique_ptr<LearnedPass<T>> pass_;
  std::vector<T> state_;
};

extern template class LearnedStream<float>;
extern template class LearnedStream<double>;

/// A sequence of token ids.
using Tokens = std::vector<std::uint32_t>;

struct LearnedRunOptions {
  /// CPU threads. 0: as many as the machine has.
  unsigned threads = 0;
  Device device = Device::automatic;
  /// The most bytes of memory to use on each device; 0 for what is free.
  std::uint64_t device_memory = 0;
};

/// Called for every word and position (0 = after the first token) with the logits, and with the state after it where
/// the word ends (empty elsewhere). Positions of one word come in order, from one thread; words come in any order,
/// from several threads at once. Words whose device fails come again, from their first position, with the same numbers.
using LogitsSink = std::function<void(std::size_t word, std::size_t position, std::span<const float> logits,
                                      std::span<const float> final_state)>;

/// Runs every word from the initial state, in the canonical form, and returns what ran, as Trace::device. On the CPU
/// words with a common beginning share it, and threads take neighbouring words; memory: the states of at most 64 words
/// a thread, of 8 where those exceed 256 MiB. On devices words go in parts to whichever is free, and are cut into
/// chunks of time that fit its memory. Throws InputError for a token outside the vocabulary, NumericError (the first by
/// word, on the CPU among those met) where a logit is NaN or infinite, DeviceError where CUDA was asked for and is
/// missing or every device fails, ResourceError where they have too little memory, and what `sink` throws.
std::string run_learned(const Program& model, std::span<const Tokens> words, const LearnedRunOptions& options,
                        const LogitsSink& sink);

}  // namespace krohn
