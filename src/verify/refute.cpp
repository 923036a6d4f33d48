// Theorems 1 and 2 of Grazzi et al. (arXiv:2411.12537) on concrete models.
//
// The hypothesis is decided from exact values, row by row and, for Theorem 2 in layer i, over all products of 2^{i-1}
// rows that can occur there (rows are over-approximated by reachability through the layers' tables), of which compiled
// models have few distinct ones. Of many products the one whose eigenvalues in double are farthest from real is decided
// first: most models outside the hypothesis are found so, also where there are too many products to go through. The
// conclusion is decided on bits: a lasso of 1^k whose period is no multiple of the modulus gives two words that no
// readout separates; otherwise other prefixes and loop words are tried; otherwise the joint closure of bits and
// residues shows either a wrong label or that the model does recognise the language, hypothesis or not. Nothing is
// reported that a plain replay has not confirmed. Refuses moduli of which the theorems say nothing.
#include "krohn/verify/refute.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <set>

#include "joint_run.hpp"
#include "krohn/error.hpp"
#include "krohn/numeric/splitmix64.hpp"
#include "krohn/verify/closure.hpp"
#include "krohn/verify/counterexample.hpp"
#include "krohn/verify/layered_lasso.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {
namespace {

/// For each layer and row, a symbol for which it can be read; nothing for rows that never are.
std::vector<std::vector<std::optional<Symbol>>> symbols_of_rows(const LrnnModel& model) {
  std::vector<std::vector<std::optional<Symbol>>> symbols;
  for (const TableLayer& layer : model.layers()) symbols.emplace_back(layer.num_rows());
  for (Symbol symbol = 0; symbol < model.alphabet().size(); ++symbol) {
    std::set<std::int32_t> rows{model.symbol_row()[symbol]};
    for (std::size_t l = 0; l < model.layers().size(); ++l) {
      const TableLayer& layer = model.layers()[l];
      std::set<std::int32_t> next;
      for (const std::int32_t row : rows) {
        if (row == undefined_row) continue;
        const auto r = static_cast<std::size_t>(row);
        if (!symbols[l][r]) symbols[l][r] = symbol;
        const std::size_t slots = layer.readouts[layer.row_readout[r]].num_slots();
        for (std::size_t s = 0; s < slots; ++s) next.insert(layer.next[layer.row_next[r] + s]);
      }
      rows = std::move(next);
    }
  }
  return symbols;
}

/// The distinct actions that can occur in a layer, each with a symbol.
std::vector<std::pair<std::uint32_t, Symbol>> actions_of(const TableLayer& layer,
                                                         const std::vector<std::optional<Symbol>>& symbols) {
  std::vector<std::pair<std::uint32_t, Symbol>> actions;
  std::set<std::uint32_t> seen;
  for (std::size_t row = 0; row < layer.num_rows(); ++row) {
    if (symbols[row] && seen.insert(layer.row_action[row]).second) {
      actions.emplace_back(layer.row_action[row], *symbols[row]);
    }
  }
  return actions;
}

bool diagonal(const TokenRow& row) {
  return std::all_of(row.factors.begin(), row.factors.end(),
                     [](const GeneralizedHouseholder& f) { return f.beta == 0.0F || f.key.empty(); });
}

bool allowed(SpectrumKind kind, const Theorem& theorem) {
  return kind == SpectrumKind::nonnegative_real || (!theorem.is_parity() && kind == SpectrumKind::real_with_negative);
}

/// 2^{layer} with layer from 0, saturating.
std::uint64_t product_length(std::size_t layer, const Theorem& theorem) {
  if (theorem.is_parity()) return 1;
  return layer < 63 ? std::uint64_t{1} << layer : std::uint64_t{1} << 63U;
}

std::uint64_t saturating_power(std::uint64_t base, std::uint64_t exponent, std::uint64_t limit) {
  std::uint64_t power = 1;
  for (std::uint64_t i = 0; i < exponent; ++i) {
    power *= base;
    if (power > limit || power == 0) return limit + 1;
    if (base == 1) return 1;
  }
  return power;
}

/// Factors beyond which products are not formed.
constexpr std::uint64_t longest_product = 64;

/// `length` places in a layer's list of actions, in the order of time.
using ActionProduct = std::vector<std::size_t>;

/// All products, if they are at most `most`; else powers of one action, two in turns, and random ones up to `most`.
std::vector<ActionProduct> products_to_look_at(std::size_t actions, std::size_t length, std::uint64_t most) {
  std::vector<ActionProduct> products;
  if (actions == 0) return products;
  if (saturating_power(actions, length, most) <= most) {
    ActionProduct product(length, 0);
    for (std::size_t at = 0; at < length;) {
      products.push_back(product);
      for (at = 0; at < length && ++product[at] == actions; ++at) product[at] = 0;
    }
    return products;
  }
  for (std::size_t first = 0; first < actions; ++first) {
    for (std::size_t second = 0; second < actions && products.size() < most; ++second) {
      ActionProduct& product = products.emplace_back(length, first);
      for (std::size_t i = 1; i < length; i += 2) product[i] = second;
    }
  }
  SplitMix64 random(0);
  while (products.size() < most) {
    for (std::size_t& place : products.emplace_back(length)) place = random.next() % actions;
  }
  return products;
}

/// How far the eigenvalues, in double, are from real: 0 to 1.
double unreality(const std::vector<std::complex<double>>& eigenvalues) {
  double most = 0.0;
  double imaginary = 0.0;
  for (const std::complex<double>& value : eigenvalues) {
    most = std::max(most, std::abs(value));
    imaginary = std::max(imaginary, std::fabs(value.imag()));
  }
  return most > 0.0 ? imaginary / most : 0.0;
}

void add_eigenvalues(LayerHypothesis& layer, const MatrixSpectrum& spectrum) {
  for (const std::complex<double>& value : spectrum.eigenvalues) {
    if (std::find(layer.eigenvalues.begin(), layer.eigenvalues.end(), value) == layer.eigenvalues.end()) {
      layer.eigenvalues.push_back(value);
    }
  }
}

/// Joins a spectrum into the layer's record; the first forbidden one becomes the violation.
void record(Hypothesis& hypothesis, LayerHypothesis& layer, std::size_t index, const MatrixSpectrum& spectrum,
            const Theorem& theorem, const std::vector<std::string>& symbols) {
  ++layer.checked;
  if (layer.method.find(spectrum.method) == std::string::npos) {
    layer.method += (layer.method.empty() ? "" : "; ") + spectrum.method;
  }
  const bool fine = allowed(spectrum.kind, theorem);
  const bool was_fine = allowed(layer.kind, theorem);
  if (!fine && spectrum.kind != SpectrumKind::undecided && !hypothesis.violation) {
    hypothesis.violation = SpectrumViolation{index, symbols, spectrum.worst};
    layer.kind = spectrum.kind;
  } else if ((was_fine && !fine) || (was_fine && spectrum.kind == SpectrumKind::real_with_negative)) {
    layer.kind = spectrum.kind;
  }
}

/// Theorem 2 in one layer whose matrices are not all diagonal.
class LayerProducts {
 public:
  LayerProducts(const LrnnModel& model, std::size_t layer, std::vector<std::pair<std::uint32_t, Symbol>> actions,
                std::uint64_t length, std::uint64_t max_products)
      : model_(&model),
        layer_(layer),
        actions_(std::move(actions)),
        length_(length),
        all_(saturating_power(actions_.size(), length, max_products) <= max_products) {
    if (length <= longest_product) {
      products_ = products_to_look_at(actions_.size(), static_cast<std::size_t>(length), max_products);
    }
  }

