// The ladder: a table of methods in the order of cost. A small closure (which settles small models with shortest
// words), the hint's invariant, the certified horizon, fast refutation, sets around the states of a learned model, the
// closure within the whole memory, every word
// up to a length if asked for, and a sample. Every row either settles the question or leaves a bound, and may conclude
// what the table says of it and nothing else. Nothing becomes REFUTED that was not replayed on the CPU reference, and
// nothing PROVED but by evidence established on the bits. Where only words up to a length are asked about, longer words
// refute nothing. A word that refutes is shortened, and where all shorter words can be tried soon they are.
#include "krohn/verify/check.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "krohn/automata/domain.hpp"
#include "krohn/engine/learned/learned_machine.hpp"
#include "krohn/error.hpp"
#include "krohn/verify/counterexample.hpp"
#include "krohn/verify/fast_refutation.hpp"
#include "method.hpp"

namespace krohn {
namespace {

using Clock = std::chrono::steady_clock;

// A word that refutes is shortened by itself, and so are words that other searches find, each in so many steps, all in
// a part of the time that is left. The searches take words that are longer by half: what is left of them may be
// shorter.
constexpr std::uint64_t shortening_steps = std::uint64_t{1} << 17U;
constexpr double shortening_part = 0.15;
struct Beam {
  std::size_t width;
  int ahead;
};
constexpr std::array<Beam, 5> shortening_beams = {{{64, 0}, {64, 1}, {256, 0}, {64, 2}, {256, 1}}};
// All shorter words are tried where they are at most so many.
constexpr std::uint64_t most_shorter_words = std::uint64_t{1} << 19U;

Finding refute_fast(const Question& question) {
  FastRefutationOptions options;
  options.budget = question.budget;
  options.device = question.options.device;
  const std::optional<Refutation> found = fast_refutation(question.machine, question.specification, options);
  Finding finding;
  finding.outcome =
      found ? "a disagreement on a word of length " + std::to_string(found->word.size()) : "nothing found";
  if (found) {
    finding.disagreement = Disagreement{found->word};
    finding.way = found->method;
  }
  return finding;
}

EnumerateOptions enumerate_options(const CheckOptions& options, std::optional<std::uint64_t> agreed,
                                   std::uint64_t length) {
  EnumerateOptions result;
  result.max_length = length;
  result.agreed = agreed;
  result.device = options.device;
  result.device_memory = options.budget.memory;
  result.deadline = options.budget.deadline;
  result.stop = options.budget.stop;
  return result;
}

Finding enumerate_words(const Question& question) {
  EnumerateOptions options = enumerate_options(question.options, question.agreed, *question.options.exhaustive);
  Finding finding;
  if (question.agreed && *question.agreed >= options.max_length) {
    finding.outcome = "nothing left to try up to length " + std::to_string(options.max_length);
    finding.agreed = CertifiedUpTo{*question.agreed};
    finding.certified = true;
    return finding;
  }
  options.progress = question.options.progress;
  const EnumerateResult result = enumerate(question.machine, question.specification.labelled_automaton(), options);
  finding.steps = result.nodes;
  if (result.disagreement) {
    finding.outcome = "a disagreement, on " + result.device;
    finding.disagreement = Disagreement{.word = *result.disagreement, .shortest = true};
  } else if (result.agreed) {
    finding.outcome = "all words up to length " + std::to_string(*result.agreed) + ", on " + result.device;
    finding.agreed = CertifiedUpTo{*result.agreed};
    finding.certified = true;
  } else {
    finding.outcome = "nothing established";
  }
  return finding;
}

Finding draw(const Question& question) {
  Sample drawn = sample(question.machine, question.specification, question.options.sample, question.budget,
                        question.options.device);
  Finding finding;
  finding.steps = drawn.steps;
  const std::string words = std::to_string(drawn.drawn) + " words of length up to " +
                            std::to_string(drawn.design.max_length) + ", seed " + std::to_string(drawn.design.seed) +
                            (drawn.device.empty() ? "" : ", on " + drawn.device);
  if (drawn.disagreement) {
    finding.outcome = "a disagreement after " + words;
    finding.disagreement = Disagreement{*drawn.disagreement};
    return finding;
  }
  finding.outcome = words + (drawn.bound                  ? ": all right"
                             : drawn.limit == Limit::none ? ": none has a label in the language, no bound"
                                                          : ": cut short, no bound");
  finding.sample = std::move(drawn);
  return finding;
}

enum class Needs { nothing, tables, tables_and_hint, learned, length, samples };

struct Row {
  std::string_view method;
  Needs needs;
  bool may_prove;
  bool may_certify;
  bool may_refute;
  // Of the time that is left; the last row that applies takes all of it.
  double share;
  Finding (*look)(const Question&);
};

constexpr std::array<Row, 8> rows = {{
    {"closure", Needs::nothing, true, true, true, 0.2, close_small},
    {"invariant", Needs::tables_and_hint, true, false, true, 0.15, induct},
    {"horizon", Needs::tables, false, true, true, 0.25, look_at_horizon},
    {"fast refutation", Needs::nothing, false, false, true, 0.25, refute_fast},
    {"sets", Needs::learned, true, true, true, 0.15, enclose_by_sets},
    {"closure", Needs::nothing, true, true, true, 0.6, close_whole},
    {"exhaustive", Needs::length, false, true, true, 1.0, enumerate_words},
    {"sample", Needs::samples, false, false, true, 1.0, draw},
}};

std::string_view needs_in_words(Needs needs) {
  switch (needs) {
    case Needs::nothing:
      return "";
    case Needs::tables:
      return "a model of tables";
    case Needs::tables_and_hint:
      return "a model of tables, with a hint";
    case Needs::learned:
      return "a learned model";
    case Needs::length:
      return "a length up to which every word is tried";
    case Needs::samples:
      return "a number of words to draw";
  }
  return "";
}

class Ladder {
 public:
  Ladder(const Machine& model, const Language& language, const CheckOptions& options, const InvariantHint* hint)
      : model_(model), specification_(model, language.minimal()), options_(options), hint_(hint) {
    report_.semantics = std::string(model.semantics());
    report_.domain = domain_in_words(specification_.automaton());
    report_.verdict = Unknown{std::nullopt, "nothing was tried"};
  }

