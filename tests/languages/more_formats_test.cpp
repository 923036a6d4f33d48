// label: quick
// .mata, .jff, .hoa and .dot: what is written is read back equal, nondeterminism is resolved, what breaks a rule is
// refused with its place, hostile bytes parse or throw InputError.
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <random>

#include "corpus.hpp"
#include "error_of.hpp"
#include "krohn/automata/catalog.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/automata/nfa.hpp"
#include "krohn/automata/regex.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/format_dot.hpp"
#include "krohn/languages/format_hoa.hpp"
#include "krohn/languages/format_jff.hpp"
#include "krohn/languages/format_mata.hpp"

namespace krohn {
namespace {

using Parse = std::function<LanguageSource(std::string_view, const std::optional<Alphabet>&)>;

struct Format {
  const char* name;
  std::function<std::string(const Dfa&)> write;
  Parse parse;
};

const std::vector<Format>& formats() {
  static const std::vector<Format> list = {
      {"mata", format_mata,
       [](std::string_view text, const std::optional<Alphabet>& a) { return parse_format_mata(text, "f", a); }},
      {"jff", format_jff,
       [](std::string_view text, const std::optional<Alphabet>& a) { return parse_format_jff(text, "f", a); }},
      {"hoa", format_hoa,
       [](std::string_view text, const std::optional<Alphabet>& a) { return parse_format_hoa(text, "f", a); }},
      {"dot", [](const Dfa& dfa) { return format_dot(dfa); },
       [](std::string_view text, const std::optional<Alphabet>&) { return parse_format_dot(text, "f"); }},
  };
  return list;
}

Dfa random_dfa(std::mt19937& random, bool acceptor, bool single_characters) {
  std::vector<std::string> pool = {"a", "b", "\xCE\xB1", "\"", "<", "&", "\\", "1", "(", "#", "%", "@", "]", "'", "-"};
  if (!single_characters) pool.insert(pool.end(), {"ab", "x\"y", "q0", "->", "&amp;", "\\\"", "@NFA-explicit"});
  std::shuffle(pool.begin(), pool.end(), random);
  pool.resize(1 + random() % 5);
  const std::size_t states = 1 + random() % 6;
  std::vector<State> delta(states * pool.size());
  for (State& next : delta) next = static_cast<State>(random() % states);
  const auto start = static_cast<State>(random() % states);
  if (acceptor) {
    std::vector<bool> accepting(states);
    for (std::size_t q = 0; q < states; ++q) accepting[q] = random() % 2 == 0;
    return Dfa::acceptor(Alphabet(pool), start, delta, accepting);
  }
  const std::vector<std::vector<std::string>> label_pools = {
      {"0", "1"}, {"1", "0"}, {}, {"2", "10", "3"}, {"x", "", "\xCE\xB1\""}, {"0", "1", "2"}, {"\\", "1"}, {"1"}};
  const std::vector<std::string>& labels = label_pools[random() % label_pools.size()];
  std::vector<LabelId> of_state(states);
  for (LabelId& label : of_state) label = static_cast<LabelId>(random() % (labels.size() + 1)) - 1;
  return Dfa(Alphabet(pool), start, delta, of_state, labels);
}

TEST_CASE("every acceptor survives every format") {
  std::mt19937 random(1);
  for (const Format& format : formats()) {
    CAPTURE(format.name);
    for (int round = 0; round < 200; ++round) {
      const Dfa dfa = random_dfa(random, true, std::string(format.name) == "jff");
      const LanguageSource read = format.parse(format.write(dfa), dfa.alphabet());
      CHECK(read.dfa == dfa);
      CHECK(read.notes.empty());
      if (std::string(format.name) != "jff") CHECK(format.parse(format.write(dfa), std::nullopt).dfa == dfa);
    }
  }
}

TEST_CASE("the corpus survives every format") {
  for (const Format& format : formats()) {
    CAPTURE(format.name);
    for (const corpus::Language& language : corpus::languages()) {
      CHECK(format.parse(format.write(language.dfa), language.dfa.alphabet()).dfa == language.dfa);
    }
  }
}

TEST_CASE("Moore machines survive .dot and are refused by the others") {
  std::mt19937 random(2);
  for (int round = 0; round < 300; ++round) {
    const Dfa dfa = random_dfa(random, false, false);
    const LanguageSource read = parse_format_dot(format_dot(dfa), "f");
    CHECK(read.dfa == dfa);
  }
  const Dfa cycle = catalog_language("cycle:3");
  CHECK_THROWS_AS(format_mata(cycle), InputError);
  CHECK_THROWS_AS(format_jff(cycle), InputError);
  CHECK_THROWS_AS(format_hoa(cycle), InputError);
  CHECK_THROWS_AS(format_jff(parse_regex(".", Alphabet({"go", "stop"}))), InputError);
  CHECK_THROWS_AS(format_dot(Dfa(Alphabet::of_characters("a"), 0, {0}, {0}, {"two\nlines"})), InputError);
}

TEST_CASE("nondeterministic automata become the minimal automaton of their language") {
  const Alphabet ab = Alphabet::of_characters("ab");
  const Dfa expected = parse_regex("(a|b)*abb", ab);
  const LanguageSource mata = parse_format_mata(
      "@NFA-explicit # a comment\n%Alphabet-auto\n%Initial q0\n%Final end\n\nq0 a q0\nq0 b \\\n  q0\nq0 a \"a \\\" "
      "b\"\n"
      "\"a \\\" b\" \"b\" three\nthree b end\n",
      "f");
  CHECK(mata.dfa == expected);
  CHECK(mata.notes ==
        std::vector<std::string>{"f: nondeterministic (4 states), made deterministic (4) and minimal (4)"});
  const LanguageSource jff = parse_format_jff(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?><!--JFLAP--><structure>&#13;<type> fa </type><automaton>"
      "<state id=\"7\" name=\"x\"><x>1</x><y>2</y><initial/></state><state id=\"9\"><final/></state>"
      "<transition><from>7</from><to>7</to><read>a</read></transition>"
      "<transition><from> 7</from><to>7</to><read>&#98;</read></transition>"
      "<transition><from>7</from><to>9</to><read>abb</read></transition></automaton></structure>",
      "f");
  CHECK(jff.dfa == expected);
  CHECK(jff.notes.size() == 1);
  const LanguageSource silent = parse_format_jff(
      "<structure><type>fa</type><state id='0'><initial/></state><state id='1'><final/></state>"
      "<transition><from>0</from><to>1</to><read/></transition>"
      "<transition><from>1</from><to>1</to><read>[a-c]</read></transition></structure>",
      "f");
  CHECK(silent.dfa == parse_regex("[a-c]*"));
  CHECK(parse_format_mata("@NFA-explicit\n%Epsilon e\n%Alphabet-enum b a\n%Initial s t\n%Final u\ns a u\nt e u\n", "f")
            .dfa == parse_regex("a?", Alphabet::of_characters("ba")));
  const LanguageSource hoa = parse_format_hoa(
      "HOA: v1 Start: 0 AP: 1 \"p\" /* a /* nested */ comment */ Alias: @both 0|!0 acc-name: Buchi\n"
      "Acceptance: 1 Inf(0) --BODY-- State: 0 [@both] 0 [!0] 1 State: 1 [0] 2 State: 2 [(0) & t | f] 3 State: 3 "
      "{0}\n--END--",
      "f");
  CHECK(hoa.dfa == parse_regex("(0|1)*011", Alphabet::of_characters("01")));
  CHECK(parse_format_mata("@NFA-explicit\n%Alphabet-enum a\n", "f").dfa == parse_regex("[^a]"));
}

TEST_CASE("random nondeterministic automata mean the same in .mata, .jff and .hoa") {
  std::mt19937 random(4);
  std::size_t nontrivial = 0;
  for (int round = 0; round < 300; ++round) {
    const std::size_t n = 1 + random() % 6;
    const Alphabet ab = Alphabet::of_characters("ab");
    std::vector<NfaTransition> transitions;
    for (std::size_t i = random() % (3 * n); i > 0; --i) {
      transitions.push_back(
          {static_cast<State>(random() % n), static_cast<Symbol>(random() % 2), static_cast<State>(random() % n)});
    }
    std::vector<NfaTransition> silent;  // .hoa has no epsilon
    for (std::size_t i = random() % n; i > 0; --i) {
      silent.push_back({static_cast<State>(random() % n), epsilon, static_cast<State>(random() % n)});
    }
    std::vector<State> starts;
    std::vector<bool> accepting(n);
    for (State q = 0; q < n; ++q) {
      if (random() % 3 == 0) starts.push_back(q);
      accepting[q] = random() % 3 == 0;
    }
    const auto name = [](State q) { return std::to_string(q); };
    std::string mata = "@NFA-explicit\n%Alphabet-enum a b\n%Epsilon eps\n%Initial";
    for (const State q : starts) mata += " s" + name(q);
    mata += "\n%Final";
    std::string jff = "<structure><type>fa</type><automaton>";
    std::string hoa = "HOA: v1 AP: 1 \"p\" krohn-symbols: \"a\" \"b\" Acceptance: 1 Inf(0) States: " + name(State(n));
    for (const State q : starts) hoa += " Start: " + name(q);
    hoa += "\n--BODY--";
    for (State q = 0; q < n; ++q) {
      if (accepting[q]) mata += " s" + name(q);
      const bool start = std::find(starts.begin(), starts.end(), q) != starts.end();
      jff += "<state id=\"" + name(q) + "\">" + (start ? "<initial/>" : "") + (accepting[q] ? "<final/>" : "") +
             "</state>";
      hoa += "\nState: " + name(q) + (accepting[q] ? " {0}" : "");
      for (const NfaTransition& t : transitions) {
        if (t.from == q) hoa += std::string(t.symbol == 0 ? " [!0] " : " [0] ") + name(t.to);
      }
    }
    std::vector<NfaTransition> all = transitions;
    all.insert(all.end(), silent.begin(), silent.end());
    for (const NfaTransition& t : all) {
      const std::string symbol = t.symbol == epsilon ? "" : ab.name(t.symbol);
      mata += "\ns" + name(t.from) + ' ' + (symbol.empty() ? "eps" : symbol) + " s" + name(t.to);
      jff += "<transition><from>" + name(t.from) + "</from><to>" + name(t.to) + "</to><read>" + symbol +
             "</read></transition>";
    }
    const Dfa with_silent = minimize(determinize(Nfa(ab, starts, all, accepting)));
    const Dfa without = minimize(determinize(Nfa(ab, starts, transitions, accepting)));
    CHECK(minimize(parse_format_mata(mata, "f").dfa) == with_silent);
    CHECK(minimize(parse_format_jff(jff + "</automaton></structure>", "f", ab).dfa) == with_silent);
    CHECK(minimize(parse_format_hoa(hoa + "\n--END--", "f").dfa) == without);
    if (with_silent.num_states() > 2) ++nontrivial;
  }
  CHECK(nontrivial > 50);
}

TEST_CASE("HOA letters are valuations: names, implicit edges, symbols") {
  // Accepts when the last valuation has proposition 1 true. Edges without formulas, in the order of the bits.
  const LanguageSource read = parse_format_hoa(
      "HOA: v1 States: 2 Start: 0 AP: 2 \"x\" \"y\" Acceptance: 1 Inf(0)\n--BODY--\n"
      "State: 0 0 0 1 1 State: 1 {0} 0 0 1 1 --END--",
      "f");
  CHECK(read.dfa.alphabet() == Alphabet({"00", "01", "10", "11"}));
  CHECK(read.dfa == Dfa::acceptor(Alphabet({"00", "01", "10", "11"}), 0, {0, 1, 0, 1, 0, 1, 0, 1}, {false, true}));
  const LanguageSource labelled = parse_format_hoa(
      "HOA: v1 States: 2 Start: 0 AP: 2 \"x\" \"y\" Acceptance: 1 Inf(0)\n--BODY--\n"
      "State: [1] 0 1 State: 1 {0} [1] 1 [!1] 0 --END--",
      "f");
  CHECK(labelled.notes.size() == 1);
  CHECK(labelled.dfa.next(0, *labelled.dfa.alphabet().find("01")) == 1);
  CHECK(labelled.dfa.next(0, *labelled.dfa.alphabet().find("10")) == 2);
  const LanguageSource everything =
      parse_format_hoa("HOA: v1 Start: 0 AP: 0 Acceptance: 0 t --BODY-- State: 0 [t] 0 --END--", "f");
  CHECK(everything.dfa == Dfa::acceptor(Alphabet({"t"}), 0, {0}, {true}));
}

TEST_CASE("missing transitions lead to a sink, and a note says so") {
  const std::string note = "f: 1 missing transition completed with a sink, state 1 (label 0)";
  const Alphabet ab = Alphabet::of_characters("ab");
  const Dfa expected = parse_regex("a*", ab);
  for (const LanguageSource& read :
       {parse_format_mata("@DFA-explicit\n%Initial s\n%Final s\ns a s", "f", ab),
        parse_format_jff("<structure><type>fa</type><automaton><state id=\"3\"><initial/><final/></state><transition>"
                         "<from>3</from><to>3</to><read>a</read></transition></automaton></structure>",
                         "f", ab),
        parse_format_hoa(
            "HOA: v1 Start: 0 AP: 1 \"p\" krohn-symbols: \"a\" \"b\" Acceptance: 1 Inf(0) --BODY-- State: 0 {0} "
            "[!0] 0 --END--",
            "f", ab)}) {
    CHECK(read.dfa == expected);
    CHECK(read.notes == std::vector<std::string>{note});
  }
}

TEST_CASE(".mata errors name line and column") {
  const auto error = [](const std::string& text, const std::optional<Alphabet>& alphabet = std::nullopt) {
    return error_of([&] { parse_format_mata(text, "f", alphabet); });
  };
  const std::string head = "@NFA-explicit\n%Initial p\n";
  CHECK(error("") == "f: expected @NFA-explicit, @DFA-explicit, @NFA-bits or @NFA, got an empty file");
  CHECK(error("@NFA-intervals\n").find("f:1: column 1: expected @NFA-explicit, @DFA-explicit, @NFA-bits or @NFA") == 0);
  CHECK(error("@AFA-explicit\n%Initial p & q").find("f:1: column 1") == 0);
  CHECK(error(head + "p a").find("f:3: column 3: expected a transition of state, symbol and state, got 2 tokens") == 0);
  CHECK(error(head + "p a q r").find("f:3: column 7") == 0);
  CHECK(error(head + "%Color red").find("f:3: column 1") == 0);
  CHECK(error(head + "@NFA-explicit").find("f:3: column 1: expected one section") == 0);
  CHECK(error(head + "p \"a q").find("f:3: column 3: expected a closing quotation mark") == 0);
  CHECK(error(head + "p \"\\n\" q").find("f:3: column 4") == 0);
  CHECK(error(head + "p \"a b\" q").find("f:3: column 3: expected a symbol in UTF-8 without white space") == 0);
  CHECK(error(head + "p \xFF q").find("f:3: column 3") == 0);
  CHECK(error("@NFA-explicit\n%Alphabet-enum a b\n%Initial p\np c p")
            .find("f:4: column 3: expected a symbol of the alphabet") == 0);
  CHECK(error("@NFA-explicit\n%Alphabet-enum a a").find("f: %Alphabet-enum") == 0);
  CHECK(error("@NFA-explicit\n%States-enum p q\n%Initial p\np a r")
            .find("f:4: column 5: expected a state of %States-enum") == 0);
  CHECK(error("@NFA-explicit\n%States-enum p p").find("f:2: column 16") == 0);
  CHECK(error(head + "p c p", Alphabet::of_characters("ab")).find("f:3: column 3") == 0);
  CHECK(error("@DFA-explicit\n%Initial p\np a p\np a q").find("f: expected a deterministic automaton") == 0);
  CHECK(error(head).find("f: expected at least one symbol or a given alphabet") == 0);
  // Every problem at once.
  CHECK(error(head + "p a\nq b\n%Color\n").find("f:5: ") != std::string::npos);
}

TEST_CASE(".mata states are numbered by name, by enumeration, or by first occurrence") {
  const Alphabet a = Alphabet::of_characters("a");
  CHECK(parse_format_mata("@DFA-explicit\n%Initial q7\n%Final q10\nq7 a q10\nq10 a q2\nq2 a q2", "f").dfa ==
        Dfa::acceptor(a, 1, {0, 2, 0}, {false, false, true}));
  CHECK(parse_format_mata("@DFA-explicit\n%Initial q7\n%Final x\nq7 a x\nx a q2\nq2 a q2", "f").dfa ==
        Dfa::acceptor(a, 0, {1, 2, 2}, {false, true, false}));
  CHECK(parse_format_mata("@DFA-explicit\n%States-enum q2 x q7\n%Initial q7\n%Final x\nq7 a x\nx a q2\nq2 a q2", "f")
            .dfa == Dfa::acceptor(a, 2, {0, 0, 1}, {false, true, false}));
}

TEST_CASE(".jff errors name line or element") {
  const auto error = [](const std::string& text, const std::optional<Alphabet>& alphabet = std::nullopt) {
    return error_of([&] { parse_format_jff(text, "f", alphabet); });
  };
  const auto wrapped = [&](const std::string& text) {
    return error("<structure><type>fa</type><automaton>" + text + "</automaton></structure>");
  };
  const std::string state = "<state id=\"0\"><initial/></state>";
  CHECK(error("") == "f:1: expected an XML element, got none");
  CHECK(error("<structure>\n<type>fa</type>").find("f:2: expected a closing tag of <structure>") == 0);
  CHECK(error("<structure>\n<type>fa</typo></structure>").find("f:2: expected </type>, got </typo>") == 0);
  CHECK(error("<structure/><structure/>").find("f:1: expected one root element") == 0);
  CHECK(error("<!DOCTYPE x [<!ENTITY a \"b\">]><structure/>").find("f:1: expected no document type") == 0);
  CHECK(error("<?xml version=\"1.0\" encoding=\"UTF-16\"?><structure/>").find("f:1: expected the encoding UTF-8") == 0);
  CHECK(error(std::string("<structure>\0</structure>", 24)).find("f:1: ") == 0);
  CHECK(error("<structure>\xFF</structure>").find("f: byte 11") == 0);
  CHECK(error("<machine/>").find("f:1: expected the root element <structure>") == 0);
  CHECK(error("<structure><type>pda</type></structure>").find("f:1: structure/type: expected 'fa'") == 0);
  CHECK(error("<structure/>").find("f:1: structure/type") == 0);
  std::string deep = "<structure>";
  for (int i = 0; i < 100000; ++i) deep += "<a>";
  CHECK(error(deep).find("f:1: expected elements nested at most 16 deep") == 0);
  CHECK(wrapped("").find("at least one state") != std::string::npos);
  CHECK(wrapped("<state id=\"x\"/>").find("f:1: structure/automaton/state[1]/@id: ") == 0);
  CHECK(wrapped(state + state).find("f:1: structure/automaton/state[2]/@id: expected different ids") == 0);
  CHECK(wrapped(state + "<transition><from>0</from><to>1</to><read>a</read></transition>")
            .find("f:1: structure/automaton/transition[1]/to: expected the id of a state, got '1'") == 0);
  CHECK(wrapped(state + "<transition><from>0</from><to>0</to><read>a b</read></transition>").find("/read: ") !=
        std::string::npos);
  CHECK(wrapped(state + "<transition><from>0</from><to>0</to><read>&#xD800;</read></transition>").find("f") == 0);
  CHECK(
      wrapped(state + "<transition><from>0</from><to>0</to><read>[c-a]</read></transition>").find("ascending range") !=
      std::string::npos);
  CHECK(wrapped(state).find("f: expected at least one symbol or a given alphabet") == 0);
  CHECK(wrapped("\n\n" + state + "\n<transition>\n<from>0</from>\n<to>7</to></transition>")
            .find("f:4: structure/automaton/transition[1]/to: expected the id of a state, got '7'") == 0);
  CHECK(wrapped("<state id=\"0\" id=\"1\"/>").find("f:1: expected each attribute once in <state>, got 'id' twice") ==
        0);
  CHECK(wrapped("<state id=0/>").find("f:1: expected attributes name=\"value\" in <state>, got 'id=0/>") == 0);
  CHECK(wrapped("<state id=\"0\"").find("f:1: expected a '>' that ends <state.., got none") == 0);
  CHECK(wrapped(state + "\n<transition><from>0</from><to>0</to><read>&eacute;</read></transition>")
            .find("f:2: expected '&' to begin a reference that XML defines (&amp; writes it), got '&eacute;'") == 0);
  CHECK(wrapped("<note>&eacute; & more</note>" + state).find("f: expected at least one symbol") == 0);
  CHECK(error("x<structure/>").find("f:1: expected an XML element, got 'x<structure/>'") == 0);
  CHECK(error("<structure><type>fa</type><type>fa</type><automaton/></structure>")
            .find("f:1: structure/type: expected one <type>, got a second one") == 0);
}

TEST_CASE(".jff states may come after their transitions, in any order, and the type last") {
  const std::string arcs =
      "<transition><from>7</from><to>3</to><read>a</read></transition><transition><from>3</from>"
      "<to>7</to><read>&#x61;</read></transition>";
  const std::string states = "<state name=\"x>y\" id='7'><final/></state><state id = \"3\" ><initial/></state >";
  const Dfa expected = Dfa::acceptor(Alphabet({"a"}), 0, {1, 0}, {false, true});
  CHECK(parse_format_jff("<structure>" + arcs + states + "<type>fa</type></structure>\n<!-- -->\n", "f").dfa ==
        expected);
  CHECK(parse_format_jff("<structure><automaton>" + states + arcs + "</automaton><type> fa </type></structure>", "f")
            .dfa == expected);
}

TEST_CASE(".hoa errors name the line") {
  const auto error = [](const std::string& text) { return error_of([&] { parse_format_hoa(text, "f"); }); };
  const std::string head = "HOA: v1\nStart: 0\nAP: 1 \"p\"\nAcceptance: 1 Inf(0)\n--BODY--\n";
  CHECK(error("") == "f:1: expected HOA:, got the end of the file");
  CHECK(error("HOA: v2").find("f:1: expected v1 or v1.1") == 0);
  CHECK(error("HOA: v1\nStart: 0&1").find("f:2: expected no alternation") == 0);
  CHECK(error("HOA: v1\nAcceptance: 2 Inf(0)&Inf(1)").find("f:2: ") == 0);
  CHECK(error("HOA: v1\nAcceptance: 1 Fin(0)").find("f:2: expected the acceptance") == 0);
  CHECK(error("HOA: v1\nAP: 11").find("f:2: expected a number of propositions below 11") == 0);
  CHECK(error("HOA: v1\nWeird: 1").find("f:2: expected a header item") == 0);
  CHECK(error("HOA: v1\n--BODY--").find("f:2: expected an item Acceptance") == 0);
  CHECK(error(head + "State: 0\n[1] 0\n--END--").find("f:7: expected a proposition below 1") == 0);
  CHECK(error(head + "State: 0 {0}\n[0] 0 {0}\n--END--").find("f:8: expected acceptance sets of states, or of edges") ==
        0);
  CHECK(error(head + "State: 0\n[@x] 0\n--END--").find("f:7: expected an alias") == 0);
  CHECK(error(head + "State: 0\n0\n--END--").find("f:8: expected one edge for each of 2 valuations") == 0);
  CHECK(error(head + "State: 0\n[0] 0\n0\n--END--").find("f:") == 0);
  CHECK(error(head + "State: 0 State: 0 --END--").find("f:6: expected every state once") == 0);
  CHECK(error(head + "State: 0").find("f:6: expected State: or --END--, got the end of the file") == 0);
  CHECK(error(head + "--END-- HOA: v1").find("expected one automaton") != std::string::npos);
  CHECK(error(head + "State: 0 [" + std::string(100000, '(') + "0] 0 --END--").find("f:6: expected formulas nested") ==
        0);
  CHECK(error("HOA: v1 AP: 1 \"p\" Start: 0 krohn-symbols: \"a\" Acceptance: 0 t --BODY-- State: 0 [0] 0 --END--")
            .find("krohn-symbols names") != std::string::npos);
  CHECK(error("/* open").find("f:1: expected a comment that ends") == 0);
}

TEST_CASE(".dot as krohn writes it must be whole") {
  const Dfa parity = catalog_language("parity");
  const std::string text = format_dot(parity);
  CHECK(text ==
        "digraph G {\n"
        "graph [krohn=\"krohn-automaton-v1\", alphabet=\"0 1\", start=\"0\", rankdir=\"LR\"];\n"
        "start [shape=\"point\"];\n"
        "start->0;\n"
        "0 [label=\"0\", shape=\"circle\", output=\"0\"];\n"
        "1 [label=\"1\", shape=\"doublecircle\", output=\"1\"];\n"
        "0->0  [label=\"0\"];\n"
        "0->1  [label=\"1\"];\n"
        "1->0  [label=\"1\"];\n"
        "1->1  [label=\"0\"];\n"
        "}\n");
  // Without a state, an edge or the brace the text is refused. (Without its header it is a drawing as any other.)
  std::size_t refused = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at) + 1;
    const std::string line = text.substr(at, end - at);
    const std::string shorter = text.substr(0, at) + text.substr(end);
    CAPTURE(shorter);
    if (line.find("label=") != std::string::npos || line == "}\n" || line.starts_with("digraph")) {
      CHECK_FALSE(error_of([&] { parse_format_dot(shorter, "f"); }).empty());
      ++refused;
    }
    at = end;
  }
  CHECK(refused == 8);
}

