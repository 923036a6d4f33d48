// The options of commands. CLI11 stands behind them in one source: its header alone costs every source that includes it
// six seconds of compiling.
//
//     const Command command = app.add_subcommand("check", "Decide whether a model recognises a language");
//     command.add_option("MODEL", arguments->model, "a model directory").required();
#pragma once

#include <cstddef>
#include <functional>
#include <set>
#include <string>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace krohn::cli {

/// What an option's text must be.
struct Rule {
  /// Empty where the text is fine; may rewrite it where the option is transformed by the rule.
  std::function<std::string(std::string&)> problem;
  /// Stands behind the option's name in the help.
  std::string shown;
};

/// An option of a command, by reference.
class Option {
 public:
  explicit Option(CLI::Option& option) : option_(&option) {}

  Option required() const;
  Option check(const Rule& rule) const;
  Option transform(const Rule& rule) const;
  Option type_name(const std::string& name) const;
  /// The help shows the value that is there now.
  Option capture_default_str() const;
  Option excludes(const std::string& name) const;
  Option excludes(const Option& other) const;
  Option expected(int least, int most) const;
  Option delimiter(char character) const;
  /// How often the command line gives it.
  std::size_t count() const;

 private:
  CLI::Option* option_;
};

/// A command, or the program, by reference.
class Command {
 public:
  explicit Command(CLI::App& app) : app_(&app) {}

  Command add_subcommand(const std::string& name, const std::string& description) const;
  /// `value` is a text, a number, an optional of one, or a list of them: those of options.cpp. It outlives the command.
  template <typename T>
  Option add_option(const std::string& names, T& value, const std::string& description) const;
  Option add_flag(const std::string& names, bool& value, const std::string& description) const;
  Option add_function(const std::string& names, const std::function<void(const std::string&)>& take,
                      const std::string& description) const;
  void footer(const std::string& text) const;
  void callback(const std::function<void()>& call) const;

  /// How often the command line gives the option.
  std::size_t count(const std::string& option) const;
  /// The long names, without dashes, of the options that it gives.
  std::set<std::string> given() const;

  CLI::App& app() const noexcept { return *app_; }

 private:
  CLI::App* app_;
};

/// For a callback: the command line lacks something. Ends in a usage error.
[[noreturn]] void require_argument(const std::string& what);

}  // namespace krohn::cli
