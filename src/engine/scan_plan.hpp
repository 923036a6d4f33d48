// The licence of a scan: what must hold for a product of maps to give the bits of a run.
#pragma once

#include <cstddef>
#include <string>
#include <variant>

#include "krohn/engine/dense_rows.hpp"
#include "krohn/engine/recognizer.hpp"
#include "krohn/model/lrnn_model.hpp"

namespace krohn {

inline constexpr std::uint32_t scan_max_size = 8;

struct ScanPlan {
  DenseRows rows;    // the maps themselves
  DenseRows linear;  // the same without values and writes
  /// True if some row writes: maps then have a constant part.
  bool affine = false;
};

/// The plan, or the reason why there is none.
std::variant<ScanPlan, std::string> plan_scan(const LrnnModel& model, Semantics semantics,
                                              const Recognizer& recognizer);

}  // namespace krohn
