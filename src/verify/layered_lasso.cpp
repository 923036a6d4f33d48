// Lassos layer by layer.
//
// Let layers 1..i-1 have the joint lasso (mu, lambda). From time mu on, layer i reads the same `lambda` groups of rows
// over and over, so (phase, hidden state of layer i) is a deterministic map, and its lasso (mu', lambda') gives
// (mu + mu', lambda') for layers 1..i: the states of the lower layers are pairwise different over a period, so equal
// phases and equal lower states are the same thing. Without GH factors the elements do not interact: the layer's mu'
// is the largest of the elements', its lambda' their least common multiple. Elements under gates are monotone maps, so
// their orbits end in a fixed point (two, for negative gates) however long the way; the way is walked at a few
// nanoseconds a step, some 2 % of the time: leaping over it would save nothing, since every transient is replayed.
// Cost: mu steps of the whole model a layer, plus the layer's own transient at the price of that layer. Every number is
// confirmed by replaying the whole model. Tested by tests/verify/refute_test.cpp.
#include "krohn/verify/layered_lasso.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>

#include "brent.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::uint64_t scalar_steps_a_step = 16;

struct Ended {
  std::string reason;
};

/// A readout tied: the shortcut does not apply.
struct Tied {};

class Account {
 public:
  explicit Account(const LassoBudget& budget) : budget_(budget) {}
  void spend(std::uint64_t steps) {
    steps_ += steps;
    if (steps_ > budget_.max_steps) {
      throw Ended{"the budget of " + std::to_string(budget_.max_steps) + " steps ran out"};
    }
    if (budget_.stop != nullptr && budget_.stop->load(std::memory_order_relaxed)) {
      throw Ended{"stopped after " + std::to_string(steps_) + " steps"};
    }
  }
  std::uint64_t steps() const { return steps_; }

 private:
  const LassoBudget& budget_;
  std::uint64_t steps_ = 0;
};

/// Layers 0..count-1 with the row of layer `count` (or the label) as the label.
LrnnModel lower_layers(const LrnnModel& model, std::size_t count) {
  std::vector<TableLayer> layers(model.layers().begin(), model.layers().begin() + static_cast<std::ptrdiff_t>(count));
  if (count == model.layers().size()) {
    return LrnnModel(model.alphabet(), model.label_names(), model.initial_label(), model.symbol_row(),
                     std::move(layers));
  }
  std::vector<std::string> rows;
  for (std::size_t r = 0; r < model.layers()[count].num_rows(); ++r) rows.push_back(std::to_string(r));
  return LrnnModel(model.alphabet(), std::move(rows), undefined_label, model.symbol_row(), std::move(layers));
}

/// Layer `index` alone: its rows are the symbols, its readout always says 0.
LrnnModel layer_alone(const LrnnModel& model, std::size_t index) {
  TableLayer layer = model.layers()[index];
  std::vector<std::string> rows;
  std::vector<std::int32_t> symbol_row;
  for (std::size_t r = 0; r < layer.num_rows(); ++r) {
    rows.push_back(std::to_string(r));
    symbol_row.push_back(static_cast<std::int32_t>(r));
  }
  layer.readouts = {SlotReadout{{{}}, {0.0F}}};
  layer.reads_before = false;
  std::fill(layer.row_readout.begin(), layer.row_readout.end(), 0U);
  std::fill(layer.row_next.begin(), layer.row_next.end(), 0U);
  layer.next = {0};
  return LrnnModel(Alphabet(std::move(rows)), {"0"}, 0, std::move(symbol_row), {std::move(layer)});
}

/// Runs `count` iterations of the loop, calling `row` with every label.
template <class OnLabel>
void iterate(const Machine& machine, Bytes& state, std::span<const Symbol> loop, std::uint64_t count, Account& account,
             const OnLabel& on_label) {
  constexpr std::uint64_t chunk = 1024;
  for (std::uint64_t k = 0; k < count; ++k) {
    if (k % chunk == 0) account.spend(std::min(chunk, count - k) * loop.size());
    for (const Symbol symbol : loop) on_label(machine.step(state, symbol).label);
  }
}

