// Tested by tests/verify/sets_test.cpp.
#include "sets/readout.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include "krohn/engine/affine.hpp"
#include "krohn/engine/interpreter.hpp"
#include "krohn/error.hpp"

namespace krohn::sets {
namespace {

template <int Symbols>
class ReadoutOf final : public Readout {
 public:
  using Number = affine::Form<Symbols>;

  ReadoutOf(const System& system, const Enclosing& enclosing, bool fine)
      : system_(system),
        enclosing_(enclosing),
        fine_(fine),
        pass_(system.program()),
        logits_(system.program().num_logits()) {
    const Schedule& schedule = pass_.schedule();
    for (std::size_t i = 0; i < schedule.operations.size(); ++i) {
      if (std::holds_alternative<LinearRecurrence>(schedule.operations[i].operation.kind)) recurrence_ = i;
    }
    find_norm_of_heads();
    end_ = schedule.operations.size();
    if (end_ < 2) return;
    // A last norm multiplies all logits by one positive number (and the weights): the sign of their differences is
    // that of the differences without it.
    const auto* head = std::get_if<Product>(&schedule.operations[end_ - 1].operation.kind);
    const auto* norm = std::get_if<Normalization>(&schedule.operations[end_ - 2].operation.kind);
    if (head == nullptr || norm == nullptr || end_ - 2 <= recurrence_) return;
    if (norm->kind != Normalization::Kind::rms || norm->groups != 1 || norm->bias != no_index || norm->epsilon < 1e-30)
      return;
    if (head->bias != no_index || head->onto.present() || head->copies != 1 || head->inputs != 0) return;
    const std::uint32_t size = schedule.operations[end_ - 2].operation.size;
    if (!(head->in == Slice{schedule.operations[end_ - 2].value, 0, size})) return;
    if (system.program().tensors()[head->weight].shape.size() != 2) return;
    norm_ = norm;
    head_ = head;
    norm_size_ = size;
    end_ -= 2;
  }

  bool forgets_scales() const override { return norm_of_heads_.has_value(); }

  Outcome evaluate(std::uint32_t context, State state, const Box& box) override {
    try {
      const Frozen& frozen = frozen_of(context);
      features_ = frozen.features;
      state_ = frozen.state;
      spare_ = symbols_used();
      reader_of_.assign(static_cast<std::size_t>(Symbols), enclosing_.readers().size());
      for (std::size_t k = 0; k < enclosing_.readers().size() * enclosing_.generators() && k < spare_; ++k) {
        reader_of_[k] = k / enclosing_.generators();
      }
      Injector injector(*this, box);
      const std::uint32_t token = system_.contexts()[context].tokens.back();
      for (std::size_t i = recurrence_; i < end_; ++i) {
        if (const Normalization* norm = shared_norm(i)) {
          normalize(i, *norm, box);
        } else if (const Product* product = product_of_forms(i)) {
          multiply(i, *product);
        } else {
          pass_.run_operation(i, features_.data(), state_.data(), &token, &injector);
        }
      }
      return compare(state);
    } catch (const affine::Undecided& undecided) {
      return {.right = false, .middle = true, .lost = undecided.operation};
    }
  }

 private:
  /// The features and tails of a context before the recurrence.
  struct Frozen {
    bool ready = false;
    std::vector<Number> features;
    std::vector<Number> state;
  };

