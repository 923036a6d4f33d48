// label: quick
// AT&T text beyond what krohn writes: weights, epsilon, symbol tables, HFST's special symbols, and generated files
// against a simulation.
#include "krohn/languages/format_att.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>

#include "error_of.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/automata/regex.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/language.hpp"
#include "krohn/text/atomic_file.hpp"
#include "languages/reference_automaton.hpp"
#include "tools/krohn_process.hpp"

namespace krohn {
namespace {

using Notes = std::vector<std::string>;

std::filesystem::path file(const char* name) { return std::filesystem::path(KROHN_TEST_DATA) / "cases" / name; }

LanguageSource read(const std::string& text, const std::optional<Alphabet>& alphabet = std::nullopt) {
  return parse_format_att(text, "f", alphabet);
}

LanguageSource read_with(const std::string& text, const std::string& table) {
  return parse_format_att(text, "f", std::nullopt, AttSymbolTable{"t", table});
}

std::string error(const std::string& text) {
  return error_of([&] { read(text); });
}

TEST_CASE("HFST's special symbols are refused by name, or named by an alphabet") {
  const std::string flags = error_of([] { read_format_att(file("att_hfst_special_symbols/flags.att")); });
  CHECK(flags.find("flags.att:1: column 5: expected a symbol (--alphabet can name it one), got '@P.F.1@', a flag") !=
        std::string::npos);
  CHECK(flags.find("flags.att:4: column 5") != std::string::npos);
  const std::string unknown = error_of([] { read_format_att(file("att_hfst_special_symbols/unknown.att")); });
  CHECK(unknown.find("unknown.att:1: column 5") != std::string::npos);
  const auto identity = file("att_hfst_special_symbols/identity.att");
  CHECK(error_of([&] { read_format_att(identity); }).find("any symbol that the file does not name") !=
        std::string::npos);
  const Alphabet abc = Alphabet::of_characters("abc");
  const LanguageSource others = read_format_att(identity, abc);
  CHECK(minimize(others.dfa) == parse_regex("[bc]a*", abc));
  CHECK(others.notes.front().find("stands for the 2 symbols") != std::string::npos);
  const Alphabet named({"a", "@_IDENTITY_SYMBOL_@"});
  CHECK(read_format_att(identity, named).dfa.num_symbols() == 2);
  CHECK_THROWS_AS(format_att(Dfa::acceptor(Alphabet({"@U.X@"}), 0, {0}, {true})), InputError);
  CHECK(error("0 0 @_SPACE_@ @_SPACE_@\n0\n").find("one of HFST's special symbols") != std::string::npos);
  CHECK(error("0 0 @ @\n0\n").empty());
  CHECK(error("0 0 a@b.c@ a@b.c@\n0\n").empty());
}

TEST_CASE("byte order marks and upper-case suffixes") {
  const Dfa a = Dfa::acceptor(Alphabet({"a"}), 0, {1, 2, 2}, {false, true, false});
  CHECK(read_format_att(file("byte_order_mark/bom.att")).dfa == a);
  CHECK(read_language(file("byte_order_mark/UPPER.ATT").string()).dfa == a);
}

TEST_CASE("neutral weights say nothing, others are refused") {
  const Dfa ab = read("0 1 a\n1 0 b\n1\n").dfa;
  for (const std::string& text : {std::string("0\t1\ta\ta\t0.000000\n1\t0\tb\tb\t0\n1\t0.0\n"),
                                  std::string("0 1 a a 1\n1 0 b b 1.0\n1 1\n"), std::string("0 1 a a 0\n1 0 b\n1\n"),
                                  std::string("0 1 a 0\n1 0 b 0.0\n1\n"), std::string("0 1 a 1\n1 0 b 1\n1 1.0\n")}) {
    CAPTURE(text);
    const LanguageSource weighted = read(text);
    CHECK(weighted.dfa == ab);
    CHECK(std::any_of(weighted.notes.begin(), weighted.notes.end(), [](const std::string& note) {
      return note.find("the neutral one: read as an automaton without weights") != std::string::npos;
    }));
  }
  CHECK(error("0 1 a a 0.5\n1\n").find("f:1: column 9: expected a neutral weight") == 0);
  CHECK(error("0 1 a a x\n1\n").find("f:1: column 9: expected a weight") == 0);
  CHECK(error("0 1 a a 1\n1 0\n").find("f:1: column 9: expected weights that are all 0 or all 1") == 0);
  CHECK(error("0 1 a a 1\n1 0 a\n1 1\n").find("f:1: column 9: expected the weight 1 everywhere or nowhere") == 0);
  CHECK(error("0 1 a 0.5\n1\n").find("f:1: column 7: expected a neutral weight") == 0);
  CHECK(error("0 1 a 0\n1 0 b c\n1\n").find("f:1: column 7: expected the same symbol on both sides") == 0);
  CHECK(error("0 1 5 0\n1\n").find("f:1: column 7: expected the same symbol on both sides") == 0);
  CHECK(error("0 1 a 0\n1 0 b b 0\n1\n").find("f:1: column 7: expected the same symbol on both sides") == 0);
  // A symbol that looks like its weight is both.
  CHECK(minimize(read("0 1 1 1\n1 0 a 1\n1 1\n").dfa) == parse_regex("1(a1)*", Alphabet::of_characters("1a")));
}

TEST_CASE("epsilon arcs, separators and several automata") {
  for (const std::string epsilon : {"<eps>", "<epsilon>", "@0@", "@_EPSILON_SYMBOL_@"}) {
    const LanguageSource silent = read("0 1 a\n1 2 " + epsilon + " " + epsilon + "\n2 2 b\n2\n");
    CHECK(silent.dfa == parse_regex("ab*", Alphabet::of_characters("ab")));
    CHECK(silent.notes.size() == 1);
    CHECK(read("0 0 " + epsilon + "\n0\n", Alphabet({epsilon})).dfa ==
          Dfa::acceptor(Alphabet({epsilon}), 0, {0}, {true}));
  }
  CHECK(error("0 0 a\n0\n--\n").empty());
  CHECK(error("--\n0 0 a\n0\n").empty());
  CHECK(error("0 0 a\n0\n--\n0 0 b\n0 0 c\n") ==
        "f:4: column 1: expected one automaton, got a second one after the line --");
}

TEST_CASE("a symbol table beside the file names the symbols, and what is epsilon") {
  const std::string table = "<eps> 0\na 1\nb 2\n";
  const Dfa expected = parse_regex("ab*", Alphabet::of_characters("ab"));
  const LanguageSource numbers = read_with("0 1 1 1\n1 2 0 0\n2 2 2 2\n2\n", table);
  CHECK(numbers.dfa == expected);
  CHECK(numbers.notes.front() == "f: symbols are numbers of t, where '<eps>' is 0 and reads nothing");
  CHECK(read_with("0 1 a a\n1 2 <eps> <eps>\n2 2 b b\n2\n", table).dfa == expected);
  // The name of number 0 is epsilon whatever it is, and the name 0 is a symbol where its number is another one.
  CHECK(minimize(read_with("0 1 a\n1 2 none\n2 2 b\n2\n", "none 0\na 1\nb 2\n").dfa) == expected);
  CHECK(minimize(read_with("0 1 0\n1 1 a\n1\n", "- 0\n0 7\na 1\n").dfa) ==
        parse_regex("0a*", Alphabet::of_characters("0a")));
  const auto refused = [](const std::string& text, const std::string& symbols) {
    return error_of([&] { read_with(text, symbols); });
  };
  CHECK(refused("0 1 c\n1\n", table) == "f:1: column 5: expected a symbol of t, got 'c'");
  CHECK(refused("0 1 a\n1 1 2\n1\n", table) ==
        "f: expected symbols that are all names, or all numbers, of t, got both");
  CHECK(refused("0 1 1\n1 1 2\n1\n", "1 2\n2 1\n").find("ones that are both, with different meanings") !=
        std::string::npos);
  CHECK(refused("0 1 a\n", "a\n").find("t:1: column 1: expected a name and a decimal number") == 0);
  CHECK(refused("0 1 a\n", "a 1\na 2\n").find("t:2: column 1: expected different names") == 0);
  CHECK(refused("0 1 a\n", "a 1\nb 1\n").find("t:2: column 3: expected different numbers") == 0);
  const TemporaryDirectory directory;
  write_file(directory / "x.att", "0 1 1\n1 2 0\n2 2 2\n2\n");
  CHECK_THROWS_AS(read_format_att(directory / "x.att"), InputError);
  for (const std::string name : {"x.syms", "x.att.syms", "x.isyms", "x.att.isyms"}) {
    write_file(directory / name, table);
    CHECK(read_format_att(directory / "x.att").dfa == expected);
    std::filesystem::remove(directory / name);
  }
}

TEST_CASE("2000 generated files mean what a simulation says") {
  std::mt19937 random(12);
  for (int round = 0; round < 2000; ++round) {
    CAPTURE(round);
    test::ReferenceAutomaton reference =
        test::random_reference(random, {{"a", "b", "c"}, round % 2 == 0, round % 3 == 0});
    if (reference.starts.size() > 1) reference.starts = {0};
    // State q is written as names[q], not in order; weights of one kind; numbers by a table, or names.
    std::vector<std::uint64_t> names(reference.num_states);
    for (std::size_t q = 0; q < names.size(); ++q) names[q] = (q * 5 + 3) % 8 * (round % 5 == 0 ? 1'000'000'007ULL : 1);
    const std::string weight = round % 7 == 1 ? "\t0.000000" : round % 7 == 2 ? "\t1" : "";
    const bool by_number = round % 4 == 1;
    std::string text;
    std::string later;
    for (const test::ReferenceArc& arc : reference.arcs) {
      const std::string symbol =
          by_number ? std::to_string(arc.symbol ? (*arc.symbol)[0] - 'a' + 1 : 0) : arc.symbol.value_or("<eps>");
      const std::string line = std::to_string(names[arc.from]) + '\t' + std::to_string(names[arc.to]) + '\t' + symbol +
                               (weight.empty() && random() % 2 == 0 ? "" : "\t" + symbol) + weight + '\n';
      // The first line names the start.
      (arc.from == 0 && text.empty() ? text : later) += line;
    }
    text += later;
    for (const std::size_t q : reference.finals)
      text += std::to_string(names[q]) + weight + (q % 2 == 0 ? "\r\n" : "\n");
    CAPTURE(text);
    const LanguageSource language = by_number ? read_with(text, "e 0\na 1\nb 2\nc 3\n") : read(text);
    test::check_same_language(reference, language.dfa);
  }
}

}  // namespace
}  // namespace krohn
