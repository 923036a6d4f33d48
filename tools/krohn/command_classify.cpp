// krohn classify LANG ..: what algebra says about a language, from its minimal automaton; of several, a table of which
// family of linear RNNs can do which.
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>

#include "command.hpp"
#include "expressivity_table.hpp"
#include "krohn/automata/catalog.hpp"
#include "krohn/automata/composition_series.hpp"
#include "krohn/automata/green.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/automata/monoid_flags.hpp"
#include "krohn/io/corpus.hpp"
#include "krohn/io/counted.hpp"
#include "work.hpp"

namespace krohn::cli {
namespace {

struct Options {
  std::vector<std::string> languages;
  std::string corpus;
  std::optional<std::string> alphabet;
  std::size_t max_monoid = 1'000'000;
  bool json = false;
  bool list = false;
  std::optional<double> time_limit;
};

// Groups beyond this number are given by their order alone; longer lists are cut in text output.
constexpr std::size_t max_named_groups = 100;
constexpr std::size_t max_printed_groups = 8;
// Numbers in the generators of a composition series that is printed.
constexpr std::size_t max_series_entries = 20'000;
constexpr std::size_t max_printed_symbols = 16;
// Sets of a cascade for the sizes in the decision table, which is complete without them.
constexpr std::size_t max_decision_family = 4096;

void list_catalog(bool json) {
  Json entries = Json::array();
  std::vector<std::pair<std::string, std::string>> lines;
  for (const CatalogEntry& entry : catalog_entries()) {
    entries.push_back({{"pattern", entry.pattern}, {"description", entry.description}, {"example", entry.example}});
    const bool has_parameters = entry.pattern != entry.example;
    lines.emplace_back(entry.pattern, std::string(entry.description) +
                                          (has_parameters ? " (such as " + std::string(entry.example) + ")" : ""));
  }
  if (json) {
    print_json({{"catalogue", entries}});
  } else {
    print_table(lines);
  }
}

// A decimal as a JSON number where that is exact for every reader, else as a string.
Json big_number(const std::string& decimal) {
  constexpr std::size_t safe_digits = 15;  // below 2^53
  if (decimal.size() > safe_digits) return decimal;
  return std::stoull(decimal);
}

Json optional_flag(const std::optional<bool>& flag) { return flag ? Json(*flag) : Json(); }

// A kind of maximal subgroup, and in how many D-classes it occurs.
struct SubgroupKind {
  GroupName name;
  std::string order;
  /// Decimal; none where the centre was not found.
  std::optional<std::string> centre_order;
  /// None where it was not found, or has too many entries to print.
  std::optional<CompositionSeries> series;
  std::size_t degree = 0;
  std::size_t d_classes = 0;
};

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

std::string flag_text(const std::optional<bool>& flag) { return !flag ? "unknown" : *flag ? "yes" : "no"; }

// The table of several languages; false where it ended early.
bool compare(const Options& options) {
  Work work("classify", Work::Early::with_result, options.time_limit);
  std::vector<std::pair<std::string, Dfa>> languages;
  for (const std::string& name : options.languages) {
    languages.emplace_back(name, language_argument(name, options.alphabet));
  }
  if (!options.corpus.empty()) {
    for (CorpusLanguage& language : read_corpus(options.corpus)) {
      languages.emplace_back(std::move(language.id), std::move(language.dfa));
    }
  }
  std::vector<ComparedLanguage> table;
  for (const auto& [name, dfa] : languages) {
    if (work.stop()) break;
    work.method(name);
    const Dfa minimal = minimize(dfa);
    LanguageFacts facts = letter_facts(minimal);
    add_monoid_flags(facts, find_flags(minimal, options.max_monoid).flags);
    add_cascade_facts(facts, minimal, max_decision_family);
    table.push_back({name, minimal.num_states(), decide_expressivity(facts)});
  }
  const bool whole = !work.finish("the table ends there");
  if (!options.json) {
    print_comparison(table);
    return whole;
  }
  Json rows = Json::array();
  for (const ComparedLanguage& language : table) {
    rows.push_back({{"language", language.name},
                    {"min_states", language.min_states},
                    {"families", expressivity_json(language.families)}});
  }
  print_json({{"languages", std::move(rows)}});
  return whole;
}

void classify(const Options& options) {
  Work work("classify", Work::Early::with_nothing, options.time_limit);
  const Dfa dfa = language_argument(options.languages.front(), options.alphabet);
  const Dfa minimal = minimize(dfa);
  work.method("images of the state set");
  const MonoidFacts facts = find_flags(minimal, options.max_monoid);
  const MonoidFlags& flags = facts.flags;
  GreenLimits limits;
  limits.r_classes = options.max_monoid;
  work.method("Green's classes");
  std::optional<GreenRelations> green = find_green(facts.orbit, limits);
  std::vector<SubgroupKind> subgroups;
  if (green) {
    subgroups = maximal_subgroups(facts, *green);
  } else if (const auto& group = facts.group_on_fewer_points) {
    green = group_as_monoid(*group, minimal.num_states());
    subgroups.push_back({name_group(*group), group->order_text(), std::nullopt, std::nullopt, group->degree(), 1});
    add_structure(subgroups.back(), *group);
  }
  const std::vector<std::vector<std::string>> alike = symbols_alike(minimal, facts.letters);
  const Alphabet& alphabet = minimal.alphabet();
  work.method("cascade");
  LanguageFacts decided_from = letter_facts(minimal);
  add_monoid_flags(decided_from, flags);
  add_cascade_facts(decided_from, minimal, max_decision_family);
  const std::vector<FamilyDecision> families = decide_expressivity(decided_from);
  std::string reason;
  if (!facts.orbit.complete()) {
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

  work.finish();
  if (options.json) {
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
    print_json({{"language", options.languages.front()},
                {"alphabet", dfa.alphabet().names()},
                {"labels", dfa.label_names()},
                {"states", dfa.num_states()},
                {"min_states", minimal.num_states()},
                {"distinct_letters", facts.letters.images.size()},
                {"symbols_alike", alike},
                {"image_sets", facts.orbit.complete() ? Json(facts.orbit.size()) : Json()},
                {"monoid_order", green ? big_number(green->order) : Json()},
                {"is_group", flags.is_group},
                {"is_commutative", flags.is_commutative},
                {"is_aperiodic", optional_flag(flags.is_aperiodic)},
                {"all_groups_abelian", optional_flag(flags.all_groups_abelian)},
                {"all_groups_nilpotent", optional_flag(flags.all_groups_nilpotent)},
                {"all_groups_solvable", optional_flag(flags.all_groups_solvable)},
                {"only_2_groups", optional_flag(flags.only_2_groups)},
                {"maximal_subgroups", std::move(subgroups_json)},
                {"green", std::move(green_json)},
                {"witnesses", {{"not_aperiodic", std::move(not_aperiodic)}, {"not_solvable", std::move(not_solvable)}}},
                {"families", expressivity_json(families)},
                {"unknown_because", reason.empty() ? Json() : Json(reason)}});
    return;
  }

  std::vector<std::pair<std::string, std::string>> lines = {{"language", options.languages.front()},
                                                            {"symbols", std::to_string(dfa.num_symbols())},
                                                            {"labels", std::to_string(dfa.label_names().size())},
                                                            {"states", std::to_string(dfa.num_states())},
                                                            {"min_states", std::to_string(minimal.num_states())}};
  for (std::size_t i = 0; i < alike.size() && i < max_printed_groups; ++i) {
    std::string text;
    for (std::size_t k = 0; k < alike[i].size() && k < max_printed_symbols; ++k) text += alike[i][k] + " ";
    lines.emplace_back(i == 0 ? "act alike" : "", text + (alike[i].size() > max_printed_symbols ? ".." : ""));
  }
  if (alike.size() > max_printed_groups) lines.emplace_back("", "..");
  lines.emplace_back("monoid",
                     green ? green->order + (green->order == "1" ? " element" : " elements") : "order unknown");
  lines.emplace_back("is_group", flags.is_group ? "yes: every letter permutes the states" : "no");
  lines.emplace_back("commuting", flags.is_commutative ? "yes" : "no");
  std::string aperiodic = flag_text(flags.is_aperiodic);
  if (flags.not_aperiodic) {
    const PeriodWitness& witness = *flags.not_aperiodic;
    const std::string index = std::to_string(witness.index);
    aperiodic += ": with w = " + alphabet.format_word(witness.word) + ", w^" + index + " = w^(" + index + " + " +
                 witness.period + ") and not w^(" + index + " + 1)";
  } else if (flags.is_aperiodic == true) {
    aperiodic += ": the language is star-free";
  }
  lines.emplace_back("aperiodic", aperiodic);
  lines.emplace_back("2-groups",
                     flag_text(flags.only_2_groups) + (flags.only_2_groups == true ? ": every group is one" : ""));
  lines.emplace_back(
      "solvable", flag_text(flags.all_groups_solvable) + (flags.all_groups_solvable == true ? ": every group is" : ""));
  if (flags.not_solvable) {
    lines.emplace_back("", "these words generate " + flags.not_solvable->name + " on " +
                               counted(flags.not_solvable->states.size(), "state"));
    for (const Word& word : flags.not_solvable->words) lines.emplace_back("", alphabet.format_word(word));
  }
  if (green) {
    std::string groups;
    for (const SubgroupKind& kind : subgroups) {
      groups += (groups.empty() ? "" : ", ") + kind.name.name + " (degree " + std::to_string(kind.degree) + ")";
    }
    lines.emplace_back("subgroups", groups.empty() ? "all trivial" : groups);
    for (std::size_t i = 0; i < subgroups.size() && i < max_printed_groups; ++i) {
      const SubgroupKind& kind = subgroups[i];
      if (!kind.series || kind.series->factors.size() < 2) continue;
      std::string orders;
      for (const PermutationGroup& term : kind.series->terms) {
        orders += (orders.empty() ? "" : " > ") + term.order_text();
      }
      std::string factors;
      for (const std::string& factor : kind.series->factors) factors += (factors.empty() ? "" : ", ") + factor;
      lines.emplace_back("", kind.name.name + ": normal chain of orders " + orders + ", quotients " + factors +
                                 (kind.centre_order ? "; centre of order " + *kind.centre_order : ""));
    }
    lines.emplace_back(
        "green", std::to_string(green->d_classes.size()) + " D" + " (" + std::to_string(green->regular_d_classes) +
                     " regular), " + std::to_string(green->r_classes) + " R, " + green->l_classes + " L, " +
                     green->h_classes + " H, " + green->idempotents.value_or("unknown") + " idempotents");
  }
  if (!reason.empty()) lines.emplace_back("unknown", "because of " + reason);
  print_table(lines);
  print_expressivity(families);
}

}  // namespace

void add_classify(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("classify", "Say what kind of language it is; of several, which linear RNNs can do which");
  CLI::Option* language = command->add_option("LANG", options->languages, language_help);
  CLI::Option* corpus =
      command
          ->add_option("--corpus", options->corpus,
                       "a JSON file of many languages (tests/data/corpus/languages.json): print the table of these")
          ->type_name("FILE");
  command->add_flag("--list", options->list, "show the catalogue of named languages")
      ->excludes(language)
      ->excludes(corpus);
  add_json_option(*command, options->json);
  add_time_limit_option(*command, options->time_limit);
  command->add_option("--max-monoid", options->max_monoid, "stop at this many image sets or R-classes (10^6)")
      ->check(natural_number(1));
  add_alphabet_option(*command, options->alphabet);
  command->callback([options, &exit_code] {
    exit_code = exit_ok;
    if (options->list) {
      list_catalog(options->json);
    } else if (options->languages.empty() && options->corpus.empty()) {
      throw CLI::RequiredError("LANG or --list");
    } else if (options->languages.size() > 1 || !options->corpus.empty()) {
      if (!compare(*options)) exit_code = exit_unknown;
    } else {
      classify(*options);
    }
  });
}

}  // namespace krohn::cli
