// krohn explain GROUP: Theorem 3 on a concrete group (how its word problem runs in one layer), with the counts that
// bound it from below.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "command.hpp"
#include "krohn/automata/catalog.hpp"
#include "krohn/automata/group_action.hpp"
#include "krohn/compile/group.hpp"
#include "krohn/compile/representation.hpp"
#include "krohn/error.hpp"
#include "work.hpp"

namespace krohn::cli {
namespace {

/// A way to run the group.
struct Way {
  std::string name;
  std::size_t dimension = 0;
  std::size_t reflections = 0;
  bool exact = false;
  std::optional<std::uint64_t> horizon;
  /// A letter that needs all of the reflections.
  std::string letter;
};

/// "(0 1 2)(3 4)", the identity "()".
std::string cycles(const std::vector<std::uint32_t>& permutation) {
  std::string text;
  std::vector<bool> seen(permutation.size(), false);
  for (std::uint32_t first = 0; first < permutation.size(); ++first) {
    if (seen[first] || permutation[first] == first) continue;
    std::string cycle;
    for (std::uint32_t p = first; !seen[p]; p = permutation[p]) {
      seen[p] = true;
      cycle += cycle.empty() ? '(' : ' ';
      cycle += std::to_string(p);
    }
    text += cycle + ")";
  }
  return text.empty() ? "()" : text;
}

std::string symbol_of_letter(const Dfa& dfa, const std::vector<std::uint32_t>& letter_of_symbol, std::size_t letter) {
  const auto at = std::find(letter_of_symbol.begin(), letter_of_symbol.end(), letter);
  return dfa.alphabet().name(static_cast<Symbol>(at - letter_of_symbol.begin()));
}

Dfa word_problem(const std::string& group) {
  try {
    return catalog_language("word:" + group);
  } catch (const InputError& error) {
    std::string problem = group;
    problem.append(": expected a group G of word:G (krohn classify --list): ").append(error.problems().front());
    throw InputError(std::move(problem));
  }
}

int explain(const std::string& group, std::optional<double> time_limit, bool json) {
  Work work("explain", Work::Early::with_nothing, time_limit);
  const Dfa dfa = word_problem(group);
  const GroupAction action = find_action(dfa);
  std::vector<Way> ways;
  {
    Way way{"permutation of " + std::to_string(action.degree) + " points",
            action.degree,
            action.max_reflections,
            true,
            std::nullopt,
            ""};
    for (std::size_t letter = 0; letter < action.letters.size(); ++letter) {
      const std::size_t needed = action.degree - cycle_count(action.letters[letter]);
      if (needed == action.max_reflections && way.letter.empty()) {
        way.letter =
            "'" + symbol_of_letter(dfa, action.letter_of_symbol, letter) + "' = " + cycles(action.letters[letter]);
      }
    }
    ways.push_back(std::move(way));
  }
  std::string left_out;
  try {
    for (const OrthogonalRepresentation& found : find_representations(dfa)) {
      const CompiledGroup compiled = compile_representation(dfa, found);
      Way way{
          "irreducible parts " + found.name, found.dimension, found.reflections, compiled.exact, compiled.horizon, ""};
      const auto at = std::find(found.letter_reflections.begin(), found.letter_reflections.end(), found.reflections);
      way.letter = "'" +
                   symbol_of_letter(dfa, found.letter_of_symbol,
                                    static_cast<std::size_t>(at - found.letter_reflections.begin())) +
                   "'";
      ways.push_back(std::move(way));
    }
  } catch (const ResourceError& error) {
    left_out = error.what();
  }
  work.finish();
  if (json) {
    Json list = Json::array();
    for (const Way& way : ways) {
      list.push_back({{"representation", way.name},
                      {"dimension", way.dimension},
                      {"num_householder", way.reflections},
                      {"exact", way.exact},
                      {"horizon", way.horizon ? Json(*way.horizon) : Json(nullptr)},
                      {"letter", way.letter}});
    }
    print_json({{"theorem", "groups"},
                {"group", group},
                {"language", "word:" + group},
                {"order", dfa.num_states()},
                {"source", "Grazzi et al. 2025 (arXiv:2411.12537), Theorem 3"},
                {"ways", list},
                {"left_out", left_out.empty() ? Json(nullptr) : Json(left_out)}});
    return exit_ok;
  }
  print_table({{"group", group + ", " + std::to_string(dfa.num_states()) + " elements"},
               {"language", "word:" + group + ": the product of all letters, every element a letter"},
               {"theorem", "Grazzi et al. 2025 (arXiv:2411.12537), Theorem 3: one layer does it"}});
  std::printf("\n  %-34s %9s %4s  %-24s %s\n", "representation", "dimension", "n_h", "arithmetic",
              "letter that needs n_h");
  for (const Way& way : ways) {
    const std::string arithmetic = way.exact     ? "exact, all lengths"
                                   : way.horizon ? "certified to " + std::to_string(*way.horizon)
                                                 : "inexact";
    std::printf("  %-34s %9zu %4zu  %-24s %s\n", way.name.c_str(), way.dimension, way.reflections, arithmetic.c_str(),
                way.letter.c_str());
  }
  if (!left_out.empty()) std::printf("  %s\n", left_out.c_str());
  std::printf(
      "\nFewer reflections than n_h cannot do it in that representation: a product of r reflections fixes a subspace "
      "of\n"
      "codimension at most r, and rank(g - I) = n_h for the letter shown (Scherk 1950 shows that n_h is enough).\n");
  return exit_ok;
}

}  // namespace

void add_explain(const Command& app, int& exit_code) {
  struct Arguments {
    std::string group;
    std::optional<double> time_limit;
    bool json = false;
  };
  const auto arguments = std::make_shared<Arguments>();
  const Command command = app.add_subcommand("explain", "Show how a group's word problem is done in one layer");
  command.footer(
      "The representations trade dimensions against reflections; fewer reflections than shown cannot do it.");
  command.add_option("GROUP", arguments->group, "S5, A:5, Z:6, D4, Q8, Z:2xZ:3, ..").required();
  add_time_limit_option(command, arguments->time_limit);
  add_json_option(command, arguments->json);
  command.callback(
      [arguments, &exit_code] { exit_code = explain(arguments->group, arguments->time_limit, arguments->json); });
}

}  // namespace krohn::cli
