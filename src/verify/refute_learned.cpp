// The theorems' hypotheses on learned layers, by the first of three that decides.
//
// Form, in exact arithmetic: a gate exp(-x) or sigmoid(x) lies in (0, 1); a key divided by sqrt(|k|^2 + epsilon) is
// shorter than 1, so with beta at most 1 the factor I - beta k k^T is positive definite, and so is a gate times it; the
// spectrum of a product of two such is real and positive. Bounds from the weights: beta = scale sigmoid(c (w . h)) +
// shift, where h is what the norm before the mixer puts out: h = n * weight + bias with |n|^2 <= d, so |w . h| <=
// sqrt(d) |w * weight| + |w . bias| by Cauchy and Schwarz, whatever the input. Eigenvalues: of the products of as many
// consecutive tokens' matrices as the theorem speaks of, in double; one that it forbids, beyond the reach of rounding
// errors (krohn/engine/product_spectrum.hpp), is a violation. In a first layer without convolution each symbol has one
// matrix, and eigenvalues that are all surely allowed settle it. Tested by tests/engine/product_spectrum_test.cpp.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>

#include "krohn/engine/product_spectrum.hpp"
#include "krohn/model/program_form.hpp"
#include "krohn/verify/refute.hpp"

namespace krohn {
namespace {

std::string range_text(double least, double most) {
  char text[64];
  std::snprintf(text, sizeof text, "%.6g to %.6g", least, most);
  return text;
}

/// Generalized Householder factors and gates of their own for every key, whose products count together.
std::size_t positive_matrices(const LayerForm& form) {
  return form.factors + (form.recurrence->decay == LinearRecurrence::Decay::key ? 1 : 0);
}

/// Gates in [0, 1], and 1 - beta |k|^2 at least 0.
bool positive(const LayerForm& form) {
  return form.linear && !form.rotates && form.decay.least >= 0.0 && form.symmetric &&
         (form.factors == 0 || (form.unit_keys && form.beta.least >= 0.0 && form.beta.most <= 1.0));
}

std::string text_of(const LayerForm& form, const std::string& mixer) {
  using Decay = LinearRecurrence::Decay;
  if (!form.linear) return mixer + ", a nonlinear network: no theorem covers it";
  const Decay decay = form.recurrence->decay;
  const std::string gates = (form.decay.least < 0.0 ? "(-1, 1)" : "(0, 1)");
  if (form.factors == 0) {
    if (form.rotates) return "gates that turn pairs of keys: complex eigenvalues";
    if (decay == Decay::none) return "no gates: the identity";
    return (decay == Decay::scalar ? "scalar gates in " : "diagonal gates in ") + gates;
  }
  if (!form.symmetric) {
    return std::string(decay == Decay::scalar ? "scalar" : "diagonal") +
           " gates less a matrix of rank 1 that reads another vector than it writes, whose eigenvalues can be "
           "negative";
  }
  return std::to_string(form.factors) + " factor" + (form.factors == 1 ? "" : "s") + " a token, beta from " +
         range_text(form.beta.least, form.beta.most) + (form.beta.by_weights ? " (by its weights)" : "") +
         (form.unit_keys ? ", |k| < 1" : "") +
         (decay == Decay::key ? ", behind a gate in " + gates + " for every key" : "");
}

std::string eigenvalue_text(std::complex<double> value) {
  char text[64];
  if (value.imag() == 0.0) {
    std::snprintf(text, sizeof text, "%.6g", value.real());
  } else {
    std::snprintf(text, sizeof text, "%.6g%+.6gi", value.real(), value.imag());
  }
  return text;
}

/// "1^12", or the symbols one after another.
std::string word_text(const std::vector<std::string>& word) {
  const bool power = std::all_of(word.begin(), word.end(), [&](const std::string& name) { return name == word[0]; });
  if (power && word.size() > 1) return word[0] + "^" + std::to_string(word.size());
  const bool short_names = std::all_of(word.begin(), word.end(), [](const std::string& n) { return n.size() == 1; });
  std::string text;
  for (const std::string& name : word) text += (text.empty() || short_names ? "" : " ") + name;
  return text;
}

void violate(Hypothesis& hypothesis, std::size_t layer, const ProductEigenvalue& met, const Theorem& theorem,
             const LearnedSymbols& symbols) {
  const std::uint64_t length = hypothesis.layers[layer].product_length;
  std::vector<std::string> word;
  for (const std::size_t place : met.word) word.push_back(symbols.names[place]);
  std::string where = "symbol '" + word.back() + "'";
  if (length > 1) {
    where = "the product of the last " + std::to_string(length) + " matrices of the word " + word_text(word);
  } else if (word.size() > 1) {
    where += " at the end of the word " + word_text(word);
  }
  hypothesis.statement = "layer " + std::to_string(layer) + ", head " + std::to_string(met.head) + ", " + where +
                         ": expected only eigenvalues that are " +
                         (theorem.is_parity() ? "real and not negative" : "real") + ", got " +
                         eigenvalue_text(met.value);
  word.erase(word.begin(), word.end() - static_cast<std::ptrdiff_t>(length));
  hypothesis.violation = SpectrumViolation{layer, std::move(word), met.value};
}

/// Decides an open layer from the eigenvalues met, where they do; always says what they are.
void look_at_weights(Hypothesis& hypothesis, std::size_t layer, const LayerForm& form, const ProductSpectrum& spectrum,
                     const Theorem& theorem, const LearnedSymbols& symbols, const SpectrumOptions& options) {
  LayerHypothesis& result = hypothesis.layers[layer];
  if (spectrum.products == 0) return;
  const std::string length = std::to_string(result.product_length);
  result.method +=
      result.product_length > 1 ? "; products of " + length + " matrices have eigenvalues" : "; eigenvalues";
  result.method += " with real parts from " + range_text(spectrum.least_real, spectrum.most_real);
  if (spectrum.most_imaginary > 0.0) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", spectrum.most_imaginary);
    result.method += ", imaginary parts up to " + std::string(text);
  }
  result.method += form.remembers ? " (in double, along powers of every symbol and " + std::to_string(options.words) +
                                        " words of " + std::to_string(options.length) + ")"
                                  : " (in double, every symbol)";
  if (spectrum.not_real || (theorem.is_parity() && spectrum.negative)) {
    result.kind = spectrum.not_real ? SpectrumKind::not_all_real : SpectrumKind::real_with_negative;
    if (!hypothesis.violation) {
      violate(hypothesis, layer, spectrum.not_real ? *spectrum.not_real : *spectrum.negative, theorem, symbols);
    }
  } else if (!form.remembers && result.product_length == 1 &&
             (theorem.is_parity() ? spectrum.all_positive : spectrum.all_real)) {
    result.kind = spectrum.all_positive ? SpectrumKind::nonnegative_real : SpectrumKind::real_with_negative;
  }
}

}  // namespace

