// What the subcommands share: exit codes, registration, and how text and JSON are written. One subcommand a file,
// command_NAME.cpp, each with one function add_NAME.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "krohn/architectures/draft.hpp"
#include "krohn/automata/dfa.hpp"
#include "krohn/engine/device.hpp"
#include "krohn/model/semantics.hpp"

namespace krohn::cli {

/// The claim asked for holds; bad input; usage; resource or device; internal; refuted; unknown.
inline constexpr int exit_ok = 0;
inline constexpr int exit_input = 1;
inline constexpr int exit_usage = 2;
inline constexpr int exit_resource = 3;
inline constexpr int exit_internal = 4;
inline constexpr int exit_refuted = 10;
inline constexpr int exit_unknown = 20;

/// Registers every subcommand; a subcommand's callback stores its exit code in `exit_code`.
void add_commands(CLI::App& app, int& exit_code);

void add_accuracy(CLI::App& app, int& exit_code);
void add_check(CLI::App& app, int& exit_code);
void add_classify(CLI::App& app, int& exit_code);
void add_compile(CLI::App& app, int& exit_code);
void add_convert(CLI::App& app, int& exit_code);
void add_completion(CLI::App& app, int& exit_code);
void add_cycles(CLI::App& app, int& exit_code);
void add_explain(CLI::App& app, int& exit_code);
void add_extract(CLI::App& app, int& exit_code);
void add_export(CLI::App& app, int& exit_code);
void add_harden(CLI::App& app, int& exit_code);
void add_inspect(CLI::App& app, int& exit_code);
void add_kit(CLI::App& app, int& exit_code);
void add_manual(CLI::App& app, int& exit_code);
void add_merge(CLI::App& app, int& exit_code);
void add_refute(CLI::App& app, int& exit_code);
void add_report(CLI::App& app, int& exit_code);
void add_run(CLI::App& app, int& exit_code);
void add_search(CLI::App& app, int& exit_code);
void add_verify(CLI::App& app, int& exit_code);

/// Members in the order in which they are added.
using Json = nlohmann::ordered_json;

/// One object and a newline on stdout.
void print_json(const Json& object);

/// The word as an array of its symbols' names.
Json word_json(const Word& word, const Alphabet& alphabet);

/// "name   value" lines on stdout, the values aligned.
void print_table(const std::vector<std::pair<std::string, std::string>>& lines);

/// A label's name as text output shows it: control characters escaped as in JSON, so that no name begins a line.
std::string on_one_line(const std::string& name);

/// read_language, its notes on stderr.
Dfa language_argument(const std::string& spec, const std::optional<std::string>& alphabet);

/// True where `argument` is a MODEL: an existing directory.
bool is_model_argument(const std::string& argument);

/// The help text of a LANG argument, the same everywhere.
inline constexpr const char* language_help =
    "a language: a catalogue name (krohn classify --list), re:REGEX, or a file (.json, .att, .mata, "
    ".jff, .hoa, .dot, .mona, .aut, .ba)";

/// Adds --alphabet.
void add_alphabet_option(CLI::App& command, std::optional<std::string>& alphabet);

/// Adds --task.
void add_task_option(CLI::App& command, std::optional<std::string>& task);

/// Adds --fla-version, where a checkpoint is opened.
void add_reading_options(CLI::App& command, ReadingHints& hints);

/// Adds --device: auto, cpu or cuda.
CLI::Option* add_device_option(CLI::App& command, std::string& device, const std::string& what);

/// Adds --json.
void add_json_option(CLI::App& command, bool& json);

/// Adds --time-limit, in seconds; none by default.
void add_time_limit_option(CLI::App& command, std::optional<double>& seconds);

/// Adds --certificate.
void add_certificate_option(CLI::App& command, std::string& path, const std::string& what);

/// Adds --format and --semantics, two names of one option: a short or the full name of a semantics.
void add_semantics_option(CLI::App& command, std::optional<Semantics>& semantics,
                          const std::string& by_default = "the model's");

/// Accepts the decimal digits of a number from `low` to `high` only: the conversion to an unsigned number would wrap a
/// sign and cut what is too large.
CLI::Validator natural_number(std::uint64_t low = 0, std::uint64_t high = std::numeric_limits<std::uint64_t>::max());

/// Accepts bytes, or with K, M, G or T after the number the powers of 1024, and turns them into bytes.
CLI::Validator byte_size();

/// Accepts one of the names.
CLI::Validator one_of(std::vector<std::string> names);

/// Accepts a number of seconds from 0 to 10^9; NaN, which passes a range, is refused.
CLI::Validator seconds_number();

/// What --device says: cpu, cuda, or auto.
Device device_of(const std::string& name);

/// Throws InputError that names every one of the options that the command line gives although it means nothing `where`
/// it stands, such as "without --accuracy".
void refuse_options(const CLI::App& command, std::initializer_list<const char*> options, const std::string& where);

}  // namespace krohn::cli
