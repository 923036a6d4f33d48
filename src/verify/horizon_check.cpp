// Up to its horizon the readout of a layer that drifts shows, behind every word, the slot that its reference automaton
// is in (model/horizon.cpp has the bound); the other layers are walked in their own bits. So up to the least horizon
// the model is an automaton whose states are tuples, a slot or a hidden state for each layer: by induction on length,
// since what a layer is given follows from the slots below it. A breadth-first search over (tuple, state) finds the
// first word on which this automaton and the language differ, if any; every shorter word within the horizon agrees. The
// reference states are guesses, and only the bounds computed from them count. Tested by tests/verify/check_test.cpp and
// tests/compile/polygon_test.cpp.
#include "krohn/verify/horizon_check.hpp"

#include <algorithm>
#include <boost/container_hash/hash.hpp>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <unordered_set>
#include <utility>
#include <vector>

#include "krohn/engine/machine.hpp"
#include "krohn/error.hpp"
#include "krohn/verify/layer_steps.hpp"

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

/// What tuples may take in any case.
constexpr std::uint64_t least_memory = std::uint64_t{16} << 20U;

bool over(const Budget& budget) { return budget.interrupted() || budget.out_of_time(); }

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
    if (over(budget)) return std::nullopt;
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
      for (const Entry& entry : row.write) hidden[entry.index] += static_cast<double>(entry.value);
      reference.successor.push_back(decoded(readout, hidden));
    }
  }
  return reference;
}

/// Whether each step from a reference state gives the bits of another one: the layer computes exactly, although the
/// bound counts a rounding for each operation.
bool returns_bit_for_bit(const TableLayer& layer, const ReferenceStates& reference, Semantics semantics) {
  const std::size_t size = layer.hidden_size();
  const std::size_t rows = layer.table.num_rows();
  const std::vector<float> centre(reference.centre.begin(), reference.centre.end());
  const auto is_centre = [&](const float* hidden, std::uint32_t slot) {
    return std::equal(hidden, hidden + size, centre.begin() + static_cast<std::ptrdiff_t>(slot * size));
  };
  if (!is_centre(layer.initial_hidden.data(), reference.start)) return false;
  std::vector<Move> moves;
  for (std::size_t r = 0; r < rows; ++r) moves.push_back({static_cast<std::uint32_t>(r), 0});
  const LayerSteps steps(layer, 0, moves, semantics);
  std::vector<float> hidden(size);
  for (std::size_t slot = 0; slot * size < centre.size(); ++slot) {
    for (std::size_t r = 0; r < rows; ++r) {
      std::copy_n(centre.begin() + static_cast<std::ptrdiff_t>(slot * size), size, hidden.begin());
      try {
        if (steps.step(std::as_writable_bytes(std::span(hidden)), r) < 0) return false;
      } catch (const NumericError&) {
        return false;
      }
      if (!is_centre(hidden.data(), reference.successor[slot * rows + r])) return false;
    }
  }
  return true;
}

/// The layer as a run starts from it: with the initial state as it is stored, rounded to the format.
TableLayer as_stored(const LrnnModel& model, std::size_t layer, const Machine& machine) {
  TableLayer result = model.layers()[layer];
  std::vector<std::byte> carried(machine.state_size());
  machine.initial(carried);
  const std::vector<float> hidden = machine.hidden(carried);
  std::size_t offset = 0;
  for (std::size_t below = 0; below < layer; ++below) offset += model.layers()[below].hidden_size();
  std::copy_n(hidden.begin() + static_cast<std::ptrdiff_t>(offset), result.hidden_size(),
              result.initial_hidden.begin());
  return result;
}

/// A layer as an automaton: of reference slots, or of the hidden states that were met.
class LayerAutomaton {
 public:
  LayerAutomaton(const TableLayer& layer, Semantics semantics, const ReferenceStates* reference)
      : layer_(layer), reference_(reference) {
    if (reference != nullptr) return;
    std::vector<Move> moves;
    for (std::size_t r = 0; r < layer.num_rows(); ++r) {
      const auto [place, added] =
          number_of_move_.emplace(Move{layer.row_action[r], layer.row_readout[r]}, moves.size());
      if (added) moves.push_back(place->first);
      move_of_row_.push_back(place->second);
    }
    steps_ = std::make_unique<LayerSteps>(layer, 0, moves, semantics);
    std::vector<std::byte> initial(steps_->hidden_size());
    steps_->initial(initial);
    number_of(initial);
  }