  class Injector final : public forward::Probe<Number> {
   public:
    Injector(const ReadoutOf& owner, const Box& box) : owner_(owner), box_(box) {}
    void recurrence(std::size_t, std::size_t, std::size_t, std::size_t, const forward::Decay<Number>&,
                    std::span<const forward::Update<Number>>) override {}
    bool answer(std::size_t, std::size_t head, std::size_t, const Number*, Number* out) override {
      const Enclosing& sets = owner_.enclosing_;
      const std::size_t generators = sets.generators();
      for (std::size_t r = 0; r < sets.readers().size(); ++r) {
        const Enclosing::Reader& reader = sets.readers()[r];
        if (reader.head != head) continue;
        for (std::size_t m = 0; m < reader.count; ++m) {
          Number x;
          x.exact = false;
          double size = 0.0;
          for (std::size_t b = 0; b < generators; ++b) {
            const double v = sets.value(r, b, m);
            const double t = box_.centers[r * generators + b];
            x.center += v * t;
            double spread = box_.radii[r * generators + b];
            x.radius += std::abs(v) * box_.radii[r * generators + b];
            size += std::abs(v * t);
            for (std::size_t i = 0; i < generators; ++i) {
              const double c = v * box_.coefficients[(r * generators + b) * generators + i];
              const std::size_t symbol = r * generators + i;
              size += std::abs(c);
              spread += std::abs(box_.coefficients[(r * generators + b) * generators + i]);
              if (symbol < static_cast<std::size_t>(Symbols)) {
                x.coefficients[symbol] += c;
              } else {
                x.radius += std::abs(c);
              }
            }
            x.radius += std::abs(v) * share_of_rounding(r * generators + b, box_.scales[r] > 1.0, spread);
          }
          const double rounding = (x.radius + box_.roundings[r * reader.count + m] + slack * size) * (1.0 + slack);
          const std::size_t own = sets.readers().size() * generators + r * reader.count + m;
          if (owner_.fine_ && own < static_cast<std::size_t>(Symbols)) {
            x.radius = 0.0;
            x.coefficients[own] = rounding;
          } else {
            x.radius = rounding;
          }
          out[reader.first + m] = x;
        }
      }
      return true;
    }

   private:
    /// Of t = center +- spread, or of r times that, r >= 1, over r.
    double share_of_rounding(std::size_t t, bool scaled, double spread) const {
      const double share = box_.shares[t];
      const double set = share * box_.centers[t] + std::abs(share) * spread;
      const double rest = box_.rests[t] - share * box_.own[t];
      return scaled ? std::max(set, 0.0) + std::max(rest, 0.0) : std::max(set + rest, 0.0);
    }

    const ReadoutOf& owner_;
    const Box& box_;
  };

  /// Takes part in computing what lies before the recurrence, and answers nothing.
  class Silent final : public forward::Probe<Number> {
   public:
    explicit Silent(std::size_t answer) : answer_(answer) {}
    void recurrence(std::size_t, std::size_t, std::size_t, std::size_t, const forward::Decay<Number>&,
                    std::span<const forward::Update<Number>>) override {}
    bool answer(std::size_t, std::size_t, std::size_t queries, const Number*, Number* out) override {
      std::fill_n(out, queries * answer_, Number());
      return true;
    }

   private:
    std::size_t answer_;
  };

  /// A root mean square's norm of every head by itself is all that sees the answer, or its product with a constant.
  void find_norm_of_heads() {
    const Schedule& schedule = pass_.schedule();
    const std::vector<Operation>& operations = system_.program().operations();
    const LinearRecurrence& recurrence = system_.recurrence();
    if (enclosing_.readers().size() != system_.heads()) return;
    std::uint32_t value = schedule.operations[recurrence_].value;
    const std::uint32_t size = static_cast<std::uint32_t>(system_.heads()) * recurrence.value_size;
    for (std::size_t i = recurrence_ + 1; i < schedule.operations.size(); ++i) {
      std::size_t readers = 0;
      for (const Operation& operation : operations) {
        for (const Slice& slice : inputs_of(operation)) readers += slice.value == value ? 1 : 0;
      }
      const ScheduledOperation& at = schedule.operations[i];
      if (readers != 1) return;
      if (const auto* map = std::get_if<Elementwise>(&at.operation.kind)) {
        if (map->function != Function::scale || !(map->a.slice == Slice{value, 0, size})) return;
        value = at.value;
        continue;
      }
      const auto* norm = std::get_if<Normalization>(&at.operation.kind);
      if (norm == nullptr || norm->kind != Normalization::Kind::rms || norm->bias != no_index) return;
      if (norm->groups != system_.heads() || !(norm->in == Slice{value, 0, size})) return;
      norm_of_heads_ = i;
      return;
    }
  }

