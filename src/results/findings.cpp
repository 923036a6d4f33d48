// Gathers what reports show, from the modules that decide it. Parts that would take more than the options allow are
// left out, with a sentence where a reader would look for them. Tested by tests/results/report_test.cpp.
#include "krohn/results/findings.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "krohn/error.hpp"
#include "krohn/model/spectrum.hpp"
#include "krohn/numeric/splitmix64.hpp"
#include "krohn/verify/layered_lasso.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {
namespace {

constexpr std::uint64_t most_words = 100;
// Multiply-adds that a checkpoint's words, and the search for its lasso, may cost: some seconds each.
constexpr double checkpoint_work = 2e11;
constexpr double lasso_work = 2e10;
/// The same of failing words, and of the automaton extracted.
constexpr double search_work = 1e10;

void begin(const ReportOptions& options, const char* part) {
  if (options.begins) options.begins(part);
}

/// Steps of a model of `work` multiply-adds a step, so that a search takes some seconds.
std::uint64_t steps_for(double work, double most) {
  return static_cast<std::uint64_t>(std::clamp(search_work / work, 1024.0, most));
}

/// The letter that turns the language most, or the first symbol.
Symbol loop_symbol(const Machine& machine, const LanguageFindings* language) {
  if (language != nullptr) {
    const std::string& letter = language->classification.decided_from.letter;
    if (const auto symbol = machine.alphabet().find(letter)) return *symbol;
  }
  if (const auto symbol = machine.alphabet().find("1")) return *symbol;
  return 0;
}

VerdictFindings find_verdict(const Machine& machine, const Language& language, const InvariantHint* hint,
                             const std::vector<StateUnit>& units, double work, const ReportOptions& options) {
  begin(options, "verdict");
  CheckOptions how;
  how.budget.deadline = std::chrono::steady_clock::now() +
                        std::chrono::milliseconds(static_cast<std::int64_t>(1000.0 * options.check_seconds));
  how.budget.stop = options.stop;
  how.sample.words = 0;
  VerdictFindings found{check(machine, language, how, hint), std::nullopt};
  if (const auto* refuted = std::get_if<Refuted>(&found.report.verdict)) {
    FailingOptions failing;
    failing.steps = steps_for(work, 1 << 19);
    failing.budget.stop = options.stop;
    found.failures = report_failures(machine, Specification(machine, language.minimal()), refuted->counterexample.word,
                                     units, failing);
  }
  return found;
}

ExtractionFindings find_automaton(const Machine& machine, const std::optional<Language>& language,
                                  const InvariantHint* hint, const std::optional<Word>& refuting, double work,
                                  const ReportOptions& options) {
  begin(options, "automaton of the model");
  ExtractOptions how;
  // A compiled model is settled by its tables; searches of a learned one are cut by steps, so that no clock shows.
  how.quick = machine.compiled() == nullptr;
  how.budget.memory = std::size_t{64} << 20U;
  how.budget.stop = options.stop;
  how.steps = steps_for(work, how.quick ? 1 << 16 : 1 << 18);
  how.max_states = 48;
  how.sample.words = 0;
  const std::optional<Dfa> domain = language ? std::optional(language->minimal()) : std::nullopt;
  if (domain) how.guesses = {*domain};
  if (refuting) how.words = {*refuting};
  Extraction extraction = extract(machine, domain, how, hint);
  ExtractionFindings found{.drawn = extraction,
                           .whole_length = std::nullopt,
                           .whole = extraction.automaton,
                           .growth = growth_text(extraction),
                           .comparison = std::nullopt};
  constexpr std::size_t most_states = 24;
  if (const auto* up_to = std::get_if<RightUpTo>(&extraction.status);
      up_to != nullptr && found.whole.num_states() > most_states) {
    found.whole_length = up_to->cover.length;
    std::uint64_t length = up_to->cover.length;
    Cover cover = up_to->cover;
    while (length > 0 && cover.automaton.num_states() > most_states) cover = minimal_cover(found.whole, --length);
    found.drawn.automaton = cover.automaton;
    found.drawn.status = RightUpTo{std::move(cover), up_to->method};
  }
  if (language) found.comparison = compare_extraction(found.drawn, machine, *language, "the language", refuting);
  return found;
}

/// The margin at a position: below 0 where the language asks for another label; nothing where it asks for none.
class SignedMargins {
 public:
  SignedMargins(const Machine& machine, const std::optional<Dfa>& language) : machine_(machine) {
    if (language) specification_.emplace(machine, *language);
  }