  std::uint32_t initial() const { return reference_ != nullptr ? reference_->start : 0; }
  std::uint64_t bytes() const {
    return steps_ ? hidden_.size() * (2 * steps_->hidden_size() + 16 * number_of_move_.size() + 128) : 0;
  }

  /// Where a row leads from a state, and the slot that is handed on, -1 for a tie.
  struct Arrival {
    std::uint32_t state;
    std::int32_t slot;
  };
  /// Throws NumericError as the run does.
  Arrival step(std::uint32_t state, std::uint32_t row) {
    if (reference_ != nullptr) {
      const std::uint32_t next = reference_->successor[state * layer_.table.num_rows() + layer_.row_action[row]];
      // The other readouts have one slot.
      const bool decodes = layer_.row_readout[row] == 0;
      return {next, static_cast<std::int32_t>(!decodes ? 0 : layer_.reads_before ? state : next)};
    }
    const std::size_t at = state * number_of_move_.size() + move_of_row_[row];
    if (!arrivals_[at]) {
      std::vector<std::byte> hidden = hidden_[state];
      const std::int32_t slot = steps_->step(hidden, move_of_row_[row]);
      const Arrival arrival{slot < 0 ? state : number_of(hidden), slot};
      arrivals_[at] = arrival;
    }
    return *arrivals_[at];
  }

 private:
  std::uint32_t number_of(const std::vector<std::byte>& hidden) {
    const auto [place, added] = numbers_.emplace(hidden, static_cast<std::uint32_t>(hidden_.size()));
    if (added) {
      hidden_.push_back(hidden);
      arrivals_.resize(hidden_.size() * number_of_move_.size());
    }
    return place->second;
  }

  const TableLayer& layer_;
  const ReferenceStates* reference_;
  std::unique_ptr<LayerSteps> steps_;
  std::map<Move, std::size_t> number_of_move_;
  std::vector<std::size_t> move_of_row_;
  std::map<std::vector<std::byte>, std::uint32_t> numbers_;
  std::vector<std::vector<std::byte>> hidden_;
  std::vector<std::optional<Arrival>> arrivals_;  // [hidden state, move]
};

}  // namespace

HorizonCheck check_horizon(const LrnnModel& model, Semantics semantics, const Specification& specification,
                           const Budget& budget) {
  HorizonCheck refused;
  const std::unique_ptr<Machine> machine = make_machine(model, semantics);
  std::vector<LayerReference> references;
  for (std::size_t l = 0; l < model.layers().size(); ++l) {
    const TableLayer layer = as_stored(model, l, *machine);
    if (layer.readouts.empty() || layer.table.value_size() != 1) continue;
    std::optional<ReferenceStates> reference = guess(layer, budget);
    if (!reference) {
      refused.reason = "the time limit was reached";
      return refused;
    }
    try {
      if (drifts(layer, *reference, semantics) && !returns_bit_for_bit(layer, *reference, semantics)) {
        references.push_back({static_cast<std::uint32_t>(l), *std::move(reference)});
      }
    } catch (const InputError& error) {
      refused.reason = error.what();
    }
  }
  if (references.empty()) {
    if (refused.reason.empty()) refused.reason = "no layer drifts: a closure decides";
    return refused;
  }
  return check_horizon(model, semantics, specification, std::move(references), budget);
}

