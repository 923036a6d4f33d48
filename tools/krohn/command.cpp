#include "command.hpp"

namespace krohn::cli {

void add_commands(CLI::App& app, int& exit_code) {
  add_compile(app, exit_code);
  add_check(app, exit_code);
}

}  // namespace krohn::cli
