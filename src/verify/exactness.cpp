// Local certificates of exactness: that neither rounding nor the order of operations can change a step.
//
// The *width* of a list of numbers is the least B >= 0 with sum |t| <= 2^B g, where g is the largest power of two that
// divides them all. Every sum of some of them, with any signs, is a multiple of g of magnitude at most 2^B g, so it has
// at most B significant bits. Two facts: a part of a list, and a list divided by a number, is no wider (the odd part of
// a number is at least 1); and a product of some of several numbers has no more significant bits than their product.
//
// A step is taken in stages: the gate, each factor, the write, the readout. A stage may be computed in any way that
// multiplies out, brackets and orders its sums and products, fuses some of them or none, and forms I - beta k k^T or
// not. For a factor (beta, k, v) on a column h all values on the way are sums of some of
//     D = { k_j h_j, v },  or of  m D for m = beta, k_i or beta k_i,  or of  E_i = { h_i } and beta k_i D,
// products of some of beta, k_i, k_j, h_j, v, or entries of I - beta k k^T, which are sums of some of { 1, beta k_i^2 }
// and products beta k_i k_j. By the facts above no more has to be looked at than the widths of E_i, of {1, beta k_i^2}
// and of beta k_i k_j for all i, j of the key. Likewise a_j h_jm for the gate, {h, b} for the write, and {bias, w_e
// h_e} for a score. If all are at most 24 bits and nothing leaves the range of normal binary32 numbers, then each
// operation in binary32, or in anything that holds binary32, is exact, and the stage's result is the ideal one. Range:
// every number that takes part is 0 or between 2^-24 and 2^24 in magnitude. So products of up to four are at least
// 2^-96; a sum that is not 0 has a g of at least 2^-96 / 2^24, hence all its partial sums are 0 or normal; and with
// fewer than 2^31 terms no sum reaches 2^127.
//
// In double: products of two numbers of at most 24 bits are exact, and so are sums of width at most 53; a computed sum
// of magnitudes errs by less than one part in 2^30, which takes no list of width above 53 to one of width up to 24.
// Each width is looked at before its numbers enter another product. Cost of a step: that of the step itself, times the
// key's entries in a factor; a key's products beta k_i k_j are looked at once a row.
#include "krohn/verify/exactness.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "krohn/numeric/rounding.hpp"

namespace krohn {
namespace {

constexpr unsigned most_bits = 24;
// Decoded hidden states kept a readout: many steps lead to the same.
constexpr std::size_t most_decoded = std::size_t{1} << 14U;
constexpr double least = 0x1p-24;
constexpr double largest = 0x1p24;

bool usable(double x) { return x == 0.0 || (std::fabs(x) >= least && std::fabs(x) <= largest); }

bool usable(const std::vector<Entry>& entries) {
  return std::all_of(entries.begin(), entries.end(), [](const Entry& e) { return usable(double{e.value}); });
}

constexpr unsigned fraction_bits = 52;

std::uint64_t fraction_of(double x) {
  return std::bit_cast<std::uint64_t>(x) & ((std::uint64_t{1} << fraction_bits) - 1);
}

// The e of 2^e <= |x| < 2^{e+1}, for x normal and not 0: products of a few binary32 numbers are.
int exponent_of(double x) { return static_cast<int>(std::bit_cast<std::uint64_t>(x) >> fraction_bits & 0x7FFU) - 1023; }

// The exponent of the largest power of two that divides x, which is not 0.
int valuation(double x) {
  const std::uint64_t fraction = fraction_of(x);
  return exponent_of(x) - (fraction == 0 ? 0 : static_cast<int>(fraction_bits) - std::countr_zero(fraction));
}

// The width of numbers added one by one.
class Terms {
 public:
  void add(double term) {
    if (term == 0.0) return;
    total_ += std::fabs(term);
    grid_ = std::min(grid_, valuation(term));
  }
  // All numbers so far times a factor that is not 0.
  Terms times(double factor) const {
    Terms scaled = *this;
    scaled.total_ *= std::fabs(factor);
    if (total_ != 0.0) scaled.grid_ += valuation(factor);
    return scaled;
  }
  unsigned width() const {
    if (total_ == 0.0) return 0;
    return static_cast<unsigned>(exponent_of(total_) + (fraction_of(total_) == 0 ? 0 : 1) - grid_);
  }

