// How far two implementations of one model part: its chunked form, or recorded logits, against the canonical form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "krohn/engine/chunked_form.hpp"
#include "krohn/engine/learned/learned_machine.hpp"

namespace krohn {

/// Differences at the positions after `from` .. `to` tokens (the first token of a task not counted).
struct FormDifference {
  std::size_t from = 0;
  std::size_t to = 0;
  double largest = 0.0;
  double root_mean_square = 0.0;
  std::uint64_t positions = 0;
  /// Where the two give different labels.
  std::uint64_t labels = 0;
};

/// A word on which the two forms give different labels.
struct FormWitness {
  Tokens word;  // without the task's first token
  std::string canonical, other;
  float canonical_margin = 0.0F;
  float other_margin = 0.0F;
  /// Without any one of its tokens the labels agree; only searched where the other form can be run.
  bool minimised = false;
};

struct FormComparison {
  /// Lengths 1, 2, 3 to 4, 5 to 8, ..
  std::vector<FormDifference> by_length;
  std::optional<FormWitness> witness;
  std::uint64_t words = 0;
  std::string device;
};

struct CompareFormsOptions {
  ChunkedFormOptions form;
  std::uint64_t words = 32;
  std::size_t length = 256;
  std::uint64_t seed = 1;
};

/// Random words over the task's symbols (without a task, over the vocabulary; labels are then the largest logit), in
/// the chunked and in the canonical form. The shortest prefix on which the labels differ is made smaller, token by
/// token, while they still differ. Throws as run_chunked_form.
FormComparison compare_forms(const Program& model, const LearnedTask* task, const CompareFormsOptions& options);

/// The same for recorded logits, [words, length, num_logits] of words of one length as the other program read them (a
/// task's first token included).
FormComparison compare_with_logits(const Program& model, const LearnedTask* task, std::span<const Tokens> words,
                                   std::span<const double> logits);

}  // namespace krohn
