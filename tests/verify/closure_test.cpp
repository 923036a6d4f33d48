// label: quick
// The closure against brute force: random small machines stand in for models, so that the truth is a product of two
// automata that the test computes by itself, word by word and by reachability.
#include "krohn/verify/closure.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <random>
#include <set>

#include "krohn/automata/domain.hpp"
#include "krohn/error.hpp"

namespace {

using namespace krohn;

// A Mealy machine as a Machine: `words` 4-byte words of state, the last of which holds the number of the state and
// the others a scrambled copy of it. Output -1 is `?`, output -2 throws.
class Mealy : public Machine {
 public:
  Mealy(Alphabet alphabet, std::vector<std::string> labels, std::size_t words)
      : alphabet_(std::move(alphabet)), labels_(std::move(labels)), words_(words) {}
  std::vector<std::uint32_t> successor;  // [states, symbols]
  std::vector<std::int32_t> output;      // [states, symbols]
  std::int32_t first_output = 0;
  // Where set, the step counts up for ever instead (a machine without finite closure).
  bool endless = false;

  const Alphabet& alphabet() const override { return alphabet_; }
  const std::vector<std::string>& label_names() const override { return labels_; }
  std::string_view semantics() const override { return "fp32-fma-v1"; }
  std::size_t state_size() const override { return 4 * words_; }
  Observation initial(std::span<std::byte> state) const override {
    store(state, 0);
    return {first_output, 1.0F};
  }
  Observation step(std::span<std::byte> state, Symbol symbol) const override {
    std::uint32_t number = 0;
    std::memcpy(&number, state.data() + 4 * (words_ - 1), 4);
    if (endless) {
      store(state, number + 1);
      return {first_output, 1.0F};
    }
    const std::size_t at = number * alphabet_.size() + symbol;
    if (output[at] == -2) throw NumericError("NaN");
    store(state, successor[at]);
    return {output[at], 1.0F};
  }

