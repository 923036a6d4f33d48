// label: slow
// Families of failing words against machines whose failing words are known, and every claim against plain runs: each k
// up to the bound, and where a family is claimed for every k some beyond; the shortest failing word from each state
// against a search of all words; shares of right labels counted again; clusters where a state leaves its own.
#include "krohn/verify/failing.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "krohn/automata/catalog.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/automata/product.hpp"
#include "krohn/automata/regex.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/results/check_report.hpp"
#include "krohn/verify/check.hpp"
#include "krohn/verify/clusters.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

/// An automaton as a machine; with a clock, its carried state never comes back.
class Automaton final : public Machine {
 public:
  Automaton(Dfa dfa, bool clock) : dfa_(std::move(dfa)), clock_(clock) {}
  const Alphabet& alphabet() const override { return dfa_.alphabet(); }
  const std::vector<std::string>& label_names() const override { return dfa_.label_names(); }
  std::string_view semantics() const override { return "automaton"; }
  std::size_t state_size() const override { return 8; }
  Observation initial(std::span<std::byte> state) const override { return write(state, dfa_.start(), 0); }
  Observation step(std::span<std::byte> state, Symbol symbol) const override {
    std::uint32_t both[2];
    std::ranges::copy(state, std::as_writable_bytes(std::span(both)).begin());
    return write(state, dfa_.next(both[0], symbol), clock_ ? both[1] + 1 : 0);
  }

 private:
  Observation write(std::span<std::byte> state, std::uint32_t q, std::uint32_t time) const {
    const std::uint32_t both[] = {q, time};
    std::ranges::copy(std::as_bytes(std::span(both)), state.begin());
    return {dfa_.label(q), 1.0F};
  }
  Dfa dfa_;
  bool clock_;
};

bool wrong_on(const Machine& machine, const Specification& specification, const Word& word) {
  return !specification.agrees(machine.run(std::span(&word, 1), {.device = Device::cpu}).label(0),
                               specification.automaton().next(specification.automaton().start(), word));
}

Word power(const FailingFamily& family, std::uint64_t k) {
  Word word = family.before;
  for (std::uint64_t i = 0; i < k; ++i) word.insert(word.end(), family.loop.begin(), family.loop.end());
  word.insert(word.end(), family.after.begin(), family.after.end());
  return word;
}

/// Every claim, run again.
void check_claims(const Failing& failing, const Machine& machine, const Specification& specification) {
  for (const FailingFamily& family : failing.families) {
    CAPTURE(family_text(family, machine.alphabet()));
    CAPTURE(failing_text(family));
    REQUIRE(!family.failing.empty());
    const std::uint64_t most = family.for_ever ? 2 * family.bound + 20 : family.bound;
    for (std::uint64_t k = 0; k <= most; ++k) {
      const bool wrong = wrong_on(machine, specification, power(family, k));
      if (k <= family.bound) {
        REQUIRE(wrong == std::binary_search(family.failing.begin(), family.failing.end(), k));
      }
      if (!family.pattern || k < family.pattern->from) continue;
      const std::vector<std::uint64_t>& residues = family.pattern->residues;
      REQUIRE(wrong == std::binary_search(residues.begin(), residues.end(),
                                          (k - family.pattern->from) % family.pattern->period));
    }
  }
  for (const FailingFromState& one : failing.from_states) {
    CHECK(specification.automaton().next(specification.automaton().start(), one.access) == one.state);
    if (!one.suffix) continue;
    Word word = one.access;
    word.insert(word.end(), one.suffix->begin(), one.suffix->end());
    CHECK(wrong_on(machine, specification, word));
    if (!one.shortest) continue;
    // No shorter suffix, and none before it of its length: by trying them all.
    std::vector<Word> level{one.access};
    for (std::size_t length = 0; length < std::min<std::size_t>(one.suffix->size(), 9); ++length) {
      std::vector<Word> next;
      for (const Word& each : level) {
        CHECK(!wrong_on(machine, specification, each));
        for (Symbol a = 0; a < machine.alphabet().size(); ++a) {
          next.push_back(each);
          next.back().push_back(a);
        }
      }
      level = std::move(next);
    }
  }
  if (!failing.worst) return;
  for (const Direction::Share& share : failing.worst->shares) {
    double right = 0.0;
    double labelled = 0.0;
    Word word = failing.worst->before;
    for (std::uint64_t t = 0; t < share.length; ++t) {
      word.push_back(failing.worst->loop[t % failing.worst->loop.size()]);
      const State q = specification.automaton().next(specification.automaton().start(), word);
      if (specification.automaton().label(q) == null_label) continue;
      labelled += 1.0;
      right += wrong_on(machine, specification, word) ? 0.0 : 1.0;
    }
    CHECK(share.right == doctest::Approx(right / labelled).epsilon(1e-12));
  }
}

/// A word on which the two part.
Word first_failing(const Machine& machine, const Dfa& language) {
  CheckOptions options;
  options.sample.words = 0;
  const CheckReport report = check(machine, language, options);
  REQUIRE(std::holds_alternative<Refuted>(report.verdict));
  return std::get<Refuted>(report.verdict).counterexample.word;
}

TEST_CASE("1^k for every even k from 26 on is found, and said so") {
  // Parity of the ones, but even powers of 1 from 26 on count as odd.
  const Dfa parity = minimize(catalog_language("parity"));
  const Dfa exception = minimize(parse_regex("(1{26})(11)*", Alphabet::of_characters("01")));
  const Dfa model = minimize(product(parity, exception, BooleanOperation::symmetric_difference));
  for (const bool clock : {true, false}) {
    CAPTURE(clock);
    const Automaton machine(model, clock);
    const Specification specification(machine, parity);
    const Failing failing = describe_failing(machine, specification, first_failing(machine, parity), {});
    check_claims(failing, machine, specification);
    REQUIRE(!failing.families.empty());
    const FailingFamily& family = failing.families.front();
    CHECK(family_text(family, machine.alphabet()) == "1^k");
    CHECK(family.for_ever == !clock);
    CHECK(failing_text(family) ==
          (clock ? "every even k from 26 on (run for every k up to " + std::to_string(family.bound) + ")"
                 : "every even k from 26 on (for every k: everything carried comes back)"));
  }
}