HorizonCheck check_horizon(const LrnnModel& model, Semantics semantics, const Specification& specification,
                           std::vector<LayerReference> references, const Budget& budget, std::uint64_t up_to) {
  HorizonCheck check;
  check.references = std::move(references);
  const auto refuse = [&](std::string reason) {
    check.reason = std::move(reason);
    return check;
  };
  if (check.references.empty()) return refuse("no layer with reference states is listed");
  const std::vector<TableLayer>& layers = model.layers();
  const std::unique_ptr<Machine> machine = make_machine(model, semantics);
  std::vector<const ReferenceStates*> reference_of(layers.size(), nullptr);
  std::optional<std::uint64_t> least;
  for (const LayerReference& reference : check.references) {
    if (reference.layer >= layers.size() || reference_of[reference.layer] != nullptr) {
      return refuse("expected references of different layers of the model, got layer " +
                    std::to_string(reference.layer));
    }
    reference_of[reference.layer] = &reference.states;
    try {
      const TableLayer layer = as_stored(model, reference.layer, *machine);
      check.horizons.push_back(certify_horizon(layer, reference.states, semantics));
    } catch (const InputError& error) {
      return refuse(error.what());
    }
    const std::optional<std::uint64_t>& length = check.horizons.back().length;
    if (length) least = std::min(*length, least.value_or(*length));
  }
  if (!least && up_to == no_limit) return refuse("the bounds hold at every length: a closure decides");
  const std::uint64_t horizon = std::min(least.value_or(up_to), up_to);
  if (horizon == 0) return refuse("the bound holds for no step");

  const Dfa& automaton = specification.automaton();
  if (!specification.agrees(model.initial_label(), automaton.start())) {
    check.disagreement = Word{};
    return check;
  }
  std::vector<LayerAutomaton> automata;
  automata.reserve(layers.size());
  // A tuple's states layer by layer, then the language's state.
  using Tuple = std::vector<std::uint32_t>;
  Tuple first;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    automata.emplace_back(layers[l], semantics, reference_of[l]);
    first.push_back(automata.back().initial());
  }
  first.push_back(automaton.start());
  std::unordered_set<Tuple, boost::hash<Tuple>> seen = {first};
  struct Visit {
    const Tuple* tuple;
    std::uint64_t depth;
    std::size_t parent;
    Symbol symbol;
  };
  std::vector<Visit> queue = {{&*seen.begin(), 0, 0, 0}};
  const std::uint64_t bytes_each = sizeof(Visit) + 64 + (layers.size() + 1) * sizeof(std::uint32_t);
  for (std::size_t i = 0; i < queue.size(); ++i) {
    const Visit visit = queue[i];
    if (visit.depth >= horizon) break;
    if (over(budget)) return refuse("the time limit was reached");
    std::uint64_t bytes = 0;
    for (const LayerAutomaton& layer : automata) bytes += layer.bytes();
    if (bytes > budget.memory || seen.size() * bytes_each > std::max(budget.memory, least_memory)) {
      return refuse("the memory limit was reached: too many states of the layers");
    }
    for (Symbol a = 0; a < automaton.num_symbols(); ++a) {
      Tuple next = *visit.tuple;
      const State q = next.back() = automaton.next(visit.tuple->back(), a);
      std::int32_t row = model.symbol_row()[a];
      try {
        for (std::size_t l = 0; l < layers.size() && row >= 0; ++l) {
          const auto input = static_cast<std::uint32_t>(row);
          const auto [state, slot] = automata[l].step(next[l], input);
          next[l] = state;
          row = slot < 0 ? undefined_row : layers[l].next[layers[l].row_next[input] + static_cast<std::uint32_t>(slot)];
        }
      } catch (const NumericError& error) {
        return refuse(error.what());
      }
      if (!specification.agrees(row, q)) {
        Word word = {a};
        for (std::size_t at = i; at != 0; at = queue[at].parent) word.push_back(queue[at].symbol);
        std::reverse(word.begin(), word.end());
        check.length = visit.depth;
        check.disagreement = std::move(word);
        return check;
      }
      // An undefined label stays; where the language does not care for it here, it might later.
      if (row < 0) return refuse("a label is undefined outside the language's domain");
      const auto [place, added] = seen.insert(std::move(next));
      if (added) queue.push_back({&*place, visit.depth + 1, i, a});
    }
  }
  check.length = horizon;
  return check;
}

}  // namespace krohn
