// The launches of chunked_elementwise.cu for one shape.
#pragma once

#include <cstddef>
#include <memory>

#include "krohn/kernels/chunked.hpp"

namespace krohn::entry_scan {

/// A shape that ChunkedRecurrence has checked. Owns the segments' maps and states: 12 bytes for each entry of a state
/// and segment, of which there are no more than fill the device.
class Plan {
 public:
  Plan(ChunkedFormat format, const ChunkedShape& shape, float scale);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  void run(const ChunkedArrays& arrays);
  std::size_t segments() const noexcept;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace krohn::entry_scan
