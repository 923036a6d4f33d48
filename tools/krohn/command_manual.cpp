// krohn completion SHELL and krohn manual: what shells and man read, made from the commands as they are.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "command.hpp"

namespace krohn::cli {
namespace {

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

/// "--json", "-o", .. with their dashes.
std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> all;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : names_of(*option)) all.push_back(name);
  }
  return all;
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

/// The words that an option takes, read off the list "{a,b,c}" of one_of; empty for other values.
std::vector<std::string> values_of(const CLI::Option& option) {
  const std::string shown = option.get_type_name();
  const std::size_t open = shown.find('{');
  const std::size_t close = shown.find('}', open);
  if (open == std::string::npos || close == std::string::npos) return {};
  return CLI::detail::split(shown.substr(open + 1, close - open - 1), ',');
}

std::string joined(const std::vector<std::string>& words, const std::string& between) {
  return CLI::detail::join(words, between);
}

std::string bash(const CLI::App& app) {
  std::vector<std::string> names;
  std::string cases;
  std::string values;
  for (const CLI::App* command : commands_of(app)) {
    names.push_back(command->get_name());
    cases += "    " + command->get_name() + ") words=\"" + joined(option_names(*command), " ") + "\" ;;\n";
    for (const CLI::Option* option : command->get_options()) {
      if (!takes_value(*option) || option->get_positional()) continue;
      std::vector<std::string> patterns;
      for (const std::string& name : names_of(*option)) patterns.push_back(command->get_name() + ":" + name);
      const std::vector<std::string> known = values_of(*option);
      values += "    " + joined(patterns, "|") + ") ";
      values += known.empty() ? "COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n"
                              : "COMPREPLY=($(compgen -W \"" + joined(known, " ") + "\" -- \"$current\")); return ;;\n";
    }
  }
  return "# krohn completion bash: source it, or put it where bash-completion looks.\n"
         "_krohn() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words\n"
         "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
         "    COMPREPLY=($(compgen -W \"" +
         joined(names, " ") +
         " --help --version\" -- \"$current\"))\n"
         "    return\n"
         "  fi\n"
         "  case \"${COMP_WORDS[1]}:$previous\" in\n" +
         values +
         "  esac\n"
         "  if [[ $current != -* ]]; then\n"
         "    COMPREPLY=($(compgen -f -- \"$current\"))\n"
         "    return\n"
         "  fi\n"
         "  case \"${COMP_WORDS[1]}\" in\n" +
         cases +
         "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "}\n"
         "complete -o filenames -F _krohn krohn\n";
}

/// Within single quotes.
std::string in_quotes(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out;
}

std::string zsh(const CLI::App& app) {
  std::string commands;
  std::string cases;
  for (const CLI::App* command : commands_of(app)) {
    commands += "      '" + command->get_name() + ":" + in_quotes(command->get_description()) + "'\n";
    cases += "    " + command->get_name() + ")\n      _arguments";
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& name : names_of(*option)) {
        std::string about;
        // Brackets and colons end a description.
        for (const char c : option->get_description()) {
          if (c == '[' || c == ']' || c == ':') about += '\\';
          about += c;
        }
        cases += " \\\n        '" + name + "[" + in_quotes(about) + "]";
        if (takes_value(*option)) {
          const std::vector<std::string> known = values_of(*option);
          cases += known.empty() ? ":value:_files" : ":value:(" + joined(known, " ") + ")";
        }
        cases += "'";
      }
    }
    cases += " \\\n        '*:file:_files' ;;\n";
  }
  return "#compdef krohn\n"
         "# krohn completion zsh: save it as _krohn in a folder of fpath.\n"
         "_krohn() {\n"
         "  local -a commands\n"
         "  if (( CURRENT == 2 )); then\n"
         "    commands=(\n" +
         commands +
         "    )\n"
         "    _describe command commands\n"
         "    return\n"
         "  fi\n"
         "  local command=${words[2]}\n"
         "  shift words\n"
         "  (( CURRENT-- ))\n"
         "  case $command in\n" +
         cases +
         "  esac\n"
         "}\n"
         "_krohn \"$@\"\n";
}

