// label: quick
// Both automaton formats: what is written is read back equal, what breaks a rule is refused by line, hostile bytes
// parse or throw InputError.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <tuple>

#include "corpus.hpp"
#include "error_of.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/format_att.hpp"
#include "krohn/languages/format_json.hpp"
#include "krohn/text/source_text.hpp"

namespace krohn {
namespace {

std::string json_error(const std::string& text) {
  return error_of([&] { parse_format_json(text, "f.json"); });
}

std::string att_error(const std::string& text, const std::optional<Alphabet>& alphabet = std::nullopt) {
  return error_of([&] { parse_format_att(text, "f.att", alphabet); });
}

Dfa random_dfa(std::mt19937& random, bool acceptor) {
  const std::vector<std::string> pool = {"a", "b", "\xCE\xB1", "x\"y", "<", "ab", "\\", "1", "{}"};
  std::vector<std::string> names = pool;
  std::shuffle(names.begin(), names.end(), random);
  names.resize(1 + random() % 4);
  const std::size_t states = 1 + random() % 6;
  std::vector<State> delta(states * names.size());
  for (State& next : delta) next = static_cast<State>(random() % states);
  const auto start = static_cast<State>(random() % states);
  if (acceptor) {
    std::vector<bool> accepting(states);
    for (std::size_t q = 0; q < states; ++q) accepting[q] = random() % 2 == 0;
    return Dfa::acceptor(Alphabet(names), start, delta, accepting);
  }
  const std::vector<std::vector<std::string>> label_pools = {
      {"0", "1"}, {"1", "0"}, {}, {"2", "10", "3"}, {"x", "", "\xCE\xB1\n"}, {"0", "1", "2"}, {"01", "1"}, {"1"}};
  const std::vector<std::string>& labels = label_pools[random() % label_pools.size()];
  std::vector<LabelId> of_state(states);
  for (LabelId& label : of_state) label = static_cast<LabelId>(random() % (labels.size() + 1)) - 1;
  return Dfa(Alphabet(names), start, delta, of_state, labels);
}

TEST_CASE("every automaton survives krohn-automaton-v1, label names, null labels and numbering included") {
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    const Dfa dfa = random_dfa(random, round % 4 == 0);
    const LanguageSource read = parse_format_json(format_json(dfa), "f");
    CHECK(read.dfa == dfa);
    CHECK(read.notes.empty());
  }
}

TEST_CASE("every acceptor survives AT&T text when its alphabet is given") {
  std::mt19937 random(6);
  for (int round = 0; round < 2000; ++round) {
    const Dfa dfa = random_dfa(random, true);
    const std::string text = format_att(dfa);
    const LanguageSource read = parse_format_att(text, "f", dfa.alphabet());
    CHECK(read.dfa == dfa);
    CHECK(read.notes.empty());
    std::vector<std::string> ascending = dfa.alphabet().names();
    std::sort(ascending.begin(), ascending.end());
    const Dfa sorted = parse_format_att(text, "f").dfa;
    CHECK(sorted.alphabet() == Alphabet(ascending));
    for (State q = 0; q < dfa.num_states(); ++q) {
      CHECK(sorted.label(q) == dfa.label(q));
      for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
        CHECK(sorted.next(q, *sorted.alphabet().find(dfa.alphabet().name(a))) == dfa.next(q, a));
      }
    }
  }
}

TEST_CASE("the corpus survives both formats") {
  for (const corpus::Language& language : corpus::languages()) {
    CHECK(parse_format_json(format_json(language.dfa), "f").dfa == language.dfa);
    if (language.dfa.alphabet().find("0")) {
      CHECK_THROWS_AS(format_att(language.dfa), InputError);
    } else {
      CHECK(parse_format_att(format_att(language.dfa), "f", language.dfa.alphabet()).dfa == language.dfa);
    }
  }
}

