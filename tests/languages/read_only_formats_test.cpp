// label: quick
// .mona, .aut and .ba, which are only read, and .hoa beyond what krohn writes: what they mean, refusals with their
// line, and generated files against a simulation.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>

#include "error_of.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/automata/regex.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/format_aut.hpp"
#include "krohn/languages/format_ba.hpp"
#include "krohn/languages/format_hoa.hpp"
#include "krohn/languages/format_mona.hpp"
#include "krohn/languages/language.hpp"
#include "languages/reference_automaton.hpp"
#include "temporary_directory.hpp"

namespace krohn {
namespace {

using Notes = std::vector<std::string>;

const std::string mona =
    "DFA for formula with free variables: P Q \nInitial state: 0 \nAccepting states: 2 \nRejecting states: 1 \n"
    "Don't-care states: 0 \n\nAutomaton has 3 states and 4 BDD-nodes\nTransitions:\nState 0: XX -> state 1\n"
    "State 1: 0X -> state 1\nState 1: 10 -> state 1\nState 1: 11 -> state 2\nState 2: XX -> state 2\n"
    "A satisfying example of least length (1) is:\nP               X 1\nQ               X 1\n";

TEST_CASE("what MONA prints") {
  const LanguageSource read = parse_format_mona("ANALYSIS\n" + mona, "f");
  CHECK(read.dfa == Dfa(Alphabet({"00", "01", "10", "11"}), 0, {1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2}, {null_label, 0, 1},
                        {"0", "1"}));
  CHECK(read.notes ==
        Notes{"f: in automata of WS1S, MONA's default, the first letter is the values of the Boolean variables",
              "f: letters are valuations of the bits 'P Q' in this order, 4 of 2^2 occur"});
  const LanguageSource closed = parse_format_mona(
      "DFA for formula with free variables: \nInitial state: 0\nAccepting states: 0\nRejecting "
      "states:\n\nTransitions:\n"
      "State 0:  -> state 0\n",
      "f");
  CHECK(closed.dfa == Dfa::acceptor(Alphabet({"t"}), 0, {0}, {true}));
  const auto error = [](const std::string& text) { return error_of([&] { parse_format_mona(text, "f"); }); };
  CHECK(error("ws1s;\nvar2 P;\nP = {0};\n") ==
        "f: expected a line 'DFA for formula with free variables:', got none (formulas are not read)");
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = mona;
    text.replace(text.find(from), from.size(), to);
    return error(text);
  };
  CHECK(changed("0X", "0") == "f:10: expected 0, 1 or X for each of 2 variables, got '0'");
  CHECK(changed("state 2\n", "state 7\n") == "f:12: expected a state of one of the lists, got 7");
  CHECK(changed("Rejecting states: 1", "Rejecting states: 1 2") == "f:4: expected every state once, got 2 twice");
  CHECK(changed("Initial state: 0", "Initial state: x").find("f:2: expected a state below") == 0);
  CHECK(changed("P Q", "P P").find("f:1: expected different variables, got 'P' twice") == 0);
  CHECK(changed("Transitions:", "Transition") ==
        "f:8: expected a list of states, or 'State ..: .. -> state ..', got 'Transition'");
}

TEST_CASE("labelled transition systems accept their traces") {
  const LanguageSource read = parse_format_aut("des (0, 3, 2)\n(0, \"a\", 1)\n(1,b,0)\r\n (0, \"c,d\" ,1)\n", "f");
  CHECK(minimize(read.dfa).num_states() == 3);
  CHECK(read.dfa.alphabet() == Alphabet({"a", "b", "c,d"}));
  CHECK(read.dfa.labels()[0] == 1);
  CHECK(read.notes.front() == "f: every state is accepting: the language is that of all traces");
  const std::string hidden = "des(1,2,2)\n(1,i,0)\n(0,a,0)\n";
  CHECK(parse_format_aut(hidden, "f").dfa == parse_regex("a*"));
  CHECK(parse_format_aut(hidden, "f").notes[1] == "f: the hidden labels i and tau read nothing");
  const Alphabet named = Alphabet::of_characters("ai");
  CHECK(minimize(parse_format_aut(hidden, "f", named).dfa) == parse_regex("(ia*)?", named));
  const auto error = [](const std::string& text) { return error_of([&] { parse_format_aut(text, "f"); }); };
  CHECK(error("Ops a:0 b:2\n").find("f:1: expected des (initial state, number of") == 0);
  CHECK(error("des (0, 1, 1)\n(0, a, 1)\n") == "f:2: expected a state below 1, got '1'");
  CHECK(error("des (0, 2, 1)\n(0, a, 0)\n") == "f: expected 2 transitions, as the first line says, got 1");
  CHECK(error("des (0, 1, 1)\n(0, a b, 0)\n").find("f:2: expected a symbol in UTF-8 without white space") == 0);
  CHECK(error("des (0, 1, 1)\n(0, a, b, 0)\n").find("f:2: expected a label in quotation marks") == 0);
  CHECK(error("des (1, 0, 1)\n").find("f:1: expected from 1 to") == 0);
  CHECK(error("") == "f: expected des (initial state, number of transitions, number of states), got an empty file");
}

TEST_CASE(".ba over finite words") {
  const Dfa expected = parse_regex("(ab)*a");
  const LanguageSource read = parse_format_ba("[0]\na,[0]->[1]\nb,[1]->[0]\n[1]\n", "f");
  CHECK(minimize(read.dfa) == expected);
  CHECK(read.notes.front() ==
        "f: read over finite words: accepted are those with a run that ends in an accepting state");
  CHECK(minimize(parse_format_ba("a,p -> q\nb, q->p\nq\n", "f").dfa) == expected);
  const LanguageSource all = parse_format_ba("[s]\na,[s]->[t]\n", "f");
  CHECK(minimize(all.dfa) == parse_regex("a?"));
  CHECK(all.notes[1] == "f: no state is marked as accepting: all are");
  CHECK(parse_format_ba("[s]\na,b,[s]->[s]\n", "f").dfa.alphabet() == Alphabet({"a,b"}));
  const auto error = [](const std::string& text) { return error_of([&] { parse_format_ba(text, "f"); }); };
  CHECK(error("[0]\n[1]\n") == "f:2: expected one initial state before the transitions, got a second one, '[1]'");
  CHECK(error("a [0]->[1]\n").find("f:1: expected symbol,state->state, got 'a [0]->[1]'") == 0);
  CHECK(error("a,[0]->[1]\n[1]\nb,[0]->[1]\n").find("f:3: expected accepting states behind the transitions") == 0);
  CHECK(error("a b,[0]->[1]\n").find("f:1: expected a symbol in UTF-8") == 0);
  // A transition with a problem is one all the same: what stands behind it is no second initial state.
  CHECK(error("[0]\na b,[0]->[1]\n[1]\n").find("second") == std::string::npos);
  CHECK(error("") == "f: expected at least one state, got none");
}

TEST_CASE("HOA 1.1, constants, and acceptance sets of edges") {
  const std::string head = "HOA: v1.1\nStart: 0\nAP: 1 \"p.q\"\nproperties: !complete deterministic\nAlias: @a.b 0\n";
  const LanguageSource edges = parse_format_hoa(
      head + "Acceptance: 1 Inf(0)\n--BODY--\nState: 0\n[@a.b] 0 {0}\n[!0] 1\nState: 1\n[t] 0\n--END--", "f");
  const Alphabet bits = Alphabet::of_characters("01");
  // Accepted: the last letter is a 1 read in state 0, where an even number of letters were read since the last 0 there.
  CHECK(minimize(edges.dfa) == parse_regex("(1|0.)*1", bits));
  CHECK(edges.notes.front() ==
        "f: edges have acceptance sets: a word is accepted if its last edge is in set 0, and the empty word is not");
  CHECK(minimize(parse_format_hoa(head + "Acceptance: 0 f\n--BODY--\nState: 0\n[t] 0\n--END--", "f").dfa) ==
        parse_regex("[^01]", bits));
  CHECK(parse_format_hoa(head + "Acceptance: 0 t\n--BODY--\nState: 0\n[t & !f] 0\n--END--", "f").dfa ==
        Dfa::acceptor(bits, 0, {0, 0}, {true}));
  CHECK(parse_format_hoa(head + "Acceptance: 1 Inf(0)\n--BODY--\nState: 0 {0}\n[t] 0 {}\n--END--", "f").dfa ==
        Dfa::acceptor(bits, 0, {0, 0}, {true}));
  const auto bom = std::filesystem::path(KROHN_TEST_DATA) / "cases" / "byte_order_mark" / "bom.hoa";
  CHECK(minimize(read_format_hoa(bom).dfa) == parse_regex("1*", bits));
}

TEST_CASE("files are read by their suffix in lower and upper case") {
  const TemporaryDirectory directory;
  const std::map<std::string, std::string> files = {
      {"x.mona", mona},
      {"x.MONA", mona},
      {"x.aut", "des (0,1,1)\n(0,a,0)\n"},
      {"x.Aut", "des (0,1,1)\n(0,a,0)\n"},
      {"x.ba", "a,0->0\n"},
      {"x.BA",
       "\xEF\xBB\xBF"
       "a,0->0\n"},
      {"x.gv", "digraph { i [shape=point]; i -> q; q -> q [label=a]; q [shape=doublecircle] }"},
      {"x.DOT", "\xEF\xBB\xBF digraph { i [shape=point]; i -> q; q -> q [label=a]; q [shape=doublecircle] }"},
      {"x.JSON",
       "\xEF\xBB\xBF{\"format\": \"krohn-automaton-v1\", \"alphabet\": [\"a\"], \"start\": 0, \"transitions\": "
       "[[0]], \"accepting\": [0]}"}};
  for (const auto& [name, text] : files) {
    CAPTURE(name);
    std::ofstream(directory / name) << text;
    CHECK(read_language((directory / name).string()).dfa.num_states() == (text == mona ? 3 : 1));
  }
  std::ofstream(directory / "x.txt") << "a";
  CHECK(error_of([&] { read_language((directory / "x.txt").string()); }).find(".mona, .aut or .ba, got '.txt'") !=
        std::string::npos);
  CHECK(error_of([&] { write_language(directory / "y.ba", parse_regex("a")); }).find(".hoa or .dot, got '.ba'") !=
        std::string::npos);
}

TEST_CASE("1500 generated files of each format mean what a simulation says") {
  std::mt19937 random(15);
  for (int round = 0; round < 1500; ++round) {
    CAPTURE(round);
    test::ReferenceAutomaton reference = test::random_reference(random, {{"a", "b", "c"}, round % 2 == 0, false});
    reference.starts = {0};
    const auto number = [](std::size_t q) { return std::to_string(q); };

    std::string ba = "[0]\n";
    for (const test::ReferenceArc& arc : reference.arcs) {
      ba += *arc.symbol + ",[" + number(arc.from) + "]->[" + number(arc.to) + "]\n";
    }
    test::ReferenceAutomaton marked = reference;
    for (const std::size_t q : reference.finals) ba += "[" + number(q) + "]\n";
    if (reference.finals.empty()) {
      for (std::size_t q = 0; q < reference.num_states; ++q) marked.finals.insert(q);
    }
    test::check_same_language(marked, parse_format_ba(ba, "f").dfa);

    test::ReferenceAutomaton traces = reference;
    for (std::size_t q = 0; q < reference.num_states; ++q) traces.finals.insert(q);
    traces.arcs.push_back({random() % reference.num_states, std::nullopt, random() % reference.num_states});
    std::string aut = "des (0, " + number(traces.arcs.size()) + ", " + number(traces.num_states) + ")\n";
    for (const test::ReferenceArc& arc : traces.arcs) {
      aut += "(" + number(arc.from) + ", \"" + arc.symbol.value_or(round % 3 == 0 ? "i" : "tau") + "\", " +
             number(arc.to) + ")\n";
    }
    test::check_same_language(traces, parse_format_aut(aut, "f").dfa);

    // .hoa over two propositions; on odd rounds the edges carry the sets.
    std::map<std::string, std::string> formulas = {{"00", "!0&!1"}, {"01", "!0&1"}, {"10", "0&!1"}, {"11", "0&1"}};
    test::ReferenceAutomaton bits = test::random_reference(random, {{"00", "01", "10", "11"}, round % 4 == 0, false});
    const bool on_edges = round % 2 == 1;
    std::string hoa = "HOA: v1\nStates: " + number(bits.num_states) + "\nAP: 2 \"x\" \"y\"\nAcceptance: 1 Inf(0)\n";
    for (const std::size_t q : bits.starts) hoa += "Start: " + number(q) + "\n";
    hoa += "--BODY--\n";
    // With sets on edges a state q is q, entered without a mark, and n + q, entered with one.
    test::ReferenceAutomaton split{2 * bits.num_states, bits.starts, {}, {}};
    for (std::size_t q = 0; q < bits.num_states; ++q) {
      split.finals.insert(bits.num_states + q);
      hoa += "State: " + number(q) + (!on_edges && bits.finals.contains(q) ? " {0}\n" : "\n");
      for (const test::ReferenceArc& arc : bits.arcs) {
        if (arc.from != q) continue;
        const bool mark = on_edges && random() % 2 == 0;
        hoa += "[" + formulas[*arc.symbol] + "] " + number(arc.to) + (mark ? " {0}\n" : "\n");
        const std::size_t to = (mark ? bits.num_states : 0) + arc.to;
        split.arcs.push_back({arc.from, arc.symbol, to});
        split.arcs.push_back({bits.num_states + arc.from, arc.symbol, to});
      }
    }
    CAPTURE(hoa);
    test::check_same_language(on_edges ? split : bits, parse_format_hoa(hoa + "--END--", "f").dfa);

    // .mona: one cube a letter, deterministic and complete as MONA's automata are.
    test::ReferenceAutomaton complete{bits.num_states, {0}, bits.finals, {}};
    std::string text = "DFA for formula with free variables: x y\nInitial state: 0\nAccepting states:";
    for (const std::size_t q : complete.finals) text += " " + number(q);
    text += "\nRejecting states:";
    for (std::size_t q = 0; q < complete.num_states; ++q) text += complete.finals.contains(q) ? "" : " " + number(q);
    text += "\n\nAutomaton has " + number(complete.num_states) + " states and 1 BDD-node\nTransitions:\n";
    for (std::size_t q = 0; q < complete.num_states; ++q) {
      const std::size_t to[] = {random() % complete.num_states, random() % complete.num_states};
      const bool first = random() % 2 == 0;  // whether the first bit decides, or the second
      for (const char bit : {'0', '1'}) {
        const std::size_t target = to[bit - '0'];
        text += "State " + number(q) + ": " + (first ? std::string(1, bit) + "X" : "X" + std::string(1, bit)) +
                " -> state " + number(target) + "\n";
        for (const char other : {'0', '1'}) {
          complete.arcs.push_back({q, first ? std::string{bit, other} : std::string{other, bit}, target});
        }
      }
    }
    test::check_same_language(complete, parse_format_mona(text, "f").dfa);
  }
}

// x in P & (b => x in Q) & all1 y: (y < x => y in P | y in Q), as MONA 1.4-18 exports and prints it.
const std::string exported = R"(MONA DFA
number of variables: 4
variables: P Q b x
orders: 2 2 0 1
states: 6
initial: 0
bdd nodes: 16
final: 0 0 0 0 -1 1
behaviour: 0 3 11 9 8 5
bdd:
 2 2 1
 -1 2 0
 -1 1 0
 0 6 4
 3 2 5
 -1 5 0
 1 9 7
 3 2 8
 -1 4 0
 3 10 8
 -1 3 0
 0 15 12
 1 14 13
 3 1 5
 3 1 8
 1 9 14
end
)";
const std::string printed = R"(DFA for formula with free variables: P Q b x
Initial state: 0
Accepting states: 5
Rejecting states: 4
Don't-care states: 0 1 2 3