  /// Of the box and of roundings, which come first.
  std::size_t symbols_used() const {
    std::size_t used = enclosing_.readers().size() * enclosing_.generators();
    for (std::size_t r = 0; r < enclosing_.readers().size() && fine_; ++r) used += enclosing_.readers()[r].count;
    return std::min(used, static_cast<std::size_t>(Symbols));
  }
  /// One more, if there is room.
  std::optional<std::size_t> new_symbol() {
    return spare_ < static_cast<std::size_t>(Symbols) ? std::optional(spare_++) : std::nullopt;
  }

  using Pair = affine::Pair;
  /// Of so many symbols from the first the products, as far as there is room. What many numbers have of one, and of a
  /// common factor's radius, a matrix behind them then does not take for as many unknowns as there are numbers.
  std::vector<Pair> pairs_of(std::size_t first, std::size_t count) {
    std::vector<Pair> pairs;
    for (std::size_t k = first; k < first + count; ++k) {
      for (std::size_t l = k; l < first + count; ++l) {
        if (const auto symbol = new_symbol()) pairs.push_back({k, l, *symbol});
      }
    }
    return pairs;
  }

  /// For scaled_by(): those symbols that move the numbers most, as far as there is room.
  std::vector<Pair> spreads_of(const Number* x, std::size_t count) {
    std::vector<std::pair<double, std::size_t>> moved;
    for (std::size_t k = 0; k < static_cast<std::size_t>(Symbols); ++k) {
      double sum = 0.0;
      for (std::size_t j = 0; j < count; ++j) sum += std::abs(x[j].coefficients[k]);
      if (sum > 0.0) moved.emplace_back(-sum, k);
    }
    std::ranges::sort(moved);
    std::vector<Pair> spreads;
    for (const auto& [sum, k] : moved) {
      if (const auto symbol = new_symbol()) spreads.push_back({k, k, *symbol});
    }
    return spreads;
  }
  /// Root mean squares above the recurrence.
  const Normalization* shared_norm(std::size_t i) const {
    const auto* norm = std::get_if<Normalization>(&pass_.schedule().operations[i].operation.kind);
    return norm != nullptr && norm->kind == Normalization::Kind::rms && norm->bias == no_index ? norm : nullptr;
  }