TEST_CASE("the files of MLRegTest load, and accept what their own lines say") {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(corpus::folder() / "mlregtest")) {
    if (entry.path().extension() != ".att") continue;
    ++files;
    const LanguageSource read = read_format_att(entry.path());
    const Dfa& dfa = read.dfa;
    // Independent reading: arcs as a set of whole lines; a random word is followed line by line.
    std::map<std::pair<int, std::string>, int> arcs;
    std::set<int> finals;
    std::ifstream file(entry.path());
    std::optional<int> start;
    for (std::string line; std::getline(file, line);) {
      std::istringstream fields(line);
      int source = 0;
      int target = 0;
      std::string symbol;
      fields >> source;
      if (!start) start = source;
      if (fields >> target >> symbol) {
        arcs[{source, symbol}] = target;
      } else {
        finals.insert(source);
      }
    }
    std::mt19937 random(9);
    for (int round = 0; round < 200; ++round) {
      Word word(random() % 30);
      std::optional<int> state = start;
      for (Symbol& symbol : word) {
        symbol = static_cast<Symbol>(random() % dfa.num_symbols());
        if (!state) continue;
        const auto arc = arcs.find({*state, dfa.alphabet().name(symbol)});
        state = arc == arcs.end() ? std::nullopt : std::optional(arc->second);
      }
      CHECK(dfa.accepts_at(dfa.next(dfa.start(), word)) == (state && finals.count(*state) == 1));
    }
  }
  CHECK(files == 64);
}

TEST_CASE("a missing transition becomes a sink, and a note says so") {
  const LanguageSource acceptor = parse_format_json(
      R"({"format":"krohn-automaton-v1","alphabet":["a","b"],"start":0,"transitions":[[1,null],[null,0]],"accepting":[0]})",
      "f.json");
  CHECK(acceptor.dfa == Dfa::acceptor(Alphabet::of_characters("ab"), 0, {1, 2, 2, 0, 2, 2}, {true, false, false}));
  CHECK(acceptor.notes ==
        std::vector<std::string>{"f.json: 2 missing transitions completed with a sink, state 2 (label 0)"});
  const LanguageSource moore = parse_format_json(
      R"({"format":"krohn-automaton-v1","alphabet":["a"],"start":0,"transitions":[[null]],"labels":["x"]})", "f.json");
  CHECK(moore.dfa == Dfa(Alphabet({"a"}), 0, {1, 1}, {0, null_label}, {"x"}));
  CHECK(moore.notes ==
        std::vector<std::string>{
            "f.json: 1 missing transition completed with a sink, state 1 (label null, outside the domain)"});
  const LanguageSource att = parse_format_att("7\t3\tb\tb\n3 3 a\n\n3\r\n", "f.att");
  CHECK(att.dfa == Dfa::acceptor(Alphabet::of_characters("ab"), 1, {0, 2, 2, 0, 2, 2}, {true, false, false}));
  CHECK(att.notes.size() == 1);
}

TEST_CASE("label names: 0 and 1, numbers ascending, else in order of the states") {
  const auto names = [](const std::string& labels) {
    return parse_format_json(
               R"({"format":"krohn-automaton-v1","alphabet":["a"],"start":0,"transitions":[[1],[2],[0]],)" +
                   ("\"labels\":" + labels + "}"),
               "f")
        .dfa.label_names();
  };
  using Names = std::vector<std::string>;
  CHECK(names(R"(["1","1",null])") == Names{"0", "1"});
  CHECK(names(R"(["10","9",null])") == Names{"9", "10"});
  CHECK(names(R"(["b","a","b"])") == Names{"b", "a"});
  CHECK(names(R"(["b","a","b"],"label_names":["a","c","b"])") == Names{"a", "c", "b"});
}

