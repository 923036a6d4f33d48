// label: quick
// What a user types is read by the right reader, and every mistake is named with where it is.
#include "krohn/languages/language.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <random>

#include "corpus.hpp"
#include "error_of.hpp"
#include "krohn/automata/catalog.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/error.hpp"
#include "krohn/text/atomic_file.hpp"
#include "temporary_directory.hpp"

namespace krohn {
namespace {

void check_contains(const std::string& text, const std::string& part) {
  CAPTURE(text);
  CAPTURE(part);
  CHECK(text.find(part) != std::string::npos);
}

TEST_CASE("expressions, catalogue names and files are told apart") {
  const TemporaryDirectory directory;
  const Dfa parity = read_language("parity").dfa;
  CHECK(parity == catalog_language("parity"));
  CHECK(read_language("re:0*(10*10*)*10*").dfa.num_states() == 2);

  write_language(directory / "p.json", parity);
  CHECK(read_language(directory / "p.json").dfa == parity);
  const Dfa ab = read_language("re:(a|b)*abb").dfa;
  write_language(directory / "ab.att", ab);
  CHECK(minimize(read_language(directory / "ab.att").dfa) == ab);
  CHECK(read_language("re:a*", "ab").dfa.num_symbols() == 2);
}

TEST_CASE("the whole corpus reads as expressions over its alphabet, and gives the corpus's automaton") {
  for (const corpus::Language& language : corpus::languages()) {
    if (!language.regex) continue;
    CAPTURE(language.id);
    const Dfa dfa = read_language("re:" + *language.regex, language.alphabet).dfa;
    CHECK(dfa == minimize(language.dfa));
  }
}

TEST_CASE("alphabets are characters, or a list where there is a separator") {
  CHECK(parse_alphabet("ab") == Alphabet({"a", "b"}));
  CHECK(parse_alphabet("ab,c") == Alphabet({"ab", "c"}));
  CHECK(parse_alphabet(" ab  c ") == Alphabet({"ab", "c"}));
  CHECK(parse_alphabet("\xCE\xB1x") == Alphabet({"\xCE\xB1", "x"}));
  CHECK(error_of([] { parse_alphabet(""); }) == "--alphabet: alphabet: expected at least one symbol, got none");
  CHECK(error_of([] { parse_alphabet(","); }) != "");
  CHECK(error_of([] { parse_alphabet("aa"); }) != "");
  CHECK(error_of([] { parse_alphabet("\xFF"); }) != "");
}

TEST_CASE("an alphabet gives the order of the symbols, and nothing else") {
  const Dfa flipped = read_language("parity", "10").dfa;
  CHECK(flipped.alphabet() == Alphabet({"1", "0"}));
  const Dfa parity = read_language("parity").dfa;
  for (State q = 0; q < 2; ++q) {
    CHECK(flipped.next(q, 0) == parity.next(q, 1));
    CHECK(flipped.next(q, 1) == parity.next(q, 0));
    CHECK(flipped.label(q) == parity.label(q));
  }
  check_contains(error_of([] { read_language("parity", "012"); }),
                 "--alphabet: expected the symbols of 'parity', '0 1', in some order, got '0 1 2'");
  check_contains(error_of([] { read_language("re:abc", "ab"); }), "'re:abc': ");
}

TEST_CASE("what is no language is named") {
  const TemporaryDirectory directory;
  check_contains(error_of([] { read_language("partiy"); }), "parity");
  check_contains(error_of([] { read_language("re:(a"); }), "'re:(a': column");
  check_contains(error_of([] { read_language("missing.json"); }), "missing.json: expected a readable file");
  check_contains(error_of([] { read_language("missing.att"); }), "missing.att: expected a readable file");
  check_contains(error_of([&] { read_language(directory.path()); }), "got a directory");
  write_file(directory / "x.txt", "");
  check_contains(
      error_of([&] { read_language(directory / "x.txt"); }),
      "expected a language file that ends in .json, .att, .mata, .jff, .hoa, .dot, .gv, .dfa, .mona, .aut or .ba, "
      "got '.txt'");
  write_file(directory / "x", "");
  check_contains(error_of([&] { read_language(directory / "x"); }), "got no suffix");
  const Dfa dfa = read_language("parity").dfa;
  check_contains(error_of([&] { write_language(directory / "x.pdf", dfa); }), "expected a file that ends in");
  check_contains(error_of([&] { write_language(directory / "x.att", dfa); }), "which means epsilon there");
  CHECK(directory.names() == std::vector<std::string>{"x", "x.txt"});
}

TEST_CASE("every suffix writes what it reads, and takes an order of the symbols") {
  const TemporaryDirectory directory;
  const Dfa dfa = read_language("re:(a|b)*abb").dfa;
  const Dfa flipped = read_language("re:(a|b)*abb", "ba").dfa;
  for (const std::string suffix : {".json", ".att", ".mata", ".jff", ".hoa", ".dot"}) {
    CAPTURE(suffix);
    const std::string file = directory / ("x" + suffix);
    write_language(file, dfa);
    CHECK(read_language(file).dfa == dfa);
    CHECK(minimize(read_language(file, "ba").dfa) == flipped);
  }
}

TEST_CASE("words are read by line, and every line that is wrong is named with its column") {
  const Alphabet ab = Alphabet::of_characters("ab");
  CHECK(parse_words("", "w", ab).empty());
  CHECK(parse_words("\n", "w", ab) == std::vector<Word>{{}});
  CHECK(parse_words("ab\n\nb\r\n\"\"", "w", ab) == std::vector<Word>{{0, 1}, {}, {1}, {}});
  CHECK(parse_words("ab\n\n", "w", ab) == std::vector<Word>{{0, 1}, {}});
  CHECK(parse_words("+ 10 +\n", "w", Alphabet({"+", "10"})) == std::vector<Word>{{0, 1, 0}});
  CHECK(error_of([&] { parse_words("ab\nabx\na b\n\xFF\n", "w", ab); }) ==
        "w:2: column 3: expected a symbol of the alphabet, got 'x'\n"
        "w:3: column 2: expected a symbol of the alphabet, got ' '\n"
        "w:4: byte 0: expected UTF-8 text, got other bytes");
  CHECK(error_of([] {
          parse_words("+ 1\n", "w", Alphabet({"+", "10"}));
        }) == "w:1: column 3: expected a symbol of the alphabet, got '1'");
  std::string many;
  for (int i = 0; i < 60; ++i) many += "x\n";
  check_contains(error_of([&] { parse_words(many, "w", ab); }), "w: and 10 more problems");
}

TEST_CASE("hostile bytes as alphabets, words and languages parse or throw InputError") {
  std::mt19937 random(23);
  const std::string bytes = "ab01,. \t\n\r\"()[]{}|*+?~&\\re:-x\xCE\xB1\xFF\x00";
  std::size_t accepted = 0;
  const auto attempt = [&](const auto& action) {
    try {
      action();
      ++accepted;
    } catch (const InputError& error) {
      CHECK(!error.problems().empty());
    }
  };
  const Alphabet alphabet({"a", "b", "\xCE\xB1"});
  const Alphabet longer({"ab", "0", "\""});
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (std::size_t i = random() % 8; i > 0; --i) text += bytes[random() % bytes.size()];
    attempt([&] { parse_alphabet(text); });
    attempt([&] { parse_words(text, "w", alphabet); });
    attempt([&] { parse_words(text, "w", longer); });
    attempt([&] { read_language("re:" + text); });
    attempt([&] { read_language("re:" + text, "ab01"); });
    attempt([&] { read_language("re:ab", text); });
  }
  CHECK(accepted > 1000);
}

}  // namespace
}  // namespace krohn
