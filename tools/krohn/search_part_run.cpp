// The report is written whatever the outcome: an interrupted part says how far it came, and merge respects that.
#include "search_part_run.hpp"

#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "command.hpp"
#include "interrupt.hpp"
#include "krohn/automata/fingerprint.hpp"
#include "krohn/engine/enumerate.hpp"
#include "krohn/error.hpp"
#include "krohn/io/search_part.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn::cli {
namespace {

Shard parse_shard(const std::string& text) {
  const char* end = text.data() + text.size();
  std::uint32_t part = 0;
  std::uint32_t parts = 0;
  const auto slash = std::from_chars(text.data(), end, part);
  if (slash.ec == std::errc() && slash.ptr != end && *slash.ptr == '/') {
    const auto rest = std::from_chars(slash.ptr + 1, end, parts);
    if (rest.ec == std::errc() && rest.ptr == end && part >= 1 && part <= parts) return {part - 1, parts};
  }
  throw InputError("--shard: expected i/n with 1 <= i <= n, got '" + text + "'");
}

/// How far an earlier run of the same part of the same search came, by the report that it left in the file. Any other
/// file will be written over.
std::optional<std::uint64_t> established_by(const std::string& file, const SearchPart& part) {
  if (!std::filesystem::exists(file)) return std::nullopt;
  try {
    const SearchPart earlier = read_search_part(file);
    const bool same = earlier.identity == part.identity && earlier.shard.index == part.shard.index &&
                      earlier.shard.count == part.shard.count;
    return same && !earlier.result.disagreement ? earlier.result.agreed : std::nullopt;
  } catch (const InputError&) {
    return std::nullopt;
  }
}

Json part_json(const SearchPart& part) {
  Json object;
  object["part"] = part.shard.index + 1;
  object["parts"] = part.shard.count;
  object["max_length"] = part.identity.max_length;
  object["agreed"] = part.result.agreed ? Json(*part.result.agreed) : Json();
  object["disagreement"] =
      part.result.disagreement ? word_json(*part.result.disagreement, Alphabet(part.identity.alphabet)) : Json();
  object["stopped"] = part.result.stopped;
  object["semantics"] = part.identity.semantics;
  object["device"] = part.result.device;
  return object;
}

}  // namespace

void show_progress(const EnumerateProgress& progress) {
  const double rate = static_cast<double>(progress.nodes) / progress.seconds;
  const double left =
      progress.total > progress.nodes ? static_cast<double>(progress.total - progress.nodes) / rate : 0.0;
  std::fprintf(stderr, "\r%.3g of %.3g words, %.3g a second, length %llu done, %.0f s left   ",
               static_cast<double>(progress.nodes), static_cast<double>(progress.total), rate,
               static_cast<unsigned long long>(progress.length), left);
}

int run_search_part(const OpenModel& open, const Dfa& language, const SearchPartArguments& arguments) {
  EnumerateOptions options;
  options.max_length = arguments.max_length;
  options.shard = parse_shard(arguments.shard);
  options.device = arguments.device;
  options.device_memory = arguments.memory;
  options.deadline = arguments.deadline;
  options.stop = &interrupt_flag();
  const bool terminal = isatty(STDERR_FILENO) != 0;
  if (terminal) options.progress = show_progress;
  const Specification specification(*open.machine, language);
  SearchPart part;
  part.shard = options.shard;
  part.identity = {open.identity(), fingerprint(specification.automaton()), std::string(open.machine->semantics()),
                   open.machine->alphabet().names(), arguments.max_length};
  options.agreed = established_by(arguments.report, part);
  if (options.agreed)
    std::cerr << "krohn: goes on after length " << *options.agreed << ", from " << arguments.report << '\n';
  part.result = enumerate(*open.machine, specification.labelled_automaton(), options);
  if (terminal) std::fprintf(stderr, "\n");
  write_search_part(arguments.report, part);
  const int exit_code = part.result.disagreement                     ? exit_refuted
                        : part.result.agreed && !part.result.stopped ? exit_ok
                                                                     : exit_unknown;
  if (arguments.json) {
    print_json(part_json(part));
    return exit_code;
  }
  std::cout << "part " << arguments.shard << ", on " << part.result.device << ": ";
  if (part.result.disagreement) {
    std::cout << "the first word that differs is " << open.machine->alphabet().format_word(*part.result.disagreement)
              << '\n';
  } else if (part.result.agreed) {
    std::cout << "every word of the part up to length " << *part.result.agreed << " agrees\n";
  } else {
    std::cout << "nothing established\n";
  }
  return exit_code;
}

}  // namespace krohn::cli
