// A program stepped on explicit state, with codes that the caller chooses and changes: what hardening looks at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "krohn/engine/learned.hpp"
#include "krohn/model/program.hpp"

namespace krohn {

/// One unit that became a code.
struct Snap {
  std::size_t part = 0;
  std::size_t unit = 0;
  std::size_t code = 0;
  /// Squares of the distances to the nearest code and to the next; infinite where there is no other.
  float nearest = 0.0F;
  float second = 0.0F;
  /// The unit before it became the code; empty unless asked for.
  std::vector<float> before;
};

/// Bits as LearnedStream's of the program that has these codes. The program must outlive it.
class SnappingRun {
 public:
  explicit SnappingRun(const Program& program);
  ~SnappingRun();
  SnappingRun(SnappingRun&&) noexcept;

  /// The codes [codes, unit_size()] of a unit from now on, instead of those that it had; none: it stays as it is.
  void set_codes(std::size_t part, std::size_t unit, std::span<const float> codes);
  void initial(std::span<float> state) const;
  /// Reads a token, writes the logits, and, unless `snaps` is null, what became a code, in the order of the operations.
  void step(std::span<float> state, std::uint32_t token, std::span<float> logits, std::vector<Snap>* snaps = nullptr,
            bool with_units = false);

 private:
  const Program* program_;
  std::unique_ptr<LearnedPass<float>> pass_;
};

}  // namespace krohn
