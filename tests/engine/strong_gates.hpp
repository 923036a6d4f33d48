// An mLSTM whose input gates are no numbers of fp32 without its stabiliser.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <random>
#include <vector>

#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/engine/learned.hpp"

namespace krohn::testing {

/// The recorded mLSTM with input gates around e^90 in its first and third heads and e^-30 in the others.
inline Program strong_gates() {
  const auto path = std::filesystem::path(KROHN_TEST_DATA) / "golden" / "xlstm10_mlstm";
  ProgramParts parts = read_checkpoint(path).model.parts();
  for (ProgramTensor& tensor : parts.tensors) {
    if (!tensor.name.ends_with("igate.bias")) continue;
    for (std::size_t head = 0; head < tensor.values.size(); ++head)
      tensor.values[head] = head % 2 == 0 ? 90.0F : -30.0F;
  }
  return Program(std::move(parts));
}

/// 150 random tokens: two chunks and a part of a third.
inline Tokens random_word(const Program& model) {
  std::mt19937 random(1);
  Tokens word(150);
  for (std::uint32_t& token : word) token = static_cast<std::uint32_t>(random() % model.vocabulary_size());
  return word;
}

/// The logits [length, num_logits] of a word read token by token.
template <class T>
std::vector<T> logits_of(const Program& model, const Tokens& word) {
  LearnedStream<T> stream(model);
  std::vector<T> result(word.size() * model.num_logits());
  for (std::size_t t = 0; t < word.size(); ++t) {
    stream.step(word[t], std::span<T>(result).subspan(t * model.num_logits(), model.num_logits()));
  }
  return result;
}

}  // namespace krohn::testing