TEST_CASE("hostile bytes parse or throw InputError, in every format") {
  std::mt19937 random(3);
  std::size_t refused = 0;
  std::size_t parsed = 0;
  for (const Format& format : formats()) {
    CAPTURE(format.name);
    for (int round = 0; round < 800; ++round) {
      std::string text = format.write(random_dfa(random, true, true));
      const std::size_t changes = 1 + random() % 3;
      for (std::size_t i = 0; i < changes; ++i) {
        const std::size_t at = random() % text.size();
        switch (random() % 5) {
          case 0:
            text[at] = static_cast<char>(static_cast<unsigned char>(random() % 256));
            break;
          case 1:
            text.erase(at, 1 + random() % 10);
            break;
          case 2:
            text.insert(at, text.substr(random() % text.size(), random() % 30));
            break;
          case 3:
            text.insert(at, 1, "\"\\<>&[]{}()!|#%@:/*-0\n "[random() % 23]);
            break;
          default:
            text.resize(at);
            break;
        }
        if (text.empty()) text = "x";
      }
      try {
        const LanguageSource read = format.parse(text, std::nullopt);
        CHECK(read.dfa.num_states() > 0);
        ++parsed;
      } catch (const InputError& error) {
        CHECK_FALSE(error.problems().empty());
        ++refused;
      }
    }
  }
  CHECK(refused > 1000);
  CHECK(parsed > 100);
}

}  // namespace
}  // namespace krohn
