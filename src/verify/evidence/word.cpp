// Refuting words as evidence, found by every search of the ladder. Tested by tests/results/certificate_file_test.cpp.
#include "krohn/verify/evidence/word.hpp"

#include <bit>
#include <cstddef>
#include <optional>

#include "krohn/verify/counterexample.hpp"
#include "state_words.hpp"

namespace krohn {
namespace {

std::vector<std::uint32_t> state_behind(const Word& word, const Machine& machine) {
  std::vector<std::byte> state(machine.state_size());
  machine.initial(state);
  for (const Symbol a : word) machine.step(state, a);
  return words_of(state);
}

}  // namespace

WordEvidence word_evidence(const Counterexample& found, const Machine& machine) {
  return {found.word, found.expected, found.observed, std::bit_cast<std::uint32_t>(found.margin),
          state_behind(found.word, machine)};
}

void WordEvidence::list(EvidenceFields& fields) {
  fields.text("expected", expected);
  fields.text("observed", observed);
  fields.number("margin_bits", margin_bits);
  const std::uint64_t symbols = fields.size("symbols", word.size());
  const std::uint64_t state_words = fields.size("state_words", state.size());
  fields.words(word, symbols);
  fields.words(state, state_words);
}

void WordEvidence::check(const Assertion& assertion) const {
  const Machine& machine = assertion.machine;
  expect(assertion.claim.length == word.size(), "the claim's length is not the word's");
  for (const Symbol a : word) expect(a < machine.alphabet().size(), "the word has a symbol that is not there");
  const std::optional<Counterexample> found = confirm(machine, assertion.specification, word);
  expect(found.has_value(), "model and automaton agree on the word");
  expect(found->word.size() == word.size(), "model and automaton part before the end of the word");
  expect(found->expected == expected, "the automaton gives another label");
  expect(found->observed == observed, "the model gives another label");
  expect(std::bit_cast<std::uint32_t>(found->margin) == margin_bits, "the margin is another");
  expect(state_behind(word, machine) == state, "the model ends in other bits");
}

}  // namespace krohn