  /// Decides the products that do not look real in double, for about a second; leaves a violation or nothing.
  void look_for_violation(Hypothesis& hypothesis, const Theorem& theorem) {
    // The size of an eigenvalue problem; few factors are reduced to a matrix of that size.
    std::size_t factors = 1;
    for (const auto& [row, symbol] : actions_) factors = std::max(factors, table().row(row).factors.size());
    const std::uint64_t size = std::min<std::uint64_t>(table().key_size(), length_ * factors);
    const std::uint64_t most = std::max<std::uint64_t>((std::uint64_t{1} << 26U) / (size * size * size), 1);
    const LayerHypothesis before = hypothesis.layers[layer_];
    const ActionProduct* suspect = nullptr;
    double farthest = 0.0;
    for (const ActionProduct& product : products_) {
      if (looked_at_ == most) break;
      ++looked_at_;
      const double here = unreality(product_eigenvalues(table(), rows_of(product)));
      if (here <= farthest) continue;
      farthest = here;
      suspect = &product;
      // So far from real that waiting for a worse one is not worth it.
      if (here > 1e-3) break;
    }
    if (suspect == nullptr) return;
    decide(hypothesis, theorem, *suspect);
    if (!hypothesis.violation) hypothesis.layers[layer_] = before;
  }

  /// Decides every product, where they or the distinct ones are few enough.
  void decide_all(Hypothesis& hypothesis, const Theorem& theorem) const {
    LayerHypothesis& result = hypothesis.layers[layer_];
    const std::string length = std::to_string(length_);
    std::vector<std::uint32_t> rows;
    for (const auto& [row, symbol] : actions_) rows.push_back(row);
    // From layer 65 on the length is no number of 64 bits.
    if (!rows.empty() && layer_ < 64) {
      if (const std::optional<std::vector<DistinctProduct>> distinct = distinct_products(table(), rows, length_)) {
        result.counts_products = length_ > 1;
        for (const DistinctProduct& product : *distinct) {
          record(hypothesis, result, layer_, product.spectrum, theorem, names_of(product.rows));
          if (hypothesis.violation) return;
        }
        return;
      }
    }
    if (length_ > longest_product) {
      result.kind = SpectrumKind::undecided;
      result.method = "products of " + length + " matrices are not formed";
      return;
    }
    if (!all_) {
      result.kind = SpectrumKind::undecided;
      result.method = std::to_string(actions_.size()) + "^" + length + " products; of " + std::to_string(looked_at_) +
                      " looked at in double none was shown to have an eigenvalue that is not real";
      return;
    }
    result.counts_products = length_ > 1;
    for (const ActionProduct& product : products_) {
      decide(hypothesis, theorem, product);
      if (hypothesis.violation || result.kind == SpectrumKind::undecided) return;
    }
  }

