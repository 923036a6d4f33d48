// label: quick
// .jff beyond what krohn writes: what JFLAP means by several reads, building blocks, brackets, written epsilon and
// Moore machines, or its refusal; and generated files against a simulation.
#include "krohn/languages/format_jff.hpp"

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

std::filesystem::path file(const char* name) {
  return std::filesystem::path(KROHN_TEST_DATA) / "cases" / "jff_dropped_elements" / name;
}

LanguageSource read(const std::string& text, const std::optional<Alphabet>& alphabet = std::nullopt) {
  return parse_format_jff(text, "f", alphabet);
}

std::string machine(const std::string& inside, const std::string& type = "fa") {
  return "<structure><type>" + type + "</type><automaton>" + inside + "</automaton></structure>";
}

std::string arc(int from, int to, const std::string& symbols) {
  return "<transition><from>" + std::to_string(from) + "</from><to>" + std::to_string(to) + "</to><read>" + symbols +
         "</read></transition>";
}

const std::string two_states = "<state id=\"0\"><initial/></state><state id=\"1\"><final/></state>";

TEST_CASE("nothing of a file is dropped in silence") {
  CHECK(error_of([] {
          read_format_jff(file("two_reads.jff"));
        }).find("structure/automaton/transition[1]: expected at most one <read>, got 2") != std::string::npos);
  CHECK(error_of([] {
          read_format_jff(file("nested.jff"));
        }).find("structure/automaton/automaton: expected states and transitions, got an <automaton> within another") !=
        std::string::npos);
  CHECK(error_of([] {
          read_format_jff(file("class.jff"));
        }).find("structure/automaton/transition[1]/read: expected [x-y], or [u,v,x..y], or no brackets") !=
        std::string::npos);
  const LanguageSource none = read_format_jff(file("no_initial.jff"));
  CHECK(none.dfa == parse_regex("[^a]", Alphabet({"a"})));
  CHECK(none.notes.size() == 1);
  CHECK(none.notes[0].find("no_initial.jff: no state is initial: the language is empty") != std::string::npos);
  CHECK(error_of([] {
          read(machine(two_states + "<block id=\"2\" name=\"b\"><tag>b</tag></block>"));
        }).find("structure/automaton/block: expected states and transitions") != std::string::npos);
  CHECK(error_of([] {
          read("<structure><type>fa</type><automaton/><automaton/></structure>");
        }).find("f: structure: expected one <automaton>, got 2") == 0);
  CHECK(error_of([] {
          read(machine(two_states + "<transition><from>0</from><from>1</from><to>0</to></transition>"));
        }).find("f:1: structure/automaton/transition[1]: expected at most one <from>, got 2") == 0);
  CHECK(error_of([] {
          read(machine(two_states + "<transition><from>0</from><to>1</to><read>a</read><transout>1</transout>"
                                    "</transition>"));
        }).find("transition[1]/transout: expected a finite automaton") != std::string::npos);
  CHECK(error_of([] { read(machine(two_states, "mealy")); }) ==
        "f:1: structure/type: expected 'fa', a finite automaton, or 'moore', a Moore machine, got 'mealy'");
  const LanguageSource noted = read(machine(two_states + arc(0, 1, "a") + "<guard/><note><text>x</text></note>"));
  CHECK(noted.notes.front() == "f: <guard> in <automaton> is not read");
}

TEST_CASE("brackets mean what JFLAP means, and a note says so") {
  const LanguageSource range = read(machine(two_states + arc(0, 1, "[a-c]")));
  CHECK(minimize(range.dfa) == parse_regex("[a-c]"));
  CHECK(range.notes.front() == "f: [x-y] is one transition for every symbol from x to y");
  const LanguageSource list = read(machine(two_states + arc(0, 1, "[x,a..c,-]")));
  CHECK(minimize(list.dfa) == parse_regex("[a-cx\\-]"));
  CHECK(list.notes.front() == "f: [u,v,x..y] is one transition for u, v and every symbol from x to y");
  CHECK(minimize(read(machine(two_states + arc(0, 1, "["))).dfa) == parse_regex("\\["));
  CHECK(minimize(read(machine(two_states + arc(0, 1, "[a..z]")), Alphabet::of_characters("xb0")).dfa) ==
        parse_regex("[bx]", Alphabet::of_characters("xb0")));
  for (const std::string text :
       {"[a-cx]", "a[b-c]", "[ab]", "[", "[]", "[a-c]d", "[[a-c]", "[ab,c]", "[a,,b]", "[c..a]", "[a..]", "[a...c]"}) {
    CAPTURE(text);
    CHECK(error_of([&] { read(machine(two_states + arc(0, 1, text))); }).empty() == (text == "["));
  }
}

TEST_CASE("written epsilon and lambda read nothing, unless the alphabet holds them") {
  for (const std::string text : {"\xCE\xB5", "\xCE\xBB", "epsilon", "lambda"}) {
    CAPTURE(text);
    const LanguageSource silent = read(machine(two_states + arc(0, 1, text) + arc(1, 1, "a")));
    CHECK(silent.dfa == parse_regex("a*"));
    CHECK(silent.notes.front() == "f: '" + text +
                                      "' is epsilon, it reads nothing (--alphabet can name its characters "
                                      "symbols)");
    const Alphabet letters(utf8_scalars("aepsilonlambda" == text ? "a"
                                        : text.size() == 2       ? "a" + text
                                        : text == "lambda"       ? "lambd"
                                                                 : "aepsilon"));
    CHECK(minimize(read(machine(two_states + arc(0, 1, text) + arc(1, 1, "a")), letters).dfa) ==
          parse_regex(text + "a*", letters));
  }
  CHECK(minimize(read(machine(two_states + arc(0, 1, "el"))).dfa) == parse_regex("el"));
}

