// label: quick
// Lassos against brute force on random functional graphs, and refutations of parity, mod 3 and flip-flop by machines
// that are small enough to list all their states.
#include "krohn/verify/lasso.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <random>

#include "krohn/error.hpp"

namespace {

using namespace krohn;

/// A finite machine as a recogniser: the state is one 32-bit number.
class TableMachine final : public Machine {
 public:
  TableMachine(Alphabet alphabet, std::vector<std::uint32_t> next, std::vector<std::int32_t> labels)
      : alphabet_(std::move(alphabet)), next_(std::move(next)), labels_(std::move(labels)) {}
  const Alphabet& alphabet() const override { return alphabet_; }
  const std::vector<std::string>& label_names() const override { return names_; }
  std::string_view semantics() const override { return "table"; }
  std::size_t state_size() const override { return 4; }
  Observation initial(std::span<std::byte> state) const override {
    const std::uint32_t start = 0;
    std::memcpy(state.data(), &start, 4);
    return {labels_[0], 1.0F};
  }
  Observation step(std::span<std::byte> state, Symbol symbol) const override {
    std::uint32_t at = 0;
    std::memcpy(&at, state.data(), 4);
    if (at == poison) throw NumericError("overflow");
    at = next_[at * alphabet_.size() + symbol];
    std::memcpy(state.data(), &at, 4);
    return {labels_[at], 1.0F};
  }
  std::uint32_t poison = 0xFFFFFFFFU;

