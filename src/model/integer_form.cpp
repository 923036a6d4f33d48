// The bound on a row's numbers: with M = 2^(bits - 1) the largest magnitude of an element, a gate a needs |a| M; a
// factor with read vector r, beta, value v and key k needs |beta| (|v| + M sum |r_j|) max |k_j| + M, which also bounds
// the numbers on the way to it where |beta| and max |k_j| are at least 1; a write b needs |b| + M. All must be below
// 2^31. In double: the parameters have 24 bits, so a sum or product that rounds is itself far beyond 2^31 or exact.
// Tested by tests/engine/integer_semantics_test.cpp.
#include "krohn/model/integer_form.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "krohn/error.hpp"

namespace krohn {
namespace {

constexpr std::size_t max_problems = 12;
constexpr double accumulator = 0x1p31;

std::string text_of(float x) {
  std::ostringstream text;
  text << x;
  return text.str();
}

double largest(const std::vector<Entry>& entries) {
  double most = 0.0;
  for (const Entry& entry : entries) most = std::max(most, std::fabs(static_cast<double>(entry.value)));
  return most;
}

class Problems {
 public:
  Problems(std::string_view semantics, const IntegerFormat& format) : semantics_(semantics), format_(format) {}

  void integer(const std::string& where, float x) {
    if (std::nearbyint(x) != x) add(where + ": expected an integer, got " + text_of(x));
  }
  void integers(const std::string& where, const std::vector<Entry>& entries) {
    for (const Entry& entry : entries) integer(where + "[" + std::to_string(entry.index) + "]", entry.value);
  }
  void in_range(const std::string& where, float x) {
    integer(where, x);
    if (x < static_cast<float>(format_.least()) || x > static_cast<float>(format_.most())) {
      add(where + ": expected a number from " + std::to_string(format_.least()) + " to " +
          std::to_string(format_.most()) + ", got " + text_of(x));
    }
  }
  void fits(const std::string& where, double most) {
    if (!(most < accumulator)) add(where + ": expected numbers below 2^31 for every state, got up to " + text(most));
  }
  std::vector<std::string> take() && { return std::move(problems_); }

 private:
  static std::string text(double x) {
    std::ostringstream out;
    out << x;
    return out.str();
  }
  void add(std::string problem) {
    if (problems_.size() < max_problems) problems_.push_back(semantics_ + ": " + std::move(problem));
  }

  std::string semantics_;
  IntegerFormat format_;
  std::vector<std::string> problems_;
};

void check_row(const TokenRow& row, const std::string& where, double most, Problems& problems) {
  for (const float a : row.gate) {
    problems.integer(where + ".gate", a);
    problems.fits(where + ".gate", std::fabs(static_cast<double>(a)) * most);
  }
  for (std::size_t f = 0; f < row.factors.size(); ++f) {
    const GeneralizedHouseholder& factor = row.factors[f];
    const std::string at = where + ".factors[" + std::to_string(f) + "]";
    problems.integer(at + ".beta", factor.beta);
    problems.integers(at + ".key", factor.key);
    problems.integers(at + ".read", factor.read);
    problems.integers(at + ".value", factor.value);
    double read = 0.0;
    for (const Entry& entry : factor.reads_by()) read += std::fabs(static_cast<double>(entry.value));
    const double difference = largest(factor.value) + most * read;
    const double strength = std::max(1.0, std::fabs(static_cast<double>(factor.beta)));
    problems.fits(at, strength * difference * std::max(1.0, largest(factor.key)) + most);
  }
  problems.integers(where + ".write", row.write);
  problems.fits(where + ".write", largest(row.write) + most);
}

}  // namespace

std::vector<std::string> integer_problems(const LrnnModel& model, Semantics semantics) {
  const std::optional<IntegerFormat> format = integer_format(semantics);
  if (!format) throw InternalError("integer form: expected an integer semantics");
  Problems problems(semantics_id(semantics), *format);
  const double most = -static_cast<double>(format->least());
  for (std::size_t l = 0; l < model.layers().size(); ++l) {
    const TableLayer& layer = model.layers()[l];
    const std::string where = "layers[" + std::to_string(l) + "]";
    for (std::size_t i = 0; i < layer.initial_hidden.size(); ++i) {
      problems.in_range(where + ".initial_hidden[" + std::to_string(i) + "]", layer.initial_hidden[i]);
    }
    for (std::size_t r = 0; r < layer.table.num_rows(); ++r) {
      check_row(layer.table.row(r), where + ".rows[" + std::to_string(r) + "]", most, problems);
    }
  }
  return std::move(problems).take();
}

}  // namespace krohn