  /// take(t, margin) after each symbol t, from 0.
  void along(const Word& word, const std::function<void(std::size_t, double)>& take) {
    std::vector<std::byte> state(machine_.state_size());
    machine_.initial(state);
    State at = specification_ ? specification_->automaton().start() : 0;
    for (std::size_t t = 0; t < word.size(); ++t) {
      const Observation seen = machine_.step(state, word[t]);
      auto margin = static_cast<double>(seen.margin);
      if (specification_) {
        at = specification_->automaton().next(at, word[t]);
        if (specification_->automaton().label(at) == null_label) continue;
        if (!specification_->agrees(seen.label, at)) margin = -margin;
      }
      take(t, margin);
    }
  }

 private:
  const Machine& machine_;
  std::optional<Specification> specification_;
};

MarginFindings find_margins(const Machine& machine, const std::optional<Language>& language,
                            const std::optional<Word>& refuting, Symbol symbol, std::uint64_t words,
                            const ReportOptions& options) {
  begin(options, "margins");
  const std::uint64_t length = std::max<std::uint64_t>(2, options.length);
  constexpr double nothing = std::numeric_limits<double>::infinity();
  MarginFindings found{.words = words,
                       .least = std::vector<double>(length, nothing),
                       .power = std::vector<double>(length, nothing),
                       .refuting = std::vector<double>(refuting ? refuting->size() : 0, nothing),
                       .note = {}};
  SplitMix64 draw(1);
  SignedMargins margins(machine, language ? std::optional(language->minimal()) : std::nullopt);
  try {
    for (std::uint64_t w = 0; w < words; ++w) {
      Word word(length);
      for (Symbol& a : word) a = static_cast<Symbol>(draw.next() % machine.alphabet().size());
      margins.along(word, [&](std::size_t t, double margin) { found.least[t] = std::min(found.least[t], margin); });
    }
    margins.along(Word(length, symbol), [&](std::size_t t, double margin) { found.power[t] = margin; });
    if (refuting) margins.along(*refuting, [&](std::size_t t, double margin) { found.refuting[t] = margin; });
  } catch (const NumericError& error) {
    found.note = error.what();
  }
  return found;
}

std::vector<EigenvalueSeries> eigenvalues_of(const LrnnModel& model) {
  std::vector<EigenvalueSeries> series;
  for (std::size_t l = 0; l < model.layers().size(); ++l) {
    const TokenTable& table = model.layers()[l].table;
    EigenvalueSeries one{"layer " + std::to_string(l), {}};
    constexpr std::size_t most_rows = 600;
    for (std::size_t row = 0; row < std::min(table.num_rows(), most_rows); ++row) {
      // A small cap on exact blocks: here the numbers are only shown.
      for (const std::complex<double>& value : row_spectrum(table, row, 4).eigenvalues) {
        const bool known = std::any_of(one.values.begin(), one.values.end(), [&](const std::complex<double>& other) {
          return std::abs(other - value) < 1e-6;
        });
        if (!known) one.values.push_back(value);
      }
    }
    series.push_back(std::move(one));
  }
  return series;
}

LearnedSpectrum spectrum_of(const Program& model, const LearnedTask& task) {
  SpectrumOptions options;
  options.tokens = task.tokens;
  options.first_token = task.first_token;
  std::sort(options.tokens.begin(), options.tokens.end());
  options.tokens.erase(std::unique(options.tokens.begin(), options.tokens.end()), options.tokens.end());
  return compute_spectrum(model, options);
}

std::vector<EigenvalueSeries> eigenvalues_of(const LearnedSpectrum& spectrum) {
  std::map<std::size_t, EigenvalueSeries> blocks;
  for (const HeadSpectrum& head : spectrum.heads) {
    EigenvalueSeries& one = blocks[head.block];
    one.name = "block " + std::to_string(head.block);
    // Points nearer than a marker's width would hide one another.
    for (const std::complex<double>& value : head.sample) {
      const bool near = std::any_of(one.values.begin(), one.values.end(),
                                    [&](const std::complex<double>& other) { return std::abs(other - value) < 0.004; });
      if (!near) one.values.push_back(value);
    }
  }
  std::vector<EigenvalueSeries> series;
  for (auto& [block, one] : blocks) series.push_back(std::move(one));
  return series;
}

struct HiddenName {
  std::size_t element = 0;
  std::string name;
};

std::vector<HiddenName> hidden_names(const LrnnModel& model) {
  std::vector<HiddenName> names;
  std::size_t offset = 0;
  for (std::size_t l = 0; l < model.layers().size(); ++l) {
    const TokenTable& table = model.layers()[l].table;
    for (std::size_t e = 0; e < model.layers()[l].hidden_size(); ++e) {
      std::string name = "layer " + std::to_string(l) + ", h" + std::to_string(e / table.value_size());
      if (table.value_size() > 1) name += "," + std::to_string(e % table.value_size());
      names.push_back({offset + e, std::move(name)});
    }
    offset += model.layers()[l].hidden_size();
  }
  return names;
}

std::vector<HiddenName> hidden_names(const Program& model) {
  std::vector<HiddenName> names;
  for (const StatePart& part : model.state_parts()) {
    if (part.kind != StatePart::Kind::hidden && part.kind != StatePart::Kind::cell) continue;
    for (std::size_t e = 0; e < part.size; ++e) {
      names.push_back({part.offset + e, "block " + std::to_string(part.layer) + ", " + std::to_string(e)});
    }
  }
  return names;
}

/// Of the elements the six that move most, others than the first only if they move at all.
HiddenFindings find_trajectories(const Machine& machine, Symbol symbol, std::optional<Lasso> lasso,
                                 const std::vector<HiddenName>& elements) {
  std::uint64_t length = 64;
  // A lasso that begins beyond the plot is not waited for: fewer steps are easier to read.
  if (lasso) {
    const std::uint64_t whole = lasso->transient + 3 * lasso->period + 4;
    length = lasso->transient < 240 ? std::clamp<std::uint64_t>(whole, 16, 240) : 48;
  }
  HiddenFindings found{{}, lasso, {}};
  std::vector<std::vector<float>> values;
  std::vector<std::byte> state(machine.state_size());
  machine.initial(state);
  try {
    for (std::uint64_t k = 0; k <= length; ++k) {
      if (k > 0) machine.step(state, symbol);
      values.push_back(machine.hidden(state));
    }
  } catch (const NumericError& error) {
    found.note = error.what();
  }
  std::vector<std::pair<double, std::size_t>> moves;
  for (std::size_t e = 0; e < elements.size(); ++e) {
    double sum = 0.0;
    double square = 0.0;
    for (const auto& row : values) {
      const auto v = static_cast<double>(row[elements[e].element]);
      sum += v;
      square += v * v;
    }
    const auto n = static_cast<double>(values.size());
    moves.emplace_back(-(square / n - sum * sum / (n * n)), e);
  }
  std::stable_sort(moves.begin(), moves.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t i = 0; i < std::min<std::size_t>(6, moves.size()); ++i) {
    if (i > 0 && moves[i].first > -1e-12) break;
    Trajectory one{elements[moves[i].second].name, {}};
    for (const auto& row : values) one.values.push_back(static_cast<double>(row[elements[moves[i].second].element]));
    found.trajectories.push_back(std::move(one));
  }
  return found;
}

void find_clusters_of(ModelFindings& found, const Machine& machine, const std::vector<StateUnit>& units,
                      const std::optional<Language>& language, double work, const ReportOptions& options) {
  begin(options, "learned states");
  found.clustered = language ? Specification(machine, language->minimal()).automaton() : found.extraction.value().whole;
  ClusterOptions how;
  how.longest = std::min<std::uint64_t>(256, options.length);
  how.long_words = std::clamp<std::size_t>(steps_for(work, 1 << 16) / 256, 4, 24);
  found.clusters = find_clusters(machine, units, *found.clustered, std::nullopt, how);
}

std::optional<Word> refuting_word(const std::optional<VerdictFindings>& verdict) {
  if (!verdict) return std::nullopt;
  const auto* refuted = std::get_if<Refuted>(&verdict->report.verdict);
  return refuted != nullptr ? std::optional(refuted->counterexample.word) : std::nullopt;
}

void look_into_compiled(ModelFindings& found, const OpenModel& open, const LrnnModel& model,
                        const std::optional<Language>& language, const ReportOptions& options) {
  const Machine& machine = *open.machine;
  const InvariantHint* const hint = open.hint ? &*open.hint : nullptr;
  const std::vector<StateUnit> units = state_units(model);
  // A layer's step, on what a learned model is counted by, about.
  const double work = 3000.0 * static_cast<double>(std::max<std::size_t>(1, model.layers().size()));
  if (language) found.verdict = find_verdict(machine, *language, hint, units, work, options);
  const std::optional<Word> refuting = refuting_word(found.verdict);
  if (options.stopped()) return;
  found.extraction = find_automaton(machine, language, hint, refuting, work, options);
  if (model.layers().empty() || options.stopped()) return;
  found.margins = find_margins(machine, language, refuting, found.symbol, options.words.value_or(most_words), options);
  if (options.stopped()) return;
  begin(options, "eigenvalues");
  found.eigenvalues = eigenvalues_of(model);
  if (options.stopped()) return;
  begin(options, "hidden trajectories");
  const Word loop{found.symbol};
  LayeredLasso lasso;
  if (const std::optional<Machine::Tables> tables = machine.tables()) {
    lasso = find_layered_lasso(model, arithmetic_of(tables->semantics), {}, loop, {options.lasso_steps, options.stop});
  }
  found.hidden = find_trajectories(machine, found.symbol, lasso.lasso, hidden_names(model));
  if (options.stopped()) return;
  find_clusters_of(found, machine, units, language, work, options);
}

void look_into_checkpoint(ModelFindings& found, const OpenModel& open, const std::optional<Language>& language,
                          const ReportOptions& options) {
  const Program& learned = *open.learned;
  const Machine& machine = *open.machine;
  // Multiply-adds of a token, about.
  const auto work = static_cast<double>(learned.num_parameters());
  std::vector<std::uint64_t> lengths;
  for (std::uint64_t length = 16; length <= options.length; length *= 2) lengths.push_back(length);
  const auto symbols = static_cast<double>(std::accumulate(lengths.begin(), lengths.end(), options.length));
  const std::uint64_t words = options.words.value_or(static_cast<std::uint64_t>(
      std::clamp(checkpoint_work / (work * symbols), 10.0, static_cast<double>(most_words))));
  const std::vector<StateUnit> units = state_units(learned);
  if (language) found.verdict = find_verdict(machine, *language, nullptr, units, work, options);
  const std::optional<Word> refuting = refuting_word(found.verdict);
  if (options.stopped()) return;
  found.extraction = find_automaton(machine, language, nullptr, refuting, work, options);
  if (options.stopped()) return;
  found.margins = find_margins(machine, language, refuting, found.symbol, words, options);
  if (options.stopped()) return;
  begin(options, "eigenvalues");
  found.spectrum = spectrum_of(learned, open.task->answers);
  found.eigenvalues = eigenvalues_of(*found.spectrum);
  if (options.stopped()) return;
  begin(options, "hidden trajectories");
  const Word loop{found.symbol};
  const auto steps = static_cast<std::uint64_t>(std::clamp(lasso_work / work, 64.0, 200000.0));
  const LassoSearch lasso = find_lasso(machine, {}, loop, {std::min(options.lasso_steps, steps), options.stop});
  found.hidden = find_trajectories(machine, found.symbol, lasso.lasso, hidden_names(learned));
  if (options.stopped()) return;
  find_clusters_of(found, machine, units, language, work, options);
  if (language && !options.stopped()) {
    begin(options, "accuracy by length");
    AccuracyOptions accuracy;
    accuracy.lengths = lengths;
    accuracy.words = words;
    accuracy.stop = options.stop;
    accuracy.last_only = open.task->positions == Task::Positions::last;
    found.accuracy = measure_accuracy(machine, language->minimal(), accuracy);
  }
}

}  // namespace

