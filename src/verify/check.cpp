// The ladder. Rungs in order of cost: a small closure (which settles small models with shortest words), the hint's
// invariant, the certified horizon, fast refutation, the closure within the whole memory, every word up to a length if
// asked for, and a sample. Every rung either settles the question or leaves a bound. Nothing becomes REFUTED that was
// not replayed on the CPU reference, and nothing PROVED but by a closure or an invariant established on the bits. Where
// only words up to a length are asked about, longer words refute nothing. A word that refutes is shortened, and where
// all shorter words can be tried soon they are.
#include "krohn/verify/check.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "krohn/automata/domain.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/error.hpp"
#include "krohn/verify/counterexample.hpp"
#include "krohn/verify/exactness.hpp"
#include "krohn/verify/fast_refutation.hpp"

namespace krohn {
namespace {

using Clock = std::chrono::steady_clock;

// The first closure: enough for small models, and over in some milliseconds.
constexpr std::uint64_t small_closure = std::uint64_t{1} << 16U;
// A compiled layer has at most some thousand hidden states; a layer that is not exact would go on for ever.
constexpr std::size_t invariant_memory = std::size_t{256} << 20U;
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

class Ladder {
 public:
  Ladder(const Machine& model, const Dfa& language, const CheckOptions& options)
      : model_(model), specification_(model, minimize(language)), options_(options) {
    report_.semantics = std::string(model.semantics());
    report_.domain = domain_in_words(specification_.automaton());
    report_.verdict = Unknown{std::nullopt, "nothing was tried"};
  }

  CheckReport run(const InvariantHint* hint) {
    const std::optional<Machine::Tables> tables = model_.tables();
    const bool settled = close(small_closure, 0.2) || (tables && hint != nullptr && induct(*tables, *hint)) ||
                         (tables && approximate(*tables)) || refute() ||
                         close(std::nullopt, options_.sample.words > 0 || options_.exhaustive ? 0.6 : 1.0) ||
                         (options_.exhaustive && enumerate_words()) || (options_.sample.words > 0 && draw());
    if (!settled) conclude();
    report_.interrupted = options_.budget.interrupted();
    return std::move(report_);
  }

 private:
  // A rung: notes its name, outcome and time when it goes out of scope.
  class Timed {
   public:
    Timed(Ladder& ladder, std::string method) : report_(ladder.report_), rung_{std::move(method), "", 0.0} {
      if (ladder.options_.begins) ladder.options_.begins(rung_.method);
    }
    ~Timed() {
      rung_.seconds = std::chrono::duration<double>(Clock::now() - start_).count();
      report_.rungs.push_back(std::move(rung_));
    }
    Timed(const Timed&) = delete;
    Timed& operator=(const Timed&) = delete;
    void outcome(std::string text) { rung_.outcome = std::move(text); }

   private:
    CheckReport& report_;
    Rung rung_;
    Clock::time_point start_ = Clock::now();
  };

