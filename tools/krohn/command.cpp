// Registration of the subcommands, and the few habits that they share.
#include "command.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <system_error>

#include "krohn/io/language.hpp"

namespace krohn::cli {

void add_commands(CLI::App& app, int& exit_code) {
  add_compile(app, exit_code);
  add_check(app, exit_code);
  add_merge(app, exit_code);
  add_refute(app, exit_code);
  add_report(app, exit_code);
  add_run(app, exit_code);
  add_verify(app, exit_code);
  add_classify(app, exit_code);
  add_inspect(app, exit_code);
  add_convert(app, exit_code);
}

void print_json(const Json& object) { std::cout << object.dump(2) << '\n'; }

void print_table(const std::vector<std::pair<std::string, std::string>>& lines) {
  std::size_t width = 0;
  for (const auto& [name, value] : lines) width = std::max(width, name.size());
  for (const auto& [name, value] : lines) {
    std::cout << name << std::string(width + 2 - name.size(), ' ') << value << '\n';
  }
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

void add_alphabet_option(CLI::App& command, std::optional<std::string>& alphabet) {
  command.add_option("--alphabet", alphabet,
                     "the symbols: one a character, or a list separated by commas or spaces "
                     "(default: those that occur, ascending)");
}

void add_semantics_option(CLI::App& command, std::optional<Semantics>& semantics) {
  command
      .add_option_function<std::string>(
          "--format,--semantics", [&semantics](const std::string& text) { semantics = parse_semantics(text); },
          "the arithmetic: fp32, fp16, bf16, or a name of docs/semantics.md (default: the model's)")
      ->type_name("FORMAT")
      ->check([](const std::string& text) {
        return parse_semantics(text) ? std::string()
                                     : "expected fp32, fp16, bf16 or a semantics id, got '" + text + "'";
      });
}

CLI::Validator natural_number() {
  return {[](std::string& text) -> std::string {
            std::uint64_t number = 0;
            const char* const end = text.data() + text.size();
            const auto [stop, error] = std::from_chars(text.data(), end, number);
            if (error == std::errc() && stop == end) return "";
            return "expected a number from 0 to 18446744073709551615, got '" + text + "'";
          },
          ""};
}

CLI::Validator seconds_number() {
  return {[](std::string& text) -> std::string {
            double number = 0.0;
            if (CLI::detail::lexical_cast(text, number) && number >= 0.0 && number <= 1e9) return "";
            return "expected seconds from 0 to 1e9, got '" + text + "'";
          },
          ""};
}

Device device_of(const std::string& name) {
  return name == "cpu" ? Device::cpu : name == "cuda" ? Device::cuda : Device::automatic;
}

}  // namespace krohn::cli
