// krohn merge FILE...: the verdict of an exhaustive search from the reports of all its parts.
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "command.hpp"
#include "krohn/automata/alphabet.hpp"
#include "krohn/results/search_part.hpp"
#include "work.hpp"

namespace krohn::cli {
namespace {

struct Arguments {
  std::vector<std::string> files;
  bool json = false;
  std::optional<double> time_limit;
};

int run_merge(const Arguments& arguments) {
  Work work("merge", Work::Early::with_nothing, arguments.time_limit);
  work.method("reading");
  std::vector<SearchPart> parts;
  for (const std::string& file : arguments.files) {
    parts.push_back(read_search_part(file));
    work.part(static_cast<double>(parts.size()), static_cast<double>(arguments.files.size()));
  }
  work.method("joining");
  const MergedSearch merged = merge_search_parts(parts, arguments.files);
  work.finish();
  const MergedEnumeration& result = merged.result;
  const Alphabet alphabet(merged.identity.alphabet);
  const std::string verdict = merged_verdict(merged);
  if (arguments.json) {
    std::cout << merged_search_json(merged);
  } else {
    for (const LengthStatistics& line : result.lengths) {
      std::cout << "length " << line.length << ": " << line.words << " words, " << line.in_domain << " in the domain\n";
    }
    if (result.disagreement && !result.first) std::cout << "some part did not come as far: a shorter word may differ\n";
    std::cout << "s " << verdict;
    if (result.disagreement) {
      std::cout << ' ' << alphabet.format_word(*result.disagreement);
    } else if (verdict == "CERTIFIED") {
      std::cout << ' ' << *result.agreed;
    }
    std::cout << '\n';
  }
  return result.disagreement ? exit_refuted : verdict == "CERTIFIED" ? exit_ok : exit_unknown;
}

}  // namespace

void add_merge(const Command& app, int& exit_code) {
  const Command command = app.add_subcommand("merge", "Join the parts of an exhaustive search");
  command.footer(
      "The parts come from krohn search MODEL LANG --up-to N --shard i/n --report FILE. A missing or doubled part, or\n"
      "one of another search, is refused.");
  const auto arguments = std::make_shared<Arguments>();
  command.add_option("FILE", arguments->files, "the reports of all parts, in any order").required();
  add_time_limit_option(command, arguments->time_limit);
  add_json_option(command, arguments->json);
  command.callback([arguments, &exit_code] { exit_code = run_merge(*arguments); });
}

}  // namespace krohn::cli
