// Ranges are found backwards from the value that is asked for, a function at a time. Cost: the operations behind it,
// and the weights of one product. Tested by tests/engine/spectrum_test.cpp.
#include "krohn/model/program_form.hpp"

#include <algorithm>
#include <cmath>

namespace krohn {
namespace {

/// The most that |w . h| can be for any row w of a product whose input h a norm puts out: h = n * weight + bias with
/// |n|^2 <= d, so |w . h| <= sqrt(d) |w * weight| + |w . bias| by Cauchy and Schwarz. Infinite where the input is
/// something else. The sums, in double, are rounded up.
double greatest_product(const Program& program, std::uint32_t value) {
  const auto* product = std::get_if<Product>(&program.operations()[value].kind);
  constexpr double unknown = std::numeric_limits<double>::infinity();
  if (product == nullptr || product->onto.present() || product->bias != no_index) return unknown;
  if (product->copies != 1 || product->inputs != 0) return unknown;
  const auto* norm = std::get_if<Normalization>(&program.operations()[product->in.value].kind);
  const bool scaled = norm != nullptr && norm->groups == 1 && product->in.size == norm->in.size &&
                      (norm->kind == Normalization::Kind::rms || norm->kind == Normalization::Kind::layer);
  const ProgramTensor& matrix = program.tensors()[product->weight];
  if (!scaled || matrix.shape.size() != 2) return unknown;
  const auto entries = [&](std::uint32_t index) {
    return index == no_index ? nullptr : program.tensors()[index].values.data();
  };
  const float* weights = entries(norm->weight);
  const float* biases = entries(norm->bias);
  const std::size_t rows = matrix.extent(0);
  const std::size_t columns = matrix.extent(1);
  const auto size = static_cast<double>(columns);
  const TensorValues values(matrix);
  double greatest = 0.0;
  for (std::size_t out = 0; out < rows; ++out) {
    double squares = 0.0;
    double shift = 0.0;
    for (std::size_t in = 0; in < columns; ++in) {
      const auto entry = static_cast<double>((*values)[in * rows + out]);
      double weight = weights == nullptr ? 1.0 : static_cast<double>(weights[in]);
      if (norm->weight_is_offset) weight += 1.0;
      squares += (entry * weight) * (entry * weight);
      if (biases != nullptr) shift += std::fabs(entry * static_cast<double>(biases[in]));
    }
    greatest = std::max(greatest, std::sqrt(size * squares) + shift);
  }
  // Each sum of n terms >= 0 has a relative error below (n + 4) 2^-53.
  return greatest * (1.0 + (size + 8.0) * 0x1p-52);
}

/// sigmoid(a k) l + m.
Range range_of_strength(const Program& program, const Elementwise& op) {
  Range range{std::min(op.m, op.l + op.m), std::max(op.m, op.l + op.m)};
  if (op.l <= 0.0) return range;
  const double b = std::fabs(op.k) * greatest_product(program, op.a.slice.value);
  if (!std::isfinite(b)) return range;
  // exp and the rest are within a few units in the last place.
  const double most = op.l / (1.0 + std::exp(-b)) * (1.0 + 0x1p-48) + op.m;
  const double least = op.l / (1.0 + std::exp(b)) * (1.0 - 0x1p-48) + op.m;
  range.by_weights = most < range.most || least > range.least;
  range.most = std::min(most, range.most);
  range.least = std::max(least, range.least);
  return range;
}

/// exp of something of this range.
Range exponential(Range range) { return {std::exp(range.least), std::exp(range.most)}; }

Range range_of(const Program& program, const Elementwise& op) {
  const auto a = [&] { return range_of(program, op.a.slice.value); };
  const bool falling = op.w.derived == WeightUse::Derived::negative_exponential;
  switch (op.function) {
    case Function::constant:
      return {op.k, op.k};
    case Function::copy:
      return a();
    case Function::sigmoid:
      return {0.0, 1.0};
    case Function::relu:
    case Function::squared_relu:
    case Function::elu_plus_one:
    case Function::softplus_weight:
      return {0.0};
    case Function::clamped_step:
      return {std::max(0.0, op.k), op.l};
    case Function::log_sigmoid:
      return {-std::numeric_limits<double>::infinity(), 0.0};
    case Function::tanh:
      return {-1.0, 1.0};
    case Function::exponential:
      return exponential(a());
    case Function::strength:
      return range_of_strength(program, op);
    case Function::gated_decay:
      return op.v.derived == WeightUse::Derived::negative_exponential ? Range{0.0, 1.0} : Range{0.0};
    case Function::rate_decay:
      return falling && a().least >= 0.0 ? Range{0.0, 1.0} : Range{0.0};
    case Function::divided_decay:
      return op.k > 0.0 && op.l <= 0.0 ? Range{std::exp(op.l), 1.0} : Range{0.0};
    case Function::exponential_decay:
      return {0.0, 1.0};
    case Function::floored_decay:
      return a().least >= 0.0 && op.k >= 0.0 ? Range{0.0, 1.0} : Range{0.0};
    case Function::lower_bounded: {
      // fma(1 - w, a, w) lies between a and 1 for w from 0 to 1, of which a cumulated softmax is.
      const Range range = a();
      const bool between = op.w.derived == WeightUse::Derived::cumulative_softmax && range.most <= 1.0;
      return between ? Range{range.least, 1.0} : Range{};
    }
    case Function::complement: {
      const Range range = a();
      return {1.0 - range.most, 1.0 - range.least};
    }
    case Function::cosine:
    case Function::sine:
      return {-1.0, 1.0};
    case Function::squash:
      return {std::exp(-std::fabs(op.l)), std::exp(std::fabs(op.l))};
    case Function::key_decay:
      return exponential({std::min(op.k, 0.0), std::max(op.k, 0.0)});
    default:
      return {};
  }
}

}  // namespace

Range range_of(const Program& program, std::uint32_t value) {
  const Operation& operation = program.operations()[value];
  if (const auto* op = std::get_if<Elementwise>(&operation.kind)) return range_of(program, *op);
  // Decays and strengths; exp(-m) behind them is only positive.
  if (std::holds_alternative<Stabilizer>(operation.kind)) return {0.0};
  return {};
}

LayerForm form_of(const Program& program, std::size_t layer) {
  LayerForm form;
  form.recurrence = program.recurrence(layer);
  bool cell = false;
  for (const Operation& operation : program.operations()) {
    if (operation.layer != layer) continue;
    cell = cell || std::holds_alternative<SlstmCell>(operation.kind);
    form.stabilized = form.stabilized || std::holds_alternative<Stabilizer>(operation.kind);
    if (const auto* op = std::get_if<ShortConvolution>(&operation.kind)) {
      form.convolution_width = std::max(form.convolution_width, program.tensors()[op->weight].extent(2));
    }
  }
  form.linear = form.recurrence != nullptr && !cell;
  if (!form.linear) {
    form.recurrence = nullptr;
    return form;
  }
  const LinearRecurrence& r = *form.recurrence;
  const auto look_at = [&](const HeadInput& input) {
    form.remembers =
        form.remembers || (input.present() && program.dependence()[input.slice.value] == Dependence::history);
  };
  look_at(r.decays);
  using Decay = LinearRecurrence::Decay;
  if (r.decay == Decay::rate) {
    const bool falling = r.rates.derived == WeightUse::Derived::negative_exponential &&
                         range_of(program, r.decays.slice.value).least >= 0.0;
    form.decay = falling ? Range{r.signed_rates ? -1.0 : 0.0, 1.0} : Range{};
  } else if (r.decay == Decay::rotation) {
    form.rotates = true;
    form.decay = {};
  } else if (r.decay != Decay::none) {
    form.decay = range_of(program, r.decays.slice.value);
    // The first of a stabiliser's numbers is exp(f - m') with m' = max(f, i).
    const bool stabilizer = std::holds_alternative<Stabilizer>(program.operations()[r.decays.slice.value].kind);
    if (stabilizer && r.decays.slice.offset == 0) form.decay = {0.0, 1.0};
  }
  for (const RankOneUpdate& update : r.updates) {
    if (!update.read.present()) continue;
    look_at(update.read);
    look_at(update.write);
    look_at(update.beta);
    const Range beta = update.beta.present() ? range_of(program, update.beta.slice.value) : Range{1.0, 1.0};
    form.beta = form.factors == 0 ? beta
                                  : Range{std::min(form.beta.least, beta.least), std::max(form.beta.most, beta.most),
                                          form.beta.by_weights || beta.by_weights};
    ++form.factors;
    form.symmetric = form.symmetric && update.read == update.write && !update.reads_undecayed;
    const auto* norm = std::get_if<Normalization>(&program.operations()[update.read.slice.value].kind);
    form.unit_keys = form.unit_keys && norm != nullptr && norm->kind == Normalization::Kind::l2 &&
                     norm->in.size == norm->groups * r.key_size && update.read.stride == r.key_size &&
                     update.read.slice.offset % r.key_size == 0;
  }
  return form;
}

NormBound norm_bound(const LayerForm& form) {
  if (!form.linear) return {std::nullopt, "a nonlinear recurrence"};
  const double decay = std::max(std::fabs(form.decay.least), std::fabs(form.decay.most));
  if (form.rotates) return {std::nullopt, "decays turn: nothing but their real and imaginary parts is bounded"};
  if (!std::isfinite(decay)) return {std::nullopt, "nothing bounds the decays"};
  if (form.factors == 0) return {decay, "decays alone"};
  if (!form.symmetric) {
    return {std::nullopt, "what a factor reads is not what it writes: matrices and products may exceed norm 1"};
  }
  if (!form.unit_keys) return {std::nullopt, "nothing bounds the keys' length, and 1 - beta |k|^2 with it"};
  if (!std::isfinite(form.beta.least) || !std::isfinite(form.beta.most)) {
    return {std::nullopt, "nothing bounds beta"};
  }
  // Each factor has the eigenvalues 1 and 1 - beta |k|^2 with |k| at most 1.
  const double factor = std::max({1.0, std::fabs(1.0 - form.beta.most), std::fabs(1.0 - form.beta.least)});
  return {decay * std::pow(factor, static_cast<double>(form.factors)), "decays, keys of length 1 at most, and beta"};
}

}  // namespace krohn
