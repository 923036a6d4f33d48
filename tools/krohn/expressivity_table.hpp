// The decision table of a language as krohn classify shows it.
#pragma once

#include <vector>

#include "command.hpp"
#include "krohn/automata/expressivity.hpp"

namespace krohn::cli {

/// The cascades that the table's numbers come from, left out where they would take more than `max_family` sets or the
/// automaton has more than 512 states.
void add_cascade_facts(LanguageFacts& facts, const Dfa& minimal, std::size_t max_family);

/// [{"family", "models", "answer", "reason", "theorem", "arithmetic", "layers", "num_householder", "size"}].
Json expressivity_json(const std::vector<FamilyDecision>& table);

/// A table on stdout.
void print_expressivity(const std::vector<FamilyDecision>& table);

}  // namespace krohn::cli
