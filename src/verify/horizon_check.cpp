// Up to the horizon the layer's readout shows, behind every word, the slot that the reference automaton is in
// (model/horizon.cpp has the bound). So up to there the model is that automaton: slots, moved by the rows' successors,
// with the labels that `next` gives. A breadth-first search over (slot, state) finds the first word on which this
// automaton and the language differ, if any; every shorter word within the horizon agrees. The reference states are
// guesses, and only the bound computed from them counts. Tested by tests/verify/check_test.cpp.
#include "krohn/verify/horizon_check.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "krohn/engine/machine.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

// The slot that wins on a hidden state in exact arithmetic, nearly: a guess.
std::uint32_t decoded(const SlotReadout& readout, const std::vector<double>& hidden) {
  std::uint32_t best = 0;
  double best_score = 0.0;
  for (std::uint32_t slot = 0; slot < readout.num_slots(); ++slot) {
    double score = static_cast<double>(readout.bias[slot]);
    for (const Entry& entry : readout.weight[slot]) score += static_cast<double>(entry.value) * hidden[entry.index];
    if (slot == 0 || score > best_score) {
      best = slot;
      best_score = score;
    }
  }
  return best;
}

/// Nothing where a limit of the budget is met. Cost: slots^2 * rows * key_size.
std::optional<ReferenceStates> guess(const TableLayer& layer, const Budget& budget) {
  const SlotReadout& readout = layer.readouts[0];
  const std::size_t size = layer.hidden_size();
  ReferenceStates reference;
  const std::vector<double> initial(layer.initial_hidden.begin(), layer.initial_hidden.end());
  reference.start = decoded(readout, initial);
  reference.centre.assign(readout.num_slots() * size, 0.0);
  for (std::size_t slot = 0; slot < readout.num_slots(); ++slot) {
    for (const Entry& entry : readout.weight[slot]) {
      reference.centre[slot * size + entry.index] = static_cast<double>(entry.value);
    }
  }
  for (std::size_t slot = 0; slot < readout.num_slots(); ++slot) {
    if (budget.interrupted() || budget.out_of_time()) return std::nullopt;
    for (std::size_t r = 0; r < layer.table.num_rows(); ++r) {
      std::vector<double> hidden(reference.centre.begin() + static_cast<std::ptrdiff_t>(slot * size),
                                 reference.centre.begin() + static_cast<std::ptrdiff_t>((slot + 1) * size));
      const TokenRow row = layer.table.row(r);
      for (std::size_t i = 0; i < size; ++i) hidden[i] *= static_cast<double>(row.gate[row.gate.size() == 1 ? 0 : i]);
      for (const GeneralizedHouseholder& factor : row.factors) {
        double dot = 0.0;
        for (const Entry& entry : factor.key) dot += static_cast<double>(entry.value) * hidden[entry.index];
        for (const Entry& entry : factor.key) {
          hidden[entry.index] -= static_cast<double>(factor.beta) * dot * static_cast<double>(entry.value);
        }
      }
      reference.successor.push_back(decoded(readout, hidden));
    }
  }
  return reference;
}

constexpr const char* wrong_form = "the model is not one layer with one readout and one value column";

bool right_form(const LrnnModel& model) {
  return model.layers().size() == 1 && model.layers()[0].readouts.size() == 1 &&
         model.layers()[0].table.value_size() == 1;
}

}  // namespace

HorizonCheck check_horizon(const LrnnModel& model, Semantics semantics, const Specification& specification,
                           const Budget& budget) {
  HorizonCheck refused;
  if (!right_form(model)) {
    refused.reason = wrong_form;
    return refused;
  }
  std::optional<ReferenceStates> reference = guess(model.layers()[0], budget);
  if (!reference) {
    refused.reason = "the time limit was reached";
    return refused;
  }
  return check_horizon(model, semantics, specification, *std::move(reference));
}

HorizonCheck check_horizon(const LrnnModel& model, Semantics semantics, const Specification& specification,
                           ReferenceStates reference) {
  HorizonCheck check;
  const auto refuse = [&](std::string reason) {
    check.reason = std::move(reason);
    return check;
  };
  if (!right_form(model)) return refuse(wrong_form);
  TableLayer layer = model.layers()[0];
  // The run starts from the initial state as it is stored, rounded to the format.
  const std::unique_ptr<Machine> machine = make_machine(model, semantics);
  std::vector<std::byte> carried(machine->state_size());
  machine->initial(carried);
  std::memcpy(layer.initial_hidden.data(), carried.data(), layer.hidden_size() * sizeof(float));
  check.reference = std::move(reference);
  try {
    // The margin, which takes longer by far, would say nothing more.
    if (!drifts(layer, check.reference, semantics)) return refuse("the layer is exact: a closure decides");
    check.horizon = certify_horizon(layer, check.reference, semantics);
  } catch (const InputError& error) {
    return refuse(error.what());
  }
  if (!check.horizon.length) return refuse("the bound holds at every length: a closure decides");
  const std::uint64_t horizon = *check.horizon.length;
  if (horizon == 0) return refuse("the bound holds for no step");

  const Dfa& automaton = specification.automaton();
  if (!specification.agrees(model.initial_label(), automaton.start())) {
    check.disagreement = Word{};
    return check;
  }
  struct Visit {
    std::uint32_t slot;
    State q;
    std::uint64_t depth;
    std::size_t parent;
    Symbol symbol;
  };
  const std::size_t rows = layer.table.num_rows();
  std::vector<Visit> queue = {{check.reference.start, automaton.start(), 0, 0, 0}};
  std::vector<bool> seen(layer.readouts[0].num_slots() * automaton.num_states(), false);
  seen[queue[0].slot * automaton.num_states() + queue[0].q] = true;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    const Visit visit = queue[i];
    if (visit.depth >= horizon) break;
    for (Symbol a = 0; a < automaton.num_symbols(); ++a) {
      const std::int32_t row = model.symbol_row()[a];
      const State q = automaton.next(visit.q, a);
      std::int32_t label = undefined_label;
      std::uint32_t slot = 0;
      if (row >= 0) {
        const auto input = static_cast<std::size_t>(row);
        slot = check.reference.successor[visit.slot * rows + layer.row_action[input]];
        label = layer.next[layer.row_next[input] + slot];
      }
      if (!specification.agrees(label, q)) {
        Word word = {a};
        for (std::size_t at = i; at != 0; at = queue[at].parent) word.push_back(queue[at].symbol);
        std::reverse(word.begin(), word.end());
        check.length = visit.depth;
        check.disagreement = std::move(word);
        return check;
      }
      // An undefined label stays; where the language does not care for it here, it might later.
      if (label < 0) return refuse("a label is undefined outside the language's domain");
      const std::size_t pair = slot * automaton.num_states() + q;
      if (!seen[pair]) {
        seen[pair] = true;
        queue.push_back({slot, q, visit.depth + 1, i, a});
      }
    }
  }
  check.length = horizon;
  return check;
}

}  // namespace krohn
