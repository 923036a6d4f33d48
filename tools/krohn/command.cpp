// Registration of the subcommands, and the few habits that they share.
#include "command.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string_view>
#include <system_error>

#include "krohn/engine/device_team.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/language.hpp"

namespace krohn::cli {

void add_commands(const Command& app, int& exit_code) {
  add_compile(app, exit_code);
  add_check(app, exit_code);
  add_accuracy(app, exit_code);
  add_search(app, exit_code);
  add_merge(app, exit_code);
  add_verify(app, exit_code);
  add_refute(app, exit_code);
  add_cycles(app, exit_code);
  add_explain(app, exit_code);
  add_report(app, exit_code);
  add_run(app, exit_code);
  add_classify(app, exit_code);
  add_extract(app, exit_code);
  add_harden(app, exit_code);
  add_inspect(app, exit_code);
  add_convert(app, exit_code);
  add_export(app, exit_code);
  add_kit(app, exit_code);
  add_completion(app, exit_code);
  add_manual(app, exit_code);
}

void print_json(const Json& object) { std::cout << object.dump(2) << '\n'; }

void print_table(const std::vector<std::pair<std::string, std::string>>& lines) {
  std::size_t width = 0;
  for (const auto& [name, value] : lines) width = std::max(width, name.size());
  for (const auto& [name, value] : lines) {
    std::cout << name << std::string(width + 2 - name.size(), ' ') << value << '\n';
  }
}

Json word_json(const Word& word, const Alphabet& alphabet) {
  Json symbols = Json::array();
  for (const Symbol symbol : word) symbols.push_back(alphabet.name(symbol));
  return symbols;
}

std::string on_one_line(const std::string& name) {
  std::string text;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7F) {
      text += c;
      continue;
    }
    char escape[8];
    std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(byte));
    text += escape;
  }
  return text;
}

Dfa language_argument(const std::string& spec, const std::optional<std::string>& alphabet) {
  LanguageSource language = read_language(spec, alphabet);
  for (const std::string& note : language.notes) std::cerr << "krohn: " << note << '\n';
  return std::move(language.dfa);
}

bool is_model_argument(const std::string& argument) {
  std::error_code ignored;
  return std::filesystem::is_directory(argument, ignored);
}

void add_alphabet_option(const Command& command, std::optional<std::string>& alphabet) {
  command.add_option("--alphabet", alphabet,
                     "the symbols: one a character, or a list separated by commas or spaces "
                     "(default: those that occur, ascending)");
}

void add_task_option(const Command& command, std::optional<std::string>& task) {
  command.add_option("--task", task, "of a checkpoint: this file in place of its task.json").type_name("FILE");
}

void add_memory_option(const Command& command, std::uint64_t& bytes) {
  command
      .add_option("--memory", bytes,
                  "bytes a search may hold, with K, M or G (default " + std::to_string(bytes >> 30U) + "G)")
      .transform(byte_size());
}

void add_reading_options(const Command& command, ReadingHints& hints) {
  const auto parse = [](const std::string& text) -> std::optional<std::array<std::uint32_t, 3>> {
    std::array<std::uint32_t, 3> numbers{};
    std::size_t at = 0;
    for (std::size_t i = 0; i < numbers.size() && (i < 2 || at < text.size()); ++i) {
      if (i > 0 && (at >= text.size() || text[at++] != '.')) return std::nullopt;
      const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), numbers[i]);
      if (error != std::errc()) return std::nullopt;
      at = static_cast<std::size_t>(end - text.data());
    }
    return at == text.size() ? std::optional(numbers) : std::nullopt;
  };
  const Rule version{[parse](const std::string& text) {
                       return parse(text) ? std::string() : "expected a version such as 0.5.2, got '" + text + "'";
                     },
                     ""};
  command
      .add_function(
          "--fla-version", [&hints, parse](const std::string& text) { hints.fla_version = parse(text); },
          "of a checkpoint: the version of flash-linear-attention that it was trained with, where options changed "
          "their "
          "meaning (qk_norm at 0.6.0); the newest by default, and a note says so")
      .type_name("X.Y.Z")
      .check(version);
}

void add_device_options(const Command& command, std::string& device, const std::string& what) {
  const Option where =
      command
          .add_option("--device", device,
                      what + ": auto (and say where), cpu, or cuda, which is every visible CUDA device")
          .check(one_of({"auto", "cpu", "cuda"}))
          .capture_default_str();
  command
      .add_function(
          "--devices",
          [&device, where](const std::string& numbers) {
            if (where.count() > 0 && device != "cuda") {
              throw InputError("--devices: expected none beside --device " + device + ", got '" + numbers + "'");
            }
            device = "cuda:" + numbers;
          },
          "these CUDA devices alone, by their numbers with commas between: 0,1; a number that is there twice has two "
          "workers")
      .type_name("N,N..")
      .check({[](const std::string& numbers) {
                return parse_device("cuda:" + numbers)
                           ? std::string()
                           : "expected numbers of devices below 64 with commas between, got '" + numbers + "'";
              },
              ""});
}