  bool refuted(const Word& word, bool shortest, const std::string& method) {
    std::optional<Counterexample> counterexample = confirm(model_, specification_, word);
    if (!counterexample) return false;
    if (shortest && counterexample->word.size() == word.size()) {
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
    EnumerateOptions options = enumerate_options(length - 1);
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

  // The verdict where no rung settled the claim.
  void conclude() {
    const auto reason = [&]() -> std::string {
      if (options_.budget.interrupted()) return "interrupted";
      if (options_.budget.out_of_time()) return "the time limit was reached";
      return closure_limit_ == Limit::memory ? "the memory limit was reached" : "no method settled it in its time";
    };
    if (bound_ && (certified_ || (options_.up_to && *bound_ >= *options_.up_to))) {
      report_.verdict = CertifiedUpTo{*bound_};
    } else {
      report_.verdict = Unknown{bound_, reason()};
    }
  }

  // Every word up to `length` agrees, as `method` found. True if that settles the claim.
  bool established(std::uint64_t length, const std::string& method, bool certified) {
    certified_ = certified_ || certified;
    if (!bound_ || length > *bound_) {
      bound_ = length;
      report_.method = method;
    }
    if (!options_.up_to || length < *options_.up_to) return false;
    report_.verdict = CertifiedUpTo{length};
    report_.method = method;
    return true;
  }

  bool close(std::optional<std::uint64_t> successors, double part) {
    Timed rung(*this, "closure");
    const ClosureOptions options{options_.budget.share(part), options_.up_to, successors};
    Closure closure = joint_closure(model_, specification_, options);
    report_.pairs = closure.pairs.size();
    report_.steps += closure.successors;
    closure_limit_ = closure.limit;
    const std::string pairs = std::to_string(closure.pairs.size()) + " pairs";
    if (closure.closed) {
      const std::optional<unsigned> bits = exact_bits(closure.pairs);
      rung.outcome("closed with " + pairs + exactness(bits));
      report_.verdict = Proved{bits};
    } else if (closure.disagreement) {
      rung.outcome("a disagreement after " + pairs);
      if (!refuted(*closure.disagreement, true, "closure")) {
        throw InternalError("closure: a disagreement that a replay does not show");
      }
      return true;
    } else if (closure.limit == Limit::none) {
      rung.outcome("all words up to length " + std::to_string(*closure.length) + ", " + pairs);
      report_.verdict = CertifiedUpTo{*closure.length};
    } else {
      rung.outcome("not closed after " + pairs + "; all words up to length " + std::to_string(*closure.length));
      return established(*closure.length, "closure", false);
    }
    report_.method = "closure";
    report_.closure = std::move(closure);
    return true;
  }

  // The bits that the steps from all pairs need, where they are exact and that can be seen in time.
  std::optional<unsigned> exact_bits(const PairSet& pairs) const {
    const std::optional<Machine::Tables> tables = model_.tables();
    if (!tables) return std::nullopt;
    const Budget budget = options_.budget.share(0.5);
    ExactModel exact(tables->model, tables->semantics);
    for (std::uint32_t pair = 0; pair < pairs.size(); ++pair) {
      if (budget.interrupted() || budget.out_of_time()) return std::nullopt;
      for (Symbol a = 0; a < model_.alphabet().size(); ++a) {
        if (!exact.add(pairs.state(pair), a)) return std::nullopt;
      }
    }
    return exact.bits();
  }

  static std::string exactness(const std::optional<unsigned>& bits) {
    return bits ? ", every value exact in " + std::to_string(*bits) + " bits" : "";
  }

  bool induct(const Machine::Tables& tables, const InvariantHint& hint) {
    Timed rung(*this, "invariant");
    Budget budget = options_.budget.share(0.15);
    budget.memory = std::min(budget.memory, invariant_memory);
    InvariantCheck invariant = check_invariant(tables.model, tables.semantics, hint, specification_, budget);
    report_.steps += invariant.steps;
    if (!invariant.proved) {
      rung.outcome("not proved: " + invariant.reason);
      return invariant.disagreement && refuted(*invariant.disagreement, true, "invariant");
    }
    std::uint64_t states = 0;
    for (const LayerInvariant& layer : invariant.layers) states += layer.count();
    rung.outcome("holds on " + std::to_string(states) + " hidden states of " + std::to_string(invariant.layers.size()) +
                 " layers" + exactness(invariant.exact_bits));
    report_.pairs = states;
    report_.verdict = Proved{invariant.exact_bits};
    report_.method = "invariant";
    report_.invariant = std::move(invariant);
    return true;
  }

  bool refute() {
    std::optional<Refutation> found;
    {
      Timed rung(*this, "fast refutation");
      FastRefutationOptions options;
      options.budget = options_.budget.share(0.25);
      options.device = options_.device;
      found = fast_refutation(model_, specification_, options);
      rung.outcome(found ? "a disagreement on a word of length " + std::to_string(found->word.size())
                         : "nothing found");
    }
    return found && refuted(found->word, false, found->method);
  }

  bool approximate(const Machine::Tables& tables) {
    Timed rung(*this, "horizon");
    HorizonCheck horizon = check_horizon(tables.model, tables.semantics, specification_, options_.budget.share(0.25));
    if (horizon.disagreement) {
      rung.outcome("a disagreement within the horizon");
      if (refuted(*horizon.disagreement, true, "horizon")) return true;
      if (!options_.up_to || horizon.disagreement->size() <= *options_.up_to) {
        throw InternalError("horizon: a disagreement that a replay does not show");
      }
    }
    if (!horizon.length) {
      rung.outcome("nothing certified: " + horizon.reason);
      return false;
    }
    rung.outcome("all words up to length " + std::to_string(*horizon.length) +
                 (horizon.disagreement ? ", and not all of the next" : ""));
    const bool settled = established(*horizon.length, "horizon", true);
    report_.horizon = std::move(horizon);
    return settled;
  }

  EnumerateOptions enumerate_options(std::uint64_t length) const {
    EnumerateOptions options;
    options.max_length = length;
    options.agreed = bound_;
    options.device = options_.device;
    options.device_memory = options_.budget.memory;
    options.deadline = options_.budget.deadline;
    options.stop = options_.budget.stop;
    return options;
  }

  bool enumerate_words() {
    Timed rung(*this, "exhaustive");
    EnumerateOptions options = enumerate_options(*options_.exhaustive);
    if (bound_ && *bound_ >= options.max_length) {
      rung.outcome("nothing left to try up to length " + std::to_string(options.max_length));
      return established(*bound_, report_.method, true);
    }
    options.progress = options_.progress;
    const EnumerateResult result = enumerate(model_, specification_.labelled_automaton(), options);
    report_.steps += result.nodes;
    if (result.disagreement) {
      rung.outcome("a disagreement, on " + result.device);
      return refuted(*result.disagreement, true, "exhaustive");
    }
    if (!result.agreed) {
      rung.outcome("nothing established");
      return false;
    }
    rung.outcome("all words up to length " + std::to_string(*result.agreed) + ", on " + result.device);
    return established(*result.agreed, "exhaustive", true);
  }

  bool draw() {
    Sample drawn = drawn_words();
    if (drawn.disagreement) return refuted(*drawn.disagreement, false, "sample");
    report_.sample = std::move(drawn);
    return false;
  }

  Sample drawn_words() {
    Timed rung(*this, "sample");
    Sample drawn = sample(model_, specification_, options_.sample, options_.budget, options_.device);
    report_.steps += drawn.steps;
    const std::string words = std::to_string(drawn.drawn) + " words of length up to " +
                              std::to_string(drawn.design.max_length) + ", seed " + std::to_string(drawn.design.seed) +
                              (drawn.device.empty() ? "" : ", on " + drawn.device);
    if (drawn.disagreement) {
      rung.outcome("a disagreement after " + words);
    } else {
      rung.outcome(words + (drawn.bound                  ? ": all right"
                            : drawn.limit == Limit::none ? ": none has a label in the language, no bound"
                                                         : ": cut short, no bound"));
    }
    return drawn;
  }

  const Machine& model_;
  Specification specification_;
  const CheckOptions& options_;
  CheckReport report_;
  Limit closure_limit_ = Limit::none;
  std::optional<std::uint64_t> bound_;
  // Whether the bound is a result of its own, not where a search happened to end.
  bool certified_ = false;
};

}  // namespace

CheckReport check(const Machine& model, const Dfa& language, const CheckOptions& options, const InvariantHint* hint) {
  return Ladder(model, language, options).run(hint);
}

}  // namespace krohn