Hypothesis check_hypothesis(const Program& model, const Theorem& theorem, const LearnedSymbols& symbols) {
  Hypothesis hypothesis;
  std::vector<LayerForm> forms;
  bool open = false;
  for (std::size_t l = 0; l < model.layers().size(); ++l) {
    const LayerForm& form = forms.emplace_back(form_of(model, l));
    LayerHypothesis& result = hypothesis.layers.emplace_back();
    result.method = text_of(form, model.layers()[l]);
    // Theorem 2 asks for products of 2^{i-1} tokens in layer i.
    const std::uint64_t length = theorem.is_parity() ? 1 : std::uint64_t{1} << std::min<std::size_t>(l, 62);
    result.product_length = length;
    bool fine = false;
    if (form.linear) {
      const bool diagonal = form.factors == 0 && !form.rotates;
      const std::size_t matrices = positive_matrices(form);
      // A product of two positive semidefinite matrices has real eigenvalues of at least 0.
      const bool positive_product = positive(form) && matrices <= 2 && matrices * length <= 2;
      // Symmetric, or similar to a symmetric matrix by the roots of the gates.
      const bool symmetric =
          form.symmetric && form.factors == 1 && length == 1 && form.decay.least >= 0.0 && !form.rotates;
      fine = (positive(form) && diagonal) || (!theorem.is_parity() && (diagonal || symmetric)) || positive_product;
    }
    result.kind = fine ? (positive(form) ? SpectrumKind::nonnegative_real : SpectrumKind::real_with_negative)
                       : SpectrumKind::undecided;
    open = open || !fine;
  }
  if (open) {
    SpectrumOptions options;
    options.tokens = symbols.tokens;
    options.first_token = symbols.first_token;
    std::vector<std::uint64_t> lengths(forms.size(), 0);
    for (std::size_t l = 0; l < forms.size(); ++l) {
      LayerHypothesis& layer = hypothesis.layers[l];
      if (layer.kind != SpectrumKind::undecided || !forms[l].linear) continue;
      if (layer.product_length > options.length) {
        layer.method += "; products of " + std::to_string(layer.product_length) + " matrices are not formed";
      } else {
        lengths[l] = layer.product_length;
      }
    }
    const std::vector<ProductSpectrum> spectra = product_spectra(model, lengths, theorem.is_parity(), options);
    for (std::size_t l = 0; l < forms.size(); ++l) {
      look_at_weights(hypothesis, l, forms[l], spectra[l], theorem, symbols, options);
    }
  }
  if (hypothesis.violation) return hypothesis;
  for (std::size_t l = 0; l < forms.size(); ++l) {
    if (hypothesis.layers[l].kind == SpectrumKind::undecided) {
      hypothesis.statement = "layer " + std::to_string(l) + ": " + hypothesis.layers[l].method;
      return hypothesis;
    }
  }
  hypothesis.holds = true;
  hypothesis.statement = "by the form of the layers and their weights: gates and 1 - beta |k|^2 are ";
  hypothesis.statement += theorem.is_parity() ? "not negative" : "real";
  return hypothesis;
}

}  // namespace krohn
