// label: quick
// The decision table on languages whose rows are known.
#include "krohn/automata/expressivity.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "corpus.hpp"
#include "krohn/automata/catalog.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/automata/monoid_flags.hpp"
#include "krohn/automata/transition_monoid.hpp"

namespace krohn {
namespace {

/// The table for a language whose group flags the test knows.
std::map<std::string, FamilyDecision> table_of(const char* name, bool aperiodic, bool two_groups, bool solvable) {
  LanguageFacts facts = letter_facts(minimize(catalog_language(name)));
  facts.is_aperiodic = aperiodic;
  facts.only_2_groups = two_groups;
  facts.all_groups_solvable = solvable;
  std::map<std::string, FamilyDecision> table;
  for (FamilyDecision& d : decide_expressivity(facts)) table.emplace(d.family, std::move(d));
  CHECK(table.size() == 19);
  return table;
}

const char* const diagonal = "diagonal or triangular, [0,1]";
const char* const signed_diagonal = "real diagonal or triangular, [-1,1]";
const char* const complex_diagonal = "complex diagonal";
const char* const positive_gh = "generalized Householder, [0,1], any n_h";
const char* const one_gh = "generalized Householder, [-1,1], n_h = 1";
const char* const many_gh = "generalized Householder, [-1,1], n_h as needed";
const char* const rwkv = "RWKV-7, released format";

TEST_CASE("parity needs a negative eigenvalue and nothing more") {
  auto t = table_of("parity", false, true, true);
  CHECK(t[diagonal].answer == Answer::no);
  CHECK(t[diagonal].arithmetic.starts_with("bit by bit"));
  CHECK(t[signed_diagonal].answer == Answer::yes);
  CHECK(t[signed_diagonal].layers == 1U);
  CHECK(t[complex_diagonal].layers == 1U);
  CHECK(t[positive_gh].answer == Answer::no);
  CHECK(t[positive_gh].arithmetic.starts_with("exact"));
  CHECK(t[one_gh].layers == 1U);
  CHECK(t[many_gh].householder == 1U);
  CHECK(t[rwkv].answer == Answer::no);
}

TEST_CASE("modulo 3 needs a non-real eigenvalue") {
  auto t = table_of("mod:3", false, false, true);
  CHECK(t[diagonal].answer == Answer::no);
  CHECK(t[signed_diagonal].answer == Answer::no);
  CHECK(t[complex_diagonal].layers == 1U);
  CHECK(t[one_gh].answer == Answer::yes);
  CHECK_FALSE(t[one_gh].layers.has_value());
  CHECK(t[one_gh].reason.find("period 3") != std::string::npos);
  CHECK(t[many_gh].layers == 1U);
  CHECK(t[many_gh].householder == 2U);
}

TEST_CASE("S_5 is beyond diagonal layers, and takes four reflections a letter") {
  auto t = table_of("word:S5", false, false, false);
  for (const char* family : {diagonal, signed_diagonal, complex_diagonal, positive_gh}) {
    CHECK(t[family].answer == Answer::no);
  }
  CHECK(t[many_gh].answer == Answer::yes);
  CHECK(t[many_gh].size == 5U);
  CHECK(t[many_gh].householder == 4U);
}

TEST_CASE("star-free languages are within every family") {
  for (const auto& [family, d] : table_of("flipflop", true, true, true)) {
    CAPTURE(family);
    // Nops keep a symbol of any age alive, which RetNet forgets; sums never forget.
    if (d.id == "RetNet") {
      CHECK(d.answer == Answer::no);
    } else if (d.id == "sum") {
      CHECK(d.answer == Answer::unknown);
    } else {
      CHECK(d.answer == Answer::yes);
      CHECK(d.arithmetic.starts_with(d.id == "RWKV-7w" ? "exact" : "floating point, exactly"));
    }
  }
}

TEST_CASE("letters that are swaps generate S_n with one reflection a token") {
  // a = (0 1), b = (1 2): no letter has period 3.
  const Dfa swaps(Alphabet({"a", "b"}), 0, {1, 0, 0, 2, 2, 1}, {0, 1, 2}, {"0", "1", "2"});
  LanguageFacts facts = letter_facts(swaps);
  CHECK(facts.is_group);
  CHECK(facts.largest_letter_period == 2);
  CHECK(facts.reflections == 1U);
  CHECK_FALSE(*facts.abelian_group);
  facts.is_aperiodic = false;
  facts.only_2_groups = false;
  facts.all_groups_solvable = true;
  const auto table = decide_expressivity(facts);
  CHECK(table[4].answer == Answer::yes);
  CHECK(table[4].layers == 1U);
}

TEST_CASE("unknown flags give unknown rows, never a yes or a no that rests on them") {
  LanguageFacts facts = letter_facts(minimize(catalog_language("flipflop")));
  const auto table = decide_expressivity(facts);
  for (const std::size_t row : {0U, 1U, 2U, 3U, 7U, 8U, 11U, 13U, 14U, 15U, 18U}) {
    CHECK(table[row].answer == Answer::unknown);
    CHECK(table[row].theorem.empty());
  }
  for (const std::size_t row : {5U, 9U, 10U, 12U, 16U}) CHECK(table[row].answer == Answer::yes);
}

TEST_CASE("null labels: no language is beyond a family for labels that nothing asks for") {
  const auto answers_of = [](const Dfa& minimal, bool two_groups) {
    LanguageFacts facts = letter_facts(minimal);
    facts.is_aperiodic = false;
    facts.only_2_groups = two_groups;
    facts.all_groups_solvable = true;
    std::vector<Answer> answers;
    for (const FamilyDecision& d : decide_expressivity(facts)) answers.push_back(d.answer);
    return answers;
  };
  const auto count = [](const std::vector<Answer>& answers, Answer answer) {
    return std::count(answers.begin(), answers.end(), answer);
  };
  const std::vector<std::string> labels{"0", "1"};
  // A label at even lengths, always the same: a constant does it. Also beside a state that is never left, and where
  // the labels tell apart two of four.
  const Dfa even(Alphabet({"a"}), 0, {1, 0}, {1, null_label}, labels);
  const Dfa sink(Alphabet({"a", "b"}), 0, {1, 2, 0, 2, 2, 2}, {1, null_label, 0}, labels);
  const Dfa four(Alphabet({"a"}), 0, {1, 2, 3, 0}, {1, null_label, 0, null_label}, labels);
  for (const Dfa* dfa : {&even, &sink, &four}) {
    CHECK_FALSE(letter_facts(*dfa).cycles_matter);
    CHECK(count(answers_of(*dfa, true), Answer::no) == 0);
    // diag+, GH+, RWKV-7, KDA+, GDN-2+, precond, Mamba-3, RetNet and sum.
    CHECK(count(answers_of(*dfa, true), Answer::unknown) == 9);
  }
  // Parity that is asked for after the letter b, after which all is over: every cycle of live states matters.
  const Dfa asked(Alphabet({"a", "b"}), 0, {1, 2, 0, 3, 4, 4, 4, 4, 4, 4}, {null_label, null_label, 0, 1, null_label},
                  labels);
  CHECK(letter_facts(asked).cycles_matter);
  CHECK(count(answers_of(asked, true), Answer::no) == 7);  // all of these but precond and RetNet
  for (const char* name : {"modarith-answer:3", "modarith-answer:5", "parity", "word:S5"}) {
    CHECK(letter_facts(minimize(catalog_language(name))).cycles_matter);
  }
}

TEST_CASE("one state remembers nothing") {
  const Dfa all(Alphabet({"a", "b"}), 0, {0, 0}, {1}, {"0", "1"});
  LanguageFacts facts = letter_facts(all);
  facts.is_aperiodic = facts.only_2_groups = facts.all_groups_solvable = true;
  for (const FamilyDecision& d : decide_expressivity(facts)) {
    CHECK(d.answer == Answer::yes);
    CHECK(d.layers == 0U);
    CHECK(d.size == 0U);
  }
}

/// Every automaton of `n` states and two letters.
template <class Visit>
void each_automaton(std::size_t n, const Visit& visit) {
  std::size_t codes = 1;
  for (std::size_t i = 0; i < 2 * n; ++i) codes *= n;
  for (std::size_t code = 0; code < codes; ++code) {
    std::vector<State> delta(2 * n);
    std::size_t rest = code;
    for (State& q : delta) {
      q = static_cast<State>(rest % n);
      rest /= n;
    }
    std::vector<LabelId> labels;
    std::vector<std::string> names;
    for (std::size_t q = 0; q < n; ++q) {
      labels.push_back(static_cast<LabelId>(q));
      names.push_back(std::to_string(q));
    }
    const Dfa dfa(Alphabet({"a", "b"}), 0, std::move(delta), std::move(labels), std::move(names));
    if (reachable_part(dfa).num_states() == n) visit(dfa);
  }
}

TEST_CASE("definite and piecewise testable are what the transition monoid says, on all small automata") {
  for (const std::size_t n : {2U, 3U}) {
    each_automaton(n, [](const Dfa& dfa) {
      const LanguageFacts facts = letter_facts(dfa);
      const TransitionMonoid monoid(dfa.num_states(), {dfa.letter(0), dfa.letter(1)},
                                    {.right_graph = true, .left_graph = true});
      // Definite: the idempotents of non-empty words are constant. The identity is one of them only if a word acts so.
      bool definite = true;
      std::vector<bool> of_word(monoid.size(), false);
      for (std::uint32_t x = 0; x < monoid.size(); ++x) {
        for (std::size_t a = 0; a < 2; ++a) of_word[monoid.right(x, a)] = true;
      }
      for (std::uint32_t x = 0; x < monoid.size(); ++x) {
        const Transformation f = monoid.element(x);
        bool idempotent = true;
        bool constant = true;
        for (const std::uint32_t image : f) {
          idempotent = idempotent && f[image] == image;
          constant = constant && image == f[0];
        }
        definite = definite && (!of_word[x] || !idempotent || constant);
      }
      CHECK(facts.is_definite == definite);
      // J-trivial: no two elements reach each other by multiplications from both sides.
      std::vector<std::vector<bool>> reaches(monoid.size(), std::vector<bool>(monoid.size(), false));
      for (std::uint32_t x = 0; x < monoid.size(); ++x) {
        std::vector<std::uint32_t> found{x};
        reaches[x][x] = true;
        for (std::size_t i = 0; i < found.size(); ++i) {
          for (std::size_t a = 0; a < 2; ++a) {
            for (const std::uint32_t y : {monoid.right(found[i], a), monoid.left(found[i], a)}) {
              if (!reaches[x][y]) found.push_back(y);
              reaches[x][y] = true;
            }
          }
        }
      }
      bool trivial = true;
      for (std::uint32_t x = 0; x < monoid.size(); ++x) {
        for (std::uint32_t y = 0; y < monoid.size(); ++y) {
          trivial = trivial && (x == y || !reaches[x][y] || !reaches[y][x]);
        }
      }
      CHECK(facts.is_piecewise_testable == trivial);
    });
  }
}

TEST_CASE("a family that contains another does what that does, in as few layers") {
  // GH1 in KDA in KDA+- and GDN-2; diag+ in diag+-, GH+, Comba and Mamba-3; KDA+ in GDN-2+; everything in PD.
  const std::vector<std::pair<std::string, std::string>> inside = {
      {"GH1", "KDA"},   {"KDA", "KDA+-"},     {"KDA", "GDN-2"},    {"GH1", "GHn"},     {"diag+", "diag+-"},
      {"diag+", "GH+"}, {"diag+", "KDA+"},    {"KDA+", "GDN-2+"},  {"diag+", "Comba"}, {"diag+-", "complex"},
      {"GH+", "KDA+"},  {"diag+", "Mamba-3"}, {"KDA+", "precond"}, {"KDA+-", "PD"},    {"diag+", "RWKV-7"}};
  for (const corpus::Language& language : corpus::languages()) {
    LanguageFacts facts = letter_facts(language.dfa);
    add_monoid_flags(facts, find_flags(language.dfa, 1'000'000).flags);
    std::map<std::string, FamilyDecision> table;
    for (FamilyDecision& d : decide_expressivity(facts)) table.emplace(d.id, std::move(d));
    CAPTURE(language.id);
    for (const auto& [small, large] : inside) {
      CAPTURE(small);
      CAPTURE(large);
      if (table[small].answer != Answer::yes) continue;
      CHECK(table[large].answer != Answer::no);
      if (table[small].layers == 1U && large != "precond") CHECK(table[large].layers == 1U);
    }
    for (const auto& [id, d] : table) {
      CHECK((d.answer == Answer::unknown) == d.theorem.empty());
      CHECK(d.theorem.empty() == d.source.empty());
      CHECK(d.theorem.empty() == d.arithmetic.empty());
    }
  }
}

TEST_CASE("what the newer families add") {
  auto flip = table_of("flipflop", true, true, true);
  CHECK(flip["gate in [0,1] a key and one Householder, [-1,1]"].layers == 1U);
  auto s4 = table_of("word:S4", false, false, true);
  const FamilyDecision& signed_kda = s4["gate in [-1,1] a key and one Householder, [-1,1]"];
  CHECK(signed_kda.layers == 1U);
  CHECK(signed_kda.size == 4U);
  CHECK(signed_kda.arithmetic == "floating point, exactly");
  auto a5 = table_of("word:A5", false, false, false);
  CHECK(a5["gate in [-1,1] a key and one Householder, [-1,1]"].layers == 1U);
  CHECK(a5["gate in [-1,1] a key and one Householder, [-1,1]"].arithmetic.find("horizon") != std::string::npos);
  CHECK(s4["rotations that decay"].answer == Answer::no);
  CHECK(s4["one column one-hot matrix times a diagonal"].size == 24U);
  auto s5 = table_of("word:S5", false, false, false);
  CHECK_FALSE(s5["gate in [-1,1] a key and one Householder, [-1,1]"].layers.has_value());
  auto parity = table_of("parity", false, true, true);
  CHECK(parity["a I - beta k k^T, a and beta in [0,1]"].layers == 1U);
  CHECK(parity["gate a key and one Householder, [0,1]"].answer == Answer::no);
  CHECK(parity["preconditioned Householder, beta in [0,1]"].answer == Answer::unknown);
}

TEST_CASE("periods of letters") {
  CHECK(letter_facts(minimize(catalog_language("mod:12"))).largest_letter_period == 12);
  CHECK(letter_facts(minimize(catalog_language("flipflop"))).largest_letter_period == 1);
  CHECK(letter_facts(minimize(catalog_language("word:S5"))).largest_letter_period == 6);
  CHECK(*letter_facts(minimize(catalog_language("word:Z:2xZ:2"))).elementary_2_group);
  CHECK_FALSE(*letter_facts(minimize(catalog_language("word:Z:4"))).elementary_2_group);
}

}  // namespace
}  // namespace krohn
