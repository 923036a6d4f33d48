// The problems of one text file, collected line by line.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "krohn/error.hpp"

namespace krohn {

/// The problems of an error, each behind `prefix`.
inline std::vector<std::string> with_prefix(const std::string& prefix, const std::vector<std::string>& problems) {
  std::vector<std::string> prefixed;
  for (const std::string& problem : problems) prefixed.push_back(prefix + problem);
  return prefixed;
}

/// Collects "source:line: column C: expected .., got .."; beyond 50 problems only their number is kept.
class ProblemList {
 public:
  explicit ProblemList(std::string source) : source_(std::move(source)) {}

  void add(std::size_t line, std::size_t column, const std::string& expected, const std::string& got) {
    add(":" + std::to_string(line) + ": column " + std::to_string(column) + ": expected " + expected + ", got " + got);
  }
  void add(std::size_t line, const std::string& expected, const std::string& got) {
    add(":" + std::to_string(line) + ": expected " + expected + ", got " + got);
  }
  /// `where`: an element's path.
  void add(std::size_t line, const std::string& where, const std::string& expected, const std::string& got) {
    add(":" + std::to_string(line) + ": " + where + ": expected " + expected + ", got " + got);
  }
  /// `where`: an element's path, empty for the whole file.
  void add(const std::string& where, const std::string& expected, const std::string& got) {
    add(": " + (where.empty() ? where : where + ": ") + "expected " + expected + ", got " + got);
  }

  bool empty() const noexcept { return count_ == 0; }

  /// Throws InputError with all problems, if there are any.
  void raise_if_any() {
    if (count_ == 0) return;
    if (count_ > problems_.size()) {
      problems_.push_back(source_ + ": and " + std::to_string(count_ - problems_.size()) + " more problems");
    }
    throw InputError(problems_);
  }

 private:
  void add(const std::string& problem) {
    if (++count_ <= 50) problems_.push_back(source_ + problem);
  }

  std::string source_;
  std::vector<std::string> problems_;
  std::size_t count_ = 0;
};

}  // namespace krohn