/// What one row does to one element: h <- store(gate h + write), docs/semantics.md, section 2 without factors; in a
/// separate arithmetic both operations are rounded to the format.
struct ScalarStep {
  float gate = 1.0F;
  float write = 0.0F;
};

struct ScalarState {
  std::uint64_t phase = 0;
  float value = 0.0F;
};

/// `steps[phase]` are the rows of one loop iteration.
Lasso scalar_lasso(const std::vector<std::vector<ScalarStep>>& steps, float start, const Arithmetic& arithmetic,
                   Account& account) {
  std::uint64_t taken = 0;
  const NumberFormat between = arithmetic.separate ? arithmetic.format : NumberFormat::fp32;
  const auto apply = [&](ScalarState& state) {
    if ((++taken & 0xFFFFU) == 0) account.spend(0x10000U / scalar_steps_a_step);
    for (const ScalarStep& step : steps[state.phase]) {
      if (step.gate == 0.0F) {
        state.value = 0.0F;
      } else if (step.gate != 1.0F) {
        state.value = rounded_to(step.gate * state.value, between);
      }
      if (step.write != 0.0F) state.value = state.value + step.write;
      // Rounding the sum on its own before storing would change nothing.
      state.value = stored_in(state.value, arithmetic.format);
      if (is_not_finite(state.value)) throw Ended{"NaN or infinity in the hidden state"};
    }
    state.phase = state.phase + 1 == steps.size() ? 0 : state.phase + 1;
  };
  const auto same = [](const ScalarState& a, const ScalarState& b) {
    return a.phase == b.phase && std::bit_cast<std::uint32_t>(a.value) == std::bit_cast<std::uint32_t>(b.value);
  };
  return brent_lasso(ScalarState{0, start}, apply, same);
}

/// The rows of one period, a group for each loop iteration.
using RowCycle = std::vector<std::vector<std::uint32_t>>;

bool has_factors(const TableLayer& layer, const RowCycle& rows) {
  const std::vector<std::uint32_t>& offset = layer.table.arrays().factor_offset;
  for (const auto& group : rows) {
    for (const std::uint32_t row : group) {
      const std::uint32_t action = layer.row_action[row];
      if (offset[action] != offset[action + 1]) return true;
    }
  }
  return false;
}

Lasso diagonal_lasso(const TableLayer& layer, const RowCycle& rows, std::span<const std::byte> hidden,
                     const Arithmetic& arithmetic, Account& account) {
  std::vector<std::vector<TokenRow>> actions;
  for (const auto& group : rows) {
    std::vector<TokenRow>& list = actions.emplace_back();
    for (const std::uint32_t row : group) list.push_back(layer.table.row(layer.row_action[row]));
  }
  Lasso joint{0, rows.size()};
  for (std::size_t element = 0; element < layer.hidden_size(); ++element) {
    std::vector<std::vector<ScalarStep>> steps;
    for (const auto& group : actions) {
      std::vector<ScalarStep>& list = steps.emplace_back();
      for (const TokenRow& row : group) {
        ScalarStep step;
        step.gate = row.gate.size() == 1 ? row.gate[0] : row.gate[element / layer.table.value_size()];
        for (const Entry& entry : row.write) {
          if (entry.index == element) step.write = entry.value;
        }
        list.push_back(step);
      }
    }
    float start = 0.0F;
    std::memcpy(&start, hidden.data() + 4 * element, 4);
    const Lasso lasso = scalar_lasso(steps, start, arithmetic, account);
    joint.transient = std::max(joint.transient, lasso.transient);
    joint.period = std::lcm(joint.period, lasso.period);
  }
  return joint;
}

