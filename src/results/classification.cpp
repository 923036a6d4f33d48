// Flags from the images of the state set, Green's relations from their orbits, the decision table from both.
// Tested by tests/tools/language_commands_test.cpp.
#include "krohn/results/classification.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "krohn/error.hpp"
#include "result_json.hpp"

namespace krohn {
namespace {

// Groups beyond this number are given by their order alone.
constexpr std::size_t max_named_groups = 100;
// Numbers in the generators of a composition series that is printed.
constexpr std::size_t max_series_entries = 20'000;
// Sets of a cascade for the sizes in the decision table, which is complete without them; its rows; and the states
// beyond which no cascade is made for the table.
constexpr std::size_t max_decision_family = 4096;
constexpr std::size_t max_rows = 200000;
constexpr std::size_t max_states = 512;

void add_structure(SubgroupKind& kind, const PermutationGroup& group) {
  if (const auto centre = group.centre()) kind.centre_order = centre->order_text();
  kind.series = composition_series(group);
  if (!kind.series) return;
  std::size_t entries = 0;
  for (const PermutationGroup& term : kind.series->terms) entries += term.generators().size() * term.degree();
  if (entries > max_series_entries) kind.series.reset();
}

// The terms from the group down to 1, each with generators on the places of the image set, and its quotient by the
// next.
Json series_json(const CompositionSeries& series) {
  Json terms = Json::array();
  for (std::size_t i = 0; i < series.terms.size(); ++i) {
    terms.push_back({{"order", big_number(series.terms[i].order_text())},
                     {"generators", series.terms[i].generators()},
                     {"quotient", i < series.factors.size() ? Json(series.factors[i]) : Json()}});
  }
  return terms;
}

// The non-trivial maximal subgroups of the regular D-classes, larger degrees first.
std::vector<SubgroupKind> maximal_subgroups(const MonoidFacts& facts, const GreenRelations& green) {
  std::map<std::vector<Permutation>, std::size_t> known;
  std::vector<SubgroupKind> kinds;
  for (const DClass& d_class : green.d_classes) {
    const ImageComponent& component = facts.orbit.components()[d_class.component];
    if (!d_class.regular || component.group.is_trivial()) continue;
    const auto [at, is_new] = known.try_emplace(component.group.generators(), kinds.size());
    if (is_new) {
      const GroupName name = known.size() <= max_named_groups
                                 ? name_group(component.group)
                                 : GroupName{"order " + component.group.order_text(), std::nullopt};
      const auto same = std::find_if(kinds.begin(), kinds.end(), [&](const SubgroupKind& kind) {
        return kind.name.name == name.name && kind.degree == component.rank;
      });
      at->second = static_cast<std::size_t>(same - kinds.begin());
      if (same == kinds.end()) {
        kinds.push_back({name, component.group.order_text(), std::nullopt, std::nullopt, component.rank, 0});
        if (known.size() <= max_named_groups) add_structure(kinds.back(), component.group);
      }
    }
    ++kinds[at->second].d_classes;
  }
  std::stable_sort(kinds.begin(), kinds.end(),
                   [](const SubgroupKind& x, const SubgroupKind& y) { return x.degree > y.degree; });
  return kinds;
}

// Green's relations of a group: one class of each kind.
GreenRelations group_as_monoid(const PermutationGroup& group, std::size_t states) {
  GreenRelations green;
  green.order = group.order_text();
  green.l_classes = green.h_classes = "1";
  green.r_classes = green.regular_d_classes = 1;
  green.idempotents = "1";
  green.d_classes.push_back({states, 0, 1, "1", green.order, true, {0}});
  return green;
}

// Symbols with one action, those groups that have more than one symbol.
std::vector<std::vector<std::string>> symbols_alike(const Dfa& dfa, const DistinctLetters& letters) {
  std::vector<std::vector<std::string>> groups(letters.images.size());
  for (Symbol symbol = 0; symbol < dfa.num_symbols(); ++symbol) {
    groups[letters.of_symbol[symbol]].push_back(dfa.alphabet().name(symbol));
  }
  std::erase_if(groups, [](const auto& group) { return group.size() < 2; });
  return groups;
}

// Fills in the sizes of a model and of a cascade of resets; returns the model.
std::optional<CompileResult> add_cascade_facts(LanguageFacts& facts, const Language& language) {
  std::optional<CompileResult> compiled;
  // The table is complete without these numbers: a cap that is met only leaves them out. A cascade's tables can be
  // quadratic in the states.
  if (language.minimal().num_states() > max_states) return compiled;
  try {
    CompileOptions options;
    options.cascade = decision_cascade_options();
    options.max_holonomy_family = 0;
    compiled = compile(language, options);
    facts.cascade_widths = compiled->hidden;
    if (!compiled->num_householder.empty()) {
      facts.compiled_householder =
          *std::max_element(compiled->num_householder.begin(), compiled->num_householder.end());
    }
  } catch (const ResourceError&) {
  } catch (const InputError&) {
  }
  if (!facts.is_aperiodic.value_or(false)) return compiled;
  try {
    CascadeOptions options = decision_cascade_options();
    options.resets_only = true;
    options.mode = CascadeMode::images;
    facts.reset_widths = make_cascade(language.minimal(), options).widths();
  } catch (const ResourceError&) {
  } catch (const InputError&) {
  }
  return compiled;
}

Json expressivity_json(const std::vector<FamilyDecision>& table) {
  Json rows = Json::array();
  for (const FamilyDecision& d : table) {
    rows.push_back({{"id", d.id},
                    {"family", d.family},
                    {"models", d.models},
                    {"answer", answer_name(d.answer)},
                    {"reason", d.reason},
                    {"theorem", text_or_null(d.theorem)},
                    {"source", text_or_null(d.source)},
                    {"basis", d.theorem.empty() ? Json(nullptr) : Json(basis_name(d.basis))},
                    {"arithmetic", text_or_null(d.arithmetic)},
                    {"layers", value_or_null(d.layers)},
                    {"num_householder", value_or_null(d.householder)},
                    {"size", value_or_null(d.size)}});
  }
  return rows;
}

}  // namespace

CascadeOptions decision_cascade_options() {
  CascadeOptions options;
  options.max_family = max_decision_family;
  options.max_rows = max_rows;
  return options;
}

Classification classify(const Language& language, const ClassifyOptions& options) {
  const auto begins = [&options](const char* stage) {
    if (options.begins) options.begins(stage);
  };
  const Dfa& minimal = language.minimal();
  begins("images of the state set");
  MonoidFacts facts = find_flags(language, options.max_monoid, options.stop);
  GreenLimits limits;
  limits.stop = options.stop;
  limits.r_classes = options.max_monoid;
  begins("Green's classes");
  std::optional<GreenRelations> green = find_green(facts.orbit, limits);
  std::vector<SubgroupKind> subgroups;
  MonoidVarieties varieties = find_varieties(minimal, facts, green);
  if (green) {
    subgroups = maximal_subgroups(facts, *green);
  } else if (const auto& group = facts.group_on_fewer_points) {
    green = group_as_monoid(*group, minimal.num_states());
    subgroups.push_back({name_group(*group), group->order_text(), std::nullopt, std::nullopt, group->degree(), 1});
    add_structure(subgroups.back(), *group);
  }
  std::vector<std::vector<std::string>> alike = symbols_alike(minimal, facts.letters);
  begins("cascade");
  LanguageFacts decided_from = letter_facts(language);
  add_monoid_flags(decided_from, facts.flags);
  std::optional<CompileResult> compiled;
  if (!options.stopped()) compiled = add_cascade_facts(decided_from, language);
  std::string reason;
  if (options.stopped()) {
    reason = "an early end of the work";
  } else if (!facts.orbit.complete()) {
    reason = facts.orbit.size() < options.max_monoid
                 ? "images of the state set with more than " + std::to_string(ImageOrbit::max_points) + " points in all"
                 : "more than " + std::to_string(options.max_monoid) + " images of the state set (--max-monoid)";
  } else if (!green &&
             std::ranges::any_of(facts.orbit.components(), [](const ImageComponent& c) { return !c.group_known; })) {
    reason = "a group whose stabiliser chain would take more than a gigabyte";
  } else if (!green) {
    reason = "more than " + std::to_string(limits.r_classes) + " R-classes (--max-monoid), or " +
             std::to_string(limits.kernel_entries) + " numbers in their kernels";
  }

  std::vector<FamilyDecision> families = decide_expressivity(decided_from);
  return {.language = language,
          .facts = std::move(facts),
          .green = std::move(green),
          .varieties = varieties,
          .subgroups = std::move(subgroups),
          .alike = std::move(alike),
          .families = std::move(families),
          .decided_from = std::move(decided_from),
          .compiled = std::move(compiled),
          .max_monoid = options.max_monoid,
          .unknown_because = std::move(reason)};
}

LanguageFamilies families_of(const std::string& name, const Language& language, std::size_t max_monoid) {
  LanguageFacts facts = letter_facts(language);
  add_monoid_flags(facts, find_flags(language, max_monoid).flags);
  add_cascade_facts(facts, language);
  return {name, language.minimal().num_states(), decide_expressivity(facts)};
}

std::string families_json(const std::vector<LanguageFamilies>& languages) {
  Json rows = Json::array();
  for (const LanguageFamilies& language : languages) {
    rows.push_back({{"language", language.name},
                    {"min_states", language.min_states},
                    {"families", expressivity_json(language.families)}});
  }
  return json_lines({{"languages", std::move(rows)}});
}

std::string classification_json(const Classification& c, const std::string& name) {
  const Dfa& minimal = c.language.minimal();
  const MonoidFacts& facts = c.facts;
  const MonoidFlags& flags = facts.flags;
  const std::optional<GreenRelations>& green = c.green;
  const std::vector<SubgroupKind>& subgroups = c.subgroups;
  const std::vector<FamilyDecision>& families = c.families;
  const Alphabet& alphabet = minimal.alphabet();
  Json green_json;
  Json subgroups_json;
  if (green) {
    green_json = {{"r_classes", green->r_classes},
                  {"l_classes", big_number(green->l_classes)},
                  {"h_classes", big_number(green->h_classes)},
                  {"d_classes", green->d_classes.size()},
                  {"regular_d_classes", green->regular_d_classes},
                  {"idempotents", green->idempotents ? big_number(*green->idempotents) : Json()}};
    subgroups_json = Json::array();
    for (const SubgroupKind& kind : subgroups) {
      subgroups_json.push_back(
          {{"name", kind.name.name},
           {"order", big_number(kind.order)},
           {"degree", kind.degree},
           {"d_classes", kind.d_classes},
           {"centre_order", kind.centre_order ? big_number(*kind.centre_order) : Json()},
           {"composition_factors", kind.name.composition_factors ? Json(*kind.name.composition_factors) : Json()},
           {"composition_series", kind.series ? series_json(*kind.series) : Json()}});
    }
  }
  Json not_aperiodic;
  if (flags.not_aperiodic) {
    not_aperiodic = {{"word", word_json(flags.not_aperiodic->word, alphabet)},
                     {"index", flags.not_aperiodic->index},
                     {"period", big_number(flags.not_aperiodic->period)}};
  }
  Json not_solvable;
  if (flags.not_solvable) {
    Json words = Json::array();
    for (const Word& word : flags.not_solvable->words) words.push_back(word_json(word, alphabet));
    not_solvable = {
        {"group", flags.not_solvable->name}, {"states", flags.not_solvable->states}, {"words", std::move(words)}};
  }
  return json_lines(
      {{"language", name},
       {"alphabet", alphabet.names()},
       {"labels", minimal.label_names()},
       {"states", c.language.given_states()},
       {"min_states", minimal.num_states()},
       {"distinct_letters", facts.letters.images.size()},
       {"symbols_alike", c.alike},
       {"image_sets", facts.orbit.complete() ? Json(facts.orbit.size()) : Json()},
       {"monoid_order", green ? big_number(green->order) : Json()},
       {"is_group", flags.is_group},
       {"is_commutative", flags.is_commutative},
       {"is_aperiodic", value_or_null(flags.is_aperiodic)},
       {"is_r_trivial", value_or_null(c.varieties.is_r_trivial)},
       {"is_l_trivial", value_or_null(c.varieties.is_l_trivial)},
       {"is_j_trivial", value_or_null(c.varieties.is_j_trivial)},
       {"is_da", value_or_null(c.varieties.is_da)},
       {"is_quasi_aperiodic", value_or_null(c.varieties.is_quasi_aperiodic)},
       {"circuit_class", c.varieties.circuit_class ? Json(circuit_class_name(*c.varieties.circuit_class)) : Json()},
       {"all_groups_abelian", value_or_null(flags.all_groups_abelian)},
       {"all_groups_nilpotent", value_or_null(flags.all_groups_nilpotent)},
       {"all_groups_solvable", value_or_null(flags.all_groups_solvable)},
       {"only_2_groups", value_or_null(flags.only_2_groups)},
       {"maximal_subgroups", std::move(subgroups_json)},
       {"green", std::move(green_json)},
       {"witnesses", {{"not_aperiodic", std::move(not_aperiodic)}, {"not_solvable", std::move(not_solvable)}}},
       {"families", expressivity_json(families)},
       {"unknown_because", text_or_null(c.unknown_because)}});
}

}  // namespace krohn
