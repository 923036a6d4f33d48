// The launches of chunked_keywise_delta.cuh for one shape.
#pragma once

#include <cstddef>
#include <memory>

#include "krohn/kernels/chunked.hpp"

namespace krohn::keywise_delta {

/// A shape that ChunkedRecurrence has checked. Owns what is prepared of a slab of tokens (2^29 bytes at most, or a
/// chunk) and the states between slabs and segments.
class Plan {
 public:
  /// rule: keywise_delta or rank_one.
  Plan(ChunkedRule rule, ChunkedFormat format, const ChunkedShape& shape, float scale);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  void run(const ChunkedArrays& arrays);
  std::size_t segments() const noexcept;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace krohn::keywise_delta