TEST_CASE("loops of several symbols with words before and after are found") {
  // Wrong on 0 (011)^k 1 for k divisible by 3, from 3 on, alone.
  const Dfa parity = minimize(catalog_language("parity"));
  const Dfa exception = minimize(parse_regex("0((011){3})+1", Alphabet::of_characters("01")));
  const Automaton machine(minimize(product(parity, exception, BooleanOperation::symmetric_difference)), true);
  const Specification specification(machine, parity);
  const Failing failing = describe_failing(machine, specification, first_failing(machine, parity), {});
  check_claims(failing, machine, specification);
  const auto family = std::find_if(failing.families.begin(), failing.families.end(), [](const FailingFamily& f) {
    return f.pattern && f.pattern->period == 3 && f.pattern->residues.size() == 1;
  });
  REQUIRE(family != failing.families.end());
  CHECK(family->loop.size() == 3);
}

TEST_CASE("a single failing word is no family") {
  const Dfa parity = minimize(catalog_language("parity"));
  const Dfa exception = minimize(parse_regex("0110", Alphabet::of_characters("01")));
  const Automaton machine(minimize(product(parity, exception, BooleanOperation::symmetric_difference)), false);
  const Specification specification(machine, parity);
  const Failing failing = describe_failing(machine, specification, first_failing(machine, parity), {});
  check_claims(failing, machine, specification);
  CHECK(failing.families.empty());
  CHECK(failing.from_states.front().suffix == Word{0, 1, 1, 0});
}

TEST_CASE("what is said of trained models was run") {
  for (const char* name : {"zoo/dn11_1l__s3", "zoo/gla_1l__flipnop", "models/parity_delta_net_pos",
                           "models/parity_delta_net_neg_noconv_1layer"}) {
    CAPTURE(name);
    const OpenModel open = open_model(fs::path(KROHN_TEST_DATA) / name);
    const Dfa language = minimize(*open.own_language());
    const Specification specification(*open.machine, language);
    FailingOptions options;
    options.steps = 40'000;
    options.length = 128;
    const Word word = first_failing(*open.machine, language);
    const FailureReport report =
        report_failures(*open.machine, specification, word, state_units(*open.learned), options);
    check_claims(report.failing, *open.machine, specification);
    for (const auto& [line, text] : failure_lines(report, open.machine->alphabet())) CHECK(!text.empty());
    if (report.departure) CHECK(report.departure->position <= word.size());
  }
}

TEST_CASE("the clusters of a compiled model are points, and no word leaves them") {
  const CompileResult compiled = compile(catalog_language("mod:3"));
  const auto machine = make_machine(compiled.model, Semantics::fp32_fma_v1);
  const Clusters clusters = find_clusters(*machine, state_units(compiled.model), compiled.minimal, Word(300, 1), {});
  CHECK(clusters.units == 1);
  CHECK(clusters.telling_units == 1);
  CHECK(!clusters.departure);
  REQUIRE(!clusters.gaps.empty());
  for (const ClusterGap& gap : clusters.gaps) {
    CHECK(gap.most_within == 0.0);
    CHECK(gap.least_between == clusters.gaps.front().least_between);
  }
  // Three points span two directions.
  CHECK(clusters.shown == doctest::Approx(1.0).epsilon(1e-9));
}

TEST_CASE("a counter that forgets leaves its cluster, and the step is named") {
  // One number, positive behind an even number of ones: each 1 turns its sign, each 0 takes an eighth off.
  class Leaky final : public Machine {
   public:
    const Alphabet& alphabet() const override { return alphabet_; }
    const std::vector<std::string>& label_names() const override { return names_; }
    std::string_view semantics() const override { return "leaky"; }
    std::size_t state_size() const override { return 4; }
    Observation initial(std::span<std::byte> state) const override { return write(state, 1.0F); }
    Observation step(std::span<std::byte> state, Symbol symbol) const override {
      float s = 0.0F;
      std::ranges::copy(state, std::as_writable_bytes(std::span(&s, 1)).begin());
      return write(state, symbol == 1 ? -s : s - 0.125F);
    }

   private:
    Observation write(std::span<std::byte> state, float s) const {
      std::ranges::copy(std::as_bytes(std::span(&s, 1)), state.begin());
      return {s > 0.0F ? 0 : 1, 1.0F};
    }
    Alphabet alphabet_ = Alphabet::of_characters("01");
    std::vector<std::string> names_ = {"0", "1"};
  };
  const Leaky machine;
  const Dfa parity = minimize(catalog_language("parity"));
  ClusterOptions options;
  options.words = 7;  // up to length 2: means of 1, 0.875, 0.75, 1 and of -1, -1.125, -0.875
  options.longest = 0;
  const Clusters clusters = find_clusters(machine, {{0, 0, 0, 1}}, parity, Word(20, 0), options);
  CHECK(clusters.length == 2);
  CHECK(clusters.telling_units == 1);
  // Means 0.90625 and -1: halfway is -0.046875, which 1 - 0.125 k is below from k = 9 on.
  REQUIRE(clusters.departure);
  CHECK(clusters.departure->position == 9);
  CHECK(clusters.departure->state == parity.start());
  CHECK(clusters.departure->nearer.has_value());
}

}  // namespace
}  // namespace krohn