Automaton has 6 states and 16 BDD-nodes
Transitions:
State 0: XX0X -> state 1
State 0: XX1X -> state 2
State 1: 00X0 -> state 3
State 1: 00X1 -> state 4
State 1: 01X0 -> state 1
State 1: 01X1 -> state 4
State 1: 1XX0 -> state 1
State 1: 1XX1 -> state 5
State 2: 00X0 -> state 3
State 2: 00X1 -> state 4
State 2: 01X0 -> state 2
State 2: 01X1 -> state 4
State 2: 10X0 -> state 2
State 2: 10X1 -> state 4
State 2: 11X0 -> state 2
State 2: 11X1 -> state 5
State 3: XXX0 -> state 3
State 3: XXX1 -> state 4
State 4: XXXX -> state 4
State 5: XXXX -> state 5
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

TEST_CASE("what MONA exports is what it prints") {
  const LanguageSource source = parse_format_mona(exported, "f");
  CHECK(source.dfa == parse_format_mona(printed, "f").dfa);
  CHECK(source.dfa.num_states() == 6);
  CHECK(source.dfa.num_symbols() == 16);
  CHECK(source.notes.back() == "f: letters are valuations of the bits 'P Q b x' in this order");
  const auto refused = [](const std::string& from, const std::string& to) {
    return error_of([&] { parse_format_mona(replaced(exported, from, to), "f"); });
  };
  CHECK(refused("MONA DFA", "MONA GTA") == "f:1: expected 'MONA DFA', got 'MONA GTA', a tree automaton");
  CHECK(refused("states: 6", "states: 7") == "f:8: expected 7 after 'final:', got 6");
  CHECK(refused("bdd nodes: 16", "bdd nodes: 17") == "f:27: expected 17 nodes before 'end', got 16");
  CHECK(refused(" 0 6 4", " 0 16 4") == "f:14: expected a node below 16, got '16'");
  CHECK(refused(" 0 6 4", " 4 6 4") == "f:14: expected a variable below 4, got '4'");
  CHECK(refused("-1 5 0", "-1 6 0") == "f:16: expected a state below 6, got '6'");
  CHECK(refused(" 1 9 7", " 3 9 7").find("f:17: expected nodes that test later variables than 3, got node 9, which ") ==
        0);
  CHECK(refused("final: 0", "final: 2") == "f:8: expected 1 (accepting), -1 (rejecting) or 0 (don't care), got '2'");
  CHECK(refused("orders:", "order:") == "f:4: expected 'orders:', got 'order: 2 2 0 1'");
  CHECK(refused("P Q b x", "P Q b P") == "f:3: expected different variables, got 'P' twice");
  CHECK(refused("end\n", "end\nmore") == "f:28: expected nothing after 'end', got 'more'");
  std::string many = "MONA DFA\nnumber of variables: 13\nvariables: a b c d e f g h i j k l m\n";
  many +=
      "orders: 2 2 2 2 2 2 2 2 2 2 2 2 2\nstates: 1\ninitial: 0\nbdd nodes: 1\nfinal: 1\nbehaviour: 0\nbdd:\n-1 0 "
      "0\nend";
  CHECK_THROWS_AS(parse_format_mona(many, "f"), ResourceError);
  CHECK(parse_format_mona("MONA DFA\nnumber of variables: 0\nvariables:\norders:\nstates: 2\ninitial: 0\nbdd nodes: 2\n"
                          "final: -1 1\nbehaviour: 0 1\nbdd:\n-1 1 0\n-1 0 0\nend\n",
                          "f")
            .dfa == Dfa::acceptor(Alphabet({"t"}), 0, {1, 0}, {false, true}));
}

