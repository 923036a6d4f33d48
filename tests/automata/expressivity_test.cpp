// label: quick
// The decision table on languages whose rows are known.
#include "krohn/automata/expressivity.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "krohn/automata/catalog.hpp"
#include "krohn/automata/minimize.hpp"

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
  CHECK(table.size() == 8);
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
    CHECK(d.answer == Answer::yes);
    CHECK(d.arithmetic.empty());
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
  for (const std::size_t row : {0U, 1U, 2U, 3U, 7U}) CHECK(table[row].answer == Answer::unknown);
  CHECK(table[5].answer == Answer::yes);
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
    CHECK(count(answers_of(*dfa, true), Answer::unknown) == 3);
  }
  // Parity that is asked for after the letter b, after which all is over: every cycle of live states matters.
  const Dfa asked(Alphabet({"a", "b"}), 0, {1, 2, 0, 3, 4, 4, 4, 4, 4, 4}, {null_label, null_label, 0, 1, null_label},
                  labels);
  CHECK(letter_facts(asked).cycles_matter);
  CHECK(count(answers_of(asked, true), Answer::no) == 3);
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

TEST_CASE("periods of letters") {
  CHECK(letter_facts(minimize(catalog_language("mod:12"))).largest_letter_period == 12);
  CHECK(letter_facts(minimize(catalog_language("flipflop"))).largest_letter_period == 1);
  CHECK(letter_facts(minimize(catalog_language("word:S5"))).largest_letter_period == 6);
  CHECK(*letter_facts(minimize(catalog_language("word:Z:2xZ:2"))).elementary_2_group);
  CHECK_FALSE(*letter_facts(minimize(catalog_language("word:Z:4"))).elementary_2_group);
}

}  // namespace
}  // namespace krohn
