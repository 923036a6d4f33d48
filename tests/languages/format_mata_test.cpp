// label: quick
// .mata beyond what krohn writes: formulas over states, symbols and bits, the older header, Mata's epsilon; files of
// other tools, and generated files against a simulation.
#include "krohn/languages/format_mata.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "error_of.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/automata/regex.hpp"
#include "krohn/error.hpp"
#include "languages/reference_automaton.hpp"

namespace krohn {
namespace {

using Notes = std::vector<std::string>;

std::filesystem::path file(const char* name) { return std::filesystem::path(KROHN_TEST_DATA) / "cases" / name; }

LanguageSource read(const std::string& text, const std::optional<Alphabet>& alphabet = std::nullopt) {
  return parse_format_mata(text, "f", alphabet);
}

std::string error(const std::string& text) {
  return error_of([&] { read(text); });
}

Dfa language(const char* regex, const std::vector<std::string>& names) { return parse_regex(regex, Alphabet(names)); }

TEST_CASE("files of other tools mean what their tools mean") {
  CHECK(minimize(read_format_mata(file("mata_final_true/in.mata")).dfa) == language("(ab)*a?", {"a", "b"}));
  CHECK(error_of([] {
          read_format_mata(file("mata_final_true/initial_true.mata"));
        }).find("initial_true.mata:3: column 10: expected initial states as names") != std::string::npos);
  const LanguageSource all = read_format_mata(file("mata_final_true/symbol_true.mata"));
  CHECK(minimize(all.dfa) == language("a", {"a"}));
  CHECK(all.notes.front().find("stand for the symbols that occur") != std::string::npos);
  CHECK(minimize(read_format_mata(file("mata_bits_and_old_header/final_formula.mata")).dfa) == language("a", {"a"}));
  CHECK(read_format_mata(file("mata_bits_and_old_header/old_header.mata")).dfa ==
        Dfa::acceptor(Alphabet({"97", "98"}), 0, {1, 2, 2, 1, 2, 2}, {false, true, false}));
  CHECK(read_format_mata(file("byte_order_mark/bom.mata")).dfa ==
        Dfa::acceptor(Alphabet({"a"}), 0, {1, 2, 2}, {false, true, false}));
  // q0 -10-> q1 -(01, 10, 11)-> q2 -any-> q1, q1 final.
  const LanguageSource bits = read_format_mata(file("mata_bits_and_old_header/bits.mata"));
  CHECK(bits.dfa == Dfa::acceptor(Alphabet({"00", "01", "10", "11"}), 0,
                                  {3, 3, 1, 3, 3, 2, 2, 2, 1, 1, 1, 1, 3, 3, 3, 3}, {false, true, false, false}));
  CHECK(bits.notes.front().find("letters are valuations of the bits 'a0 a1' in this order, 4 of 2^2 occur") !=
        std::string::npos);
}

TEST_CASE("an intrusion filter is determinised through few sets") {
  const LanguageSource read = read_format_mata(file("determinise_contains_pattern/in.mata"));
  CHECK(read.dfa.num_states() == 28);
  CHECK(read.dfa == language(".*a[^c]{26}.*", {"a", "b", "c"}));
}

TEST_CASE("formulas choose states and symbols, or are refused by name") {
  const std::string arcs = "q0 a q1\nq1 b q2\nq2 a q2\n";
  const auto finals = [&](const std::string& formula) {
    const Dfa dfa = read("@NFA-explicit\n%Initial q0\n%Final " + formula + "\n" + arcs).dfa;
    std::string labels;
    for (State q = 0; q < 3; ++q) labels += dfa.accepts_at(q) ? '1' : '0';
    return labels;
  };
  CHECK(finals("\\true") == "111");
  CHECK(finals("\\false") == "000");
  CHECK(finals("!q0") == "011");
  CHECK(finals("!q0 & !q2") == "010");
  CHECK(finals("!(q0|q2)") == "010");
  CHECK(finals("q0 | q2") == "101");
  CHECK(finals("q0|!q2&!q0") == "110");
  CHECK(finals("!!q1") == "010");
  CHECK(finals("") == "000");
  const std::string head = "@NFA-explicit\n%Initial p\n%Final p\n";
  CHECK(
      error("@NFA-explicit\n%Initial p\n%Final p & q\np a q\n").find("f:3: column 8: expected a formula that holds") ==
      0);
  CHECK(error("@NFA-explicit\n%Initial !p\np a q\n").find("f:2: column 10: expected initial states as names") == 0);
  CHECK(read("@NFA-explicit\n%Initial p|q\n%Final q\np a q\n").dfa == language("a?", {"a"}));
  const LanguageSource none = read("@NFA-explicit\n%Initial \\false\n%Final q\np a q\n");
  CHECK(none.dfa == language("[^a]", {"a"}));
  CHECK(none.notes == Notes{"f: no state is initial: the language is empty"});
  CHECK(read("@NFA-explicit\n%Initial p\n%Final q\np (a|b) q\nq !a p\n", Alphabet({"a", "b", "c"})).dfa ==
        language("[ab]([bc][ab])*", {"a", "b", "c"}));
  CHECK(read("@NFA-explicit\n%Initial p\n%Final q\np a & q\n").dfa ==
        read("@NFA-explicit\n%Initial p\n%Final q\np a q\n").dfa);
  CHECK(error(head + "p a & b p").find("f:4: column 3: expected a formula that holds for one symbol") == 0);
  CHECK(error(head + "p (a p").find("f:4: column 6: expected a formula of names") == 0);
  CHECK(error(head + "p a b | p").find("f:4: column 5: expected a formula of names") == 0);
  CHECK(error(head + "\\true a p").find("f:4: column 1: expected a state") == 0);
  CHECK(error(head + "p a \\true").find("f:4: column 5: expected a state") == 0);
  CHECK(error(head + "p \\min p").find("f:4: column 3: expected \\true, \\false") == 0);
  CHECK(error(head + "p a#b p").find("f:4: column 4: expected a space before a comment") == 0);
  CHECK(error("@NFA-explicit\n%Alphabet-enum a \\true\n").find("f:2: column 18: expected names") == 0);
  // A quoted token is a name.
  CHECK(read("@NFA-explicit\n%Initial p\n%Final \"\\\\true\"\np \"\\\\true\" \"\\\\true\"\n").dfa ==
        Dfa::acceptor(Alphabet({"\\true"}), 0, {1, 2, 2}, {false, true, false}));
}

TEST_CASE("4294967295 is epsilon as Mata prints it, unless it is a symbol") {
  const std::string text = "@NFA-explicit\n%Alphabet-auto\n%Initial q0\n%Final q1\nq0 4294967295 q1\nq1 97 q1\n";
  const LanguageSource silent = read(text);
  CHECK(silent.dfa == Dfa::acceptor(Alphabet({"97"}), 0, {0}, {true}));
  CHECK(silent.notes.front() == "f: 4294967295, Mata's number of epsilon, reads nothing");
  CHECK(read(text, Alphabet({"97", "4294967295"})).dfa ==
        Dfa::acceptor(Alphabet({"97", "4294967295"}), 0, {2, 1, 1, 2, 2, 2}, {false, true, false}));
}

TEST_CASE("bits: their order, letters that occur, and the cap") {
  const LanguageSource ordered = read("@NFA-bits\n%Initial q0\n%Final q1\nq0 a10 & !a9 q1\n");
  CHECK(ordered.dfa.alphabet() == Alphabet({"01"}));
  CHECK(ordered.notes.front() == "f: letters are valuations of the bits 'a9 a10' in this order, 1 of 2^2 occur");
  CHECK(read("@NFA-bits\n%Alphabet-enum y x\n%Initial q0\n%Final q1\nq0 x & !y q1\n").dfa.alphabet() ==
        Alphabet({"01"}));
  CHECK(read("@NFA-bits\n%Initial q0\n%Final q1\nq0 \\true q1\n").dfa.alphabet() == Alphabet({"t"}));
  CHECK(error("@NFA-bits\n%Alphabet-enum y\n%Initial q0\nq0 x q1\n").find("f:4: column 4: expected a bit of") == 0);
  // Forty bits, one valuation an arc: two letters; without the conjunction there would be 2^40.
  std::string all;
  for (int i = 0; i < 40; ++i)
    all += (i > 0 ? " & " : "") + std::string(i % 3 == 0 ? "!" : "") + "a" + std::to_string(i);
  CHECK(read("@NFA-bits\n%Initial q0\n%Final q1\nq0 " + all + " q1\nq1 " + all + " q0\n").dfa.num_symbols() == 1);
  const std::string many = "@NFA-bits\n%Initial q0\n%Final q1\nq0 " + all + " q1\nq1 a0 q0\n";
  CHECK_THROWS_AS(read(many), ResourceError);
  // No letter at all satisfies the formula, whichever order the bits are tried in.
  CHECK_THROWS(read("@NFA-bits\n%Initial q0\nq0 (" + all + ") & (a39 & !a39) & (a1 | a2) q1\n"));
}

TEST_CASE("2000 generated files mean what a simulation says") {
  std::mt19937 random(11);
  for (int round = 0; round < 2000; ++round) {
    CAPTURE(round);
    const bool bits = round % 4 == 3;
    const std::vector<std::string> symbols =
        bits ? std::vector<std::string>{"00", "01", "10", "11"} : std::vector<std::string>{"a", "b", "c"};
    test::ReferenceAutomaton reference = test::random_reference(random, {symbols, false, !bits});
    const auto name = [](std::size_t q) { return "s" + std::to_string(q); };
    const bool older = round % 4 == 2;
    std::string text = bits    ? "@NFA-bits\n"
                       : older ? "@NFA\n%Alphabet a b c\n"
                               : "@NFA-explicit\n%Alphabet-enum a b c\n";
    if (!bits) text += "%Epsilon e\n";
    text += "%States-enum";
    for (std::size_t q = 0; q < reference.num_states; ++q) text += ' ' + name(q);
    text += "\n%Initial";
    for (const std::size_t q : reference.starts) text += ' ' + name(q);
    // Finals as names, as an alternation, or as the negation of the others.
    const std::size_t form = random() % 3;
    std::string finals = form == 2 ? "\\true" : form == 1 ? "\\false" : "";
    for (std::size_t q = 0; q < reference.num_states; ++q) {
      const bool final = reference.finals.contains(q);
      if (form == 0 && final) finals += ' ' + name(q);
      if (form == 1 && final) finals += "|" + name(q);
      if (form == 2 && !final) finals += "&!" + name(q);
    }
    if (form == 2 && reference.finals.empty()) finals = "\\false";
    text += "\n%Final " + finals + '\n';
    for (const test::ReferenceArc& arc : reference.arcs) {
      std::string formula = arc.symbol.value_or("e");
      if (bits) {
        formula = std::string(formula[0] == '1' ? "x0" : "!x0") + (random() % 2 == 0 ? "&" : " & ") +
                  (formula[1] == '1' ? "x1" : "!x1");
      } else if (arc.symbol && random() % 3 == 0) {
        formula = "(" + formula + "&!" + (formula == "a" ? "b" : "a") + ")";
      }
      text += name(arc.from) + ' ' + formula + ' ' + name(arc.to) + '\n';
    }
    // Formulas for several symbols at once.
    if (random() % 2 == 0) {
      const std::size_t from = random() % reference.num_states;
      const std::size_t to = random() % reference.num_states;
      text += name(from) + (bits ? " x0 | x1 " : " !b ") + name(to) + '\n';
      for (const std::string& symbol : symbols) {
        if (symbol != "00" && symbol != "b") reference.arcs.push_back({from, symbol, to});
      }
    }
    CAPTURE(text);
    test::check_same_language(reference, read(text).dfa);
  }
}

}  // namespace
}  // namespace krohn