void add_json_option(const Command& command, bool& json) {
  command.add_flag("--json", json, "print one JSON object instead (docs/schemas)");
}

void add_time_limit_option(const Command& command, std::optional<double>& seconds) {
  command.add_option("--time-limit", seconds, "seconds, then what there is so far (default: none)")
      .check(seconds_number());
}

void add_certificate_option(const Command& command, std::string& path, const std::string& what) {
  command.add_option("--certificate", path, what)
      .type_name("FILE")
      .check({[](const std::string& name) { return name.empty() ? "expected a file's name, got none" : ""; }, ""});
}

void add_semantics_option(const Command& command, std::optional<Semantics>& semantics, const std::string& by_default) {
  command
      .add_function(
          "--format,--semantics", [&semantics](const std::string& text) { semantics = parse_semantics(text); },
          "the arithmetic: fp32, fp16, bf16, int8-wrap, int8-saturate, int16-wrap, int16-saturate, fp32-snap, or a "
          "name of docs/semantics.md (default: " +
              by_default + ")")
      .type_name("FORMAT")
      .check({[](const std::string& text) {
                return parse_semantics(text) ? std::string()
                                             : "expected " + std::string(semantics_short_names) +
                                                   " or a semantics id, got '" + text + "'";
              },
              ""});
}

Rule natural_number(std::uint64_t low, std::uint64_t high) {
  const std::string range = std::to_string(low) + " to " + std::to_string(high);
  const bool every = high == std::numeric_limits<std::uint64_t>::max();
  return {[=](std::string& text) -> std::string {
            std::uint64_t number = 0;
            const char* const end = text.data() + text.size();
            const auto [stop, error] = std::from_chars(text.data(), end, number);
            if (error == std::errc() && stop == end && low <= number && number <= high) return "";
            return "expected a number from " + range + ", got '" + text + "'";
          },
          every ? "" : range};
}

Rule byte_size() {
  return {[](std::string& text) -> std::string {
            const std::string problem = "expected bytes, with K, M, G or T if wanted, got '" + text + "'";
            std::uint64_t number = 0;
            const char* end = text.data() + text.size();
            const auto [stop, error] = std::from_chars(text.data(), end, number);
            if (error != std::errc()) return problem;
            std::string unit = std::string(stop, end);
            for (char& c : unit) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
            if (unit.ends_with('b')) unit.pop_back();
            if (unit.size() == 2 && unit.ends_with('i')) unit.pop_back();
            const std::size_t at = unit.size() == 1 ? std::string_view("kmgt").find(unit) : std::string_view::npos;
            if (!unit.empty() && at == std::string_view::npos) return problem;
            const unsigned shift = unit.empty() ? 0 : 10 * (static_cast<unsigned>(at) + 1);
            if (shift > 0 && number >> (64 - shift) != 0) return problem;
            text = std::to_string(number << shift);
            return "";
          },
          ""};
}

Rule one_of(std::vector<std::string> names) {
  const auto joined = [](const std::vector<std::string>& list, const char* between) {
    std::string text;
    for (const std::string& name : list) text += (&name == list.data() ? "" : between) + name;
    return text;
  };
  std::string shown = "{" + joined(names, ",") + "}";
  std::string listed = joined(names, ", ");
  return {[names = std::move(names), listed = std::move(listed)](std::string& text) -> std::string {
            if (std::find(names.begin(), names.end(), text) != names.end()) return "";
            return "expected one of " + listed + ", got '" + text + "'";
          },
          std::move(shown)};
}

Rule seconds_number() {
  return {[](std::string& text) -> std::string {
            double number = 0.0;
            const char* const end = text.data() + text.size();
            const auto [stop, error] = std::from_chars(text.data(), end, number);
            if (error == std::errc() && stop == end && number >= 0.0 && number <= 1e9) return "";
            return "expected seconds from 0 to 1e9, got '" + text + "'";
          },
          ""};
}

void say_device(const std::string& asked, const std::string& device) {
  if (asked != "auto" && !DeviceTeam::tells_of_failure(device)) return;
  if (!device.empty()) std::cerr << "krohn: ran on " << device << '\n';
}

Device device_of(const std::string& name) {
  const std::optional<Device> device = parse_device(name);
  if (!device) throw InternalError("--device: a name that was not checked");
  return *device;
}

void refuse_options(const Command& command, std::initializer_list<const char*> options, const std::string& where) {
  std::vector<std::string> problems;
  for (const char* option : options) {
    if (command.count(option) > 0) problems.push_back(std::string(option) + ": expected none " + where);
  }
  if (!problems.empty()) throw InputError(std::move(problems));
}

}  // namespace krohn::cli