  /// As the interpreter does. Of heads an answer is r X, r in [1, scale]: x / sqrt(mean x^2 + epsilon) is X / sqrt(mean
  /// X^2 + epsilon / r^2). Canonically every operation on r X rounds by the same parts as on X; what falls below the
  /// normal numbers weighs less by r, and nothing overflows while r |X| < 2^50.
  void normalize(std::size_t i, const Normalization& norm, const Box& box) {
    const Schedule& schedule = pass_.schedule();
    const ScheduledOperation& at = schedule.operations[i];
    const bool of_heads = norm_of_heads_ == i;
    const std::size_t size = at.operation.size / norm.groups;
    const float* weight = norm.weight == no_index ? nullptr : system_.program().tensors()[norm.weight].values.data();
    const bool running = norm.weight != no_index && system_.program().tensors()[norm.weight].values.size() != size;
    const auto epsilon = static_cast<double>(static_cast<float>(norm.epsilon));
    const std::vector<Number> in(
        features_.begin() + schedule.at(norm.in),
        features_.begin() + schedule.at(norm.in) + static_cast<std::ptrdiff_t>(at.operation.size));
    for (std::size_t g = 0; g < norm.groups; ++g) {
      const Number* x = in.data() + g * size;
      Number* y = features_.data() + schedule.place[at.value] + g * size;
      const double scale = of_heads ? box.scales[g] : 1.0;
      const std::size_t n = enclosing_.generators();
      const std::size_t first_own = spare_;
      const std::vector<Pair> pairs = of_heads ? pairs_of(g * n, n) : std::vector<Pair>();
      Number sum;
      for (std::size_t j = 0; j < size; ++j) {
        if (scale != 1.0 && !(x[j].magnitude() * scale < 0x1p50)) {
          throw affine::Undecided{"the norm of a head, beyond 2^50"};
        }
        sum = x[j].exact && sum.exact ? fused(x[j], x[j], sum)
                                      : rounded(affine::product_sum(x[j], x[j], sum, pairs),
                                                x[j].magnitude() * x[j].magnitude() + sum.magnitude());
      }
      Number room(static_cast<float>(norm.epsilon));
      if (scale != 1.0) {
        room.exact = false;
        const double least = epsilon / (scale * scale) * (1.0 - slack);
        room.center = 0.5 * (epsilon + least);
        room.radius = 0.5 * (epsilon - least) * (1.0 + slack);
      }
      Number by = rsqrt(quotient(sum, Number(static_cast<float>(size))) + room);
      if (const auto symbol = by.exact ? std::nullopt : new_symbol()) {
        by.coefficients[*symbol] = by.radius;
        by.radius = 0.0;
      }
      for (std::size_t k = first_own; k < spare_ && of_heads; ++k) reader_of_[k] = g;
      const std::vector<Pair> spreads = of_heads || by.exact ? std::vector<Pair>() : spreads_of(x, size);
      for (std::size_t j = 0; j < size; ++j) {
        y[j] = x[j].exact && by.exact ? x[j] * by
               : of_heads ? rounded(affine::product_sum(x[j], by, Number(), pairs), x[j].magnitude() * by.magnitude())
                          : rounded(affine::scaled_by(x[j], by, spreads), x[j].magnitude() * by.magnitude());
        if (weight == nullptr) continue;
        const float w = weight[running ? g * size + j : j];
        y[j] = y[j] * Number(norm.weight_is_offset ? 1.0F + w : w);
      }
    }
  }

  /// Of one matrix, and not of exact numbers alone.
  const Product* product_of_forms(std::size_t i) const {
    const auto* product = std::get_if<Product>(&pass_.schedule().operations[i].operation.kind);
    if (product == nullptr || product->copies != 1 || product->inputs != 0) return nullptr;
    const auto& shape = system_.program().tensors()[product->weight].shape;
    if (shape.size() != 2 || shape[1] != product->in.size) return nullptr;
    const Number* in = features_.data() + pass_.schedule().at(product->in);
    return std::all_of(in, in + shape[1], [](const Number& x) { return x.exact; }) ? nullptr : product;
  }

  /// As the interpreter does: sums by fused multiply-adds, each of whose at most n roundings is a part of the sizes of
  /// the terms; all at once, which is several times as fast as one by one.
  void multiply(std::size_t i, const Product& product) {
    const Schedule& schedule = pass_.schedule();
    const ProgramTensor& weight = system_.program().tensors()[product.weight];
    const std::size_t rows = weight.shape[0];
    const std::size_t n = weight.shape[1];
    const Number* in = features_.data() + schedule.at(product.in);
    std::vector<Number> sums(rows);
    std::vector<double> sizes(rows, 0.0);
    for (std::size_t j = 0; j < n; ++j) {
      const Number& x = in[j];
      const double magnitude = x.magnitude();
      for (std::size_t o = 0; o < rows; ++o) {
        const auto w = static_cast<double>(weight.values[j * rows + o]);
        Number& sum = sums[o];
        sum.center += w * x.center;
        for (int k = 0; k < Symbols; ++k) sum.coefficients[k] += w * x.coefficients[k];
        sum.radius += std::abs(w) * x.radius;
        sizes[o] += std::abs(w) * magnitude;
      }
    }
    const float* bias = product.bias == no_index ? nullptr : system_.program().tensors()[product.bias].values.data();
    const Number* onto = product.onto.present() ? features_.data() + schedule.at(product.onto) : nullptr;
    Number* out = features_.data() + schedule.place[schedule.operations[i].value];
    const auto terms = static_cast<double>(n);
    for (std::size_t o = 0; o < rows; ++o) {
      Number sum = sums[o];
      sum.exact = false;
      // The doubles of a center and its coefficients together go through less than twice n + 2 roundings of their
      // sizes.
      sum.radius += terms * (affine::unit * 1.01 + 0x1p-50) * sizes[o] + terms * affine::least_step;
      sum.radius *= 1.0 + slack;
      if (!(sizes[o] < affine::largest)) throw affine::Undecided{"overflow"};
      if (bias != nullptr) sum = sum + Number(bias[o]);
      out[o] = onto == nullptr ? sum : onto[o] + sum;
    }
  }

