// Runs of whole words by Machine::step: the reference that every faster form equals.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "krohn/engine/machine.hpp"
#include "krohn/error.hpp"

namespace krohn {

/// Throws InputError for a symbol that is not in the machine's alphabet.
void check_symbols(const Machine& machine, WordBatch words, unsigned threads);

/// A trace of the machine with room for what the options ask for; every label undefined, what ran not yet said.
Trace empty_trace(const Machine& machine, WordBatch words, const RunOptions& options);

/// Rethrows an error with the word's number, from 1, and the position in it.
[[noreturn]] void raise_at(std::size_t word, std::size_t position, const NumericError& error);

/// Steps words, one after the other, into a trace. Words that lie next to each other share what they begin with.
class WordSteps {
 public:
  explicit WordSteps(const Machine& machine) : machine_(machine), state_(machine.state_size()) {}

  /// Fills in word `index`; `next` is the word that comes after it, if one does. Throws NumericError as Machine::run.
  void run(std::size_t index, std::span<const Symbol> word, std::optional<std::span<const Symbol>> next, Trace& trace,
           const RunOptions& options = {});

 private:
  const Machine& machine_;
  std::vector<std::byte> state_;
  /// After 0 .. kept_ - 1 symbols of the word to come: its states and what was observed.
  std::size_t kept_ = 0;
  std::vector<std::byte> states_;
  std::vector<Observation> seen_;
};

/// Fills in all words, on `threads` threads.
void step_words(const Machine& machine, WordBatch words, const RunOptions& options, Trace& trace);

}  // namespace krohn