  CheckReport climb() {
    std::vector<const Row*> left;
    for (const Row& row : rows) {
      if (applies(row.needs) && (options_.method.empty() || options_.method == row.method)) left.push_back(&row);
    }
    if (left.empty()) throw InputError(no_such_method());
    const bool settled = std::any_of(left.begin(), left.end(),
                                     [&](const Row* row) { return take(*row, row == left.back() ? 1.0 : row->share); });
    if (!settled) conclude();
    report_.interrupted = options_.budget.interrupted();
    return std::move(report_);
  }

 private:
  std::string no_such_method() const {
    std::string known;
    for (const Row& row : rows) {
      if (row.method == options_.method) {
        return "method: " + options_.method + " needs " + std::string(needs_in_words(row.needs)) +
               ", which is not given";
      }
      if (known.find(row.method) == std::string::npos) known += (known.empty() ? "" : ", ") + std::string(row.method);
    }
    return "method: expected one of " + known + ", got " + options_.method;
  }

  bool applies(Needs needs) const {
    switch (needs) {
      case Needs::nothing:
        return true;
      case Needs::tables:
        return model_.tables().has_value();
      case Needs::tables_and_hint:
        return model_.tables().has_value() && hint_ != nullptr;
      case Needs::learned:
        return learned_of(model_).has_value();
      case Needs::length:
        return options_.exhaustive.has_value();
      case Needs::samples:
        return options_.sample.words > 0;
    }
    return false;
  }

  // Notes a rung: its name, what came of it, and its time until `outcome` is called.
  class Timed {
   public:
    Timed(Ladder& ladder, std::string_view method) : ladder_(ladder), method_(method) {
      if (ladder.options_.begins) ladder.options_.begins(method_);
    }
    void outcome(std::string text) {
      const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
      ladder_.report_.rungs.push_back({method_, std::move(text), seconds});
    }

   private:
    Ladder& ladder_;
    std::string method_;
    Clock::time_point start_ = Clock::now();
  };

  // True if the row settles the claim.
  bool take(const Row& row, double share) {
    Timed rung(*this, row.method);
    Finding found = row.look({model_, specification_, options_, hint_, options_.budget.share(share), bound_});
    rung.outcome(std::move(found.outcome));
    report_.steps += found.steps;
    if (found.pairs) report_.pairs = *found.pairs;
    if (found.limit) limit_ = *found.limit;
    if (found.sample) report_.sample = std::move(found.sample);
    if ((found.proved && !row.may_prove) || (found.agreed && !row.may_certify) ||
        (found.disagreement && !row.may_refute)) {
      throw InternalError(std::string(row.method) + ": a conclusion that the ladder does not take from it");
    }
    const std::string method = found.way.empty() ? std::string(row.method) : found.way;
    if (found.proved) {
      report_.verdict = *std::move(found.proved);
      report_.method = method;
      return true;
    }
    if (found.disagreement) {
      const Disagreement& differs = *found.disagreement;
      if (refuted(differs, method)) return true;
      if (differs.certain && (!options_.up_to || differs.word.size() <= *options_.up_to)) {
        throw InternalError(method + ": a disagreement that a replay does not show");
      }
    }
    return found.agreed && established(*std::move(found.agreed), method, found.certified);
  }

  bool refuted(const Disagreement& found, const std::string& method) {
    std::optional<Counterexample> counterexample = confirm(model_, specification_, found.word);
    if (!counterexample) return false;
    if (found.shortest && counterexample->word.size() == found.word.size()) {
      counterexample->shortest = true;
    } else {
      shorten(*counterexample);
      find_shortest(*counterexample);
    }
    if (options_.up_to && counterexample->word.size() > *options_.up_to) return false;
    report_.verdict = Refuted{*std::move(counterexample)};
    report_.method = method;
    return true;
  }