TEST_CASE("Moore machines are read as what they are") {
  const std::string states =
      "<state id=\"0\"><initial/><output>open</output></state><state id=\"1\"><output>shut</output></state>";
  const std::string arcs =
      "<transition><from>0</from><to>1</to><read>a</read><transout>shut</transout></transition>" + arc(1, 0, "a");
  CHECK(read(machine(states + arcs, "moore")).dfa == Dfa(Alphabet({"a"}), 0, {1, 0}, {0, 1}, {"open", "shut"}));
  CHECK(read(machine("<state id=\"0\"><initial/><output>1</output></state><state id=\"1\"><output>0</output></state>" +
                         arc(0, 1, "a") + arc(1, 0, "a"),
                     "moore"))
            .dfa == Dfa::acceptor(Alphabet({"a"}), 0, {1, 0}, {true, false}));
  // Outputs may be empty; <final/> says nothing; a missing transition leads outside of the domain.
  const LanguageSource partial = read(machine(
      "<state id=\"0\"><initial/><output/></state><state id=\"1\"><final/><output>x</output></state>" + arc(0, 1, "a"),
      "moore"));
  CHECK(partial.dfa == Dfa(Alphabet({"a"}), 0, {1, 2, 2}, {0, 1, null_label}, {"", "x"}));
  CHECK(partial.notes.front().find("<final/> has no meaning in a Moore machine") != std::string::npos);
  CHECK(error_of([&] { read(machine(states + arc(0, 1, "a") + arc(0, 0, "a"), "moore")); }) ==
        "f: expected a deterministic automaton, because its states have labels, got a nondeterministic one");
  // Outputs 0 and 1 do not make it an acceptor.
  CHECK(error_of([&] {
          read(
              machine("<state id=\"0\"><initial/><output>0</output></state><state id=\"1\"><output>1</output></state>" +
                          arc(0, 1, "a") + arc(0, 0, "a"),
                      "moore"));
        }) == "f: expected a deterministic automaton, as the file says, got a nondeterministic one");
  CHECK(error_of([&] {
          read(machine(
              states + "<transition><from>0</from><to>1</to><read>a</read><transout>open</transout></transition>",
              "moore"));
        }).find("transition[1]/transout: expected the output of the transition's target, 'shut', got 'open'") !=
        std::string::npos);
}

TEST_CASE("byte order mark, character sections and references") {
  CHECK(
      minimize(read("\xEF\xBB\xBF" + machine(two_states + arc(0, 1, "<![CDATA[<]]>") + arc(1, 1, "&#38;&amp;"))).dfa) ==
      parse_regex("<(\\&\\&)*"));
}

TEST_CASE("2000 generated files mean what a simulation says") {
  std::mt19937 random(13);
  for (int round = 0; round < 2000; ++round) {
    CAPTURE(round);
    const test::ReferenceAutomaton reference =
        test::random_reference(random, {{"a", "b", "c"}, round % 2 == 0, round % 3 == 0});
    // Parallel arcs a, b, c become a range or a list; two arcs in a row a word through a state of its own.
    std::string text;
    const auto id = [&](std::size_t q) { return std::to_string((q * 7 + 3) % 11); };
    for (std::size_t q = reference.num_states; q-- > 0;) {
      text += "<state id=\"" + id(q) + "\">" + (reference.starts.contains(q) ? "<initial/>" : "") +
              (reference.finals.contains(q) ? "<final/>" : "") + "<label>x</label></state>";
    }
    test::ReferenceAutomaton expected = reference;
    const auto transition = [&](std::size_t from, std::size_t to, const std::string& read) {
      return "<transition>\n<from>" + id(from) + "</from><to>" + id(to) + "</to>" + read + "</transition>";
    };
    for (const test::ReferenceArc& a : reference.arcs) {
      const char* silent[] = {"", "<read/>", "<read></read>", "<read>\xCE\xB5</read>"};
      text += transition(a.from, a.to, a.symbol ? "<read>" + *a.symbol + "</read>" : silent[random() % 4]);
    }
    const std::size_t from = random() % reference.num_states;
    const std::size_t to = random() % reference.num_states;
    if (random() % 2 == 0) {
      text += transition(from, to, random() % 2 == 0 ? "<read>[a-c]</read>" : "<read>[c,a..b]</read>");
      for (const char* symbol : {"a", "b", "c"}) expected.arcs.push_back({from, symbol, to});
    } else {
      text += transition(from, to, "<read>ba</read>");
      expected.arcs.push_back({from, "b", expected.num_states});
      expected.arcs.push_back({expected.num_states++, "a", to});
    }
    CAPTURE(text);
    test::check_same_language(expected, read(machine(text)).dfa);
  }
}

}  // namespace
}  // namespace krohn
