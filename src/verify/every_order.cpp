// A pair of the closure has, beside its codes, numbers that are no codes: tails of convolutions and token shifts. Each
// is known as an interval, at first empty. Invariant: whatever the order of operations, the words whose path through
// the listed closure ends in a pair leave its codes, and tails within its intervals. A step from the intervals of one
// pair, over any_order.hpp, must take exactly the codes of the pair listed after it, with the right label; its tails
// widen that pair's intervals, and where they do, that pair is looked at again. Tails hold what finitely many tokens
// gave, so that this ends. Cost: an enclosed step for every symbol of a pair, some times where there are tails. Tested
// by tests/verify/every_order_test.cpp.
#include "krohn/verify/every_order.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <utility>
#include <vector>

#include "krohn/engine/any_order.hpp"
#include "krohn/engine/learned/carried_words.hpp"
#include "krohn/engine/learned/learned_machine.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

using any_order::Number;
using any_order::settled;

/// A pair is looked at so often at most.
constexpr std::uint64_t most_visits = 64;

class Steps final : public forward::Probe<Number> {
 public:
  Steps(const LearnedView& model, const Specification& specification)
      : model_(model), specification_(specification), pass_(model.program) {
    features_.resize(pass_.schedule().num_features);
  }

  /// Reads a token; every operation's values are settled behind it. Throws affine::Undecided.
  void read(std::vector<Number>& state, std::uint32_t token) {
    for (std::size_t i = 0; i < pass_.schedule().operations.size(); ++i) {
      pass_.run_operation(i, features_.data(), state.data(), &token, this);
      const ScheduledOperation& scheduled = pass_.schedule().operations[i];
      const std::size_t place = pass_.schedule().place[scheduled.value];
      for (std::size_t k = 0; k < scheduled.operation.size; ++k) {
        features_[place + k] = settled(features_[place + k]);
      }
      for (const std::uint32_t index : state_parts_of(scheduled.operation)) {
        const StatePart& part = model_.program.state_parts()[index];
        for (std::size_t k = part.offset; k < part.offset + part.size; ++k) state[k] = settled(state[k]);
      }
    }
    logits_ = features_.data() + pass_.schedule().place[pass_.schedule().operations.back().value];
  }

  /// Whether a logit with the label that the automaton's state asks for is the largest, by more than all roundings.
  bool right(State q) {
    const Dfa& automaton = specification_.automaton();
    if (automaton.label(q) == null_label) return true;
    for (const LearnedTask::Output& winner : model_.task.outputs) {
      if (!specification_.agrees(winner.label, q)) continue;
      bool wins = true;
      for (const LearnedTask::Output& other : model_.task.outputs) {
        if (other.label == winner.label) continue;
        const Number& a = logits_[winner.logit];
        const Number& b = logits_[other.logit];
        wins = wins && a.lower() > b.upper();
        logit_rounding = std::max(logit_rounding, a.radius + b.radius);
      }
      if (wins) return true;
    }
    return false;
  }

  void initial(std::vector<Number>& state) const {
    state.resize(model_.program.state_size());
    pass_.initial(state.data());
  }

  void recurrence(std::size_t, std::size_t, std::size_t, std::size_t, const forward::Decay<Number>&,
                  std::span<const forward::Update<Number>>) override {}
  void snapped(std::size_t part, std::size_t, const Number* state, std::size_t, Number, Number) override {
    double square = 0.0;
    for (std::size_t i = 0; i < model_.program.state_parts()[part].unit_size(); ++i) {
      square += state[i].radius * state[i].radius;
    }
    state_rounding = std::max(state_rounding, std::sqrt(square) * any_order::outwards);
  }

  double state_rounding = 0.0;
  double logit_rounding = 0.0;

 private:
  LearnedView model_;
  const Specification& specification_;
  forward::Interpreter<any_order::Arithmetic> pass_;
  std::vector<Number> features_;
  const Number* logits_ = nullptr;
};

/// What is carried beside codes, of one pair.
struct Tails {
  bool met = false;
  std::vector<double> low;
  std::vector<double> high;
  std::uint64_t visits = 0;