  // True if that settles the claim.
  bool established(CertifiedUpTo agreed, const std::string& method, bool certified) {
    certified_ = certified_ || certified;
    if (!bound_ || agreed.length > *bound_) {
      bound_ = agreed.length;
      report_.method = method;
    }
    if (!std::holds_alternative<NoEvidence>(agreed.evidence) && agreed.evidence_length >= evidence_length_) {
      evidence_ = std::move(agreed.evidence);
      evidence_length_ = agreed.evidence_length;
    }
    return options_.up_to && *bound_ >= *options_.up_to && conclude_bound();
  }

  bool conclude_bound() {
    if (std::holds_alternative<NoEvidence>(evidence_)) {
      evidence_ = NoEvidence{"established by the method \"" + report_.method + "\"; the search can be run again"};
      evidence_length_ = *bound_;
    }
    report_.verdict = CertifiedUpTo{*bound_, std::move(evidence_), evidence_length_};
    return true;
  }

  void shorten(Counterexample& counterexample) {
    const std::size_t before = counterexample.word.size();
    Timed rung(*this, "shortening");
    const Budget budget = options_.budget.share(shortening_part);
    const auto minimised = [&](Counterexample word) {
      return minimise(model_, specification_, std::move(word), shortening_steps, budget);
    };
    counterexample = minimised(std::move(counterexample));
    FastRefutationOptions options;
    options.budget = budget;
    options.steps = shortening_steps;
    for (const auto& [width, ahead] : shortening_beams) {
      const std::size_t length = counterexample.word.size();
      if (known_shortest(length) || few_words_shorter_than(length)) break;
      options.beam = width;
      const auto found = beam_refutation(model_, specification_, length + length / 2, ahead, options);
      if (!found) continue;
      std::optional<Counterexample> other = confirm(model_, specification_, found->word);
      if (!other) continue;
      other = minimised(*std::move(other));
      if (other->word.size() < length) counterexample = *std::move(other);
    }
    rung.outcome("from length " + std::to_string(before) + " to " + std::to_string(counterexample.word.size()));
  }

  // Whether all words that are shorter are known to agree.
  bool known_shortest(std::uint64_t length) const { return length == 0 || (bound_ && *bound_ + 1 >= length); }

  // Whether they can be tried soon.
  bool few_words_shorter_than(std::uint64_t length) const {
    std::uint64_t words = 1;
    for (std::uint64_t i = 1; i < length && words <= most_shorter_words; ++i) {
      words = words * specification_.automaton().num_symbols() + 1;
    }
    return words <= most_shorter_words;
  }

  // Tries all shorter words, where they are few, and makes sure of a shortest one.
  void find_shortest(Counterexample& counterexample) {
    const std::uint64_t length = counterexample.word.size();
    if (known_shortest(length)) {
      counterexample.shortest = true;
      return;
    }
    if (!few_words_shorter_than(length)) return;
    Timed rung(*this, "exhaustive");
    EnumerateOptions options = enumerate_options(options_, bound_, length - 1);
    options.device = Device::cpu;
    options.deadline = options_.budget.share(shortening_part).deadline;
    try {
      const EnumerateResult result = enumerate(model_, specification_.labelled_automaton(), options);
      report_.steps += result.nodes;
      if (result.disagreement) {
        if (auto first = confirm(model_, specification_, *result.disagreement)) counterexample = *std::move(first);
      }
      counterexample.shortest = result.disagreement || (result.agreed && *result.agreed + 1 >= length);
      rung.outcome((counterexample.shortest ? "a shortest word has length " : "no end of the words shorter than ") +
                   std::to_string(counterexample.word.size()));
    } catch (const NumericError&) {
      rung.outcome("a shorter word ends in NaN or infinity");
    }
  }

  // The verdict where no row settled the claim.
  void conclude() {
    const auto reason = [&]() -> std::string {
      if (options_.budget.interrupted()) return "interrupted";
      if (options_.budget.out_of_time()) return "the time limit was reached";
      return limit_ == Limit::memory ? "the memory limit was reached" : "no method settled it in its time";
    };
    if (bound_ && certified_) {
      conclude_bound();
    } else {
      report_.verdict = Unknown{bound_, reason()};
    }
  }

  const Machine& model_;
  Specification specification_;
  const CheckOptions& options_;
  const InvariantHint* hint_;
  CheckReport report_;
  Limit limit_ = Limit::none;
  std::optional<std::uint64_t> bound_;
  // Whether the bound is a result of its own, not where a search happened to end.
  bool certified_ = false;
  // Of words up to a length, the longest there is.
  Evidence evidence_;
  std::uint64_t evidence_length_ = 0;
};

}  // namespace

std::vector<LadderRow> ladder() {
  std::vector<LadderRow> table;
  for (const Row& row : rows) {
    table.push_back({row.method, needs_in_words(row.needs), row.may_prove, row.may_certify, row.may_refute});
  }
  return table;
}

CheckReport check(const Machine& model, const Language& language, const CheckOptions& options,
                  const InvariantHint* hint) {
  return Ladder(model, language, options, hint).climb();
}

}  // namespace krohn
