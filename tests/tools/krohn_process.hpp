// Runs the krohn program as a user's shell would, for tests of the command line.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "temporary_directory.hpp"

namespace krohn {

struct ProcessResult {
  int exit_code = -1;
  std::string out;
  std::string error;
};

/// `arguments` is shell text, `input` becomes standard input, and `before` runs first in the same shell.
inline ProcessResult run_krohn(const std::string& arguments, const std::string& input = "",
                               const std::string& before = "") {
  const char* program = std::getenv("KROHN_BIN");
  REQUIRE_MESSAGE(program != nullptr, "KROHN_BIN must name the krohn program (ctest sets it)");
  const TemporaryDirectory directory;
  std::ofstream(directory / "in", std::ios::binary) << input;
  const std::string command = before + "'" + std::string(program) + "' " + arguments + " <" +
                              (directory / "in").string() + " >" + (directory / "out").string() + " 2>" +
                              (directory / "error").string();
  const int status = std::system(command.c_str());
  const auto text = [&](const char* name) {
    std::ifstream file(directory / name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  };
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text("out"), text("error")};
}

/// Nothing on standard output, `part` in the error.
inline void check_refused(const ProcessResult& result, const std::string& part, int exit_code = 1) {
  CAPTURE(result.error);
  CAPTURE(part);
  CHECK(result.exit_code == exit_code);
  CHECK(result.out.empty());
  CHECK(result.error.find(part) != std::string::npos);
}

}  // namespace krohn
