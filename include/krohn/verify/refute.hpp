// The impossibility theorems on concrete models: does a model satisfy the hypothesis, and where does it then break.
//
//   Theorem 1 (parity): if in no layer an A(x) has an eigenvalue that is negative or not real, no readout recognises
//   parity at all lengths. Theorem 2 (modulo m, m no power of two): the same if in layer i every product of 2^{i-1}
//   matrices A(x) has only real eigenvalues. (Grazzi et al., arXiv:2411.12537; both for exact powers, cast at the
//   end.) A model in a step-by-step arithmetic is a finite machine instead: what refutes it is a lasso on 1^k.
#pragma once

#include <complex>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "krohn/automata/dfa.hpp"
#include "krohn/engine/compiled/theorem_machines.hpp"
#include "krohn/engine/learned.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/program.hpp"
#include "krohn/model/spectrum.hpp"
#include "krohn/model/triangular_model.hpp"
#include "krohn/verify/lasso.hpp"
#include "krohn/verify/verdict.hpp"

namespace krohn {

/// Parity, or counting modulo m.
class Theorem {
 public:
  static Theorem parity() { return Theorem(2); }
  /// Throws InputError if m is below 3 or a power of two, of which the theorem says nothing.
  static Theorem modular(unsigned modulus);
  /// "parity", "modular" (m = 3), "modular:m". Throws InputError for other text.
  static Theorem parse(std::string_view text);

  bool is_parity() const noexcept { return modulus_ == 2; }
  unsigned modulus() const noexcept { return modulus_; }
  /// "parity" or "modular:m".
  std::string name() const;
  /// Which theorem of the paper it illustrates.
  std::string source() const;

  /// The language over `alphabet`: the number of `counted` is odd; is divisible by m. Other symbols do nothing. With
  /// `min_length` 1 the empty word is outside the domain.
  Dfa language(const Alphabet& alphabet, Symbol counted, std::size_t min_length = 0) const;

 private:
  explicit Theorem(unsigned modulus) : modulus_(modulus) {}
  unsigned modulus_;
};

/// What was found in one layer.
struct LayerHypothesis {
  /// 2^{i-1} for Theorem 2 in layer i, else 1.
  std::uint64_t product_length = 1;
  /// Distinct rows looked at, or (distinct) products, out of those that can occur.
  std::uint64_t checked = 0;
  bool counts_products = false;
  /// The worst kind met.
  SpectrumKind kind = SpectrumKind::nonnegative_real;
  std::string method;
  /// All distinct eigenvalues of the single rows, for display.
  std::vector<std::complex<double>> eigenvalues;
};

/// An eigenvalue that the theorem forbids.
struct SpectrumViolation {
  /// From 0, as tensors are named.
  std::size_t layer = 0;
  /// For each factor of the product, in the order of time, a symbol for which its row can occur.
  std::vector<std::string> symbols;
  std::complex<double> eigenvalue;
};

struct Hypothesis {
  /// True: shown exactly. If neither this nor `violation`: not decided (see `statement`).
  bool holds = false;
  std::optional<SpectrumViolation> violation;
  std::vector<LayerHypothesis> layers;
  /// One sentence with the reason.
  std::string statement;
};

/// Checks the hypothesis on the exact values of every row that can occur in its layer. A layer with more products than
/// `max_products`, or of more than 64 matrices, is left undecided unless all its matrices are diagonal, few of the
/// products are distinct, or a product is met that violates the hypothesis.
Hypothesis check_hypothesis(const LrnnModel& model, const Theorem& theorem, std::uint64_t max_products = 4096);
/// Products of lower triangular real matrices are so: only the diagonals matter.
Hypothesis check_hypothesis(const TriangularModel& model, const Theorem& theorem);

/// What a learned model reads: its tokens, and what they are called.
struct LearnedSymbols {
  Tokens tokens;
  std::vector<std::string> names;
  /// Read before every word.
  std::optional<std::uint32_t> first_token = std::nullopt;
};

/// Of a learned model: by the form of its layers (what gates, betas and key norms can be), by bounds on beta from the
/// weights, else by the eigenvalues themselves, in double, of the products of consecutive tokens' matrices along powers
/// of every symbol and sampled words. A word is named for an eigenvalue beyond the reach of rounding errors; where none
/// is met the layer is undecided, unless single symbols are all that it can read. Products of more than 64 matrices
/// are not formed. Throws InputError for tokens outside the vocabulary.
Hypothesis check_hypothesis(const Program& model, const Theorem& theorem, const LearnedSymbols& symbols);

/// What came of a theorem's search, with what it rests on:
///  - a pair: two words, equal bits, different labels, so that no readout can be right on both;
///  - Refuted: some word gets a wrong label; another readout might be right;
///  - Proved: the closure of all reachable (bits, residue) agrees, so that the model recognises the language;
///  - Unknown: not settled.
using Conclusion = std::variant<IndistinguishablePair, Refuted, Proved, Unknown>;

struct TheoremReport {
  Theorem theorem;
  std::string semantics;
  Hypothesis hypothesis;
  Symbol counted = 0;
  /// On 1^k: of all layers, and, where they were found one by one, the joint one of layers 1..i.
  std::optional<Lasso> lasso;
  std::vector<Lasso> layer_lassos;
  Conclusion conclusion = Unknown{};
  std::uint64_t steps = 0;
  /// Why no lasso of 1^k was found, or how far the search came; empty where all is said.
  std::string reason;
};

struct RefuteOptions {
  LassoBudget budget{std::uint64_t{1} << 25U, nullptr};
  /// Symbols for other prefixes and loop words than 1^k; never more than the budget's steps.
  std::uint64_t max_other_steps = std::uint64_t{1} << 24U;
  /// Bytes that the closure may hold before the question is left open.
  std::size_t closure_memory = std::size_t{64} << 20U;
  /// The counted symbol; "1" by default.
  std::optional<std::string> counted;
  /// Words shorter than this (0 or 1) are outside the domain: models that have no answer to the empty word.
  std::size_t min_length = 0;
  /// The language asked about in place of Theorem::language: over the model's symbols in their order, one that counts
  /// (see counts_modulo), with labels that the model has.
  std::optional<Dfa> language = std::nullopt;
};

/// True if the labels along symbol^k have, from some k on, the least period `modulus`, none of them null. The theorem
/// covers such a language as it covers its own: on symbol^k a model within the hypothesis comes to repeat itself, or
/// its opposite, so that its labels have a period that is a power of two (1 for parity).
bool counts_modulo(const Dfa& language, Symbol symbol, unsigned modulus);

/// The language that refute_theorem asks about.
Dfa language_asked(const Theorem& theorem, const Alphabet& alphabet, const RefuteOptions& options);

/// "1" or the option's symbol. Throws InputError if the alphabet has none.
Symbol counted_symbol(const Alphabet& alphabet, const RefuteOptions& options);

/// The search, whatever the hypothesis says: the lasso of 1^k, then other prefixes and loops, then the closure.
TheoremReport refute_theorem(const Machine& machine, Hypothesis hypothesis, const Theorem& theorem,
                             const RefuteOptions& options = {});
/// A table model, layer by layer.
TheoremReport refute_theorem(const LrnnModel& model, const Arithmetic& arithmetic, const Theorem& theorem,
                             const RefuteOptions& options = {});
TheoremReport refute_theorem(const TriangularModel& model, NumberFormat format, const Theorem& theorem,
                             const RefuteOptions& options = {});

}  // namespace krohn