 private:
  void store(std::span<std::byte> state, std::uint32_t number) const {
    for (std::size_t word = 0; word < words_; ++word) {
      const std::uint32_t value = word + 1 == words_ ? number : number * 2654435761U;
      std::memcpy(state.data() + 4 * word, &value, 4);
    }
  }
  Alphabet alphabet_;
  std::vector<std::string> labels_;
  std::size_t words_;
};

// The machine's and the automaton's labels on a word, by name; the machine's last label counts.
std::string machine_label(const Mealy& machine, const Word& word) {
  std::vector<std::byte> state(machine.state_size());
  Observation observation = machine.initial(state);
  for (const Symbol a : word) observation = machine.step(state, a);
  return observation.label < 0 ? "?" : machine.label_names()[static_cast<std::size_t>(observation.label)];
}

std::string automaton_label(const Dfa& dfa, const Mealy& machine, const Word& word) {
  State q = dfa.start();
  for (const Symbol a : word) q = dfa.next(q, *dfa.alphabet().find(machine.alphabet().name(a)));
  return dfa.label_name(dfa.label(q));
}

// The least word in shortlex order of the machine's alphabet on which the labels differ, up to `length`.
std::optional<Word> brute_force(const Mealy& machine, const Dfa& dfa, std::size_t length) {
  std::vector<Word> level = {Word{}};
  for (std::size_t l = 0; l <= length; ++l) {
    std::vector<Word> next;
    for (const Word& word : level) {
      const std::string wanted = automaton_label(dfa, machine, word);
      if (wanted != "null" && wanted != machine_label(machine, word)) return word;
      for (Symbol a = 0; a < machine.alphabet().size(); ++a) {
        next.push_back(word);
        next.back().push_back(a);
      }
    }
    level = std::move(next);
  }
  return std::nullopt;
}

TEST_CASE("the closure agrees with brute force over words, and its counterexample is the least in shortlex order") {
  std::mt19937 random(20240611);
  const auto below = [&](std::size_t n) { return static_cast<std::uint32_t>(random() % n); };
  std::size_t proved = 0;
  std::size_t refuted = 0;
  for (int round = 0; round < 4000; ++round) {
    const std::size_t states = 1 + below(4);
    const std::size_t symbols = 1 + below(2);
    // The language: labels x, y, z or null; its symbols in the other order than the machine's.
    std::vector<State> delta(states * symbols);
    std::vector<LabelId> labels(states);
    for (State& target : delta) target = below(states);
    for (LabelId& label : labels) label = static_cast<LabelId>(below(4)) - 1;
    const Alphabet language_alphabet(symbols == 1 ? std::vector<std::string>{"b"} : std::vector<std::string>{"b", "a"});
    const Dfa dfa(language_alphabet, below(states), delta, labels, {"x", "y", "z"});
    // The machine: the same automaton, some of its states doubled, and in half of the rounds one fault.
    Mealy machine(Alphabet(symbols == 1 ? std::vector<std::string>{"b"} : std::vector<std::string>{"a", "b"}),
                  {"z", "w", "y", "x"}, 1 + below(3));
    const std::map<std::string, std::int32_t> number = {{"null", 1}, {"x", 3}, {"y", 2}, {"z", 0}};
    std::vector<std::uint32_t> original(2 * states);  // machine state -> language state
    const std::uint32_t shift = below(2 * states);
    for (std::uint32_t m = 0; m < 2 * states; ++m) original[m] = (m + shift) / 2 % static_cast<std::uint32_t>(states);
    original[0] = dfa.start();
    machine.successor.resize(2 * states * symbols);
    machine.output.resize(2 * states * symbols);
    machine.first_output = number.at(dfa.label_name(dfa.label(dfa.start())));
    for (std::uint32_t m = 0; m < 2 * states; ++m) {
      for (Symbol a = 0; a < symbols; ++a) {
        const State q = dfa.next(original[m], *dfa.alphabet().find(machine.alphabet().name(a)));
        std::vector<std::uint32_t> copies;
        for (std::uint32_t other = 0; other < 2 * states; ++other) {
          if (original[other] == q) copies.push_back(other);
        }
        // State 0 was taken from its class; a class without a copy is stood for by state 0's own if it is that one.
        machine.successor[m * symbols + a] = copies.empty() ? 0 : copies[below(copies.size())];
        machine.output[m * symbols + a] = number.at(dfa.label_name(dfa.label(q)));
      }
    }
    if (below(2) == 0) {
      const std::size_t at = below(machine.output.size());
      if (below(2) == 0) {
        machine.output[at] = static_cast<std::int32_t>(below(5)) - 1;
      } else {
        machine.successor[at] = below(2 * states);
      }
    }
    const Specification specification(machine, dfa);
    const Closure closure = joint_closure(machine, specification, {});
    // Two automata of 8 and 4 states that disagree do so on a word shorter than 32; 12 symbols of one letter and 8 of
    // two letters are searched by words, the rest is checked by the labels along the closure's own words below.
    const std::optional<Word> expected = brute_force(machine, dfa, symbols == 1 ? 40 : 9);
    REQUIRE(closure.limit == Limit::none);
    REQUIRE(closure.closed == !closure.disagreement.has_value());
    if (expected) {
      CHECK(closure.disagreement == expected);
      ++refuted;
    } else if (closure.disagreement) {
      CHECK(closure.disagreement->size() > 9);
      CHECK(machine_label(machine, *closure.disagreement) != automaton_label(dfa, machine, *closure.disagreement));
    } else {
      ++proved;
      // The pairs are exactly the reachable ones, and each pair's word leads to it.
      std::set<std::pair<std::uint32_t, State>> reachable;
      std::vector<std::pair<std::uint32_t, State>> stack = {{0, dfa.start()}};
      while (!stack.empty()) {
        const auto [m, q] = stack.back();
        stack.pop_back();
        if (!reachable.insert({m, q}).second) continue;
        for (Symbol a = 0; a < symbols; ++a) {
          stack.emplace_back(machine.successor[m * symbols + a],
                             dfa.next(q, *dfa.alphabet().find(machine.alphabet().name(a))));
        }
      }
      CHECK(closure.pairs.size() == reachable.size());
      CHECK(closure.successors == reachable.size() * symbols);
      for (std::uint32_t i = 0; i < closure.pairs.size(); ++i) {
        std::vector<std::byte> state(machine.state_size());
        machine.initial(state);
        for (const Symbol a : closure.pairs.word(i)) machine.step(state, a);
        CHECK(std::memcmp(state.data(), closure.pairs.pair(i), state.size()) == 0);
        CHECK(closure.pairs.find(closure.pairs.pair(i)) == i);
      }
    }
  }
  // The corpus has both kinds, or the test says nothing.
  CHECK(proved > 1000);
  CHECK(refuted > 400);
}

Mealy one_state(std::vector<std::string> labels) {
  Mealy machine(Alphabet::of_characters("ab"), std::move(labels), 1);
  machine.successor = {0, 0};
  machine.output = {0, 0};
  return machine;
}

const Dfa& all_words() {
  static const Dfa dfa = Dfa::acceptor(Alphabet::of_characters("ab"), 0, {0, 0}, {true});
  return dfa;
}

TEST_CASE("a closure without end stops at the limit that it meets, with the length that it established") {
  Mealy machine = one_state({"1"});
  machine.endless = true;
  const Specification specification(machine, all_words());
  SUBCASE("memory") {
    ClosureOptions options;
    options.budget.memory = std::size_t{8} << 20U;
    const Closure closure = joint_closure(machine, specification, options);
    CHECK(!closure.closed);
    CHECK(closure.limit == Limit::memory);
    // One new pair a level: pair i is reached by words of length i.
    REQUIRE(closure.length.has_value());
    CHECK(*closure.length + 1 == closure.pairs.size());
    CHECK(closure.pairs.memory() <= options.budget.memory);
  }
  SUBCASE("length") {
    ClosureOptions options;
    options.up_to = 1000;
    const Closure closure = joint_closure(machine, specification, options);
    CHECK(!closure.closed);
    CHECK(closure.limit == Limit::none);
    CHECK(closure.length == 1000);
    CHECK(closure.successors == 2000);
  }
  SUBCASE("interrupt") {
    const std::atomic<bool> stop = true;
    ClosureOptions options;
    options.budget.stop = &stop;
    const Closure closure = joint_closure(machine, specification, options);
    CHECK(closure.limit == Limit::interrupt);
    CHECK(closure.length == 0);
  }
  SUBCASE("time") {
    ClosureOptions options;
    options.budget.deadline = std::chrono::steady_clock::now();
    CHECK(joint_closure(machine, specification, options).limit == Limit::time);
  }
}

TEST_CASE("NaN on a reachable step is an error that names the word, never a proof") {
  Mealy machine = one_state({"1"});
  machine.successor = {0, 1, 1, 1};
  machine.output = {0, 0, -2, 0};
  const Specification specification(machine, all_words());
  CHECK_THROWS_WITH_AS(joint_closure(machine, specification, {}), "word ba: NaN", NumericError);
}

TEST_CASE("`?` agrees with no label, not even with one of that name, and with a null label") {
  Mealy machine = one_state({"?", "1"});
  machine.output = {undefined_label, undefined_label};
  const Dfa question(Alphabet::of_characters("ab"), 0, {0, 0}, {0}, {"?"});
  CHECK(joint_closure(machine, Specification(machine, question), {}).disagreement == Word{0});
  const Dfa null(Alphabet::of_characters("ab"), 0, {0, 0}, {null_label}, {"?"});
  const Closure closure = joint_closure(machine, Specification(machine, null), {});
  CHECK(closure.closed);
  CHECK(domain_in_words(null) != domain_in_words(question));
}

TEST_CASE("alphabets that differ as sets are refused, and both are named") {
  const Mealy machine = one_state({"1"});
  const Dfa other = Dfa::acceptor(Alphabet::of_characters("bc"), 0, {0, 0}, {true});
  CHECK_THROWS_WITH_AS(
      Specification(machine, other),
      "alphabet: expected the same symbols in model and language, got {a, b} in the model and {b, c} in the language",
      InputError);
  const Dfa larger = Dfa::acceptor(Alphabet::of_characters("abc"), 0, {0, 0, 0}, {true});
  CHECK_THROWS_AS(Specification(machine, larger), InputError);
  const Dfa smaller = Dfa::acceptor(Alphabet::of_characters("a"), 0, {0}, {true});
  CHECK_THROWS_AS(Specification(machine, smaller), InputError);
}

}  // namespace
