// Lassos as evidence, found by src/verify/lasso.cpp for the theorems of src/verify/refute.cpp. Tested by
// tests/results/certificate_file_test.cpp.
#include "krohn/verify/evidence/lasso.hpp"

#include <algorithm>
#include <cstddef>

#include "krohn/verify/lasso.hpp"
#include "state_words.hpp"

namespace krohn {
namespace {

/// Lassos beyond are not replayed.
constexpr std::uint64_t max_replay = std::uint64_t{1} << 32U;

}  // namespace

LassoEvidence lasso_evidence(const IndistinguishablePair& pair, const Machine& machine) {
  std::vector<std::byte> state(machine.state_size());
  machine.initial(state);
  for (const Symbol a : pair.word_a.prefix) machine.step(state, a);
  for (std::uint64_t k = 0; k < pair.word_a.exponent; ++k) {
    for (const Symbol a : pair.word_a.loop) machine.step(state, a);
  }
  return {pair.word_a.prefix, pair.word_b.prefix, pair.word_a.loop, pair.word_a.exponent, pair.word_b.exponent,
          pair.suffix,        pair.expected_a,    pair.expected_b,  pair.observed,        words_of(state)};
}

std::string LassoEvidence::claim(const Claim& claim, const std::string& semantics) {
  return "behind two words the model carries the same bits in " + semantics +
         ", and with one suffix, the longer then of length " + (claim.length ? std::to_string(*claim.length) : "") +
         ", the automaton asks for different labels";
}

void LassoEvidence::list(EvidenceFields& fields) {
  const std::uint64_t length_a = fields.size("prefix_a", prefix_a.size());
  const std::uint64_t length_b = fields.size("prefix_b", prefix_b.size());
  const std::uint64_t loop_length = fields.size("loop", loop.size());
  fields.natural("exponent_a", exponent_a);
  fields.natural("exponent_b", exponent_b);
  const std::uint64_t suffix_length = fields.size("suffix", suffix.size());
  fields.text("expected_a", expected_a);
  fields.text("expected_b", expected_b);
  fields.text("observed", observed);
  const std::uint64_t state_words = fields.size("state_words", state.size());
  fields.words(prefix_a, length_a);
  fields.words(prefix_b, length_b);
  fields.words(loop, loop_length);
  fields.words(suffix, suffix_length);
  fields.words(state, state_words);
}

void LassoEvidence::check(const Assertion& assertion) const {
  const Machine& machine = assertion.machine;
  const Specification& specification = assertion.specification;
  const Dfa& automaton = specification.automaton();
  expect(!loop.empty(), "the lasso has no loop");
  for (const Word* word : {&prefix_a, &prefix_b, &loop, &suffix}) {
    for (const Symbol a : *word) expect(a < machine.alphabet().size(), "a word has a symbol that is not there");
  }
  const std::uint64_t most = max_replay / loop.size();
  if (exponent_a > most || exponent_b > most) {
    throw Refusal{{true, "a lasso of words of more than 2^32 symbols"}};
  }
  const std::uint64_t length_a = prefix_a.size() + exponent_a * loop.size();
  const std::uint64_t length_b = prefix_b.size() + exponent_b * loop.size();
  expect(assertion.claim.length == std::max(length_a, length_b) + suffix.size(),
         "the claim's length is not that of the longer word");

  const auto behind = [&](const Word& prefix, std::uint64_t exponent, const std::string& expected) {
    std::vector<std::byte> carried(machine.state_size());
    Observation observation = machine.initial(carried);
    State q = automaton.start();
    const auto read = [&](const Word& word) {
      for (const Symbol a : word) observation = machine.step(carried, a);
      q = automaton.next(q, word);
    };
    read(prefix);
    for (std::uint64_t k = 0; k < exponent; ++k) read(loop);
    expect(words_of(carried) == state, "a word leaves the model in other bits");
    read(suffix);
    expect(automaton.label(q) != null_label && specification.expected(q) == expected,
           "the automaton gives another label");
    expect(specification.observed(observation.label) == observed, "the model gives another label");
  };
  expect(expected_a != expected_b, "the automaton asks for one label only");
  // An undefined run is where a readout's tie led: another readout might not have tied.
  expect(machine.compiled() == nullptr || (!state.empty() && state.back() == 0), "the runs are undefined");
  behind(prefix_a, exponent_a, expected_a);
  behind(prefix_b, exponent_b, expected_b);
}

}  // namespace krohn
