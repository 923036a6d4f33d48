// The theorems' hypotheses on learned layers, by the first of three that decides.
//
// Form, in exact arithmetic: a gate exp(-x) or sigmoid(x) lies in (0, 1); a key divided by sqrt(|k|^2 + epsilon) is
// shorter than 1, so with beta at most 1 the factor I - beta k k^T is positive definite, and so is a gate times it; the
// spectrum of a product of two such is real and positive. Bounds from the weights: beta = scale sigmoid(c (w . h)) +
// shift, where h is what the norm before the mixer puts out: h = n * weight + bias with |n|^2 <= d, so |w . h| <=
// sqrt(d) |w * weight| + |w . bias| by Cauchy and Schwarz, whatever the input. Eigenvalues: of the matrices that the
// model makes, in double (krohn/engine/spectrum.hpp). One that the theorem forbids by more than `clearly` is a
// violation, for rounding errors are far smaller: the solver is backward stable, so that n updates on unit keys give an
// error of some 2^-52 to the power 1/n, below 1e-5 for n <= 3, and matrices of larger n are only shown. In a first
// layer without convolution each symbol has one matrix, and eigenvalues above `clearly` on one factor settle it.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <variant>

#include "krohn/engine/spectrum.hpp"
#include "krohn/verify/refute.hpp"

namespace krohn {
namespace {

constexpr double clearly = 1e-3;
// Updates a token up to which double eigenvalues count as facts.
constexpr std::size_t most_factors = 3;

/// What the form of a mixer and its bounds allow: factors 0 means diagonal.
struct Form {
  /// Gates in (0, 1), and 1 - beta |k|^2 above 0.
  bool positive = false;
  /// Real diagonal matrices with entries in (-1, 1).
  bool real_diagonal = false;
  /// Each factor symmetric, times a scalar.
  bool symmetric_factors = false;
  /// Generalized Householder factors a token.
  std::size_t factors = 0;
  std::string text;
  /// A nonlinear network, of which no theorem speaks.
  bool covered = true;
  /// The matrix depends on earlier tokens too.
  bool remembers = true;
};

std::string range_text(double least, double most) {
  char text[64];
  std::snprintf(text, sizeof text, "%.6g to %.6g", least, most);
  return text;
}

/// The most that |w . h| can be for any row w, with h out of `norm`; the sums, in double, are rounded up.
double greatest_product(const Matrix& matrix, const Norm& norm) {
  double greatest = 0.0;
  const auto size = static_cast<double>(matrix.columns);
  for (std::size_t out = 0; out < matrix.rows; ++out) {
    double squares = 0.0;
    double shift = 0.0;
    for (std::size_t in = 0; in < matrix.columns; ++in) {
      const auto entry = static_cast<double>(matrix.entries[in * matrix.rows + out]);
      double weight = norm.weight.empty() ? 1.0 : static_cast<double>(norm.weight[in]);
      if (norm.weight_is_offset) weight += 1.0;
      squares += (entry * weight) * (entry * weight);
      if (!norm.bias.empty()) shift += std::fabs(entry * static_cast<double>(norm.bias[in]));
    }
    greatest = std::max(greatest, std::sqrt(size * squares) + shift);
  }
  // Each sum of n terms >= 0 has a relative error below (n + 4) 2^-53.
  return greatest * (1.0 + (size + 8.0) * 0x1p-52);
}

struct FormOf {
  const Norm& norm;
  bool first;

