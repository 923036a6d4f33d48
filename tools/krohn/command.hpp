// What the subcommands share: exit codes and registration. One subcommand a file, command_NAME.cpp.
#pragma once

#include <CLI/CLI.hpp>

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

void add_compile(CLI::App& app, int& exit_code);
void add_check(CLI::App& app, int& exit_code);

}  // namespace krohn::cli