Lasso alone_lasso(const LrnnModel& model, std::size_t index, const RowCycle& rows, std::span<const std::byte> hidden,
                  const Arithmetic& arithmetic, Account& account) {
  const std::unique_ptr<Machine> layer = make_machine(layer_alone(model, index), arithmetic);
  struct State {
    std::uint64_t phase = 0;
    Bytes bytes;
  };
  State start{0, Bytes(hidden.begin(), hidden.end())};
  start.bytes.resize(layer->state_size(), std::byte{0});
  std::uint64_t taken = 0;
  const auto apply = [&](State& state) {
    for (const std::uint32_t row : rows[state.phase]) {
      layer->step(state.bytes, row);
      if ((++taken & 0x3FFU) == 0) account.spend(0x400U);
    }
    state.phase = state.phase + 1 == rows.size() ? 0 : state.phase + 1;
  };
  const auto same = [](const State& a, const State& b) {
    return a.phase == b.phase && std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()) == 0;
  };
  return brent_lasso(start, apply, same);
}

LayeredLasso by_layers(const LrnnModel& model, const Arithmetic& arithmetic, std::span<const Symbol> prefix,
                       std::span<const Symbol> loop, Account& account) {
  LayeredLasso result;
  Lasso joint{0, 1};
  const auto expect_label = [](std::int32_t label) {
    if (label == undefined_label) throw Tied{};
  };
  std::size_t offset = 0;
  std::unique_ptr<Machine> below = make_machine(lower_layers(model, 0), arithmetic);
  for (std::size_t l = 0; l < model.layers().size(); ++l) {
    std::unique_ptr<Machine> upto = make_machine(lower_layers(model, l + 1), arithmetic);
    Bytes state(upto->state_size());
    upto->initial(state);
    for (const Symbol symbol : prefix) expect_label(upto->step(state, symbol).label);
    iterate(*upto, state, loop, joint.transient, account, expect_label);
    // The rows that layer l reads over one period of the layers below.
    Bytes lower(state.begin(), state.begin() + static_cast<std::ptrdiff_t>(offset));
    lower.resize(below->state_size(), std::byte{0});
    RowCycle rows;
    for (std::uint64_t phase = 0; phase < joint.period; ++phase) {
      std::vector<std::uint32_t>& group = rows.emplace_back();
      iterate(*below, lower, loop, 1, account, [&](std::int32_t row) {
        expect_label(row);
        group.push_back(static_cast<std::uint32_t>(row));
      });
    }
    const TableLayer& layer = model.layers()[l];
    const std::span<const std::byte> hidden =
        std::span<const std::byte>(state).subspan(offset, 4 * layer.hidden_size());
    const Lasso own = has_factors(layer, rows) ? alone_lasso(model, l, rows, hidden, arithmetic, account)
                                               : diagonal_lasso(layer, rows, hidden, arithmetic, account);
    joint = {joint.transient + own.transient, own.period};
    result.layers.push_back(joint);
    offset += 4 * layer.hidden_size();
    below = std::move(upto);
  }
  // `below` is the whole model now; its bits must be as found.
  Bytes state(below->state_size());
  below->initial(state);
  for (const Symbol symbol : prefix) expect_label(below->step(state, symbol).label);
  iterate(*below, state, loop, joint.transient, account, expect_label);
  Bytes later = state;
  iterate(*below, later, loop, joint.period, account, expect_label);
  if (state != later) throw InternalError("layered lasso: the replay of the whole model disagrees");
  result.lasso = joint;
  return result;
}

}  // namespace

LayeredLasso find_layered_lasso(const LrnnModel& model, const Arithmetic& arithmetic, std::span<const Symbol> prefix,
                                std::span<const Symbol> loop, const LassoBudget& budget) {
  if (loop.empty()) throw InputError("loop word: expected at least one symbol, got the empty word");
  LayeredLasso result;
  Account account(budget);
  try {
    result = by_layers(model, arithmetic, prefix, loop, account);
    result.steps = account.steps();
    return result;
  } catch (const Ended& ended) {
    result.reason = ended.reason;
  } catch (const NumericError& error) {
    result.reason = error.what();
  } catch (const Tied&) {
    const LassoSearch search = find_lasso(*make_machine(model, arithmetic), prefix, loop, budget);
    result.lasso = search.lasso;
    result.reason = search.reason;
    result.steps = account.steps() + search.steps;
    return result;
  }
  result.steps = account.steps();
  return result;
}

}  // namespace krohn
