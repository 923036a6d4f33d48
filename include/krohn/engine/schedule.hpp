// In which order and where a program's values are computed: one plan for the CPU's interpreter and the device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "krohn/model/program.hpp"

namespace krohn {

struct ScheduledOperation {
  /// Of the program's value that it makes.
  std::uint32_t value = 0;
  /// As in the program, or with a function of its operand taken in: a silu(b) for a * b' with b' = silu(b).
  Operation operation;
};

/// Values live from their operation to the last one that reads them; then their place is given to others. A value takes
/// the place of one that ends with it where the operation works entry by entry.
struct Schedule {
  std::vector<ScheduledOperation> operations;
  /// Per value: the place of its first feature; values that were taken in or left out have none.
  std::vector<std::uint32_t> place;
  std::uint32_t num_features = 0;

  std::uint32_t at(const Slice& slice) const { return place[slice.value] + slice.offset; }
};

/// A block of a product: out[r] = (onto[r] +) (sum over the columns of weight[column * rows + r] in[column] (+
/// bias[r])). Numbers of values count from the first of the tensor, the operand, or the result.
struct Multiplication {
  std::size_t weight = 0;
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t in = 0;
  std::size_t bias = 0;
  /// Of `onto` and of the result.
  std::size_t out = 0;
};
std::vector<Multiplication> multiplications(const Program& program, const Product& product);

/// With `keep_token_values` nothing that depends on the token alone is taken into what depends on more. Values that are
/// `given` (per value; none: no value is) come from elsewhere: they are Constants here, which read nothing, in the
/// order in which others first read them; those that none reads are left out, but for the last value, the logits.
/// `single`: operations see one token of a word at a time, so that convolutions work in place.
Schedule make_schedule(const Program& program, bool keep_token_values, const std::vector<bool>& given = {},
                       bool single = false);

}  // namespace krohn
