// The closure of affine maps. A map is its D + 1 columns (the images of the unit vectors under the linear part, and the
// image of 0); a row acts on a column by the recurrence itself, every operation of which is checked to be exact in
// double arithmetic (a product of two binary32 numbers is exact there, a sum's error is known by the two-sum). If the
// closure is finite and exact, every piece of a sequence has one of its maps, computed without a rounding.
//
// Products: let every entry be an integer multiple of 2^-e, at most M in magnitude. Any partial sum of a product's
// entry (D products and one constant) is a multiple of 2^-2e of magnitude at most D M^2 + M; where that is at most
// 2^24 units of 2^-2e, binary32 holds it exactly, so that no order of summation and no FMA can matter. The same bound,
// with the initial hidden state's entries counted in, covers the last product. Hidden states themselves: the closure
// over reachable states checks each step's operations and the rounding to the state format for exactness, so that the
// run's state is the real one, and equal to the scan's.
#include "scan_plan.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "krohn/engine/flat_model.hpp"
#include "reachable.hpp"

namespace krohn {
namespace {

constexpr std::size_t max_maps = 1U << 15U;
constexpr std::size_t max_steps = 400'000;
constexpr double significand_units = 16'777'216.0;  // 2^24

/// Binary32 arithmetic that notes whether every result was exact.
class ExactArithmetic {
 public:
  float fma(float a, float b, float c) {
    const double p = static_cast<double>(a) * static_cast<double>(b);
    const double z = static_cast<double>(c);
    const double sum = p + z;
    const double t = sum - p;
    const double error = (p - (sum - t)) + (z - t);
    const auto result = static_cast<float>(sum);
    note(error == 0.0 && static_cast<double>(result) == sum);
    return result;
  }
  float multiply(float a, float b) { return fma(a, b, 0.0F); }
  float subtract(float a, float b) { return fma(-1.0F, b, a); }
  float add(float a, float b) { return fma(1.0F, a, b); }
  void note(bool exact) { exact_ = exact_ && exact; }
  bool exact() const { return exact_; }

 private:
  bool exact_ = true;
};

/// One dense row on one column (see DenseRows).
void apply_exactly(const DenseRows& rows, std::size_t row, float* h, ExactArithmetic& arithmetic) {
  const float* p = rows.values.data() + row * rows.stride;
  const std::size_t size = rows.size;
  if (rows.gate) {
    for (std::size_t j = 0; j < size; ++j) h[j] = arithmetic.multiply(*p++, h[j]);
  }
  for (std::uint32_t f = 0; f < rows.factors; ++f) {
    float acc = 0.0F;
    for (std::size_t j = 0; j < size; ++j) acc = arithmetic.fma(p[j], h[j], acc);
    const float beta = p[size];
    const float c = arithmetic.multiply(beta, rows.value ? arithmetic.subtract(p[size + 1], acc) : acc);
    for (std::size_t j = 0; j < size; ++j) h[j] = arithmetic.fma(c, p[j], h[j]);
    p += size + (rows.value ? 2 : 1);
  }
  if (rows.write) {
    for (std::size_t j = 0; j < size; ++j) h[j] = arithmetic.add(h[j], *p++);
  }
  for (std::size_t j = 0; j < size; ++j) h[j] += 0.0F;
}

/// The rows without what they write.
DenseRows linear_part(const DenseRows& rows) {
  DenseRows linear = rows;
  for (std::size_t r = 0; r < rows.rows; ++r) {
    float* p = linear.values.data() + r * rows.stride;
    if (rows.gate) p += rows.size;
    for (std::uint32_t f = 0; f < rows.factors; ++f) {
      if (rows.value) p[rows.size + 1] = 0.0F;
      p += rows.size + (rows.value ? 2 : 1);
    }
    if (rows.write) std::fill_n(p, rows.size, 0.0F);
  }
  return linear;
}

/// The units and the size of all numbers seen.
struct Magnitudes {
  int unit = 0;  // every number is a multiple of 2^unit
  double largest = 0.0;

