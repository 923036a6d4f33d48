#include "options.hpp"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <vector>

namespace krohn::cli {

Option Option::required() const { return Option(*option_->required()); }
Option Option::check(const Rule& rule) const {
  return Option(*option_->check(CLI::Validator(rule.problem, rule.shown)));
}
Option Option::transform(const Rule& rule) const {
  return Option(*option_->transform(CLI::Validator(rule.problem, rule.shown)));
}
Option Option::type_name(const std::string& name) const { return Option(*option_->type_name(name)); }
Option Option::capture_default_str() const { return Option(*option_->capture_default_str()); }
Option Option::excludes(const std::string& name) const { return Option(*option_->excludes(name)); }
Option Option::excludes(const Option& other) const { return Option(*option_->excludes(other.option_)); }
Option Option::expected(int least, int most) const { return Option(*option_->expected(least, most)); }
Option Option::delimiter(char character) const { return Option(*option_->delimiter(character)); }
std::size_t Option::count() const { return option_->count(); }

Command Command::add_subcommand(const std::string& name, const std::string& description) const {
  return Command(*app_->add_subcommand(name, description));
}

template <typename T>
Option Command::add_option(const std::string& names, T& value, const std::string& description) const {
  return Option(*app_->add_option(names, value, description));
}

template Option Command::add_option(const std::string&, std::string&, const std::string&) const;
template Option Command::add_option(const std::string&, std::optional<std::string>&, const std::string&) const;
template Option Command::add_option(const std::string&, std::vector<std::string>&, const std::string&) const;
template Option Command::add_option(const std::string&, double&, const std::string&) const;
template Option Command::add_option(const std::string&, std::optional<double>&, const std::string&) const;
template Option Command::add_option(const std::string&, std::vector<double>&, const std::string&) const;
template Option Command::add_option(const std::string&, unsigned&, const std::string&) const;
// One of the two is std::uint64_t, and std::size_t is that one or the other.
template Option Command::add_option(const std::string&, unsigned long&, const std::string&) const;
template Option Command::add_option(const std::string&, unsigned long long&, const std::string&) const;
template Option Command::add_option(const std::string&, std::optional<std::uint64_t>&, const std::string&) const;

Option Command::add_flag(const std::string& names, bool& value, const std::string& description) const {
  return Option(*app_->add_flag(names, value, description));
}

Option Command::add_function(const std::string& names, const std::function<void(const std::string&)>& take,
                             const std::string& description) const {
  return Option(*app_->add_option_function<std::string>(names, take, description));
}

void Command::footer(const std::string& text) const { app_->footer(text); }
void Command::callback(const std::function<void()>& call) const { app_->callback(call); }
std::size_t Command::count(const std::string& option) const { return app_->count(option); }

std::set<std::string> Command::given() const {
  std::set<std::string> names;
  for (const CLI::Option* option : static_cast<const CLI::App*>(app_)->get_options()) {
    if (option->count() > 0 && !option->get_lnames().empty()) names.insert(option->get_lnames().front());
  }
  return names;
}

void require_argument(const std::string& what) { throw CLI::RequiredError(what); }

}  // namespace krohn::cli