 private:
  double total_ = 0.0;
  int grid_ = std::numeric_limits<int>::max();
};

unsigned width_of(double x) {
  Terms terms;
  terms.add(x);
  return terms.width();
}

double stored(double exact, Semantics semantics) {
  const auto x = static_cast<float>(exact);
  if (semantics == Semantics::fp16_state_v1) return double{fp16_value(fp16_bits(x))};
  if (semantics == Semantics::bf16_state_v1) return double{bf16_value(bf16_bits(x))};
  return double{x};
}

// The width of the parameters' own products, or nothing.
std::optional<unsigned> parameter_bits(const TokenRow& row) {
  unsigned bits = 0;
  if (!usable(row.write) || !std::all_of(row.gate.begin(), row.gate.end(), [](float a) { return usable(double{a}); })) {
    return std::nullopt;
  }
  for (const GeneralizedHouseholder& factor : row.factors) {
    if (factor.beta == 0.0F) continue;
    if (!factor.read.empty()) return std::nullopt;
    if (!usable(double{factor.beta}) || !usable(factor.key) || !usable(factor.value)) return std::nullopt;
    for (std::size_t i = 0; i < factor.key.size(); ++i) {
      const double strength = double{factor.beta} * double{factor.key[i].value};
      if (width_of(strength) > most_bits) return std::nullopt;
      Terms diagonal;
      diagonal.add(1.0);
      diagonal.add(strength * double{factor.key[i].value});
      bits = std::max(bits, diagonal.width());
      for (std::size_t j = i + 1; j < factor.key.size(); ++j) {
        bits = std::max(bits, width_of(strength * double{factor.key[j].value}));
      }
      if (bits > most_bits) return std::nullopt;
    }
  }
  return bits;
}

}  // namespace

ExactLayer::ExactLayer(const TableLayer& layer, Semantics semantics)
    : layer_(layer),
      semantics_(semantics),
      actions_(layer.table.num_rows()),
      decoded_(layer.readouts.size()),
      hidden_(layer.hidden_size()) {
  exact_ = !integer_format(semantics);
}

const ExactLayer::Action& ExactLayer::action(std::uint32_t index) {
  std::optional<Action>& known = actions_[index];
  if (!known) {
    TokenRow row = layer_.table.row(index);
    const std::optional<unsigned> bits = parameter_bits(row);
    known = Action{std::move(row), bits};
  }
  return *known;
}

bool ExactLayer::note(unsigned width) {
  bits_ = std::max(bits_, width);
  return bits_ <= most_bits;
}

bool ExactLayer::in_range(std::span<const double> values) const {
  return std::all_of(values.begin(), values.end(), [](double x) { return usable(x); });
}

// Applies the row to hidden_, before the rounding to the state's format.
bool ExactLayer::update(const Action& action) {
  if (!action.bits || !note(*action.bits)) return false;
  const std::size_t columns = layer_.table.value_size();
  const TokenRow& row = action.row;
  for (std::size_t j = 0; j < layer_.table.key_size(); ++j) {
    const double a = double{row.gate[row.gate.size() == 1 ? 0 : j]};
    if (a == 1.0) continue;
    for (std::size_t m = 0; m < columns; ++m) {
      double& h = hidden_[j * columns + m];
      h *= a;
      if (!note(width_of(h)) || !usable(h)) return false;
    }
  }
  for (const GeneralizedHouseholder& factor : row.factors) {
    if (factor.beta == 0.0F) continue;
    const double beta = double{factor.beta};
    auto value = factor.value.begin();
    for (std::size_t m = 0; m < columns; ++m) {
      double difference = 0.0;
      if (value != factor.value.end() && value->index == m) difference = double{(value++)->value};
      Terms dot;
      dot.add(difference);
      for (const Entry& entry : factor.key) {
        const double term = double{entry.value} * hidden_[entry.index * columns + m];
        dot.add(term);
        difference -= term;
      }
      if (!note(dot.width())) return false;
      for (const Entry& entry : factor.key) {
        double& h = hidden_[entry.index * columns + m];
        const double strength = beta * double{entry.value};
        Terms sum = dot.times(strength);
        sum.add(h);
        if (!note(sum.width())) return false;
        h += strength * difference;
        if (!usable(h)) return false;
      }
    }
  }
  for (const Entry& entry : row.write) {
    double& h = hidden_[entry.index];
    Terms sum;
    sum.add(h);
    sum.add(double{entry.value});
    if (!note(sum.width())) return false;
    h += double{entry.value};
  }
  return in_range(hidden_);
}

// The slot that the readout gives to hidden_.
std::optional<std::int32_t> ExactLayer::decode(std::uint32_t index) {
  std::unordered_map<std::string, std::int32_t>& known = decoded_[index];
  std::string bytes(reinterpret_cast<const char*>(hidden_.data()), hidden_.size() * sizeof(double));
  if (const auto found = known.find(bytes); found != known.end()) return found->second;
  const SlotReadout& readout = layer_.readouts[index];
  std::int32_t best = -1;
  double best_score = 0.0;
  for (std::size_t slot = 0; slot < readout.num_slots(); ++slot) {
    double score = double{readout.bias[slot]};
    if (!usable(score) || !usable(readout.weight[slot])) return std::nullopt;
    Terms terms;
    terms.add(score);
    for (const Entry& entry : readout.weight[slot]) {
      const double term = double{entry.value} * hidden_[entry.index];
      terms.add(term);
      score += term;
    }
    if (!note(terms.width())) return std::nullopt;
    if (slot == 0 || score > best_score) {
      best = static_cast<std::int32_t>(slot);
      best_score = score;
    } else if (score == best_score) {
      best = -1;
    }
  }
  if (known.size() >= most_decoded) known.clear();
  known.emplace(std::move(bytes), best);
  return best;
}

std::optional<std::int32_t> ExactLayer::add(const Move& move, std::span<const float> hidden) {
  if (!exact_) return std::nullopt;
  std::copy(hidden.begin(), hidden.end(), hidden_.begin());
  std::optional<std::int32_t> slot = -1;
  exact_ = in_range(hidden_);
  if (exact_ && layer_.reads_before) {
    slot = decode(move.readout);
    exact_ = slot.has_value();
    if (exact_ && *slot < 0) return slot;  // there is no update
  }
  exact_ = exact_ && update(action(move.action));
  if (exact_ && !layer_.reads_before) {
    for (double& h : hidden_) h = stored(h, semantics_);
    exact_ = in_range(hidden_);
    if (exact_) slot = decode(move.readout);
    exact_ = exact_ && slot.has_value();
  }
  return exact_ ? slot : std::nullopt;
}

std::optional<unsigned> ExactLayer::bits() const { return exact_ ? std::optional(bits_) : std::nullopt; }

ExactModel::ExactModel(const LrnnModel& model, Semantics semantics) : model_(model) {
  for (const TableLayer& layer : model.layers()) layers_.emplace_back(layer, semantics);
}

bool ExactModel::add(std::span<const std::byte> state, Symbol symbol) {
  std::uint32_t undefined = 0;
  std::memcpy(&undefined, state.data() + state.size() - sizeof(undefined), sizeof(undefined));
  if (undefined != 0) return true;
  std::int32_t row = model_.symbol_row()[symbol];
  std::size_t at = 0;
  for (std::size_t l = 0; l < layers_.size() && row >= 0; ++l) {
    const TableLayer& layer = model_.layers()[l];
    hidden_.resize(layer.hidden_size());
    std::memcpy(hidden_.data(), state.data() + at, hidden_.size() * sizeof(float));
    at += hidden_.size() * sizeof(float);
    const auto r = static_cast<std::size_t>(row);
    const std::optional<std::int32_t> slot = layers_[l].add({layer.row_action[r], layer.row_readout[r]}, hidden_);
    if (!slot) return false;
    if (*slot < 0) return true;  // a tie, in every order: the run is undefined from here on
    row = layer.next[layer.row_next[r] + static_cast<std::uint32_t>(*slot)];
  }
  return true;
}

std::optional<unsigned> ExactModel::bits() const {
  unsigned bits = 0;
  for (const ExactLayer& layer : layers_) {
    const std::optional<unsigned> own = layer.bits();
    if (!own) return std::nullopt;
    bits = std::max(bits, *own);
  }
  return bits;
}

}  // namespace krohn