TEST_CASE("krohn-automaton-v1 refuses what breaks a rule, all at once, by line and pointer") {
  const auto with = [](const std::string& alphabet, const std::string& start, const std::string& transitions,
                       const std::string& rest) {
    return json_error("{\"format\":\"krohn-automaton-v1\",\n\"alphabet\":" + alphabet + ",\n\"start\":" + start +
                      ",\n\"transitions\":" + transitions + ",\n" + rest + "}");
  };
  const std::string ok = "\"accepting\":[]";
  CHECK(with("[\"a\"]", "0", "[[0]]", ok) == "");
  CHECK(with("[\"a\"]", "0", "[[1]]", ok) == "f.json:4: /transitions/0/0: expected an integer from 0 to 0, got 1");
  CHECK(with("[\"a\"]", "1", "[[-1]]", ok) ==
        "f.json:4: /transitions/0/0: expected an integer from 0 to 0, got -1\n"
        "f.json:3: /start: expected an integer from 0 to 0, got 1");
  CHECK(with("[]", "0", "[[0]]", ok) == "f.json:2: /alphabet: alphabet: expected at least one symbol, got none");
  CHECK(with("[\"a\",\"a\"]", "0", "[[0,0]]", ok).find("got 'a' twice") != std::string::npos);
  CHECK(with("[\"a b\"]", "0", "[[0]]", ok) != "");
  CHECK(with("[\"\"]", "0", "[[0]]", ok) != "");
  CHECK(with("[1]", "0", "[[0]]", ok) == "f.json:2: /alphabet/0: expected a string, got 1");
  CHECK(with("[\"a\"]", "0", "[]", ok) == "f.json:4: /transitions: expected at least one state, got none");
  CHECK(with("[\"a\"]", "0", "[[0,0]]", ok) ==
        "f.json:4: /transitions/0: expected one state or null for each of 1 symbols, got 2 entries");
  CHECK(with("[\"a\"]", "0", "[0]", ok) == "f.json:4: /transitions/0: expected an array, got 0");
  CHECK(with("[\"a\"]", "0", "[[0.0]]", ok) != "");
  CHECK(with("[\"a\"]", "0", "[[0]]", "\"accepting\":[0,0]") ==
        "f.json:5: /accepting/1: expected different states, got 0 twice");
  CHECK(with("[\"a\"]", "0", "[[0]]", "\"accepting\":[1]") != "");
  CHECK(with("[\"a\"]", "0", "[[0]]", "\"accepting\":[],\"labels\":[\"1\"]") ==
        "f.json:1: /: expected one of the members 'accepting' and 'labels', got both");
  CHECK(with("[\"a\"]", "0", "[[0]]", "\"labels\":[]") ==
        "f.json:5: /labels: expected one label for each of 1 states, got 0");
  CHECK(with("[\"a\"]", "0", "[[0]]", "\"labels\":[1]") == "f.json:5: /labels/0: expected a string or null, got 1");
  CHECK(with("[\"a\"]", "0", "[[0]]", "\"labels\":[\"x\"],\"label_names\":[\"y\"]") ==
        "f.json:5: /labels/0: expected one of label_names, got 'x'");
  CHECK(with("[\"a\"]", "0", "[[0]]", "\"labels\":[\"x\"],\"label_names\":[\"x\",\"x\"]") != "");
  CHECK(with("[\"a\"]", "0", "[[0]]", ok + ",\"label_names\":[]") != "");
  CHECK(with("[\"a\"]", "0", "[[0]]", ok + ",\"more\":1") != "");
  CHECK(json_error("{}") ==
        "f.json:1: /: expected the member 'format', got none\n"
        "f.json:1: /: expected the member 'alphabet', got none\n"
        "f.json:1: /: expected the member 'transitions', got none\n"
        "f.json:1: /: expected one of the members 'accepting' and 'labels', got neither");
  CHECK(json_error("[]") != "");
  CHECK(json_error("{\"format\":\"krohn-automaton-v2\"}").find("got 'krohn-automaton-v2'") != std::string::npos);
}

TEST_CASE("AT&T text refuses what breaks a rule, all at once, by line and column") {
  CHECK(att_error("0 0 a a\n") == "");
  CHECK(att_error("0\t0\ta\ta\t0.5\n0\t1.5\n0\t0\ta\tb\n-1\nx\t0\ta\ta\n1 2 3 4 5 6\n") ==
        "f.att:1: column 9: expected a neutral weight, 0 or 1 (weights have no meaning in a language), got '0.5'\n"
        "f.att:2: column 3: expected a neutral weight, 0 or 1 (weights have no meaning in a language), got '1.5'\n"
        "f.att:4: column 1: expected a state (a decimal number below 2^63), got '-1'\n"
        "f.att:5: column 1: expected a state (a decimal number below 2^63), got 'x'\n"
        "f.att:6: column 11: expected at most five fields, got '6'\n"
        "f.att:3: column 7: expected the same symbol on both sides (an acceptor), got 'a' and 'b'");
  CHECK(
      att_error("0 0 0 0\n") ==
      "f.att:1: column 5: expected a symbol (--alphabet can name it one), got '0', which is epsilon where symbols are "
      "numbers");
  CHECK(att_error("") == "f.att: expected at least one state, got none");
  CHECK(att_error("0\n") ==
        "f.att: expected at least one symbol or a given alphabet, got an automaton without symbols");
  CHECK(att_error("0\n", Alphabet({"a"})) == "");
  CHECK(att_error("0 1 a a\n0 1 a a\n") == "");
  CHECK(att_error("0 1 b b\n", Alphabet({"a"})) ==
        "f.att:1: column 5: expected a symbol of the given alphabet, got 'b'");
  CHECK(att_error("0 1 0 0\n", Alphabet({"0"})) == "");
  CHECK(att_error("99999999999999999999 0 a a\n") != "");
  CHECK(att_error("0 9223372036854775807 a a\n") == "");
  CHECK(att_error("0 0 \xFF \xFF\n") ==
        "f.att:1: column 5: expected a symbol in UTF-8 without control characters, got '\\xff'");
  CHECK(att_error("0 0 \x01 \x01\n") != "");
}

