// krohn check --exhaustive N --shard i/n: one part of a search instead of a verdict.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "krohn/automata/dfa.hpp"
#include "krohn/engine/device.hpp"
#include "krohn/engine/enumerate.hpp"
#include "krohn/io/open_model.hpp"

namespace krohn::cli {

struct SearchPartArguments {
  /// "i/n", parts from 1.
  std::string shard;
  std::string report;
  std::uint64_t max_length = 0;
  Device device = Device::automatic;
  std::size_t memory = 0;
  std::optional<std::chrono::steady_clock::time_point> deadline;
  bool json = false;
};

/// A line on stderr, written over the one before.
void show_progress(const EnumerateProgress& progress);

/// Searches the part, writes its report, says what came of it, and returns the exit code: 10 for a disagreement, 20 if
/// the search was interrupted or ran out of time. A report of the same part that is there already is taken up where it
/// ended. A progress line goes to stderr where that is a terminal.
int run_search_part(const OpenModel& open, const Dfa& language, const SearchPartArguments& arguments);

}  // namespace krohn::cli
