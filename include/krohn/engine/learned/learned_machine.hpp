// A learned model on a task: what answers words.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "krohn/automata/alphabet.hpp"
#include "krohn/engine/learned.hpp"
#include "krohn/engine/machine.hpp"

namespace krohn {

/// How a learned model answers: its symbols, its first token, and which logit means which label. The label of a word
/// is that of the largest logit among `outputs` after its last token; two largest logits of different labels are a
/// tie, the label `?` of that word alone.
struct LearnedTask {
  Alphabet alphabet;
  /// Per symbol, its token.
  Tokens tokens;
  /// Read before every word. Without it the empty word has no logits, and its label is `?`.
  std::optional<std::uint32_t> first_token;
  std::vector<std::string> label_names;
  struct Output {
    std::uint32_t logit = 0;
    std::int32_t label = 0;
    friend bool operator==(const Output&, const Output&) = default;
  };
  std::vector<Output> outputs;

  /// Throws InputError naming every token, logit or label that the model or the task does not have.
  void validate(const Program& model) const;
  /// The label and margin that the logits give.
  Observation observe(std::span<const float> logits) const;
};

/// The tokens of a word: the task's first one, if it has one, then those of the symbols.
Tokens tokens_of(const LearnedTask& task, std::span<const Symbol> word);
/// Every token that words of the task have.
Tokens read_tokens(const LearnedTask& task);

/// The canonical form of a learned model on a task. Throws as LearnedTask::validate.
std::unique_ptr<Machine> make_machine(std::shared_ptr<const Program> model, LearnedTask task);

/// What a learned machine runs; it lives as long as the machine. Nothing of other machines.
struct LearnedView {
  const Program& program;
  const LearnedTask& task;
};
std::optional<LearnedView> learned_of(const Machine& machine);

}  // namespace krohn
