// The theorems' hypotheses read off the form of learned layers, in exact arithmetic.
//
// A gate exp(-x) or sigmoid(x) lies in (0, 1); a key divided by sqrt(|k|^2 + epsilon) is shorter than 1, so with
// beta = scale sigmoid(.), scale at most 1, the factor I - beta k k^T is positive definite, and so is a gate times it;
// the spectrum of a product of two such is real and positive. What reaches further, or has a form that none of this
// covers, is left undecided: the weights themselves are not looked at. Constant time a layer.
#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <variant>

#include "krohn/verify/refute.hpp"

namespace krohn {
namespace {

/// What the form of a mixer allows: factors 0 means diagonal.
struct Form {
  /// Gates in (0, 1), and 1 - beta |k|^2 above 0.
  bool positive = false;
  /// Real diagonal matrices with entries in (-1, 1).
  bool real_diagonal = false;
  /// Generalized Householder factors a token.
  std::size_t factors = 0;
  std::string text;
};

struct FormOf {
  Form operator()(const DeltaMixer& mixer) const {
    const double most = mixer.beta ? mixer.beta_scale + mixer.beta_shift : 1.0;
    const double least = mixer.beta ? mixer.beta_shift : 1.0;
    const bool positive = mixer.key_norm == DeltaMixer::KeyNorm::l2 && least >= 0.0 && most <= 1.0;
    char range[64];
    std::snprintf(range, sizeof range, "%g to %g", least, most);
    return {positive, false, mixer.num_householder,
            std::to_string(mixer.num_householder) + " factor" + (mixer.num_householder == 1 ? "" : "s") +
                " a token, beta from " + range + (mixer.key_norm == DeltaMixer::KeyNorm::l2 ? ", |k| < 1" : "")};
  }
  Form operator()(const GlaMixer&) const { return {true, true, 0, "diagonal gates in (0, 1)"}; }
  Form operator()(const MambaMixer& mixer) const {
    if (mixer.negative_eigenvalues) return {false, true, 0, "diagonal gates in (-1, 1)"};
    return {true, true, 0, "diagonal gates in (0, 1)"};
  }
  Form operator()(const Mamba2Mixer&) const { return {true, true, 0, "scalar gates in (0, 1)"}; }
  Form operator()(const MlstmMixer&) const { return {true, true, 0, "scalar gates in (0, 1)"}; }
  Form operator()(const Rwkv7Mixer&) const {
    return {false, false, 1, "diag(w) - (a kk) kk^T, whose eigenvalues can be negative"};
  }
  Form operator()(const SlstmMixer&) const {
    return {false, false, 1, "sLSTM, a nonlinear network: no theorem covers it"};
  }
};

}  // namespace

Hypothesis check_hypothesis(const LearnedModel& model, const Theorem& theorem) {
  Hypothesis hypothesis;
  hypothesis.holds = true;
  hypothesis.statement = "by the form of the layers, in exact arithmetic: gates and 1 - beta |k|^2 are in ";
  hypothesis.statement += theorem.is_parity() ? "(0, 1)" : "range";
  std::size_t layer = 0;
  for (const LearnedBlock& block : model.blocks()) {
    const Form form = std::visit(FormOf{}, block.mixer);
    LayerHypothesis& result = hypothesis.layers.emplace_back();
    result.method = form.text;
    // Theorem 2 asks for products of 2^{i-1} tokens in layer i.
    const std::uint64_t length = theorem.is_parity() ? 1 : std::uint64_t{1} << std::min<std::size_t>(layer, 62);
    result.product_length = length;
    const bool positive_product = form.positive && form.factors <= 2 && form.factors * length <= 2;
    const bool symmetric =
        !theorem.is_parity() && form.factors == 1 && length == 1 && std::holds_alternative<DeltaMixer>(block.mixer);
    const bool fine = (form.positive && form.factors == 0) || (!theorem.is_parity() && form.real_diagonal) ||
                      positive_product || symmetric;
    result.kind = fine ? (form.positive ? SpectrumKind::nonnegative_real : SpectrumKind::real_with_negative)
                       : SpectrumKind::undecided;
    ++layer;
    if (!fine && hypothesis.holds) {
      hypothesis.holds = false;
      hypothesis.statement = "layer " + std::to_string(layer) + ": " + form.text;
    }
  }
  return hypothesis;
}

}  // namespace krohn
