// krohn classify LANG ..: what algebra says about a language, from its minimal automaton; of several, a table of which
// family of linear RNNs can do which.
#include <cstdio>
#include <iostream>
#include <memory>

#include "command.hpp"
#include "krohn/automata/catalog.hpp"
#include "krohn/languages/corpus.hpp"
#include "krohn/results/classification.hpp"
#include "krohn/text/counted.hpp"
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

// Longer lists are cut in text output.
constexpr std::size_t max_printed_groups = 8;
constexpr std::size_t max_printed_symbols = 16;

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

std::string circuit_text(CircuitClass circuit_class) {
  switch (circuit_class) {
    case CircuitClass::ac0:
      return "AC0";
    case CircuitClass::acc0:
      return "ACC0, not AC0";
    case CircuitClass::nc1:
      break;
  }
  return "NC1-complete";
}

std::string flag_text(const std::optional<bool>& flag) { return !flag ? "unknown" : *flag ? "yes" : "no"; }

void print_expressivity(const std::vector<FamilyDecision>& table) {
  std::printf("\nwhich linear RNN can do it\n");
  std::printf("  %-46s %-7s %6s %4s %5s  %s\n", "family", "answer", "layers", "n_h", "size", "why");
  for (const FamilyDecision& d : table) {
    const auto cell = [](const std::optional<std::size_t>& value) {
      return value ? std::to_string(*value) : std::string("-");
    };
    std::string why = d.reason;
    if (!d.theorem.empty()) {
      why += " [" + d.theorem + " (" + d.source + (d.basis == Basis::paper ? ", no proof here" : "") + "); " +
             d.arithmetic + "]";
    }
    std::printf("  %-46s %-7s %6s %4s %5s  %s\n", d.family.c_str(), answer_name(d.answer).c_str(),
                cell(d.layers).c_str(), cell(d.householder).c_str(), cell(d.size).c_str(), why.c_str());
  }
}

std::string table_cell(const FamilyDecision& d) {
  switch (d.answer) {
    case Answer::yes:
      return (d.layers ? std::to_string(*d.layers) : "yes") + (d.basis == Basis::paper ? "*" : "");
    case Answer::no:
      return "no";
    case Answer::unknown:
      break;
  }
  return "?";
}

// In Markdown: a line a language, a column a family, in it the layers where they are known, "yes", "no" or "?"; with a
// star what a paper states and nothing here proves.
void print_comparison(const std::vector<LanguageFamilies>& languages) {
  if (languages.empty()) return;
  std::string header = "| language | states |";
  std::string rule = "|---|---|";
  for (const FamilyDecision& d : languages.front().families) {
    header += " " + d.id + " |";
    rule += "---|";
  }
  std::cout << header << '\n' << rule << '\n';
  for (const LanguageFamilies& language : languages) {
    // In a table cell a bar ends the cell.
    std::string name;
    for (const char c : language.name) name += c == '|' ? std::string("\\|") : std::string(1, c);
    std::cout << "| `" << name << "` | " << language.min_states << " |";
    for (const FamilyDecision& d : language.families) std::cout << ' ' << table_cell(d) << " |";
    std::cout << '\n';
  }
}

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
  std::vector<LanguageFamilies> table;
  for (const auto& [name, dfa] : languages) {
    if (work.stop()) break;
    work.method(name);
    table.push_back(families_of(name, dfa, options.max_monoid));
  }
  const bool whole = !work.finish("the table ends there");
  if (options.json) {
    std::cout << families_json(table);
  } else {
    print_comparison(table);
  }
  return whole;
}

// False where it ended early.
bool run_classify(const Options& options) {
  Work work("classify", Work::Early::with_nothing, options.time_limit);
  ClassifyOptions classify_options;
  classify_options.max_monoid = options.max_monoid;
  classify_options.begins = [&work](const std::string& stage) { work.method(stage); };
  classify_options.stop = &work.stop();
  const Language language = language_argument(options.languages.front(), options.alphabet);
  work.has_result();
  const Classification c = classify(language, classify_options);
  const bool whole = !work.finish("what was not found by then is not known");
  if (options.json) {
    std::cout << classification_json(c, options.languages.front());
    return whole;
  }
  const Dfa& minimal = c.language.minimal();
  const MonoidFlags& flags = c.facts.flags;
  const std::optional<GreenRelations>& green = c.green;
  const std::vector<SubgroupKind>& subgroups = c.subgroups;
  const Alphabet& alphabet = minimal.alphabet();
  std::vector<std::pair<std::string, std::string>> lines = {{"language", options.languages.front()},
                                                            {"symbols", std::to_string(minimal.num_symbols())},
                                                            {"labels", std::to_string(minimal.label_names().size())},
                                                            {"states", std::to_string(c.language.given_states())},
                                                            {"min_states", std::to_string(minimal.num_states())}};
  for (std::size_t i = 0; i < c.alike.size() && i < max_printed_groups; ++i) {
    std::string text;
    for (std::size_t k = 0; k < c.alike[i].size() && k < max_printed_symbols; ++k) text += c.alike[i][k] + " ";
    lines.emplace_back(i == 0 ? "act alike" : "", text + (c.alike[i].size() > max_printed_symbols ? ".." : ""));
  }
  if (c.alike.size() > max_printed_groups) lines.emplace_back("", "..");
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
  std::string trivial;
  for (const auto& [letter, flag] : {std::pair("R", c.varieties.is_r_trivial), std::pair("L", c.varieties.is_l_trivial),
                                     std::pair("J", c.varieties.is_j_trivial), std::pair("DA", c.varieties.is_da)}) {
    trivial += (trivial.empty() ? "" : ", ") + std::string(letter) + " " + flag_text(flag);
  }
  lines.emplace_back("trivial", trivial);
  lines.emplace_back("circuits", !c.varieties.circuit_class ? "unknown" : circuit_text(*c.varieties.circuit_class));
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
  if (!c.unknown_because.empty()) lines.emplace_back("unknown", "because of " + c.unknown_because);
  print_table(lines);
  print_expressivity(c.families);
  return whole;
}

}  // namespace

void add_classify(const Command& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  const Command command =
      app.add_subcommand("classify", "Say what kind of language it is; of several, which linear RNNs can do which");
  const Option language = command.add_option("LANG", options->languages, language_help);
  const Option corpus =
      command
          .add_option("--corpus", options->corpus,
                      "a JSON file of many languages (tests/data/corpus/languages.json): print the table of these")
          .type_name("FILE");
  command.add_flag("--list", options->list, "show the catalogue of named languages")
      .excludes(language)
      .excludes(corpus);
  add_json_option(command, options->json);
  add_time_limit_option(command, options->time_limit);
  command.add_option("--max-monoid", options->max_monoid, "stop at this many image sets or R-classes (10^6)")
      .check(natural_number(1));
  add_alphabet_option(command, options->alphabet);
  command.callback([options, &exit_code] {
    exit_code = exit_ok;
    if (options->list) {
      list_catalog(options->json);
    } else if (options->languages.empty() && options->corpus.empty()) {
      require_argument("LANG or --list");
    } else if (options->languages.size() > 1 || !options->corpus.empty()) {
      if (!compare(*options)) exit_code = exit_unknown;
    } else if (!run_classify(*options)) {
      exit_code = exit_unknown;
    }
  });
}

}  // namespace krohn::cli