LanguageFindings look_into(const Language& language, const ReportOptions& options) {
  ClassifyOptions how;
  how.max_monoid = options.max_monoid;
  how.begins = options.begins;
  how.stop = options.stop;
  LanguageFindings found{classify(language, how), std::nullopt, {}};
  begin(options, "cascade");
  if (options.stopped()) {
    found.no_cascade = "the work was ended early";
    return found;
  }
  try {
    // A picture, from which nothing is decided: caps of its own.
    CascadeOptions picture;
    picture.max_family = 20000;
    picture.max_rows = 400000;
    found.cascade = make_cascade(language.minimal(), picture);
  } catch (const ResourceError& error) {
    found.no_cascade = error.what();
  }
  return found;
}

ModelFindings look_into(const OpenModel& model, const ReportOptions& options, const LanguageFindings* known) {
  std::optional<Dfa> own = model.learned ? model.own_language() : model.automaton;
  std::optional<Language> language;
  if (own) language.emplace(*own);
  ModelFindings found;
  if (language && known == nullptr) {
    // The automaton as the task gives it: own_language() may add a start for words outside the domain.
    const bool taught = model.task && model.task->automaton;
    found.language = look_into(taught ? Language(*model.task->automaton) : *language, options);
    known = &*found.language;
  }
  found.symbol = loop_symbol(*model.machine, known);
  if (const LrnnModel* const compiled = model.machine->compiled()) {
    look_into_compiled(found, model, *compiled, language, options);
  } else {
    look_into_checkpoint(found, model, language, options);
  }
  found.stopped = options.stopped();
  return found;
}

}  // namespace krohn
