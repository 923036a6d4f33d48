// krohn search MODEL LANG --up-to N: every word up to a length, whole or in parts that krohn merge joins. The report is
// written whatever the outcome: an interrupted part says how far it came, and merge respects that.
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "command.hpp"
#include "krohn/automata/fingerprint.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/engine/enumerate.hpp"
#include "krohn/error.hpp"
#include "krohn/results/search_part.hpp"
#include "krohn/text/atomic_file.hpp"
#include "krohn/verify/specification.hpp"
#include "model_argument.hpp"
#include "work.hpp"

namespace krohn::cli {
namespace {

struct Arguments {
  std::string model;
  std::string language;
  std::optional<std::string> alphabet;
  std::optional<std::string> task;
  std::optional<Semantics> semantics;
  std::uint64_t up_to = 0;
  std::string shard = "1/1";
  std::string report;
  std::string device = "auto";
  std::uint64_t memory = std::uint64_t{4} << 30U;
  std::optional<double> time_limit;
  bool json = false;
};

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
std::optional<std::uint64_t> established_by(const std::string& file, const SearchIdentity& identity, Shard shard) {
  if (!std::filesystem::exists(file)) return std::nullopt;
  try {
    const SearchPart earlier = read_search_part(file);
    const bool same =
        earlier.identity == identity && earlier.shard.index == shard.index && earlier.shard.count == shard.count;
    return same && !earlier.result.disagreement ? earlier.result.agreed : std::nullopt;
  } catch (const InputError&) {
    return std::nullopt;
  }
}

/// Nothing where the part is whole and settled neither way, or one of several that agrees.
std::string verdict_of(const SearchPart& part) {
  if (part.result.disagreement) return "REFUTED";
  if (part.shard.count > 1) return "";
  return part.result.agreed && !part.result.stopped ? "CERTIFIED" : "UNKNOWN";
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
  const std::string verdict = verdict_of(part);
  object["verdict"] = verdict.empty() ? Json() : Json(verdict);
  return object;
}

void print_text(const SearchPart& part, const std::string& shard, const Alphabet& alphabet) {
  std::cout << "part " << shard << ", on " << part.result.device << ": ";
  if (part.result.disagreement) {
    std::cout << "the first word that differs is " << alphabet.format_word(*part.result.disagreement) << '\n';
  } else if (part.result.agreed) {
    std::cout << "every word of the part up to length " << *part.result.agreed << " agrees\n";
  } else {
    std::cout << "nothing established\n";
  }
  const std::string verdict = verdict_of(part);
  if (verdict.empty()) return;
  std::cout << "s " << verdict;
  if (part.result.disagreement) std::cout << ' ' << alphabet.format_word(*part.result.disagreement);
  if (verdict == "CERTIFIED") std::cout << ' ' << *part.result.agreed;
  std::cout << '\n';
}

int run_search(const Arguments& arguments) {
  EnumerateOptions options;
  options.shard = parse_shard(arguments.shard);
  if (options.shard.count > 1 && arguments.report.empty()) {
    throw InputError("--shard: expected --report FILE with it, for krohn merge");
  }
  if (!arguments.report.empty()) require_writable(arguments.report);
  options.max_length = arguments.up_to;
  options.device = device_of(arguments.device);
  require_device(options.device);
  options.device_memory = arguments.memory;
  Work work("search", Work::Early::with_result, arguments.time_limit);
  options.deadline = work.deadline();
  options.stop = &work.stop();
  options.progress = [&work](const EnumerateProgress& progress) { show_search(work, progress); };
  const OpenModel open = open_model(arguments.model, arguments.semantics, arguments.task);
  for (const std::string& note : open.notes) std::cerr << "krohn: " << note << '\n';
  const Dfa language = language_of(open, arguments.language, arguments.alphabet);
  if (!arguments.report.empty()) {
    options.agreed =
        established_by(arguments.report, search_identity(open, language, options.max_length), options.shard);
  }
  if (options.agreed) {
    std::cerr << "krohn: goes on after length " << *options.agreed << ", from " << arguments.report << '\n';
  }
  const SearchPart part = search_part(open, language, options);
  work.finish(part.result.stopped ? "the words of the shorter lengths were tried" : "");
  if (!arguments.report.empty()) write_search_part(arguments.report, part);
  if (arguments.json) {
    print_json(part_json(part));
  } else {
    print_text(part, arguments.shard, open.machine->alphabet());
  }
  return part.result.disagreement ? exit_refuted : part.result.agreed && !part.result.stopped ? exit_ok : exit_unknown;
}

}  // namespace

void add_search(const Command& app, int& exit_code) {
  const Command command = app.add_subcommand("search", "Try every word up to a length, whole or in parts");
  command.footer(
      "The first word that differs, shorter ones first. With --report an ended search goes on where it ended when it "
      "is\n"
      "started again; --shard does one part of it, and krohn merge joins the reports of all parts.\n"
      "Exit codes: 0 every word (of the part) agrees, 10 a word differs, 20 ended early.");
  const auto arguments = std::make_shared<Arguments>();
  command.add_option("MODEL", arguments->model, "a model directory, or a checkpoint with a task.json").required();
  command.add_option("LANG", arguments->language, language_help + "; default: the one that comes with the model");
  add_alphabet_option(command, arguments->alphabet);
  add_task_option(command, arguments->task);
  add_semantics_option(command, arguments->semantics);
  command.add_option("--up-to", arguments->up_to, "the longest words' length").check(natural_number()).required();
  command.add_option("--shard", arguments->shard, "only part i of n, written to --report").type_name("i/n");
  command
      .add_option("--report", arguments->report,
                  "what was found, in this file; goes on from what an ended run left there")
      .type_name("FILE")
      .check({[](const std::string& path) { return path.empty() ? "expected a file's name, got none" : ""; }, ""});
  add_device_options(command, arguments->device, "where the words run");
  command.add_option("--memory", arguments->memory, "bytes of memory on each device, with K, M or G (default 4G)")
      .transform(byte_size());
  add_time_limit_option(command, arguments->time_limit);
  add_json_option(command, arguments->json);
  command.callback([arguments, command, &exit_code] {
    if (arguments->language.empty()) refuse_options(command, {"--alphabet"}, "without LANG");
    exit_code = run_search(*arguments);
  });
}

}  // namespace krohn::cli
