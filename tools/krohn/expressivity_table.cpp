// The decision table as text and JSON.
#include "expressivity_table.hpp"

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "krohn/automata/cascade.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/error.hpp"

namespace krohn::cli {
namespace {

constexpr std::size_t max_rows = 200000;
// States beyond which no cascade is made for the table.
constexpr std::size_t max_states = 512;

Json number(const std::optional<std::size_t>& value) { return value ? Json(*value) : Json(nullptr); }

Json text(const std::string& value) { return value.empty() ? Json(nullptr) : Json(value); }

}  // namespace

void add_cascade_facts(LanguageFacts& facts, const Dfa& minimal, std::size_t max_family) {
  // The table is complete without these numbers: a cap that is met only leaves them out. A cascade's tables can be
  // quadratic in the states.
  if (minimal.num_states() > max_states) return;
  try {
    CompileOptions options;
    options.cascade.max_family = max_family;
    options.cascade.max_rows = max_rows;
    options.max_holonomy_family = 0;
    const CompileResult compiled = compile(minimal, options);
    facts.cascade_widths = compiled.hidden;
    if (!compiled.num_householder.empty()) {
      facts.compiled_householder = *std::max_element(compiled.num_householder.begin(), compiled.num_householder.end());
    }
  } catch (const ResourceError&) {
  } catch (const InputError&) {
  }
  if (!facts.is_aperiodic.value_or(false)) return;
  try {
    CascadeOptions options;
    options.max_family = max_family;
    options.max_rows = max_rows;
    options.resets_only = true;
    options.mode = CascadeMode::images;
    facts.reset_widths = make_cascade(minimal, options).widths();
  } catch (const ResourceError&) {
  } catch (const InputError&) {
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

void print_comparison(const std::vector<ComparedLanguage>& languages) {
  if (languages.empty()) return;
  std::string header = "| language | states |";
  std::string rule = "|---|---|";
  for (const FamilyDecision& d : languages.front().families) {
    header += " " + d.id + " |";
    rule += "---|";
  }
  std::cout << header << '\n' << rule << '\n';
  for (const ComparedLanguage& language : languages) {
    // In a table cell a bar ends the cell.
    std::string name;
    for (const char c : language.name) name += c == '|' ? std::string("\\|") : std::string(1, c);
    std::cout << "| `" << name << "` | " << language.min_states << " |";
    for (const FamilyDecision& d : language.families) std::cout << ' ' << table_cell(d) << " |";
    std::cout << '\n';
  }
}

Json expressivity_json(const std::vector<FamilyDecision>& table) {
  Json rows = Json::array();
  for (const FamilyDecision& d : table) {
    rows.push_back({{"id", d.id},
                    {"family", d.family},
                    {"models", d.models},
                    {"answer", answer_name(d.answer)},
                    {"reason", d.reason},
                    {"theorem", text(d.theorem)},
                    {"source", text(d.source)},
                    {"basis", d.theorem.empty() ? Json(nullptr) : Json(basis_name(d.basis))},
                    {"arithmetic", text(d.arithmetic)},
                    {"layers", number(d.layers)},
                    {"num_householder", number(d.householder)},
                    {"size", number(d.size)}});
  }
  return rows;
}

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

}  // namespace krohn::cli