// A decision tree of its own: inner nodes test `variable`, leaves have a state.
struct Decision {
  std::size_t variable;
  std::size_t state;
  std::size_t low;
  std::size_t high;
};

TEST_CASE("1500 exported automata mean what their decisions say") {
  const auto number = [](std::size_t q) { return std::to_string(q); };
  std::mt19937 random(71);
  for (int round = 0; round < 1500; ++round) {
    CAPTURE(round);
    const std::size_t bits = random() % 5;
    const std::size_t states = 1 + random() % 6;
    std::vector<Decision> trees;
    const std::function<std::size_t(std::size_t)> grow = [&](std::size_t first) {
      const std::size_t variable = first + random() % 3;
      Decision decision{variable, random() % states, 0, 0};
      if (variable >= bits) {
        decision.variable = bits;
      } else {
        decision.low = grow(variable + 1);
        decision.high = grow(variable + 1);
      }
      trees.push_back(decision);
      return trees.size() - 1;
    };
    std::vector<std::size_t> roots;
    for (std::size_t q = 0; q < states; ++q)
      roots.push_back(q > 0 && random() % 4 == 0 ? roots[random() % q] : grow(0));
    std::vector<std::size_t> place(trees.size());  // of each decision among the nodes
    for (std::size_t i = 0; i < place.size(); ++i) place[i] = i;
    std::shuffle(place.begin(), place.end(), random);
    std::vector<std::string> lines(trees.size());
    for (std::size_t i = 0; i < trees.size(); ++i) {
      const Decision& t = trees[i];
      lines[place[i]] = t.variable == bits ? " -1 " + number(t.state) + " 0\n"
                                           : " " + number(t.variable) + " " + number(place[t.low]) + " " +
                                                 number(place[t.high]) + "\n";
    }
    std::vector<int> kinds;
    std::string text = "MONA DFA\nnumber of variables: " + number(bits) + "\nvariables:";
    for (std::size_t bit = 0; bit < bits; ++bit) text += " v" + number(bit);
    text += "\norders:";
    for (std::size_t bit = 0; bit < bits; ++bit) text += " " + number(random() % 3);
    const std::size_t start = random() % states;
    text += "\nstates: " + number(states) + "\ninitial: " + number(start) + "\nbdd nodes: " + number(trees.size());
    text += "\nfinal:";
    for (std::size_t q = 0; q < states; ++q) {
      kinds.push_back(static_cast<int>(random() % 3) - 1);
      text += " " + std::to_string(kinds.back());
    }
    text += "\nbehaviour:";
    for (const std::size_t root : roots) text += " " + number(place[root]);
    text += "\nbdd:\n";
    for (const std::string& line : lines) text += line;
    CAPTURE(text);
    const Dfa dfa = parse_format_mona(text + "end\n", "f").dfa;
    REQUIRE(dfa.num_states() == states);
    REQUIRE(dfa.num_symbols() == std::size_t{1} << bits);
    CHECK(dfa.start() == start);
    for (std::size_t q = 0; q < states; ++q) {
      CHECK(dfa.labels()[q] == (kinds[q] == 0 ? null_label : kinds[q] == 1 ? 1 : 0));
      for (std::size_t letter = 0; letter < dfa.num_symbols(); ++letter) {
        const std::string name = dfa.alphabet().name(static_cast<Symbol>(letter));
        std::size_t at = roots[q];
        while (trees[at].variable < bits) at = name[trees[at].variable] == '1' ? trees[at].high : trees[at].low;
        CHECK(dfa.next(static_cast<State>(q), static_cast<Symbol>(letter)) == trees[at].state);
      }
    }
  }
}

}  // namespace
}  // namespace krohn
