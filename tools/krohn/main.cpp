// The command line: one subcommand a file (command_*.cpp); exceptions become exit codes here and nowhere else.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include "command.hpp"
#include "krohn/error.hpp"
#include "nearest.hpp"

namespace {

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

std::string suggestion(const std::string& word, const std::vector<std::string>& names) {
  const std::string near = krohn::cli::nearest(word, names);
  return near.empty() ? "" : "; did you mean " + near + "?";
}

/// CLI11 says of an unknown option only that it was not expected, and where a value stood behind it names that too.
std::string unexpected(const CLI::App& command, const CLI::ExtrasError& error) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  for (const std::string& extra : command.remaining(true)) {
    if (extra.size() < 2 || extra[0] != '-') continue;
    const std::string option = extra.substr(0, extra.find('='));
    return option + ": expected an option of " + command.get_name() + suggestion(option, names);
  }
  return error.what();
}

}  // namespace

int main(int argc, char** argv) {
  // A write past the process's file size limit is then an error like a full disk, not the end of the process.
  std::signal(SIGXFSZ, SIG_IGN);
  CLI::App app{"krohn: compile regular languages into linear RNNs, check what a linear RNN recognises, refute."};
  app.set_version_flag("--version", KROHN_VERSION);
  app.require_subcommand(1);
  int exit_code = krohn::cli::exit_ok;
  try {
    krohn::cli::add_commands(krohn::cli::Command(app), exit_code);
    // CLI11 answers an unknown subcommand with "a subcommand is required".
    if (argc > 1 && argv[1][0] != '-') {
      const std::vector<std::string> names = command_names(app);
      if (std::find(names.begin(), names.end(), argv[1]) == names.end()) {
        std::cerr << "krohn: subcommand: expected one of those that krohn --help lists, got '" << argv[1] << "'"
                  << suggestion(argv[1], names) << '\n';
        return krohn::cli::exit_usage;
      }
    }
    app.parse(argc, argv);
    std::cout.flush();
    if (!std::cout) throw krohn::ResourceError("standard output: could not be written");
    return exit_code;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    const auto commands = app.get_subcommands();
    const std::string command = commands.empty() ? "krohn" : "krohn " + commands.front()->get_name();
    const auto* extras = dynamic_cast<const CLI::ExtrasError*>(&error);
    const std::string problem =
        extras != nullptr && !commands.empty() ? unexpected(*commands.front(), *extras) : error.what();
    std::cerr << "krohn: " << problem << "\n(" << command << " --help lists what it takes)\n";
    return krohn::cli::exit_usage;
  } catch (const krohn::InputError& error) {
    for (const std::string& problem : error.problems()) std::cerr << "krohn: " << problem << '\n';
    return krohn::cli::exit_input;
  } catch (const krohn::NumericError& error) {
    std::cerr << "krohn: " << error.what() << '\n';
    return krohn::cli::exit_input;
  } catch (const krohn::ResourceError& error) {
    std::cerr << "krohn: " << error.what() << '\n';
    return krohn::cli::exit_resource;
  } catch (const krohn::DeviceError& error) {
    std::cerr << "krohn: " << error.what() << '\n';
    return krohn::cli::exit_resource;
  } catch (const std::bad_alloc&) {
    std::cerr << "krohn: out of memory\n";
    return krohn::cli::exit_resource;
  } catch (const std::exception& error) {
    std::cerr << "krohn: internal error (please report): " << error.what() << '\n';
    return krohn::cli::exit_internal;
  }
}