 private:
  const TokenTable& table() const { return model_->layers()[layer_].table; }

  std::vector<std::uint32_t> rows_of(const ActionProduct& product) const {
    std::vector<std::uint32_t> rows;
    for (const std::size_t place : product) rows.push_back(actions_[place].first);
    return rows;
  }

  std::vector<std::string> names_of(const std::vector<std::uint32_t>& rows) const {
    std::vector<std::string> names;
    for (const std::uint32_t row : rows) {
      const auto action =
          std::find_if(actions_.begin(), actions_.end(), [&](const auto& known) { return known.first == row; });
      names.push_back(model_->alphabet().name(action->second));
    }
    return names;
  }

  void decide(Hypothesis& hypothesis, const Theorem& theorem, const ActionProduct& product) const {
    const std::vector<std::uint32_t> rows = rows_of(product);
    record(hypothesis, hypothesis.layers[layer_], layer_, product_spectrum(table(), rows), theorem, names_of(rows));
  }

  const LrnnModel* model_;
  std::size_t layer_;
  std::vector<std::pair<std::uint32_t, Symbol>> actions_;
  std::uint64_t length_;
  bool all_;
  std::vector<ActionProduct> products_;
  std::uint64_t looked_at_ = 0;
};

std::string number(std::complex<double> value) {
  char text[64];
  // What is left of 0 in double would only distract.
  if (std::fabs(value.real()) < 1e-12 * std::fabs(value.imag())) value.real(0.0);
  if (value.imag() == 0.0) {
    std::snprintf(text, sizeof text, "%.9g", value.real());
  } else {
    std::snprintf(text, sizeof text, "%.9g%+.9gi", value.real(), value.imag());
  }
  return text;
}

void conclude(Hypothesis& hypothesis, const Theorem& theorem) {
  const std::string wanted = theorem.is_parity() ? "real and not negative" : "real";
  if (hypothesis.violation) {
    const SpectrumViolation& v = *hypothesis.violation;
    std::string symbols;
    for (const std::string& symbol : v.symbols) symbols += (symbols.empty() ? "'" : ", '") + symbol + "'";
    hypothesis.statement = "layer " + std::to_string(v.layer) + ", symbol" + (v.symbols.size() > 1 ? "s " : " ") +
                           symbols + ": expected only eigenvalues that are " + wanted + ", got ";
    // The kind was decided exactly, the eigenvalue is what double makes of it.
    const bool shows = v.eigenvalue.imag() != 0.0 || (theorem.is_parity() && v.eigenvalue.real() < 0.0);
    hypothesis.statement += shows
                                ? number(v.eigenvalue)
                                : "one that is not, by less than double precision shows (" + number(v.eigenvalue) + ")";
    return;
  }
  for (std::size_t l = 0; l < hypothesis.layers.size(); ++l) {
    if (!allowed(hypothesis.layers[l].kind, theorem)) {
      hypothesis.statement = "layer " + std::to_string(l) + ": not decided (" + hypothesis.layers[l].method + ")";
      return;
    }
  }
  hypothesis.holds = true;
  hypothesis.statement = "all eigenvalues of every state transition matrix";
  if (!theorem.is_parity()) hypothesis.statement += " (in layer i, from 0, of every product of 2^i)";
  hypothesis.statement += " are " + wanted;
}

TheoremReport start_report(const Machine& machine, Hypothesis hypothesis, const Theorem& theorem,
                           const RefuteOptions& options) {
  TheoremReport report{.theorem = theorem,
                       .semantics = std::string(machine.semantics()),
                       .hypothesis = std::move(hypothesis),
                       .counted = 0,
                       .lasso = std::nullopt,
                       .layer_lassos = {},
                       .conclusion = Unknown{},
                       .steps = 0,
                       .reason = {}};
  report.counted = counted_symbol(machine.alphabet(), options);
  return report;
}

/// The first power of the symbol, up to 2^12, on which the labels differ.
std::optional<Word> wrong_power(const Machine& machine, const Specification& specification, Symbol symbol) {
  JointRun run(machine, specification);
  for (std::size_t k = 1; k <= 4096; ++k) {
    try {
      if (run.read(symbol)) return Word(k, symbol);
    } catch (const NumericError&) {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

/// What is left after the lasso of 1^k: `report.lasso` may or may not be set.
void settle(TheoremReport& report, const Machine& machine, const RefuteOptions& options) {
  const Dfa language = language_asked(report.theorem, machine.alphabet(), options);
  const Word loop{report.counted};
  const auto found = [&](std::optional<IndistinguishablePair> pair) {
    if (!pair) return false;
    report.conclusion = *std::move(pair);
    return true;
  };
  if (report.lasso && found(pair_from_lasso(machine, language, {}, loop, *report.lasso))) return;
  // Without a lasso of 1^k there is little hope for longer loops.
  if (report.lasso) {
    const std::uint64_t other_steps = std::min(options.max_other_steps, options.budget.max_steps);
    LassoRefutationOptions other;
    other.budget.max_steps = other_steps;
    other.budget.stop = options.budget.stop;
    other.max_total_steps = other_steps;
    LassoRefutation refutation = refute_by_lasso(machine, language, other);
    report.steps += refutation.steps;
    if (found(std::move(refutation.pair))) return;
    // Words of up to four symbols that turn the residue, which one symbol cannot tell from 1.
    std::uint64_t left = other_steps > refutation.steps ? other_steps - refutation.steps : 0;
    std::vector<Word> words{{}};
    for (std::size_t at = 0; at < words.size() && left > 0 && words.size() < 400; ++at) {
      for (Symbol symbol = 0; symbol < machine.alphabet().size() && words[at].size() < 4; ++symbol) {
        Word word = words[at];
        word.push_back(symbol);
        words.push_back(word);
        if (word.size() == 1 || std::count(word.begin(), word.end(), report.counted) % report.theorem.modulus() == 0) {
          continue;
        }
        LassoBudget budget{left, options.budget.stop};
        refutation = refute_by_loop(machine, language, {}, word, budget);
        report.steps += refutation.steps;
        left -= std::min(left, refutation.steps);
        if (found(std::move(refutation.pair))) return;
      }
    }
  }
  const Specification specification(machine, language);
  const auto wrong = [&](const Word& word) {
    std::optional<Counterexample> counterexample = confirm(machine, specification, word);
    if (!counterexample) throw InternalError("refute: a word that does not refute");
    report.conclusion = Refuted{*std::move(counterexample)};
  };
  ClosureOptions closure_options;
  closure_options.budget.memory = options.closure_memory;
  closure_options.budget.stop = options.budget.stop;
  auto closure = std::make_shared<const Closure>(joint_closure(machine, specification, closure_options));
  if (closure->disagreement) return wrong(*closure->disagreement);
  if (closure->closed) {
    report.conclusion = Proved{std::nullopt, ClosureEvidence{.found = std::move(closure)}};
    return;
  }
  if (const std::optional<Word> word = wrong_power(machine, specification, report.counted)) return wrong(*word);
  if (report.reason.empty()) {
    report.reason = "no pair of words found; the closure was left at " + std::to_string(closure->pairs.size()) +
                    " pairs of bits and residue";
  }
  report.conclusion = Unknown{std::nullopt, report.reason};
}

}  // namespace

Theorem Theorem::modular(unsigned modulus) {
  if (modulus < 3 || (modulus & (modulus - 1)) == 0) {
    throw InputError("theorem: expected modular:m with m of at least 3 and no power of two, got m = " +
                     std::to_string(modulus));
  }
  return Theorem(modulus);
}

Theorem Theorem::parse(std::string_view text) {
  if (text == "parity") return parity();
  if (text == "modular") return modular(3);
  if (text.starts_with("modular:")) {
    const std::string_view digits = text.substr(8);
    unsigned modulus = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), modulus);
    if (error == std::errc() && end == digits.data() + digits.size() && modulus <= 1000000) return modular(modulus);
  }
  throw InputError("theorem: expected parity, modular or modular:m with m up to 1000000, got '" + std::string(text) +
                   "'");
}

std::string Theorem::name() const { return is_parity() ? "parity" : "modular:" + std::to_string(modulus_); }

std::string Theorem::source() const {
  return std::string("Grazzi et al. 2025 (arXiv:2411.12537), Theorem ") + (is_parity() ? "1" : "2");
}

Dfa Theorem::language(const Alphabet& alphabet, Symbol counted, std::size_t min_length) const {
  std::vector<State> delta;
  std::vector<LabelId> labels(modulus_, 0);
  labels[is_parity() ? 1 : 0] = 1;
  for (State residue = 0; residue < modulus_; ++residue) {
    for (Symbol symbol = 0; symbol < alphabet.size(); ++symbol) {
      delta.push_back(symbol == counted ? (residue + 1) % modulus_ : residue);
    }
  }
  if (min_length == 0) return Dfa(alphabet, 0, std::move(delta), std::move(labels), {"0", "1"});
  // A start of its own, without a label, that moves as residue 0 does.
  const State start = modulus_;
  for (Symbol symbol = 0; symbol < alphabet.size(); ++symbol) delta.push_back(delta[symbol]);
  labels.push_back(null_label);
  return Dfa(alphabet, start, std::move(delta), std::move(labels), {"0", "1"});
}

Hypothesis check_hypothesis(const LrnnModel& model, const Theorem& theorem, std::uint64_t max_products) {
  Hypothesis hypothesis;
  const auto symbols = symbols_of_rows(model);
  std::vector<LayerProducts> open;
  for (std::size_t l = 0; l < model.layers().size(); ++l) {
    const TableLayer& layer = model.layers()[l];
    LayerHypothesis& result = hypothesis.layers.emplace_back();
    const auto actions = actions_of(layer, symbols[l]);
    bool all_diagonal = true;
    for (const auto& [action, symbol] : actions) {
      const MatrixSpectrum spectrum = row_spectrum(layer.table, action);
      add_eigenvalues(result, spectrum);
      all_diagonal = all_diagonal && diagonal(layer.table.row(action));
      if (theorem.is_parity()) record(hypothesis, result, l, spectrum, theorem, {model.alphabet().name(symbol)});
    }
    if (theorem.is_parity()) continue;
    result.product_length = product_length(l, theorem);
    if (all_diagonal) {
      // A product of diagonal matrices is diagonal, whatever its length.
      result.method = "diagonal, exact";
      result.checked = actions.size();
      if (std::any_of(result.eigenvalues.begin(), result.eigenvalues.end(),
                      [](const std::complex<double>& e) { return e.real() < 0.0; })) {
        result.kind = SpectrumKind::real_with_negative;
      }
      continue;
    }
    open.emplace_back(model, l, actions, result.product_length, max_products);
  }
  for (LayerProducts& layer : open) {
    if (!hypothesis.violation) layer.look_for_violation(hypothesis, theorem);
  }
  for (const LayerProducts& layer : open) {
    if (!hypothesis.violation) layer.decide_all(hypothesis, theorem);
  }
  conclude(hypothesis, theorem);
  return hypothesis;
}

Hypothesis check_hypothesis(const TriangularModel& model, const Theorem& theorem) {
  Hypothesis hypothesis;
  const auto symbols = symbols_of_rows(model.chain());
  for (std::size_t l = 0; l < model.chain().layers().size(); ++l) {
    LayerHypothesis& result = hypothesis.layers.emplace_back();
    for (const auto& [action, symbol] : actions_of(model.chain().layers()[l], symbols[l])) {
      const ExactMatrix matrix = model.matrix(l, action);
      const MatrixSpectrum spectrum = product_spectrum(std::span(&matrix, 1));
      add_eigenvalues(result, spectrum);
      record(hypothesis, result, l, spectrum, theorem, {model.chain().alphabet().name(symbol)});
    }
    // The eigenvalues of a product of lower triangular matrices are the products of the diagonals.
    result.product_length = product_length(l, theorem);
  }
  conclude(hypothesis, theorem);
  return hypothesis;
}

Symbol counted_symbol(const Alphabet& alphabet, const RefuteOptions& options) {
  const std::string name = options.counted.value_or("1");
  if (const std::optional<Symbol> symbol = alphabet.find(name)) return *symbol;
  std::string names;
  for (const std::string& symbol : alphabet.names()) names += (names.empty() ? "'" : ", '") + symbol + "'";
  throw InputError("counted symbol: expected one of " + names + ", got '" + name + "'");
}

bool counts_modulo(const Dfa& language, Symbol symbol, unsigned modulus) {
  std::vector<std::size_t> seen_at(language.num_states(), 0);  // one more than the place, 0 for none
  std::vector<LabelId> labels;
  State state = language.start();
  for (; seen_at[state] == 0; state = language.next(state, symbol)) {
    labels.push_back(language.label(state));
    seen_at[state] = labels.size();
  }
  labels.erase(labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(seen_at[state] - 1));
  if (std::find(labels.begin(), labels.end(), null_label) != labels.end()) return false;
  std::size_t period = 1;
  while (labels.size() % period != 0 ||
         !std::equal(labels.begin() + static_cast<std::ptrdiff_t>(period), labels.end(), labels.begin())) {
    ++period;
  }
  return period == modulus;
}

Dfa language_asked(const Theorem& theorem, const Alphabet& alphabet, const RefuteOptions& options) {
  if (options.language) return *options.language;
  return theorem.language(alphabet, counted_symbol(alphabet, options), options.min_length);
}

TheoremReport refute_theorem(const Machine& machine, Hypothesis hypothesis, const Theorem& theorem,
                             const RefuteOptions& options) {
  TheoremReport report = start_report(machine, std::move(hypothesis), theorem, options);
  const Word loop{report.counted};
  LassoSearch search = find_lasso(machine, {}, loop, options.budget);
  report.steps = search.steps;
  report.lasso = search.lasso;
  report.reason = search.reason;
  settle(report, machine, options);
  return report;
}

TheoremReport refute_theorem(const LrnnModel& model, const Arithmetic& arithmetic, const Theorem& theorem,
                             const RefuteOptions& options) {
  const std::unique_ptr<Machine> machine = make_machine(model, arithmetic);
  TheoremReport report = start_report(*machine, check_hypothesis(model, theorem), theorem, options);
  const Word loop{report.counted};
  LayeredLasso search = find_layered_lasso(model, arithmetic, {}, loop, options.budget);
  report.steps = search.steps;
  report.lasso = search.lasso;
  report.layer_lassos = std::move(search.layers);
  report.reason = search.reason;
  settle(report, *machine, options);
  return report;
}

TheoremReport refute_theorem(const TriangularModel& model, NumberFormat format, const Theorem& theorem,
                             const RefuteOptions& options) {
  return refute_theorem(*make_triangular_machine(model, format), check_hypothesis(model, theorem), theorem, options);
}

}  // namespace krohn
