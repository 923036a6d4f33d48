// label: quick
// .dot of other tools and of people: AALpy, LearnLib, automata-lib, LTLf2DFA, MONA, Graphviz's layout of krohn's own;
// the DOT language itself; and generated files against a simulation.
#include "krohn/languages/format_dot.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>

#include "krohn/automata/catalog.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/automata/regex.hpp"
#include "krohn/error.hpp"
#include "languages/reference_automaton.hpp"

namespace krohn {
namespace {

std::filesystem::path file(const char* name) {
  return std::filesystem::path(KROHN_TEST_DATA) / "cases" / "dot_of_other_tools" / name;
}

LanguageSource read(const std::string& text, const std::optional<Alphabet>& alphabet = std::nullopt) {
  return parse_format_dot(text, "f", alphabet);
}

std::string error(const std::string& text) {
  try {
    read(text);
  } catch (const InputError& problem) {
    return problem.what();
  }
  return "";
}

Dfa ab(const char* regex) { return parse_regex(regex, Alphabet::of_characters("ab")); }

TEST_CASE("files of other tools mean what their tools mean") {
  CHECK(read_format_dot(file("aalpy.dot")).dfa == catalog_language("parity"));
  CHECK(read_format_dot(file("own.dot")).dfa == catalog_language("parity"));
  CHECK(read_format_dot(file("own_after_graphviz.dot")).dfa == catalog_language("parity"));
  const Dfa moore = read_format_dot(file("aalpy_moore.dot")).dfa;
  CHECK(moore == Dfa(Alphabet({"i1", "i2"}), 0, {2, 1, 2, 1, 2, 0}, {0, 1, 2}, {"o2", "o3", "o1"}));
  // LearnLib's writers: quoted values, no commas, the start's arrow at the end.
  const LanguageSource learnlib = read(
      "digraph g {\n\n\ts0 [shape=\"doublecircle\" label=\"0\"];\n\ts1 [shape=\"circle\" label=\"1\"];\n"
      "\ts0 -> s1 [label=\"a\"];\n\ts0 -> s0 [label=\"b\"];\n\ts1 -> s0 [label=\"a\"];\n\ts1 -> s1 [label=\"b\"];\n\n"
      "__start0 [label=\"\" shape=\"none\" width=\"0\" height=\"0\"];\n__start0 -> s0;\n\n}\n");
  CHECK(learnlib.dfa == ab("(b*ab*a)*b*"));
  CHECK(learnlib.notes.empty());
  CHECK(read("digraph g { s0 [shape=\"circle\" label=\"0 / x\"]; s1 [shape=\"circle\" label=\"1 / y\"];\n"
             "s0 -> s1 [label=\"a\"]; s1 -> s0 [label=\"a\"]; __start0 [label=\"\" shape=\"none\"]; __start0 -> s0; }")
            .dfa == Dfa(Alphabet({"a"}), 0, {1, 0}, {0, 1}, {"x", "y"}));
}

TEST_CASE("a diagram of automata-lib, laid out by Graphviz") {
  const LanguageSource language = read_format_dot(file("automata_lib.dot"));
  CHECK(language.dfa.alphabet() == Alphabet::of_characters("ab"));
  CHECK(language.notes.size() == 3);
  // As automata-lib answers.
  const std::map<std::string, bool> words = {
      {"", true},      {"a", true},     {"b", true},     {"aa", true},    {"ab", true},    {"ba", true},
      {"bb", true},    {"aaa", true},   {"aba", true},   {"abb", true},   {"baa", true},   {"bab", true},
      {"aaaa", true},  {"baaa", true},  {"baba", true},  {"bbba", true},  {"bbbb", true},  {"aaaab", true},
      {"aaaba", true}, {"abaaa", true}, {"ababb", true}, {"abbaa", true}, {"baaab", true}, {"baaba", true}};
  for (const auto& [word, accepted] : words) {
    CAPTURE(word);
    CHECK(language.dfa.accepts_at(language.dfa.next(language.dfa.start(), language.dfa.alphabet().parse_word(word))) ==
          accepted);
  }
}

TEST_CASE("hand-written drawings") {
  const Dfa abb = ab("(a|b)*abb");
  CHECK(read("digraph { start -> 0; 0 -> 0 [label=\"a, b\"]; 0 -> 1 [label=a]; 1->2 [label=b]; 2->3 [label=b];"
             "3 [peripheries=2] }")
            .dfa == abb);
  CHECK(read("digraph { node [shape=doublecircle] 3 node [shape=circle] i [style=invisible] i -> 0\n"
             "0 -> 0 [label=\"a\\nb\"] 0 -> 1 [label=a] subgraph cluster_x { edge [label=b] 1 -> 2 -> 3 } }")
            .dfa == abb);
  CHECK(read("digraph { edge [label=x]; __start0 -> q [label=\"\"]; q -> q [label=\"a\"]; q [shape=\"double\" + "
             "\"circle\"]; q -> q; }")
            .dfa == Dfa::acceptor(Alphabet({"a", "x"}), 0, {0, 0}, {true}));
  // Defaults, chains, ports, comments.
  CHECK(minimize(read("digraph fsm { /* x */ rankdir=LR; node [shape = doublecircle]; q2; node [shape = circle];\n"
                      "# a line\nstart [shape=none,label=\"\"]; start -> q0; // y\nq0 -> q1 -> q2:n [label=a]; {q1; "
                      "q2} -> q0:e:s "
                      "[label=b] }")
                     .dfa) == ab("(ab|aab)*aa"));
  CHECK(read("digraph { p [shape=point]; p -> q; q -> {r s} [label=a]; {r s} -> t [label=b]; t [shape=doublecircle] }")
            .dfa == ab("ab"));
  // Epsilon, entities, symbols that look like more.
  CHECK(read("digraph { p [shape=point]; p -> q; q -> r [label=\"\xCE\xB5\"]; r -> r [label=\"&amp;\"]; r "
             "[shape=doublecircle] }")
            .dfa == parse_regex("\\&*"));
  CHECK(
      read("digraph { p [shape=point]; p -> q; q -> q [label=\",\"]; q -> q [label=\"/\"]; q -> q [label=\"(x,y)\"]; q "
           "[shape=doublecircle] }")
          .dfa.alphabet() == Alphabet({"(x,y)", ",", "/"}));
  CHECK(
      read("digraph { p [shape=point]; p -> q; q -> q [label=\"a/b\"]; }", Alphabet({"a/b", "x"})).dfa.num_symbols() ==
      2);
}

TEST_CASE("what cannot be meant is refused by name and line") {
  const std::string start = "digraph {\np [shape=point];\np -> q;\n";
  CHECK(error("digraph { a -> b }").find("f: expected at least one symbol") == 0);
  CHECK(error("digraph { a -> b [label=x] }").find("f: expected an arrow without a label") == 0);
  CHECK(error(start + "q -> q;\n}").find("f:4: expected an edge with a label") == 0);
  CHECK(error(start + "q -> q [label=\"a/b\"];\nq -> q [label=\"a / b\"];}") ==
        "f:4: expected a symbol, or symbols and commas (--alphabet can name it a symbol), got 'a/b', an output or a "
        "stack's action as in Mealy machines and pushdown automata");
  CHECK(error(start + "q -> q [label=\"a:0.5\"];\nq -> r [label=\"a:0.5\"]}").find("f:4: expected labels of symbols") ==
        0);
  CHECK(error(start + "q -> q [label=\"a b\"];}").find("f:4: expected a symbol in UTF-8 without white space") == 0);
  CHECK(error(start + "q -> q [label=\"a,,b\"];}").find("f:4: expected a symbol in UTF-8") == 0);
  CHECK(error(start + "q -> q [label=<<b>a</b>>];}").find("f:4: expected a label without HTML") == 0);
  CHECK(error("graph { a -- b }") == "f:1: column 1: expected digraph, got 'graph'");
  CHECK(error(start + "q -- q}").find("f:4: column 3: expected '->'") == 0);
  CHECK(error("strict " + start + "q -> r [label=a]; q -> r [label=b]}").find("f:4: expected one edge between") == 0);
  CHECK(error(start + "q [label=\"x]; }").find("expected a text that ends") != std::string::npos);
  CHECK(error(start + "q [label x]; }").find("f:4: column") != std::string::npos);
  CHECK(error(start + "} digraph {}").find("f:4: column 3: expected one graph") == 0);
  CHECK(error("digraph { /* }").find("expected a comment that ends") != std::string::npos);
  std::string deep = "digraph ";
  for (int i = 0; i < 100000; ++i) deep += '{';
  CHECK(error(deep).find("expected subgraphs nested at most 100 deep") != std::string::npos);
  CHECK(
      error("digraph { p [shape=point]; q [label=\"q|x\",shape=record]; p -> q; q -> q [label=a]; q -> r [label=a]; r "
            "[label=\"r|y\",shape=record] }") ==
      "f: expected a deterministic automaton, because its states have labels, got a nondeterministic one");
  const LanguageSource mixed =
      read(start + "q [shape=doublecircle,label=\"q/1\"]; q -> q [label=a]; legend [shape=none]}");
  CHECK(mixed.notes ==
        std::vector<std::string>{"f: the node 'legend' has no edges and no outline: it is no state",
                                 "f: outputs in the labels of states are not read, because there are double circles"});
  const LanguageSource none = read(start + "q -> q [label=a]}");
  CHECK(none.notes == std::vector<std::string>{"f: no state is a double circle: the language is empty"});
}

TEST_CASE("LTLf2DFA's formulas and MONA's rows") {
  // G(a -> X b) as LTLf2DFA prints it.
  const LanguageSource formulas = read(
      "digraph MONA_DFA {\n rankdir = LR;\n center = true;\n size = \"7.5,10.5\";\n edge [fontname = Courier];\n"
      " node [height = .5, width = .5];\n node [shape = doublecircle]; 1;\n node [shape = circle]; 2; 3;\n"
      " init [shape = plaintext, label = \"\"];\n init -> 1;\n 1 -> 1 [label=\"~a\"];\n 1 -> 2 [label=\"a\"];\n"
      " 2 -> 3 [label=\"~b\"];\n 2 -> 1 [label=\"b & ~a\"];\n 2 -> 2 [label=\"a & b\"];\n 3 -> 3 "
      "[label=\"true\"];\n}\n");
  CHECK(formulas.notes ==
        std::vector<std::string>{"f: letters are valuations of the bits 'a b' in this order, 4 of 2^2 occur"});
  CHECK(formulas.dfa.alphabet() == Alphabet({"00", "01", "10", "11"}));
  CHECK(formulas.dfa.labels()[0] == 1);
  CHECK(std::vector<State>(formulas.dfa.delta().begin(), formulas.dfa.delta().end()) ==
        std::vector<State>{0, 0, 1, 1, 2, 0, 2, 1, 2, 2, 2, 2});
  // MONA: a row a variable, columns are alternatives; boxes are don't-care states.
  const LanguageSource rows = read(
      "digraph MONA_DFA {\n node [shape = doublecircle]; 2;\n node [shape = circle]; 1;\n node [shape = box]; 0;\n"
      " init [shape = plaintext, label = \"\"];\n init -> 0;\n 0 -> 1 [label=\"X\\nX\"];\n 1 -> 1 [label=\"0 "
      "1\\nX,0\"];\n"
      " 1 -> 2 [label=\"1\\n1\"];\n 2 -> 2 [label=\"X\\nX\"];\n}\n");
  CHECK(rows.dfa == Dfa(Alphabet({"00", "01", "10", "11"}), 2, {0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1}, {1, 0, null_label},
                        {"0", "1"}));
  CHECK(rows.notes.size() == 3);
  CHECK(error("digraph MONA_DFA { i [shape=plaintext]; i -> 1; 1 -> 1 [label=\"a ^ b\"] }")
            .find("f:1: expected a formula") == 0);
  CHECK(error("digraph MONA_DFA { i [shape=plaintext]; i -> 1; 1 -> 1 [label=\"0\\n1\"]; 1->1 [label=\"0\"] }")
            .find("f:1: expected 2 rows of equally many") == 0);
}

TEST_CASE("2000 generated drawings mean what a simulation says") {
  std::mt19937 random(14);
  for (int round = 0; round < 2000; ++round) {
    CAPTURE(round);
    const test::ReferenceAutomaton reference =
        test::random_reference(random, {{"a", "b", "c"}, round % 2 == 0, round % 3 == 0});
    const auto name = [&](std::size_t q) {
      return round % 4 == 0 ? "\"state " + std::to_string(q) + "\\\"\"" : "s" + std::to_string(q);
    };
    std::vector<std::string> statements;
    for (std::size_t q = 0; q < reference.num_states; ++q) {
      const bool final = reference.finals.contains(q);
      const char* twice[] = {" [shape=doublecircle]", " [label=\"x\" shape=\"doublecircle\",]", " [peripheries=2;]"};
      statements.push_back(name(q) + (final ? twice[random() % 3] : random() % 2 == 0 ? "" : " [shape=circle]"));
    }
    for (const std::size_t q : reference.starts) {
      statements.push_back("i" + std::to_string(q) + " [shape=point]");
      statements.push_back("i" + std::to_string(q) + " -> " + name(q) + (random() % 2 == 0 ? "" : " [label=\"\"]"));
    }
    // Arrows between the same states share a label.
    std::map<std::pair<std::size_t, std::size_t>, std::string> labels;
    for (const test::ReferenceArc& arc : reference.arcs) {
      std::string& label = labels[{arc.from, arc.to}];
      if (!label.empty()) label += round % 5 == 0 ? "\\n" : random() % 2 == 0 ? "," : ", ";
      label += arc.symbol.value_or("\xCE\xB5");
    }
    for (const auto& [ends, label] : labels) {
      statements.push_back(name(ends.first) + "->" + name(ends.second) + "[color=red,label=\"" + label + "\"]");
    }
    std::shuffle(statements.begin(), statements.end(), random);
    std::string text = "digraph {";
    for (const std::string& statement : statements) text += statement + (random() % 2 == 0 ? ";\n" : "\n");
    CAPTURE(text);
    test::check_same_language(reference, read(text + "}").dfa);
  }
}

}  // namespace
}  // namespace krohn
