// Closures as evidence: the ladder's method, the lists of a certificate, and their check, which makes the induction of
// closure.cpp go through with lists that are only ever looked up in: a wrong list can fail a check and never make one
// succeed. Cost: one step of the model for each pair and symbol. Tested by tests/results/certificate_file_test.cpp and
// tests/verify/check_test.cpp.
#include "krohn/verify/evidence/closure.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include "krohn/engine/learned/learned_machine.hpp"
#include "krohn/verify/closure.hpp"
#include "krohn/verify/every_order.hpp"
#include "krohn/verify/evidence/rounded_closure.hpp"
#include "krohn/verify/exactness.hpp"
#include "method.hpp"
#include "state_words.hpp"

namespace krohn {
namespace {

constexpr std::size_t max_evidence_bytes = std::size_t{2} << 30U;
// The first closure: enough for small models, and over in some milliseconds.
constexpr std::uint64_t small_closure = std::uint64_t{1} << 16U;

// The bits that the steps from all pairs need, where they are exact and that can be seen in time.
std::optional<unsigned> exact_bits(const Question& question, const PairSet& pairs) {
  const std::optional<Machine::Tables> tables = question.machine.tables();
  if (!tables) return std::nullopt;
  const Budget budget = question.options.budget.share(0.5);
  ExactModel exact(tables->model, tables->semantics);
  for (std::uint32_t pair = 0; pair < pairs.size(); ++pair) {
    if (budget.interrupted() || budget.out_of_time()) return std::nullopt;
    for (Symbol a = 0; a < question.machine.alphabet().size(); ++a) {
      if (!exact.add(pairs.state(pair), a)) return std::nullopt;
    }
  }
  return exact.bits();
}

// Of a closed hardened model: the closure's lists, if it holds in every order of operations; `outcome` is told.
std::optional<RoundedClosureEvidence> every_order(const Question& question, const std::shared_ptr<const Closure>& found,
                                                  std::string& outcome) {
  const std::optional<LearnedView> learned = learned_of(question.machine);
  const LrnnModel* const compiled = question.machine.compiled();
  if (learned ? !learned->program.snapped() : compiled == nullptr || !compiled->snapped()) return std::nullopt;
  const Budget budget = question.options.budget.share(0.5);
  std::optional<ClosureEvidence> lists =
      ClosureEvidence{.found = found}.listed(question.machine, question.specification);
  if (!lists) return std::nullopt;
  const EveryOrder orders = holds_in_every_order(*lists, question.machine, question.specification, budget);
  if (!orders.holds) {
    outcome += ", in the order stated (" + orders.reason + ")";
    return std::nullopt;
  }
  std::array<char, 160> text{};
  std::snprintf(text.data(), text.size(),
                ", in every order of operations (a token's rounding moves a state by at most %.2g, two logits by %.2g)",
                orders.state_rounding, orders.logit_rounding);
  outcome += text.data();
  return RoundedClosureEvidence{*std::move(lists)};
}

Finding close(const Question& question, std::optional<std::uint64_t> successors) {
  auto closure = std::make_shared<const Closure>(
      joint_closure(question.machine, question.specification, {question.budget, question.options.up_to, successors}));
  Finding finding;
  finding.pairs = closure->pairs.size();
  finding.steps = closure->successors;
  finding.limit = closure->limit;
  const std::string pairs = std::to_string(closure->pairs.size()) + " pairs";
  if (closure->disagreement) {
    finding.outcome = "a disagreement after " + pairs;
    finding.disagreement = Disagreement{.word = *closure->disagreement, .shortest = true, .certain = true};
    return finding;
  }
  if (closure->closed) {
    const std::optional<unsigned> bits = exact_bits(question, closure->pairs);
    finding.outcome = "closed with " + pairs + exactness_text(bits);
    if (auto rounded = every_order(question, closure, finding.outcome)) {
      finding.proved = Proved{std::nullopt, *std::move(rounded)};
      return finding;
    }
    finding.proved = Proved{bits, ClosureEvidence{.found = std::move(closure)}};
    return finding;
  }
  const std::uint64_t length = *closure->length;
  if (closure->limit == Limit::none) {
    finding.outcome = "all words up to length " + std::to_string(length) + ", " + pairs;
    finding.agreed = CertifiedUpTo{length, ClosureEvidence{.found = std::move(closure)}, length};
  } else {
    // Where a search happened to end is no evidence that would be worth its memory.
    finding.outcome = "not closed after " + pairs + "; all words up to length " + std::to_string(length);
    finding.agreed = CertifiedUpTo{length};
  }
  return finding;
}

}  // namespace

Finding close_small(const Question& question) { return close(question, small_closure); }

Finding close_whole(const Question& question) { return close(question, std::nullopt); }

void ClosureEvidence::list(EvidenceFields& fields) {
  const std::uint64_t count = fields.size("pairs", pairs());
  state_words = fields.size("state_words", state_words);
  fields.words(states, count, state_words);
  fields.words(automaton_states, count);
  fields.words(depths, count);
  fields.words(successors, count, fields.num_symbols());
}

// The closure's pairs with the number of the pair behind every edge, or `none` where that pair was not kept.
std::optional<ClosureEvidence> ClosureEvidence::listed(const Machine& model, const Specification& specification) const {
  if (!found) return *this;
  const Closure& closure = *found;
  const PairSet& pairs = closure.pairs;
  const auto symbols = static_cast<Symbol>(model.alphabet().size());
  const bool bounded = !closure.closed;
  ClosureEvidence evidence;
  evidence.state_words = model.state_size() / sizeof(std::uint32_t);
  std::uint32_t kept = pairs.size();
  std::vector<std::uint32_t> depth(pairs.size(), 0);
  for (std::uint32_t i = 1; i < pairs.size(); ++i) depth[i] = depth[pairs.parent(i)] + 1;
  // Pairs at the full length were compared as ends of edges and need not be listed.
  if (bounded) {
    while (kept > 1 && depth[kept - 1] >= *closure.length) --kept;
  }
  if (kept * (model.state_size() + (2 + std::size_t{symbols}) * sizeof(std::uint32_t)) > max_evidence_bytes) {
    return std::nullopt;
  }
  CollapsedStates* const collapsed = closure.collapsed.get();
  std::vector<std::byte> pair(pairs.state_size() + sizeof(State));
  std::vector<std::byte> carried(model.state_size());
  for (std::uint32_t i = 0; i < kept; ++i) {
    if (collapsed != nullptr) collapsed->expand(pairs.state(i), carried);
    const std::vector<std::uint32_t> state = words_of(collapsed != nullptr ? carried : pairs.state(i));
    evidence.states.insert(evidence.states.end(), state.begin(), state.end());
    evidence.automaton_states.push_back(pairs.automaton_state(i));
    evidence.depths.push_back(depth[i]);
    for (Symbol a = 0; a < symbols; ++a) {
      // A claim up to length 0 lists the initial pair and asks for none of its edges.
      if (bounded && depth[i] >= *closure.length) {
        evidence.successors.push_back(ClosureEvidence::none);
        continue;
      }
      std::memcpy(pair.data(), pairs.pair(i), pairs.state_size());
      const std::span<std::byte> to = std::span(pair).first(pairs.state_size());
      if (collapsed != nullptr) {
        collapsed->step(to, a);
      } else {
        model.step(to, a);
      }
      const State q = specification.automaton().next(pairs.automaton_state(i), a);
      std::memcpy(pair.data() + pairs.state_size(), &q, sizeof(q));
      const std::uint32_t target = pairs.find(pair.data());
      evidence.successors.push_back(target < kept ? target : ClosureEvidence::none);
    }
  }
  return evidence;
}

void ClosureEvidence::check(const Assertion& assertion) const {
  const Dfa& automaton = assertion.specification.automaton();
  const std::size_t pairs = this->pairs();
  const std::size_t words = state_words;
  const Machine& machine = assertion.machine;
  const std::size_t symbols = automaton.num_symbols();
  const bool bounded = assertion.claim.verdict == VerdictKind::certified;
  expect(bounded == assertion.claim.length.has_value(), "the claim and its length do not fit");
  expect(words * sizeof(std::uint32_t) == machine.state_size(), "the carried states are of another size");
  expect(pairs >= 1 && states.size() == pairs * words && depths.size() == pairs && successors.size() == pairs * symbols,
         "the closure's lists do not fit together");
  std::vector<std::uint32_t> state(words);
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(state));
  const auto listed = [&](std::size_t pair) { return states.begin() + static_cast<std::ptrdiff_t>(pair * words); };
  const Observation first = machine.initial(bytes);
  expect(assertion.specification.agrees(first.label, automaton.start()), "the label of the empty word is wrong");
  expect(
      automaton_states[0] == automaton.start() && depths[0] == 0 && std::equal(state.begin(), state.end(), listed(0)),
      "pair 0 is not the initial one");
  for (std::size_t i = 0; i < pairs; ++i) {
    const State q = automaton_states[i];
    expect(q < automaton.num_states(), "a pair names a state that is not there");
    if (bounded && depths[i] >= *assertion.claim.length) continue;
    for (Symbol a = 0; a < symbols; ++a) {
      std::copy_n(listed(i), words, state.begin());
      if (assertion.exact != nullptr) assertion.exact->add(bytes, a);
      const Observation observation = machine.step(bytes, a);
      const State successor = automaton.next(q, a);
      expect(assertion.specification.agrees(observation.label, successor), "a label on an edge is wrong");
      const std::uint32_t target = successors[i * symbols + a];
      if (bounded && target == ClosureEvidence::none) {
        expect(std::uint64_t{depths[i]} + 1 == *assertion.claim.length, "an edge leads nowhere");
        continue;
      }
      expect(target < pairs, "an edge leads nowhere");
      expect(automaton_states[target] == successor && std::equal(state.begin(), state.end(), listed(target)),
             "an edge leads to another pair");
      expect(!bounded || depths[target] <= depths[i] + 1, "a depth is too large");
    }
  }
}

}  // namespace krohn
