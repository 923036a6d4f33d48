// What krohn inspect shows of a checkpoint: sizes, options, and the eigenvalues that it really has.
#pragma once

#include <optional>
#include <string>

#include "krohn/architectures/draft.hpp"

namespace krohn::cli {

struct InspectCheckpoint {
  std::string model;
  ReadingHints hints;
  std::optional<std::string> task;
  bool json = false;
  std::optional<double> time_limit = std::nullopt;
  /// Also write the spectrum as a drawing here, and the JSON beside it (the same name with .json).
  std::string svg;
  std::uint64_t words = 16;
  std::uint64_t length = 64;
  /// Norms of single matrices and of products, and what the form says of them.
  bool stability = false;
  /// Of a hybrid: what its linear layers read.
  std::string inputs;
};

void inspect_checkpoint(const InspectCheckpoint& options);

}  // namespace krohn::cli
