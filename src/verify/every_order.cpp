// A pair of the closure has, beside its codes, numbers that are no codes: tails of convolutions and token shifts. Each
// is known as an interval, at first empty. Invariant: whatever the order of operations, the words whose path through
// the listed closure ends in a pair leave its codes, and tails within its intervals. A step from the intervals of one
// pair, over any_order.hpp, must take exactly the codes of the pair listed after it, with the right label; its tails
// widen that pair's intervals, and where they do, that pair is looked at again. Tails hold what finitely many tokens
// gave, so that this ends. Cost: an enclosed step for every symbol of a pair, some times where there are tails.
//
// Of a compiled model all that is carried are codes, and states of layers without codes, whose steps are to be exact
// (exactness.hpp): then every listed edge is looked at once. In a layer with codes the whole row is one polynomial in
// the numbers of the table and of the code. Tested by tests/verify/every_order_test.cpp and
// tests/verify/harden_compiled_test.cpp.
#include "krohn/verify/every_order.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "krohn/engine/any_order.hpp"
#include "krohn/engine/learned/carried_words.hpp"
#include "krohn/engine/learned/learned_machine.hpp"
#include "krohn/error.hpp"
#include "krohn/verify/exactness.hpp"

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

constexpr const char* readout_undecided = "the margin of a label is within the rounding of the readout";
constexpr const char* code_undecided = "an order of operations may lead to another code";

/// One layer of a compiled model with codes, over enclosures.
class CompiledLayer {
 public:
  explicit CompiledLayer(const TableLayer& layer) : layer_(layer) {
    for (std::size_t row = 0; row < layer.table.num_rows(); ++row) rows_.push_back(layer.table.row(row));
    // As nearest_code reads them: the codes' entries i side by side.
    const std::size_t size = layer.hidden_size();
    entries_.resize(layer.codes.size());
    for (std::size_t k = 0; k < layer.num_codes(); ++k) {
      for (std::size_t i = 0; i < size; ++i) entries_[i * layer.num_codes() + k] = layer.codes[k * size + i];
    }
  }

  std::span<const float> code(std::size_t k) const {
    return std::span(layer_.codes).subspan(k * layer_.hidden_size(), layer_.hidden_size());
  }

  /// The code that every order leads to from `hidden`. Throws affine::Undecided.
  std::size_t step(std::size_t action, std::span<const float> hidden, double& rounding) const {
    const TokenRow& row = rows_[action];
    const std::size_t columns = layer_.table.value_size();
    std::vector<Number> h;
    for (const float x : hidden) h.emplace_back(x);
    for (std::size_t i = 0; i < h.size(); ++i) {
      const float a = row.gate[row.gate.size() == 1 ? 0 : i / columns];
      if (a != 1.0F) h[i] = Number(a) * h[i];
    }
    for (const GeneralizedHouseholder& factor : row.factors) {
      for (std::size_t m = 0; m < columns; ++m) {
        Number difference;
        for (const Entry& value : factor.value) {
          if (value.index == m) difference = Number(value.value);
        }
        for (const Entry& r : factor.reads_by()) difference = difference - Number(r.value) * h[r.index * columns + m];
        const Number c = Number(factor.beta) * difference;
        for (const Entry& k : factor.key) h[k.index * columns + m] = c * Number(k.value) + h[k.index * columns + m];
      }
    }
    for (const Entry& b : row.write) h[b.index] = h[b.index] + Number(b.value);
    double square = 0.0;
    for (Number& x : h) {
      x = settled(x);
      square += x.radius * x.radius;
    }
    rounding = std::max(rounding, std::sqrt(square) * any_order::outwards);
    const std::size_t count = layer_.num_codes();
    return any_order::Arithmetic::nearest_code(h.data(), h.size(), entries_.data(), count, count).code;
  }

  /// The slot whose score is above all others in every order; nothing where there is none.
  std::optional<std::size_t> decode(std::size_t readout, std::span<const float> hidden, double& rounding) const {
    const SlotReadout& slots = layer_.readouts[readout];
    std::vector<Number> scores;
    for (std::size_t s = 0; s < slots.num_slots(); ++s) {
      Number score(slots.bias[s]);
      for (const Entry& w : slots.weight[s]) score = score + Number(w.value) * Number(hidden[w.index]);
      scores.push_back(settled(score));
    }
    std::size_t best = 0;
    for (std::size_t s = 1; s < scores.size(); ++s) {
      if (scores[s].center > scores[best].center) best = s;
    }
    for (std::size_t s = 0; s < scores.size(); ++s) {
      if (s == best) continue;
      rounding = std::max(rounding, scores[best].radius + scores[s].radius);
      if (!(scores[best].lower() > scores[s].upper())) return std::nullopt;
    }
    return best;
  }