  /// True if they grew.
  bool add(const std::vector<Number>& state, const std::vector<std::size_t>& entries) {
    const bool first = !met;
    bool grew = first;
    met = true;
    low.resize(entries.size());
    high.resize(entries.size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const Number& x = state[entries[i]];
      // Numbers of the model have no radius and are met again as they are.
      const double from = x.radius == 0.0 ? x.center : x.lower();
      const double to = x.radius == 0.0 ? x.center : x.upper();
      if (first || from < low[i] || to > high[i]) {
        low[i] = first ? from : std::min(low[i], from);
        high[i] = first ? to : std::max(high[i], to);
        grew = true;
      }
    }
    return grew;
  }
};

}  // namespace

EveryOrder holds_in_every_order(const ClosureEvidence& closure, const Machine& machine,
                                const Specification& specification, const Budget& budget) {
  EveryOrder result;
  const std::optional<LearnedView> learned = learned_of(machine);
  if (!learned || !learned->program.snapped() || learned->program.deferred()) {
    result.reason = "not a hardened model";
    return result;
  }
  const Program& program = learned->program;
  const LearnedTask& task = learned->task;
  const Dfa& automaton = specification.automaton();
  const std::size_t symbols = automaton.num_symbols();
  const std::size_t words = closure.state_words;
  const CarriedWords carried(program, read_tokens(task));
  if (words != carried.size()) throw InternalError("every order: a closure of other states");
  std::vector<std::size_t> tail_entries;
  std::vector<bool> is_code(program.state_size(), false);
  for (const StatePart& part : program.state_parts()) {
    for (std::size_t i = part.offset; i < part.offset + part.size; ++i) {
      is_code[i] = !part.codes.empty();
      if (!is_code[i]) tail_entries.push_back(i);
    }
  }
  Steps steps(*learned, specification);
  std::vector<Tails> tails(closure.pairs());
  std::vector<Number> state;
  std::vector<float> listed(program.state_size());
  std::deque<std::size_t> open;
  const auto expand = [&](std::size_t pair) {
    carried.expand(std::span(closure.states).subspan(pair * words, words), listed);
  };
  // True if the codes in `state` are those of the pair, whose tails then hold those in `state`.
  const auto arrive = [&](std::size_t pair) {
    expand(pair);
    for (std::size_t i = 0; i < listed.size(); ++i) {
      if (!is_code[i]) continue;
      const bool same = state[i].radius == 0.0 && state[i].center == static_cast<double>(listed[i]);
      if (!same) return false;
    }
    if (tails[pair].add(state, tail_entries)) open.push_back(pair);
    return true;
  };
  const char* const another = "an order of operations may lead to another code";
  try {
    steps.initial(state);
    if (task.first_token) {
      steps.read(state, *task.first_token);
      if (!steps.right(automaton.start())) {
        result.reason = "the margin of a label is within the rounding of the readout";
        return result;
      }
    }
    if (!arrive(0)) {
      result.reason = another;
      return result;
    }
    for (std::uint64_t step = 0; !open.empty(); ++step) {
      if (step % 16 == 0 && (budget.interrupted() || budget.out_of_time())) {
        result.reason = "the time was used up";
        return result;
      }
      const std::size_t pair = open.front();
      open.pop_front();
      if (++tails[pair].visits > most_visits) {
        result.reason = "the rounding in the tails of convolutions does not settle";
        return result;
      }
      for (std::size_t a = 0; a < symbols; ++a) {
        expand(pair);
        for (std::size_t i = 0; i < listed.size(); ++i) state[i] = Number(listed[i]);
        for (std::size_t i = 0; i < tail_entries.size(); ++i) {
          const double low = tails[pair].low[i];
          const double high = tails[pair].high[i];
          if (low != high) {
            state[tail_entries[i]] = any_order::between(low, high);
          } else {
            Number exact;
            exact.center = low;
            exact.mass = std::abs(low);
            state[tail_entries[i]] = exact;
          }
        }
        steps.read(state, task.tokens[a]);
        if (!steps.right(automaton.next(closure.automaton_states[pair], static_cast<Symbol>(a)))) {
          result.reason = "the margin of a label is within the rounding of the readout";
          return result;
        }
        if (!arrive(closure.successors[pair * symbols + a])) {
          result.reason = another;
          return result;
        }
      }
    }
  } catch (const affine::Undecided& undecided) {
    result.reason = std::string("not decided in every order: ") + undecided.operation;
    return result;
  }
  result.holds = true;
  result.state_rounding = steps.state_rounding;
  result.logit_rounding = steps.logit_rounding;
  return result;
}

}  // namespace krohn
