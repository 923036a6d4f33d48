// The ladder. Rungs in order of cost: a small closure (which settles small models with shortest words), the hint's
// invariant, fast refutation, and the closure within the whole budget. Every rung either settles the question or leaves
// a bound. Nothing becomes REFUTED that was not replayed on the CPU reference, and nothing PROVED but by a closure or
// an invariant that was established on the bits.
#include "krohn/verify/check.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "krohn/automata/minimize.hpp"
#include "krohn/error.hpp"
#include "krohn/verify/counterexample.hpp"
#include "krohn/verify/fast_refutation.hpp"

namespace krohn {
namespace {

using Clock = std::chrono::steady_clock;

// The first closure's memory: enough for small models, and gone through in some milliseconds.
constexpr std::size_t small_closure_memory = std::size_t{1} << 20U;
// A compiled layer has at most some thousand hidden states; a layer that is not exact would go on for ever.
constexpr std::size_t invariant_memory = std::size_t{256} << 20U;
constexpr std::uint64_t minimise_steps = std::uint64_t{1} << 22U;

class Ladder {
 public:
  Ladder(const Recognizer& model, const Dfa& language, const CheckOptions& options)
      : model_(model), specification_(model, minimize(language)), options_(options) {
    report_.semantics = std::string(model.semantics());
    report_.domain = specification_.domain();
    report_.verdict = Unknown{std::nullopt, "nothing was tried"};
  }

  CheckReport run(const LrnnModel* tables, Semantics semantics, const InvariantHint* hint) {
    const bool settled = close(small_closure_memory) || (hint != nullptr && induct(*tables, semantics, *hint)) ||
                         refute() || close(options_.budget.memory);
    if (!settled) {
      const std::string reason = stopped_ == Limit::interrupt ? "interrupted"
                                 : stopped_ == Limit::time    ? "the time limit was reached"
                                                              : "the memory limit was reached";
      report_.verdict = Unknown{bound_, reason};
      if (options_.up_to && bound_ && *bound_ >= *options_.up_to) report_.verdict = CertifiedUpTo{*bound_};
    }
    report_.interrupted = stopped_ == Limit::interrupt;
    return std::move(report_);
  }

 private:
  // A rung: notes its name, outcome and time when it goes out of scope.
  class Timed {
   public:
    Timed(CheckReport& report, std::string method) : report_(report), rung_{std::move(method), "", 0.0} {}
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
      counterexample = minimise(model_, specification_, *std::move(counterexample), minimise_steps, options_.budget);
    }
    report_.verdict = Refuted{*std::move(counterexample)};
    report_.method = method;
    return true;
  }

  bool close(std::size_t memory) {
    Timed rung(report_, "closure");
    ClosureOptions options{options_.budget, options_.up_to};
    options.budget.memory = std::min(memory, options_.budget.memory);
    Closure closure = joint_closure(model_, specification_, options);
    report_.pairs = closure.pairs.size();
    report_.steps += closure.successors;
    stopped_ = closure.limit;
    if (closure.length && (!bound_ || *closure.length > *bound_)) {
      bound_ = closure.length;
      report_.method = "closure";
    }
    const std::string pairs = std::to_string(closure.pairs.size()) + " pairs";
    if (closure.closed) {
      rung.outcome("closed with " + pairs);
      report_.verdict = Proved{};
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
      return false;
    }
    report_.method = "closure";
    report_.closure = std::move(closure);
    return true;
  }

  bool induct(const LrnnModel& tables, Semantics semantics, const InvariantHint& hint) {
    Timed rung(report_, "invariant");
    Budget budget = options_.budget;
    budget.memory = std::min(budget.memory, invariant_memory);
    InvariantCheck invariant = check_invariant(tables, semantics, hint, specification_, budget);
    report_.steps += invariant.steps;
    if (!invariant.proved) {
      rung.outcome("not proved: " + invariant.reason);
      return invariant.disagreement && refuted(*invariant.disagreement, true, "invariant");
    }
    std::uint64_t states = 0;
    for (const LayerInvariant& layer : invariant.layers) states += layer.count();
    rung.outcome("holds on " + std::to_string(states) + " hidden states of " + std::to_string(invariant.layers.size()) +
                 " layers");
    report_.pairs = states;
    report_.verdict = Proved{};
    report_.method = "invariant";
    report_.invariant = std::move(invariant);
    return true;
  }

  bool refute() {
    Timed rung(report_, "fast refutation");
    const std::optional<Refutation> found = fast_refutation(model_, specification_, {.budget = options_.budget});
    if (!found) {
      rung.outcome("nothing found");
      return false;
    }
    rung.outcome("a disagreement");
    if (!refuted(found->word, false, found->method)) {
      throw InternalError("fast refutation: a disagreement that a replay does not show");
    }
    return true;
  }

  const Recognizer& model_;
  Specification specification_;
  const CheckOptions& options_;
  CheckReport report_;
  Limit stopped_ = Limit::none;
  std::optional<std::uint64_t> bound_;
};

}  // namespace

CheckReport check(const Recognizer& model, const Dfa& language, const CheckOptions& options) {
  return Ladder(model, language, options).run(nullptr, Semantics::fp32_fma_v1, nullptr);
}

CheckReport check(const LrnnModel& model, Semantics semantics, const std::optional<InvariantHint>& hint,
                  const Dfa& language, const CheckOptions& options) {
  const std::unique_ptr<Recognizer> recognizer = make_recognizer(model, semantics);
  return Ladder(*recognizer, language, options).run(&model, semantics, hint ? &*hint : nullptr);
}

}  // namespace krohn
