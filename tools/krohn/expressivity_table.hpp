// The decision table of a language as krohn classify shows it.
#pragma once

#include <string>
#include <vector>

#include "command.hpp"
#include "krohn/automata/expressivity.hpp"

namespace krohn::cli {

/// The cascades that the table's numbers come from, left out where they would take more than `max_family` sets or the
/// automaton has more than 512 states.
void add_cascade_facts(LanguageFacts& facts, const Dfa& minimal, std::size_t max_family);

/// A language's rows, for a table of several.
struct ComparedLanguage {
  std::string name;
  std::size_t min_states = 0;
  std::vector<FamilyDecision> families;
};

/// On stdout, in Markdown: a line a language, a column a family, in it the layers where they are known, "yes", "no" or
/// "?"; with a star what a paper states and nothing here proves.
void print_comparison(const std::vector<ComparedLanguage>& languages);

/// [{"id", "family", "models", "answer", "reason", "theorem", "source", "basis", "arithmetic", "layers",
/// "num_householder", "size"}].
Json expressivity_json(const std::vector<FamilyDecision>& table);

/// A table on stdout.
void print_expressivity(const std::vector<FamilyDecision>& table);

}  // namespace krohn::cli
