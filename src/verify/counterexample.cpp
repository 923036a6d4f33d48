// Confirms and shortens counterexamples. Every word that leaves this file was run from the empty state on the CPU
// reference, and differs at its last position and at none before it. Shortening is by deletion of chunks of halving
// length (Zeller and Hildebrandt's delta debugging) and, where no deletion helps, by leaving out one symbol and
// replacing another; 2-minimal in this sense when it ends by itself, and not claimed to be shortest.
// Tested by tests/verify/check_test.cpp.
#include "krohn/verify/counterexample.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "joint_run.hpp"
#include "krohn/error.hpp"

namespace krohn {

std::optional<Counterexample> confirm(const Machine& model, const Specification& specification,
                                      std::span<const Symbol> word) {
  JointRun run(model, specification);
  std::size_t position = 0;
  while (!run.wrong()) {
    if (position == word.size()) return std::nullopt;
    run.read(word[position++]);
  }
  return Counterexample{.word = Word(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(position)),
                        .shortest = false,
                        .expected = specification.expected(run.q),
                        .observed = specification.observed(run.observation.label),
                        .margin = run.observation.margin,
                        .position = position};
}

namespace {

class Shortening {
 public:
  Shortening(const Machine& model, const Specification& specification, Counterexample counterexample,
             std::uint64_t steps, const Budget& budget)
      : model_(model),
        specification_(specification),
        automaton_(specification.automaton()),
        found_(std::move(counterexample)),
        steps_(steps),
        budget_(budget) {}

  Counterexample run() {
    try {
      do {
        leave_out();
      } while (leave_out_and_replace());
    } catch (const OverBudget&) {
      // The shortest so far.
    }
    return std::move(found_);
  }

 private:
  struct OverBudget {};

  void spend(std::uint64_t steps) {
    if (steps_ < steps || budget_.interrupted() || budget_.out_of_time()) throw OverBudget{};
    steps_ -= steps;
  }

  // Takes the word if it is wrong and shorter than the one before.
  bool take(const Word& shorter) {
    if (shorter.size() >= found_.word.size()) return false;
    spend(shorter.size());
    try {
      if (auto counterexample = confirm(model_, specification_, shorter)) {
        found_ = *std::move(counterexample);
        return true;
      }
    } catch (const NumericError&) {
      // A word that ends in NaN is no counterexample; the longer one stands.
    }
    return false;
  }

  void leave_out() {
    std::size_t chunk = found_.word.size() / 2;
    while (chunk >= 1) {
      bool shortened = false;
      for (std::size_t at = 0; at < found_.word.size();) {
        const auto begin = found_.word.begin() + static_cast<std::ptrdiff_t>(at);
        const auto end = found_.word.begin() + static_cast<std::ptrdiff_t>(std::min(at + chunk, found_.word.size()));
        Word shorter(found_.word.begin(), begin);
        shorter.insert(shorter.end(), end, found_.word.end());
        if (take(shorter)) {
          shortened = true;
        } else {
          at += chunk;
        }
      }
      if (!shortened || chunk > 1) chunk /= 2;
    }
  }

  // True if the label behind the symbol is wrong.
  bool advance(JointRun& run, Symbol symbol) {
    spend(1);
    return run.read(symbol);
  }

  // Words with one symbol left out and another replaced, by the place of the first of the two, from the end of the word
  // to its beginning: the nearer the end, the less there is to run.
  bool leave_out_and_replace() {
    const std::size_t length = found_.word.size();
    for (std::size_t first = length; first-- > 0;) {
      JointRun run(model_, specification_);
      try {
        for (std::size_t i = 0; i < first; ++i) advance(run, found_.word[i]);
        if (change_from(run, first)) return true;
      } catch (const NumericError&) {
        // Nothing is known of the other words that change here.
      }
    }
    return false;
  }

  bool change_from(const JointRun& before, std::size_t first) {
    const Word prefix(found_.word.begin(), found_.word.begin() + static_cast<std::ptrdiff_t>(first));
    if (last_of_equals(first) && change_again(before, prefix, first + 1, false)) return true;
    if (first + 1 == found_.word.size()) return false;
    for (Symbol a = 0; a < automaton_.num_symbols(); ++a) {
      if (a == found_.word[first]) continue;
      JointRun run = before;
      Word replaced = prefix;
      replaced.push_back(a);
      if (advance(run, a) ? take(replaced) : change_again(run, replaced, first + 1, true)) return true;
    }
    return false;
  }

  // `run` has read `word`, which stands for the first `at` symbols; one of the others is left out or replaced.
  bool change_again(JointRun run, Word word, std::size_t at, bool leave_out) {
    for (; at < found_.word.size(); ++at) {
      if (leave_out) {
        if (last_of_equals(at) && read_rest(run, word, at + 1)) return true;
      } else {
        for (Symbol a = 0; a < automaton_.num_symbols(); ++a) {
          if (a == found_.word[at]) continue;
          JointRun replaced = run;
          Word with = word;
          with.push_back(a);
          if (advance(replaced, a) ? take(with) : read_rest(replaced, with, at + 1)) return true;
        }
      }
      word.push_back(found_.word[at]);
      if (advance(run, found_.word[at])) return take(word);
    }
    return false;
  }

  bool read_rest(JointRun run, Word word, std::size_t at) {
    for (; at < found_.word.size(); ++at) {
      word.push_back(found_.word[at]);
      if (advance(run, found_.word[at])) return take(word);
    }
    return false;
  }

  // Of equal neighbours it does not matter which is left out: the last is.
  bool last_of_equals(std::size_t at) const {
    return at + 1 == found_.word.size() || found_.word[at + 1] != found_.word[at];
  }

  const Machine& model_;
  const Specification& specification_;
  const Dfa& automaton_;
  Counterexample found_;
  std::uint64_t steps_;
  const Budget& budget_;
};

}  // namespace

Counterexample minimise(const Machine& model, const Specification& specification, Counterexample counterexample,
                        std::uint64_t steps, const Budget& budget) {
  return Shortening(model, specification, std::move(counterexample), steps, budget).run();
}

}  // namespace krohn