  Form operator()(const DeltaMixer& mixer) const {
    double most = mixer.beta ? mixer.beta_scale + mixer.beta_shift : mixer.beta_scale;
    double least = mixer.beta ? mixer.beta_shift : mixer.beta_scale;
    std::string source;
    if (mixer.beta && mixer.beta_scale > 0.0) {
      const double b = std::fabs(mixer.beta_input_scale) * greatest_product(*mixer.beta, norm);
      // exp and the rest are within a few units in the last place.
      const double bounded = mixer.beta_scale / (1.0 + std::exp(-b)) * (1.0 + 0x1p-48) + mixer.beta_shift;
      const double from = mixer.beta_scale / (1.0 + std::exp(b)) * (1.0 - 0x1p-48) + mixer.beta_shift;
      if (bounded < most || from > least) {
        most = std::min(most, bounded);
        least = std::max(least, from);
        source = " (by its weights)";
      }
    }
    Form form;
    form.positive = mixer.key_norm == DeltaMixer::KeyNorm::l2 && least >= 0.0 && most <= 1.0;
    form.symmetric_factors = true;
    form.factors = mixer.num_householder;
    form.text = std::to_string(mixer.num_householder) + " factor" + (mixer.num_householder == 1 ? "" : "s") +
                " a token, beta from " + range_text(least, most) + source +
                (mixer.key_norm == DeltaMixer::KeyNorm::l2 ? ", |k| < 1" : "");
    form.remembers = !first || mixer.inputs.key_convolution.has_value();
    return form;
  }
  Form operator()(const GlaMixer&) const { return diagonal(true, "diagonal gates in (0, 1)"); }
  Form operator()(const MambaMixer& mixer) const {
    return mixer.negative_eigenvalues ? diagonal(false, "diagonal gates in (-1, 1)")
                                      : diagonal(true, "diagonal gates in (0, 1)");
  }
  Form operator()(const Mamba2Mixer&) const { return diagonal(true, "scalar gates in (0, 1)"); }
  Form operator()(const MlstmMixer&) const { return diagonal(true, "scalar gates in (0, 1)"); }
  Form operator()(const Rwkv7Mixer&) const {
    Form form;
    form.factors = 1;
    form.text = "diag(w) - (a kk) kk^T, whose eigenvalues can be negative";
    return form;
  }
  Form operator()(const SlstmMixer&) const {
    Form form;
    form.factors = 1;
    form.covered = false;
    form.text = "sLSTM, a nonlinear network: no theorem covers it";
    return form;
  }

