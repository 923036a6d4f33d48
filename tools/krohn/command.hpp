// What the subcommands share: exit codes, registration, and how text and JSON are written. One subcommand a file,
// command_NAME.cpp, each with one function add_NAME.
#pragma once

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
#include "krohn/languages/language.hpp"
#include "krohn/model/semantics.hpp"
#include "options.hpp"

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
void add_commands(const Command& app, int& exit_code);

void add_accuracy(const Command& app, int& exit_code);
void add_check(const Command& app, int& exit_code);
void add_classify(const Command& app, int& exit_code);
void add_compile(const Command& app, int& exit_code);
void add_convert(const Command& app, int& exit_code);
void add_completion(const Command& app, int& exit_code);
void add_cycles(const Command& app, int& exit_code);
void add_explain(const Command& app, int& exit_code);
void add_extract(const Command& app, int& exit_code);
void add_export(const Command& app, int& exit_code);
void add_harden(const Command& app, int& exit_code);
void add_inspect(const Command& app, int& exit_code);
void add_kit(const Command& app, int& exit_code);
void add_manual(const Command& app, int& exit_code);
void add_merge(const Command& app, int& exit_code);
void add_refute(const Command& app, int& exit_code);
void add_report(const Command& app, int& exit_code);
void add_run(const Command& app, int& exit_code);
void add_search(const Command& app, int& exit_code);
void add_verify(const Command& app, int& exit_code);

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
inline const std::string language_help =
    std::string("a language: a catalogue name (krohn classify --list), re:REGEX, or a file (") + language_suffixes +
    ")";

/// Adds --alphabet.
void add_alphabet_option(const Command& command, std::optional<std::string>& alphabet);

/// Adds --task.
void add_task_option(const Command& command, std::optional<std::string>& task);

/// Adds --fla-version, where a checkpoint is opened.
void add_reading_options(const Command& command, ReadingHints& hints);

/// Adds --device (auto, cpu or cuda) and --devices (numbers); `device` becomes what parse_device() reads.
void add_device_options(const Command& command, std::string& device, const std::string& what);

/// Adds --json.
void add_json_option(const Command& command, bool& json);

/// Adds --time-limit, in seconds; none by default.
void add_time_limit_option(const Command& command, std::optional<double>& seconds);

/// Adds --certificate.
void add_certificate_option(const Command& command, std::string& path, const std::string& what);

/// Adds --format and --semantics, two names of one option: a short or the full name of a semantics.
void add_semantics_option(const Command& command, std::optional<Semantics>& semantics,
                          const std::string& by_default = "the model's");

/// Accepts the decimal digits of a number from `low` to `high` only: the conversion to an unsigned number would wrap a
/// sign and cut what is too large.
Rule natural_number(std::uint64_t low = 0, std::uint64_t high = std::numeric_limits<std::uint64_t>::max());

/// Accepts bytes, or with K, M, G or T after the number the powers of 1024, and turns them into bytes.
Rule byte_size();

/// Adds --memory: the bytes that a search may hold, Budget::memory. `bytes` holds the default.
void add_memory_option(const Command& command, std::uint64_t& bytes);

/// Accepts one of the names.
Rule one_of(std::vector<std::string> names);

/// Accepts a number of seconds from 0 to 10^9; NaN, which passes a range, is refused.
Rule seconds_number();

/// Says on stderr where a run was made if that was left to krohn, or if a device failed on the way; `asked` is what
/// --device and --devices say.
void say_device(const std::string& asked, const std::string& device);

/// What --device and --devices say.
Device device_of(const std::string& name);

/// Throws InputError that names every one of the options that the command line gives although it means nothing `where`
/// it stands, such as "without --accuracy".
void refuse_options(const Command& command, std::initializer_list<const char*> options, const std::string& where);

}  // namespace krohn::cli