 private:
  const TableLayer& layer_;
  std::vector<TokenRow> rows_;
  std::vector<float> entries_;
};

EveryOrder compiled_holds(const LrnnModel& model, const ClosureEvidence& closure, const Specification& specification,
                          const Budget& budget) {
  EveryOrder result;
  const Dfa& automaton = specification.automaton();
  const std::size_t words = closure.state_words;
  if (words != model.hidden_size() + 1) throw InternalError("every order: a closure of other states");
  std::vector<CompiledLayer> layers;
  for (const TableLayer& layer : model.layers()) layers.emplace_back(layer);
  ExactModel exact(model, Semantics::fp32_snap_v1);
  std::vector<float> hidden(model.hidden_size());
  const auto listed = [&](std::size_t pair) { return std::span(closure.states).subspan(pair * words, words); };
  const auto hidden_is = [](std::span<const std::uint32_t> state, std::size_t from, std::span<const float> code) {
    return std::memcmp(state.data() + from, code.data(), code.size_bytes()) == 0;
  };
  try {
    for (std::size_t pair = 0; pair < closure.pairs(); ++pair) {
      if (pair % 16 == 0 && (budget.interrupted() || budget.out_of_time())) {
        result.reason = "the time was used up";
        return result;
      }
      // An undefined run stays so in every order.
      if (listed(pair).back() != 0) continue;
      std::memcpy(hidden.data(), listed(pair).data(), hidden.size() * sizeof(float));
      for (Symbol a = 0; a < automaton.num_symbols(); ++a) {
        const std::size_t target = closure.successors[pair * automaton.num_symbols() + a];
        std::int32_t row = model.symbol_row()[a];
        std::size_t begin = 0;
        for (std::size_t l = 0; l < layers.size() && row >= 0; ++l) {
          const TableLayer& layer = model.layers()[l];
          const auto r = static_cast<std::size_t>(row);
          const std::span<const float> before = std::span(hidden).subspan(begin, layer.hidden_size());
          if (layer.codes.empty()) {
            // The listed edge has the exact state; in no order is there another.
            const std::optional<std::int32_t> slot =
                exact.layer(l).add({layer.row_action[r], layer.row_readout[r]}, before);
            if (!slot) {
              result.reason = "not decided in every order: a layer without codes rounds";
              return result;
            }
            row = *slot < 0 ? undefined_row : layer.next[layer.row_next[r] + static_cast<std::uint32_t>(*slot)];
            begin += layer.hidden_size();
            continue;
          }
          const std::span<const float> after =
              layers[l].code(layers[l].step(layer.row_action[r], before, result.state_rounding));
          const std::optional<std::size_t> slot =
              layers[l].decode(layer.row_readout[r], layer.reads_before ? before : after, result.logit_rounding);
          if (!slot) {
            result.reason = readout_undecided;
            return result;
          }
          row = layer.next[layer.row_next[r] + *slot];
          // Where the run becomes undefined, whatever it held is forgotten.
          if (listed(target).back() == 0 && !hidden_is(listed(target), begin, after)) {
            result.reason = code_undecided;
            return result;
          }
          begin += layer.hidden_size();
        }
        if ((row < 0) != (listed(target).back() != 0) ||
            !specification.agrees(row, automaton.next(closure.automaton_states[pair], a))) {
          result.reason = readout_undecided;
          return result;
        }
      }
    }
  } catch (const affine::Undecided& undecided) {
    result.reason = std::string("not decided in every order: ") + undecided.operation;
    return result;
  }
  result.holds = true;
  return result;
}

}  // namespace

EveryOrder holds_in_every_order(const ClosureEvidence& closure, const Machine& machine,
                                const Specification& specification, const Budget& budget) {
  EveryOrder result;
  if (const LrnnModel* const compiled = machine.compiled(); compiled != nullptr && compiled->snapped()) {
    return compiled_holds(*compiled, closure, specification, budget);
  }
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
  try {
    steps.initial(state);
    if (task.first_token) {
      steps.read(state, *task.first_token);
      if (!steps.right(automaton.start())) {
        result.reason = readout_undecided;
        return result;
      }
    }
    if (!arrive(0)) {
      result.reason = code_undecided;
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
            state[tail_entries[i]] = any_order::as_atom(exact);
          }
        }
        steps.read(state, task.tokens[a]);
        if (!steps.right(automaton.next(closure.automaton_states[pair], static_cast<Symbol>(a)))) {
          result.reason = readout_undecided;
          return result;
        }
        if (!arrive(closure.successors[pair * symbols + a])) {
          result.reason = code_undecided;
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