TEST_CASE("a nondeterministic automaton accepts what some path accepts") {
  std::mt19937 random(21);
  std::size_t nondeterministic = 0;
  for (int round = 0; round < 300; ++round) {
    std::set<std::tuple<int, int, char>> arcs;
    for (std::size_t i = 0; i < 1 + random() % 9; ++i) {
      arcs.emplace(random() % 4, random() % 4, "ab"[random() % 2]);
    }
    std::set<int> finals;
    for (int q = 0; q < 4; ++q) {
      if (random() % 3 == 0) finals.insert(q);
    }
    std::string text;
    for (const auto& [source, target, symbol] : arcs) {
      text += std::to_string(source) + "\t" + std::to_string(target) + "\t" + symbol + "\t" + symbol + "\n";
    }
    for (const int q : finals) text += std::to_string(q) + "\n";
    const LanguageSource read = parse_format_att(text, "f", Alphabet::of_characters("ab"));
    nondeterministic +=
        read.notes.size() == 1 && read.notes[0].find("made deterministic") != std::string::npos ? 1U : 0U;
    for (std::size_t length = 0; length <= 6; ++length) {
      for (std::size_t bits = 0; bits < (std::size_t{1} << length); ++bits) {
        std::set<int> reached = {std::get<0>(*arcs.begin())};
        Word word;
        for (std::size_t t = 0; t < length; ++t) {
          word.push_back(static_cast<Symbol>((bits >> t) & 1U));
          std::set<int> next;
          for (const auto& [source, target, symbol] : arcs) {
            if (reached.count(source) == 1 && symbol == "ab"[word.back()]) next.insert(target);
          }
          reached = next;
        }
        const bool accepts = std::any_of(reached.begin(), reached.end(), [&](int q) { return finals.count(q) == 1; });
        CHECK(read.dfa.accepts_at(read.dfa.next(read.dfa.start(), word)) == accepts);
      }
    }
  }
  CHECK(nondeterministic > 50);
}

TEST_CASE("AT&T text cannot hold other labels or epsilon") {
  const Alphabet alphabet({"a"});
  CHECK_THROWS_AS(format_att(Dfa(alphabet, 0, {0}, {0}, {"x"})), InputError);
  CHECK_THROWS_AS(format_att(Dfa(alphabet, 0, {0}, {null_label}, {"0", "1"})), InputError);
  CHECK_THROWS_AS(format_att(Dfa::acceptor(Alphabet({"0"}), 0, {0}, {true})), InputError);
  CHECK_NOTHROW(format_att(Dfa::acceptor(alphabet, 0, {0}, {true})));
}

TEST_CASE("hostile bytes parse or throw InputError, and what parses survives the round trip") {
  std::mt19937 random(13);
  const Dfa seed = Dfa::acceptor(Alphabet::of_characters("ab"), 1, {0, 1, 1, 0}, {true, false});
  const Dfa moore(Alphabet::of_characters("ab"), 1, {0, 1, 1, 0}, {null_label, 1}, {"x", "7"});
  const std::vector<std::string> texts = {format_json(seed), format_json(moore), format_att(seed)};
  const std::string bytes = "0123456789ab\t\n \"[]{},:x\\\xFF\xCE\xB1null-.";
  std::size_t accepted = 0;
  for (int round = 0; round < 30000; ++round) {
    const bool json = round % 3 != 2;
    std::string text = texts[static_cast<std::size_t>(round % 3)];
    for (std::size_t edit = 0; edit < 1 + random() % 3; ++edit) {
      const std::size_t at = random() % text.size();
      const char byte = bytes[random() % bytes.size()];
      switch (random() % 4) {
        case 0:
          text[at] = byte;
          break;
        case 1:
          text.insert(at, 1, byte);
          break;
        case 2:
          text.erase(at, 1);
          break;
        default:
          text[at] = static_cast<char>(random() & 0xFFU);
      }
    }
    try {
      const Dfa dfa = json ? parse_format_json(text, "f").dfa : parse_format_att(text, "f").dfa;
      ++accepted;
      CHECK(parse_format_json(format_json(dfa), "f").dfa == dfa);
    } catch (const InputError& error) {
      CHECK(!error.problems().empty());
    }
  }
  CHECK(accepted > 1000);
}

}  // namespace
}  // namespace krohn
