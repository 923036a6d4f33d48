// task.json: what makes a checkpoint a recogniser of a language.
//
//  1. One JSON object beside config.json, with the members below and no others.
//       "format": "krohn-task-v1", or "version": 1, or neither;
//       "symbols": {name: token id, ..}, in the order of the alphabet; two names may share a token;
//       "bos": the token read before every word, or null (default);
//       "min_length": words shorter than this are outside the domain; at least 1 without "bos", for the empty word
//         then has no logits (default: 1 without "bos", else 0);
//       "positions": "all" or "last": whether the model was trained to answer after every symbol (default "all"). A
//         word's label is the answer after its last symbol either way; accuracy is measured where it was trained;
//       "outputs": {logit index: label, ..}: the answer is the label of the largest of these logits;
//       "automaton": the language over the same symbols, where known: krohn-automaton-v1 (format_json.hpp), or a string
//         that is any LANG (language.hpp), a file's name relative to the task's folder;
//       "name", "description": strings, information.
//  2. Also read is the shape that training scripts write: "alphabet" (token ids, which name the symbols), "delta"
//     [state][token], "start_state", "n_states" (logit i means state i, whose number is the label); the further
//     members that such scripts leave ("task", "description", "eval", "elements", ..) are information. "eval" may
//     list accuracies {"T", "pos", "last", "seq"}.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "krohn/automata/dfa.hpp"
#include "krohn/engine/learned/learned_machine.hpp"

namespace krohn {

struct Task {
  LearnedTask answers;
  std::uint64_t min_length = 0;
  enum class Positions { all, last };
  Positions positions = Positions::all;
  std::optional<Dfa> automaton = std::nullopt;
  std::string description = "";
  /// Accuracies that the file records.
  struct Recorded {
    std::uint64_t length = 0;
    double position = 0;
    double last = 0;
    double sequence = 0;
  };
  std::vector<Recorded> recorded = {};
};

/// Reads a task and checks it against the model. Throws InputError with every problem: a token or logit that the
/// model does not have is named.
Task read_task(const std::filesystem::path& path, const Program& model);
Task parse_task(std::string_view text, const std::string& source, const Program& model);

/// The identity of the model on the task, as one function from words to labels: SHA-256 of the model's fingerprint and
/// every member of the task, 64 hexadecimal digits in lower case.
std::string fingerprint(const Program& model, const LearnedTask& task);

}  // namespace krohn
