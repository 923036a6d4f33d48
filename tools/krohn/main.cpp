// The command line: one subcommand a file (command_*.cpp); exceptions become exit codes here and nowhere else.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <new>
#include <string>

#include "command.hpp"
#include "krohn/error.hpp"

int main(int argc, char** argv) {
  // A write past the process's file size limit is then an error like a full disk, not the end of the process.
  std::signal(SIGXFSZ, SIG_IGN);
  CLI::App app{"krohn: compile regular languages into linear RNNs, check what a linear RNN recognises, refute."};
  app.set_version_flag("--version", KROHN_VERSION);
  app.require_subcommand(1);
  int exit_code = krohn::cli::exit_ok;
  try {
    krohn::cli::add_commands(app, exit_code);
    // CLI11 answers an unknown subcommand with "a subcommand is required".
    if (argc > 1 && argv[1][0] != '-') {
      const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
      const auto named = [&](const CLI::App* command) { return command->get_name() == argv[1]; };
      if (std::none_of(commands.begin(), commands.end(), named)) {
        std::cerr << "krohn: subcommand: expected one of those that krohn --help lists, got '" << argv[1] << "'\n";
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
    std::cerr << "krohn: " << error.what() << "\n(" << command << " --help lists what it takes)\n";
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