 private:
  Alphabet alphabet_;
  std::vector<std::uint32_t> next_;
  std::vector<std::int32_t> labels_;
  std::vector<std::string> names_{"0", "1"};
};

/// The first repetition, by a dictionary.
Lasso brute_force(const TableMachine& machine, const Word& prefix, const Word& loop) {
  std::vector<std::byte> state(4);
  machine.initial(state);
  for (const Symbol s : prefix) machine.step(state, s);
  std::map<std::uint32_t, std::uint64_t> seen;
  for (std::uint64_t k = 0;; ++k) {
    std::uint32_t at = 0;
    std::memcpy(&at, state.data(), 4);
    if (seen.contains(at)) return {seen[at], k - seen[at]};
    seen[at] = k;
    for (const Symbol s : loop) machine.step(state, s);
  }
}

/// State after a word, by a loop of its own.
std::uint32_t run(const TableMachine& machine, const Word& word, std::int32_t* label = nullptr) {
  std::vector<std::byte> state(4);
  Observation o = machine.initial(state);
  for (const Symbol s : word) o = machine.step(state, s);
  if (label != nullptr) *label = o.label;
  std::uint32_t at = 0;
  std::memcpy(&at, state.data(), 4);
  return at;
}

const Dfa parity = Dfa::acceptor(Alphabet({"0", "1"}), 0, {0, 1, 1, 0}, {false, true});

void check_pair(const TableMachine& machine, const Dfa& dfa, const IndistinguishablePair& pair) {
  Word a = pair.word_a.expand();
  Word b = pair.word_b.expand();
  CHECK(a != b);
  CHECK(run(machine, a) == run(machine, b));
  a.insert(a.end(), pair.suffix.begin(), pair.suffix.end());
  b.insert(b.end(), pair.suffix.begin(), pair.suffix.end());
  std::int32_t label_a = 0;
  std::int32_t label_b = 0;
  run(machine, a, &label_a);
  run(machine, b, &label_b);
  CHECK(label_a == label_b);
  CHECK(machine.label_names()[static_cast<std::size_t>(label_a)] == pair.observed);
  CHECK(dfa.label_name(dfa.label(dfa.next(dfa.start(), a))) == pair.expected_a);
  CHECK(dfa.label_name(dfa.label(dfa.next(dfa.start(), b))) == pair.expected_b);
  CHECK(pair.expected_a != pair.expected_b);
}

TEST_CASE("find_lasso finds the least transient and period of random maps") {
  std::mt19937 random(7);
  for (std::uint32_t states = 1; states <= 40; ++states) {
    for (int trial = 0; trial < 25; ++trial) {
      std::vector<std::uint32_t> next(states * 2);
      for (auto& to : next) to = static_cast<std::uint32_t>(random() % states);
      const TableMachine machine(Alphabet({"0", "1"}), next, std::vector<std::int32_t>(states, 0));
      for (const Word& loop : {Word{0}, Word{1}, Word{0, 1}, Word{1, 1, 0}}) {
        for (const Word& prefix : {Word{}, Word{1, 0}}) {
          const LassoSearch search = find_lasso(machine, prefix, loop);
          REQUIRE(search.lasso);
          CHECK(*search.lasso == brute_force(machine, prefix, loop));
        }
      }
    }
  }
}

TEST_CASE("every transient and period up to 70 is found exactly") {
  for (std::uint32_t transient = 0; transient <= 70; ++transient) {
    for (std::uint32_t period = 1; period <= 70; ++period) {
      std::vector<std::byte> start(4, std::byte{0});
      const LassoSearch search = find_lasso(start, [&](std::span<std::byte> state) {
        std::uint32_t at = 0;
        std::memcpy(&at, state.data(), 4);
        at = at + 1 == transient + period ? transient : at + 1;
        std::memcpy(state.data(), &at, 4);
      });
      REQUIRE(search.lasso);
      CHECK(*search.lasso == Lasso{transient, period});
    }
  }
}

TEST_CASE("budgets, stop flags and numeric errors end the search without a claim") {
  const StateMap count = [](std::span<std::byte> state) {
    std::uint32_t at = 0;
    std::memcpy(&at, state.data(), 4);
    ++at;
    std::memcpy(state.data(), &at, 4);
  };
  const std::vector<std::byte> start(4, std::byte{0});
  LassoSearch search = find_lasso(start, count, {1000, nullptr});
  CHECK_FALSE(search.lasso);
  CHECK(search.steps == 1000);
  CHECK(search.reason == "the budget of 1000 steps ran out");
  const std::atomic<bool> stop = true;
  search = find_lasso(start, count, {1000000, &stop});
  CHECK_FALSE(search.lasso);
  CHECK(search.steps < 1000);
  TableMachine machine(Alphabet({"0"}), {1, 2, 3, 4, 0}, {0, 0, 0, 0, 0});
  machine.poison = 3;
  search = find_lasso(machine, {}, Word{0});
  CHECK_FALSE(search.lasso);
  CHECK(search.reason == "overflow");
  CHECK_THROWS_AS(find_lasso(machine, {}, Word{}), InputError);
}

TEST_CASE("odd and absent periods refute parity; even ones do not") {
  // Symbol 1 runs down a tail of `transient` states into a cycle; symbol 0 does nothing.
  for (std::uint32_t transient = 0; transient <= 12; ++transient) {
    for (std::uint32_t period = 1; period <= 12; ++period) {
      std::vector<std::uint32_t> next;
      std::vector<std::int32_t> labels;
      for (std::uint32_t q = 0; q < transient + period; ++q) {
        next.push_back(q);
        next.push_back(q + 1 == transient + period ? transient : q + 1);
        labels.push_back(static_cast<std::int32_t>(q % 2));
      }
      const TableMachine machine(Alphabet({"0", "1"}), next, labels);
      // Few steps: where nothing refutes, the search goes on to the end of its budget.
      LassoRefutationOptions options;
      options.max_total_steps = std::uint64_t{1} << 16U;
      const LassoRefutation found = refute_by_lasso(machine, parity, options);
      REQUIRE(found.pair.has_value() == (period % 2 == 1));
      if (!found.pair) continue;
      check_pair(machine, parity, *found.pair);
      REQUIRE(found.pair->lasso);
      CHECK(*found.pair->lasso == Lasso{transient, period});
      CHECK(found.pair->word_a.exponent == std::max<std::uint64_t>(transient, 1));
      CHECK(found.pair->word_b.exponent == found.pair->word_a.exponent + period);
    }
  }
}

TEST_CASE("a machine that only forgets is refuted on flip-flop") {
  // s, r, n; the machine remembers the last letter for 5 times n.
  const Dfa flipflop = Dfa::acceptor(Alphabet({"s", "r", "n"}), 0, {1, 0, 0, 1, 0, 1}, {false, true});
  std::vector<std::uint32_t> next;
  std::vector<std::int32_t> labels;
  for (std::uint32_t q = 0; q < 11; ++q) {  // 0: forgotten; 1..5: set; 6..10: reset
    next.push_back(5);
    next.push_back(10);
    next.push_back(q == 0 || q == 1 || q == 6 ? 0 : q - 1);
    labels.push_back(q >= 1 && q <= 5);
  }
  const TableMachine machine(Alphabet({"s", "r", "n"}), next, labels);
  const LassoRefutation found = refute_by_lasso(machine, flipflop);
  REQUIRE(found.pair);
  check_pair(machine, flipflop, *found.pair);
  CHECK(found.pair->word_a.loop == Word{2});
  // The right machine of two states is not refuted.
  const TableMachine right(Alphabet({"s", "r", "n"}), {1, 0, 0, 1, 0, 1}, {0, 1});
  CHECK_FALSE(refute_by_lasso(right, flipflop).pair);
}

TEST_CASE("words of prime order refute a group language whose letters all have period 2") {
  // S_3 generated by two swaps; accepted: the product is the identity. Orbits of single letters have period 2, which
  // the quotient onto the sign sees; only the 3-cycle ab tells the quotient from the group.
  std::vector<std::array<int, 3>> elements{{0, 1, 2}};
  std::vector<State> delta;
  for (std::size_t i = 0; i < elements.size(); ++i) {
    for (const int letter : {0, 1}) {
      std::array<int, 3> product = elements[i];
      std::swap(product[static_cast<std::size_t>(letter)], product[static_cast<std::size_t>(letter + 1)]);
      auto at = std::find(elements.begin(), elements.end(), product);
      if (at == elements.end()) at = elements.insert(elements.end(), product);
      delta.push_back(static_cast<State>(at - elements.begin()));
    }
  }
  REQUIRE(elements.size() == 6);
  std::vector<bool> accepting(6, false);
  accepting[0] = true;
  const Dfa s3 = Dfa::acceptor(Alphabet({"a", "b"}), 0, delta, accepting);
  const TableMachine sign(Alphabet({"a", "b"}), {1, 1, 0, 0}, {1, 0});
  const LassoRefutation found = refute_by_lasso(sign, s3);
  REQUIRE(found.pair);
  check_pair(sign, s3, *found.pair);
  CHECK(found.pair->word_a.loop.size() >= 2);
  std::vector<std::uint32_t> next(delta.begin(), delta.end());
  const TableMachine right(Alphabet({"a", "b"}), next, {1, 0, 0, 0, 0, 0});
  const LassoRefutation none = refute_by_lasso(right, s3);
  CHECK_FALSE(none.pair);
  CHECK(none.unsettled == 0);
  CHECK(none.lassos_without_conflict > 0);
}

TEST_CASE("null labels never take part in a refutation") {
  // Only words of length 0 modulo 4 are in the domain, where the label is constant.
  const Dfa dfa(Alphabet({"1"}), 0, {1, 2, 3, 0}, {0, null_label, null_label, null_label}, {"0", "1"});
  const TableMachine machine(Alphabet({"1"}), {0}, {0});
  const LassoRefutation found = refute_by_lasso(machine, dfa);
  CHECK_FALSE(found.pair);
}

TEST_CASE("alphabets must be equal and written-out words are capped") {
  const TableMachine machine(Alphabet({"a", "b"}), {0, 0}, {0});
  CHECK_THROWS_AS(refute_by_lasso(machine, parity), InputError);
  CHECK_THROWS_AS((PowerWord{{}, {0}, std::uint64_t{1} << 40U, {}}.expand()), ResourceError);
}

}  // namespace