  const Frozen& frozen_of(std::uint32_t context) {
    frozen_.resize(system_.contexts().size());
    Frozen& frozen = frozen_[context];
    if (frozen.ready) return frozen;
    frozen.state.resize(system_.program().state_size());
    frozen.features.resize(pass_.schedule().num_features);
    pass_.initial(frozen.state.data());
    Silent silent(system_.recurrence().answer_size());
    const Tokens& tokens = system_.contexts()[context].tokens;
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
      pass_.step(frozen.state.data(), &tokens[i], logits_.data(), &silent);
    }
    for (std::size_t i = 0; i < recurrence_; ++i) {
      pass_.run_operation(i, frozen.features.data(), frozen.state.data(), &tokens.back(), &silent);
    }
    frozen.ready = true;
    return frozen;
  }

  Outcome compare(State state) {
    const Specification& specification = system_.specification();
    const std::vector<LearnedTask::Output>& outputs = system_.task().outputs;
    if (norm_ == nullptr) {
      const Schedule& schedule = pass_.schedule();
      std::copy_n(features_.data() + schedule.place[schedule.operations.back().value], logits_.size(), logits_.data());
    }
    std::optional<Outcome> best;
    double highest = -std::numeric_limits<double>::infinity();
    for (const LearnedTask::Output& winner : outputs) {
      if (!specification.agrees(winner.label, state)) continue;
      Outcome outcome{.right = true, .middle = true, .share = 0.0};
      double least = std::numeric_limits<double>::infinity();
      for (const LearnedTask::Output& other : outputs) {
        if (specification.agrees(other.label, state)) continue;
        const Number difference = norm_ == nullptr ? sum(logits_[winner.logit], logits_[other.logit], -1.0)
                                                   : before_norm(winner.logit, other.logit);
        outcome.right = outcome.right && difference.lower() > 0.0;
        outcome.middle = outcome.middle && difference.center > 0.0;
        least = std::min(least, difference.center);
        const double share =
            difference.center > 0.0 ? difference.width() / difference.center : std::numeric_limits<double>::infinity();
        outcome.share = std::max(outcome.share, share);
        if (!(difference.lower() > 0.0)) {
          const double width = affine::own * difference.magnitude() + difference.radius;
          Outcome::Margin& margin = outcome.margins.emplace_back(Outcome::Margin{difference.center, {}, width});
          for (const double c : difference.coefficients) margin.coefficients.push_back(c);
          if (norm_of_heads_) {
            margin.by_reader.assign(enclosing_.readers().size(), 0.0);
            for (std::size_t k = 0; k < spare_; ++k) {
              if (reader_of_[k] < margin.by_reader.size()) {
                margin.by_reader[reader_of_[k]] += std::abs(difference.coefficients[k]);
              }
            }
          }
        }
      }
      if (least > highest || !best) {
        best = outcome;
        highest = least;
      }
    }
    return best.value_or(Outcome{});
  }