 private:
  static Form diagonal(bool positive, std::string text) {
    Form form;
    form.positive = positive;
    form.real_diagonal = true;
    form.text = std::move(text);
    return form;
  }
};

std::string eigenvalue_text(std::complex<double> value) {
  char text[64];
  if (std::fabs(value.imag()) <= clearly) {
    std::snprintf(text, sizeof text, "%.6g", value.real());
  } else {
    std::snprintf(text, sizeof text, "%.6g%+.6gi", value.real(), value.imag());
  }
  return text;
}

/// Decides an open layer from the eigenvalues met, where they do; always says what they are.
void look_at_weights(Hypothesis& hypothesis, std::size_t layer, const Form& form, const LearnedSpectrum& spectrum,
                     const Theorem& theorem, const LearnedSymbols& symbols) {
  LayerHypothesis& result = hypothesis.layers[layer];
  double least = 0.0;
  double most = 0.0;
  double widest = 0.0;
  const HeadSpectrum* lowest_head = nullptr;
  const HeadSpectrum* widest_head = nullptr;
  for (const HeadSpectrum& head : spectrum.heads) {
    if (head.block != layer || head.eigenvalues == 0) continue;
    if (lowest_head == nullptr || head.least_real < least) {
      least = head.least_real;
      lowest_head = &head;
    }
    if (widest_head == nullptr || head.most_imaginary > widest) {
      widest = head.most_imaginary;
      widest_head = &head;
    }
    most = std::max(most, head.most_real);
    result.checked += head.matrices;
    result.eigenvalues.insert(result.eigenvalues.end(), {head.least, head.widest});
  }
  if (lowest_head == nullptr) return;
  result.method += "; eigenvalues with real parts from " + range_text(least, most);
  if (widest > clearly) result.method += ", imaginary parts up to " + eigenvalue_text(widest);
  result.method += form.remembers ? " (in double, every symbol read first and " + std::to_string(spectrum.words) +
                                        " words of " + std::to_string(spectrum.length) + ")"
                                  : " (in double, every symbol)";
  if (!form.covered || form.factors > most_factors) return;
  const bool complex = widest > clearly;
  const bool negative = theorem.is_parity() && least < -clearly;
  // Theorem 2 asks for products in the layers above the first; their factors say nothing for sure.
  if ((complex && result.product_length == 1) || negative) {
    const HeadSpectrum& head = complex && result.product_length == 1 ? *widest_head : *lowest_head;
    const std::complex<double> value = &head == widest_head && complex ? head.widest : head.least;
    const std::size_t token = &head == widest_head && complex ? head.widest_token : head.least_token;
    result.kind = complex ? SpectrumKind::not_all_real : SpectrumKind::real_with_negative;
    if (!hypothesis.violation) {
      hypothesis.violation = SpectrumViolation{layer + 1, {symbols.names[token]}, value};
      hypothesis.statement = "layer " + std::to_string(layer + 1) + ", head " + std::to_string(head.head + 1) +
                             ", symbol '" + symbols.names[token] + "': expected only eigenvalues that are " +
                             (theorem.is_parity() ? "real and not negative" : "real") + ", got " +
                             eigenvalue_text(value);
    }
    return;
  }
  if (theorem.is_parity() && !form.remembers && form.symmetric_factors && form.factors == 1 && least > clearly) {
    result.kind = SpectrumKind::nonnegative_real;
  }
}

}  // namespace

Hypothesis check_hypothesis(const LearnedModel& model, const Theorem& theorem, const LearnedSymbols& symbols) {
  Hypothesis hypothesis;
  std::vector<Form> forms;
  bool open = false;
  for (std::size_t l = 0; l < model.blocks().size(); ++l) {
    const LearnedBlock& block = model.blocks()[l];
    const Form& form = forms.emplace_back(std::visit(FormOf{block.mixer_norm, l == 0}, block.mixer));
    LayerHypothesis& result = hypothesis.layers.emplace_back();
    result.method = form.text;
    // Theorem 2 asks for products of 2^{i-1} tokens in layer i.
    const std::uint64_t length = theorem.is_parity() ? 1 : std::uint64_t{1} << std::min<std::size_t>(l, 62);
    result.product_length = length;
    result.products_formed = length == 1;
    const bool positive_product = form.positive && form.factors <= 2 && form.factors * length <= 2;
    const bool symmetric = !theorem.is_parity() && form.symmetric_factors && form.factors == 1 && length == 1;
    const bool fine = (form.positive && form.factors == 0) || (!theorem.is_parity() && form.real_diagonal) ||
                      positive_product || symmetric;
    result.kind = fine ? (form.positive ? SpectrumKind::nonnegative_real : SpectrumKind::real_with_negative)
                       : SpectrumKind::undecided;
    open = open || !fine;
  }
  if (open) {
    SpectrumOptions options;
    options.tokens = symbols.tokens;
    const LearnedSpectrum spectrum = compute_spectrum(model, options);
    for (std::size_t l = 0; l < forms.size(); ++l) {
      if (hypothesis.layers[l].kind == SpectrumKind::undecided) {
        look_at_weights(hypothesis, l, forms[l], spectrum, theorem, symbols);
      }
    }
  }
  if (hypothesis.violation) return hypothesis;
  for (std::size_t l = 0; l < forms.size(); ++l) {
    if (hypothesis.layers[l].kind == SpectrumKind::undecided) {
      hypothesis.statement = "layer " + std::to_string(l + 1) + ": " + hypothesis.layers[l].method;
      return hypothesis;
    }
  }
  hypothesis.holds = true;
  hypothesis.statement = "by the form of the layers and their weights: gates and 1 - beta |k|^2 are ";
  hypothesis.statement += theorem.is_parity() ? "not negative" : "real";
  return hypothesis;
}

}  // namespace krohn
