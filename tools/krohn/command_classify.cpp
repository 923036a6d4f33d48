// krohn classify LANG: what algebra says about a language, from its minimal automaton.
#include <algorithm>
#include <iostream>
#include <memory>

#include "command.hpp"
#include "krohn/automata/catalog.hpp"
#include "krohn/automata/minimize.hpp"

namespace krohn::cli {
namespace {

struct Options {
  std::string language;
  std::optional<std::string> alphabet;
  bool json = false;
  bool list = false;
};

// The transition monoid is a group exactly if every letter permutes the states.
bool letters_permute(const Dfa& minimal) {
  for (Symbol symbol = 0; symbol < minimal.num_symbols(); ++symbol) {
    std::vector<State> images = minimal.letter(symbol);
    std::sort(images.begin(), images.end());
    if (std::adjacent_find(images.begin(), images.end()) != images.end()) return false;
  }
  return true;
}

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

void classify(const Options& options) {
  const Dfa dfa = language_argument(options.language, options.alphabet);
  const Dfa minimal = minimize(dfa);
  const bool is_group = letters_permute(minimal);
  if (options.json) {
    print_json({{"language", options.language},
                {"alphabet", dfa.alphabet().names()},
                {"labels", dfa.label_names()},
                {"states", dfa.num_states()},
                {"min_states", minimal.num_states()},
                {"is_group", is_group}});
    return;
  }
  print_table({{"language", options.language},
               {"symbols", std::to_string(dfa.num_symbols())},
               {"labels", std::to_string(dfa.label_names().size())},
               {"states", std::to_string(dfa.num_states())},
               {"min_states", std::to_string(minimal.num_states())},
               {"is_group", is_group ? "yes: every letter permutes the states" : "no"}});
}

}  // namespace

void add_classify(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("classify", "Say what kind of language it is");
  CLI::Option* language = command->add_option("LANG", options->language, language_help);
  command->add_flag("--list", options->list, "show the catalogue of named languages")->excludes(language);
  command->add_flag("--json", options->json, "print one JSON object");
  add_alphabet_option(*command, options->alphabet);
  command->callback([options, &exit_code] {
    if (options->list) {
      list_catalog(options->json);
    } else if (options->language.empty()) {
      throw CLI::RequiredError("LANG or --list");
    } else {
      classify(*options);
    }
    exit_code = exit_ok;
  });
}

}  // namespace krohn::cli