  /// The difference of two logits over the norm's factor g > 0. Canonically y_i = fl(fl(x_i g) w_i), and a logit is the
  /// sum of y_i W_i by fma: together g (sum of x_i w_i W_i, each term off by at most n + 2 roundings), and what falls
  /// below the normal numbers: n terms of less than 2^-108 in either logit. g is at least 2^-51, since |x_i| < 2^50;
  /// the weights of both are at most 2^20.
  Number before_norm(std::uint32_t winner, std::uint32_t other) {
    const Program& program = system_.program();
    const ProgramTensor& weight = program.tensors()[head_->weight];
    const std::size_t rows = weight.shape[0];
    const float* scale = norm_->weight == no_index ? nullptr : program.tensors()[norm_->weight].values.data();
    const Number* x = features_.data() + pass_.schedule().at(norm_->in);
    Number result;
    result.exact = false;
    double sizes = 0.0;
    double involved = 0.0;
    for (std::size_t i = 0; i < norm_size_; ++i) {
      const double w = scale == nullptr          ? 1.0
                       : norm_->weight_is_offset ? static_cast<double>(1.0F + scale[i])
                                                 : static_cast<double>(scale[i]);
      const double a = static_cast<double>(weight.values[i * rows + winner]);
      const double b = static_cast<double>(weight.values[i * rows + other]);
      const double magnitude = x[i].magnitude();
      if (!(magnitude < 0x1p50 && std::abs(w) < 0x1p20 && std::abs(a) < 0x1p20 && std::abs(b) < 0x1p20)) {
        throw affine::Undecided{"the last norm, beyond 2^50"};
      }
      const double by = w * (a - b);
      result.center += by * x[i].center;
      for (int k = 0; k < Symbols; ++k) result.coefficients[k] += by * x[i].coefficients[k];
      result.radius += std::abs(by) * x[i].radius;
      sizes += std::abs(w) * (std::abs(a) + std::abs(b)) * magnitude;
    }
    involved = sizes;
    const double n = static_cast<double>(norm_size_);
    // Of the doubles: n terms of three roundings.
    result.radius += (n + 3.0) * affine::unit * 1.01 * sizes + (n + 4.0) * 0x1p-52 * involved + n * 0x1p-50;
    result.radius *= 1.0 + slack;
    return result;
  }

  const System& system_;
  const Enclosing& enclosing_;
  bool fine_;
  forward::Interpreter<forward::OneByOne<Number>> pass_;
  std::vector<Number> logits_;
  std::vector<Number> features_;
  std::vector<Number> state_;
  std::vector<Frozen> frozen_;
  std::size_t recurrence_ = 0;
  std::size_t end_ = 0;
  /// The scheduled operation.
  std::optional<std::size_t> norm_of_heads_;
  /// Of an evaluation: the first symbol that is not in use, and by symbol the reader whose it is, if any.
  std::size_t spare_ = 0;
  std::vector<std::size_t> reader_of_;
  const Normalization* norm_ = nullptr;
  const Product* head_ = nullptr;
  std::size_t norm_size_ = 0;
};

/// Of every head the norm's factor and the products of two symbols, and of another norm its factor.
std::size_t with_products(const Enclosing& enclosing, std::size_t symbols) {
  const std::size_t n = enclosing.generators();
  return symbols + enclosing.readers().size() * (1 + n * (n + 1) / 2) + 1;
}

}  // namespace

std::unique_ptr<Readout> make_readout(const System& system, const Enclosing& enclosing) {
  const std::size_t symbols = with_products(enclosing, enclosing.readers().size() * enclosing.generators());
  if (symbols <= 16) return std::make_unique<ReadoutOf<16>>(system, enclosing, false);
  if (symbols <= 32) return std::make_unique<ReadoutOf<32>>(system, enclosing, false);
  return std::make_unique<ReadoutOf<64>>(system, enclosing, false);
}

std::unique_ptr<Readout> make_fine_readout(const System& system, const Enclosing& enclosing) {
  std::size_t symbols = enclosing.readers().size() * enclosing.generators();
  for (const Enclosing::Reader& reader : enclosing.readers()) symbols += reader.count;
  symbols = with_products(enclosing, symbols);
  if (symbols <= 48) return std::make_unique<ReadoutOf<48>>(system, enclosing, true);
  if (symbols <= 80) return std::make_unique<ReadoutOf<80>>(system, enclosing, true);
  return nullptr;
}

}  // namespace krohn::sets