  void add(float x) {
    if (x == 0.0F) return;
    int exponent = 0;
    const auto significand = static_cast<std::uint32_t>(std::ldexp(std::fabs(std::frexp(x, &exponent)), 24));
    unit = std::min(unit, exponent - 24 + std::countr_zero(significand));
    largest = std::max(largest, static_cast<double>(std::fabs(x)));
  }
};

std::string key_of(const std::vector<float>& map) {
  return std::string(reinterpret_cast<const char*>(map.data()), 4 * map.size());
}

/// Closes the maps under all rows; adds every entry to `magnitudes`. False if inexact or too many.
bool close_maps(const ScanPlan& plan, Magnitudes& magnitudes, std::string& reason) {
  const std::size_t size = plan.rows.size;
  const std::size_t columns = size + (plan.affine ? 1 : 0);
  std::vector<float> identity(size * columns, 0.0F);
  for (std::size_t j = 0; j < size; ++j) identity[j * size + j] = 1.0F;
  std::unordered_set<std::string> seen = {key_of(identity)};
  std::vector<std::vector<float>> maps = {identity};
  std::size_t steps = 0;
  for (std::size_t i = 0; i < maps.size(); ++i) {
    for (const float x : maps[i]) magnitudes.add(x);
    for (std::size_t row = 0; row + 1 < plan.rows.rows; ++row) {
      std::vector<float> map = maps[i];
      ExactArithmetic arithmetic;
      for (std::size_t column = 0; column < columns; ++column) {
        apply_exactly(column < size ? plan.linear : plan.rows, row, map.data() + column * size, arithmetic);
      }
      if (!arithmetic.exact()) {
        reason = "a product of its state-transition matrices is rounded";
        return false;
      }
      if (++steps > max_steps || maps.size() > max_maps) {
        reason = "its rows generate more than " + std::to_string(max_maps) + " maps, or infinitely many";
        return false;
      }
      if (seen.insert(key_of(map)).second) maps.push_back(std::move(map));
    }
  }
  return true;
}

/// Every step from every reachable state is exact, the rounding to the state format included.
bool exact_steps(const DenseRows& rows, const Reachable& reachable, std::size_t state_size) {
  std::vector<float> from(rows.size);
  std::vector<float> to(rows.size);
  for (std::size_t i = 0; i < reachable.count; ++i) {
    for (std::size_t a = 0; a + 1 < rows.rows; ++a) {
      std::memcpy(from.data(), reachable.states.data() + i * state_size, 4 * from.size());
      const std::size_t next = reachable.next[i * (rows.rows - 1) + a];
      std::memcpy(to.data(), reachable.states.data() + next * state_size, 4 * to.size());
      ExactArithmetic arithmetic;
      apply_exactly(rows, a, from.data(), arithmetic);
      if (!arithmetic.exact() || from != to) return false;
    }
  }
  return true;
}

}  // namespace

std::variant<ScanPlan, std::string> plan_scan(const LrnnModel& model, Semantics semantics,
                                              const Recognizer& recognizer) {
  if (model.layers().size() != 1) {
    return "it has " + std::to_string(model.layers().size()) + " layers; expected one";
  }
  std::optional<DenseRows> rows = dense_rows(model);
  if (!rows) return std::string("it has several value columns, or a symbol without a row");
  if (rows->size > scan_max_size) {
    return "its hidden size is " + std::to_string(rows->size) + "; expected at most " + std::to_string(scan_max_size);
  }
  const std::optional<Reachable> reachable = reachable_states(recognizer, max_steps);
  if (!reachable) return std::string("its reachable hidden states are too many to list, or not finite numbers");
  if (!always_defined(*reachable)) return std::string("a decode can tie or lead nowhere");
  if (!exact_steps(*rows, *reachable, recognizer.state_size())) {
    return "a step from a reachable hidden state is rounded in " + std::string(semantics_id(semantics));
  }
  ScanPlan plan{*rows, linear_part(*rows), rows->value || rows->write};
  Magnitudes magnitudes;
  std::string reason;
  if (!close_maps(plan, magnitudes, reason)) return reason;
  for (const float x : FlatModel(model, semantics).initial_hidden()) magnitudes.add(x);
  const double m = magnitudes.largest;
  // A factor of 2 below the limit keeps the comparison safe from its own rounding in double.
  const double bound = (static_cast<double>(rows->size) * m * m + m) * std::ldexp(1.0, -2 * magnitudes.unit);
  if (!(bound <= significand_units / 2)) return std::string("products of its maps need more than 24 bits");
  return plan;
}

}  // namespace krohn
