// What algebra says about a language, from its minimal automaton: everything that krohn classify shows.
//
// As JSON: docs/schemas/v1/classify.json.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "krohn/automata/cascade.hpp"
#include "krohn/automata/composition_series.hpp"
#include "krohn/automata/expressivity.hpp"
#include "krohn/automata/green.hpp"
#include "krohn/automata/language.hpp"
#include "krohn/automata/monoid_flags.hpp"
#include "krohn/automata/permutation_group.hpp"
#include "krohn/automata/varieties.hpp"
#include "krohn/compile/compile.hpp"

namespace krohn {

/// A kind of maximal subgroup, and in how many D-classes it occurs.
struct SubgroupKind {
  GroupName name;
  /// Decimal.
  std::string order;
  /// Decimal; none where the centre was not found.
  std::optional<std::string> centre_order;
  /// None where it was not found, or has too many entries to print.
  std::optional<CompositionSeries> series;
  std::size_t degree = 0;
  std::size_t d_classes = 0;
};

struct Classification {
  Language language;
  MonoidFacts facts;
  std::optional<GreenRelations> green;
  MonoidVarieties varieties;
  /// The non-trivial maximal subgroups of the regular D-classes, larger degrees first; with `green`.
  std::vector<SubgroupKind> subgroups;
  /// Symbols with one action, those groups that have more than one symbol.
  std::vector<std::vector<std::string>> alike;
  std::vector<FamilyDecision> families;
  /// What the families are decided from, and the compiled model among it; no model where it would take more than
  /// decision_cascade_options() allow, or of more than 512 states.
  LanguageFacts decided_from;
  std::optional<CompileResult> compiled;
  /// ClassifyOptions::max_monoid.
  std::size_t max_monoid = 0;
  /// Why something is not known, or empty.
  std::string unknown_because;
};

/// The caps of the cascades behind the decision table, which is complete without the numbers that they leave out.
CascadeOptions decision_cascade_options();

struct ClassifyOptions {
  /// Image sets and R-classes at most.
  std::size_t max_monoid = 1'000'000;
  /// Called as a stage begins, with its name.
  std::function<void(const std::string&)> begins = {};
  /// Once true, what is not found by then is not known; null for none.
  const std::atomic<bool>* stop = nullptr;
  bool stopped() const noexcept { return stop != nullptr && stop->load(std::memory_order_relaxed); }
};

Classification classify(const Language& language, const ClassifyOptions& options = {});

/// One object over several lines, with a final line feed; `name` is the language's as typed.
std::string classification_json(const Classification& classification, const std::string& name);

/// A language's rows of the decision table, for a table of several.
struct LanguageFamilies {
  std::string name;
  std::size_t min_states = 0;
  std::vector<FamilyDecision> families;
};
LanguageFamilies families_of(const std::string& name, const Language& language, std::size_t max_monoid = 1'000'000);

/// One object over several lines, with a final line feed.
std::string families_json(const std::vector<LanguageFamilies>& languages);

}  // namespace krohn
