// The exceptions that krohn's libraries throw, one type per exit code of the command line.
//
// Library code never prints, exits or aborts: it throws one of these, and main() maps the type to the exit code.
// Standard library exceptions that escape (other than std::bad_alloc) are defects of krohn: exit code 4.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace krohn {

/// The caller's text, file or arguments are wrong (exit code 1).
///
/// Every problem of one input is collected before the throw. A problem reads
/// "file:line: field: expected ..., got ..." (a JSON pointer or element path where a format has no lines).
class InputError : public std::runtime_error {
 public:
  explicit InputError(std::string problem) : InputError(std::vector<std::string>{std::move(problem)}) {}
  explicit InputError(std::vector<std::string> problems)
      : std::runtime_error(join(problems)), problems_(std::move(problems)) {}

  /// Each problem on its own, in the order found; never empty.
  const std::vector<std::string>& problems() const noexcept { return problems_; }

 private:
  static std::string join(const std::vector<std::string>& problems) {
    std::string text;
    for (const std::string& problem : problems) {
      if (!text.empty()) text += '\n';
      text += problem;
    }
    return text;
  }
  std::vector<std::string> problems_;
};

/// A cap, a budget, the disk or the memory is exhausted (exit code 3). The text names the cap, how far the work
/// got, and what to try.
class ResourceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A CUDA device is missing or a call to it failed (exit code 3).
class DeviceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A run produced NaN or infinity: no label, and never a proof (exit code 1: the model is at fault).
class NumericError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The caller's stop flag ended a computation that has no partial result; who sets a flag catches it.
class StoppedError : public std::runtime_error {
 public:
  StoppedError() : std::runtime_error("stopped") {}
};

/// An invariant of krohn itself is broken (exit code 4).
class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

}  // namespace krohn