std::string fish(const CLI::App& app) {
  std::string text = "# krohn completion fish: save it as krohn.fish in ~/.config/fish/completions.\n";
  for (const CLI::App* command : commands_of(app)) {
    text += "complete -c krohn -n __fish_use_subcommand -f -a " + command->get_name() + " -d '" +
            in_quotes(command->get_description()) + "'\n";
    for (const CLI::Option* option : command->get_options()) {
      if (names_of(*option).empty()) continue;
      text += "complete -c krohn -n '__fish_seen_subcommand_from " + command->get_name() + "'";
      for (const std::string& name : option->get_snames()) text += " -s " + name;
      for (const std::string& name : option->get_lnames()) text += " -l " + name;
      if (takes_value(*option)) {
        const std::vector<std::string> known = values_of(*option);
        text += known.empty() ? " -r" : " -x -a '" + joined(known, " ") + "'";
      }
      text += " -d '" + in_quotes(option->get_description()) + "'\n";
    }
  }
  return text;
}

/// For roff: hyphens that are meant as such, and no line that begins with a control character.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (out.empty() || out.back() == '\n') {
      out += c == '.' || c == '\'' ? std::string("\\&") + c : std::string(1, c);
    } else {
      out += c;
    }
  }
  return out;
}

std::string manual(const CLI::App& app) {
  std::string text = ".TH KROHN 1 \"\" \"krohn " KROHN_VERSION "\" \"User Commands\"\n.SH NAME\nkrohn \\- " +
                     roff("formal languages and linear RNNs: compile, check, refute") +
                     "\n.SH SYNOPSIS\n.B krohn\n.I COMMAND\n[\\fIARGUMENTS\\fR]\n.SH DESCRIPTION\n" +
                     roff(app.get_description()) + "\n.SH COMMANDS\n";
  for (const CLI::App* command : commands_of(app)) {
    text += ".SS krohn " + command->get_name();
    for (const CLI::Option* option : command->get_options()) {
      if (!option->get_positional()) continue;
      const std::string name = roff(option->get_name(true));
      text += option->get_required() ? " " + name : " [" + name + "]";
    }
    text += "\n" + roff(command->get_description()) + ".\n";
    for (const CLI::Option* option : command->get_options()) {
      const std::vector<std::string> names = names_of(*option);
      text += ".TP\n\\fB" + roff(names.empty() ? option->get_name(true) : joined(names, ", ")) + "\\fR";
      if (takes_value(*option) && !names.empty()) text += " \\fI" + roff(option->get_type_name()) + "\\fR";
      text += "\n" + roff(option->get_description()) + "\n";
    }
    if (!command->get_footer().empty()) text += ".PP\n" + roff(command->get_footer()) + "\n";
  }
  return text +
         ".SH EXIT STATUS\n"
         ".TP\n0\nthe claim asked for holds\n.TP\n10\nrefuted\n.TP\n20\nunknown, certified below what was asked for, "
         "ended early, or unchecked\n.TP\n1\nbad input, or options that do not fit together\n.TP\n2\nusage\n.TP\n3\n"
         "resource or device\n.TP\n4\ninternal error\n";
}

}  // namespace

void add_completion(const Command& app, int& exit_code) {
  const Command command = app.add_subcommand("completion", "Print a shell's completion script");
  const auto shell = std::make_shared<std::string>();
  command.add_option("SHELL", *shell, "bash, zsh or fish").required().check(one_of({"bash", "zsh", "fish"}));
  command.callback([shell, app, &exit_code] {
    std::cout << (*shell == "bash" ? bash(app.app()) : *shell == "zsh" ? zsh(app.app()) : fish(app.app()));
    exit_code = exit_ok;
  });
}

void add_manual(const Command& app, int& exit_code) {
  const Command command = app.add_subcommand("manual", "Print the manual page, for man");
  command.footer("krohn manual >krohn.1; man ./krohn.1");
  command.callback([app, &exit_code] {
    std::cout << manual(app.app());
    exit_code = exit_ok;
  });
}

}  // namespace krohn::cli
