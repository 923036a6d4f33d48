// A letter f as moves and swaps of a one-hot vector. Every state that several states lead to first gathers them: of the
// states that f takes to y one stays, y's predecessor on a cycle where y is on one, and the others are moved onto it.
// Then those that stay go where f takes them, all to different places. What they do is paths and cycles. A cycle of
// length l is l - 1 swaps. At the end of a path is a state that is empty by now, for it did not stay: so the last state
// of the path is moved there, then the one before it, and so on. A factor a state, less one for each cycle: n - c,
// which is the rank of the letter's matrix less I (it fixes one vector a cycle), so that fewer factors do not suffice.
#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include "krohn/compile/group.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

constexpr std::size_t max_states = 1024;

using Images = std::vector<State>;

std::vector<Entry> difference(State plus, State minus) {
  std::vector<Entry> entries = {{plus, 1.0F}, {minus, -1.0F}};
  if (minus < plus) std::swap(entries[0], entries[1]);
  return entries;
}
GeneralizedHouseholder move(State from, State to) { return {difference(from, to), 1.0F, {}, {{from, 1.0F}}}; }
GeneralizedHouseholder swap(State a, State b) { return {difference(std::min(a, b), std::max(a, b)), 1.0F, {}}; }

std::vector<bool> on_cycles(const Images& f) {
  std::vector<bool> image(f.size(), true);
  // After as many steps as there are states only the cycles are left.
  for (std::size_t step = 0; step < f.size(); ++step) {
    std::vector<bool> next(f.size(), false);
    for (std::size_t q = 0; q < f.size(); ++q) {
      if (image[q]) next[f[q]] = true;
    }
    if (next == image) break;
    image = std::move(next);
  }
  return image;
}

std::vector<GeneralizedHouseholder> factors_of(const Images& f) {
  const std::vector<bool> cyclic = on_cycles(f);
  const auto states = static_cast<State>(f.size());
  std::vector<GeneralizedHouseholder> factors;
  // Who stays, for each image.
  constexpr State none = ~State{0};
  std::vector<State> stays(states, none);
  for (State q = 0; q < states; ++q) {
    if (stays[f[q]] == none || cyclic[q]) stays[f[q]] = q;
  }
  std::vector<bool> holds(states, false);
  for (State q = 0; q < states; ++q) {
    holds[q] = stays[f[q]] == q;
    if (!holds[q]) factors.push_back(move(q, stays[f[q]]));
  }
  std::vector<bool> done(states, false);
  for (State q = 0; q < states; ++q) {
    if (!cyclic[q] || done[q]) continue;
    done[q] = true;
    for (State at = f[q]; at != q; at = f[at]) {
      done[at] = true;
      factors.push_back(swap(q, at));
    }
  }
  // Paths, from their empty ends backwards.
  for (State end = 0; end < states; ++end) {
    if (holds[end] || stays[end] == none) continue;
    for (State to = end; stays[to] != none; to = stays[to]) factors.push_back(move(stays[to], to));
  }
  return factors;
}

/// Where the factors take a one at `state`.
State image_of(const std::vector<GeneralizedHouseholder>& factors, State state) {
  for (const GeneralizedHouseholder& factor : factors) {
    const auto& [a, b] = std::pair(factor.key[0].index, factor.key[1].index);
    if (factor.read.empty()) {
      state = state == a ? b : state == b ? a : state;
    } else if (state == factor.read[0].index) {
      state = state == a ? b : a;
    }
  }
  return state;
}

}  // namespace

std::optional<CompiledGroup> compile_moves(const Dfa& minimal, const MoveOptions& options) {
  const std::size_t states = minimal.num_states();
  if (states < 2 || states > max_states) return std::nullopt;
  std::map<Images, std::int32_t> rows;
  std::vector<TokenRow> table;
  std::vector<std::int32_t> row_of_symbol;
  std::vector<std::uint32_t> symbol_of_row;
  for (Symbol a = 0; a < minimal.num_symbols(); ++a) {
    const Images images = minimal.letter(a);
    const auto [at, is_new] = rows.try_emplace(images, static_cast<std::int32_t>(table.size()));
    row_of_symbol.push_back(at->second);
    if (!is_new) continue;
    symbol_of_row.push_back(a);
    TokenRow& row = table.emplace_back();
    const bool resets = std::all_of(images.begin(), images.end(), [&](State q) { return q == images[0]; });
    if (resets && options.zero_gates) {
      row.gate = {0.0F};
      row.write = {{images[0], 1.0F}};
      continue;
    }
    row.factors = factors_of(images);
    if (row.factors.size() > options.most_factors) return std::nullopt;
    for (State q = 0; q < states; ++q) {
      if (image_of(row.factors, q) != images[q]) throw InternalError("moves: factors that are not the letter");
    }
  }
  std::vector<float> initial(states, 0.0F);
  initial[minimal.start()] = 1.0F;
  SlotReadout readout;
  std::vector<std::int32_t> labels;
  for (State q = 0; q < states; ++q) {
    readout.weight.push_back({{q, 1.0F}});
    readout.bias.push_back(0.0F);
    const LabelId label = minimal.label(q);
    labels.push_back(label == null_label && !minimal.label_names().empty() ? 0 : label);
  }
  TableLayer layer{TokenTable(states, 1, table), std::move(initial), {std::move(readout)}, false, {}, {}, {}, labels};
  for (std::uint32_t row = 0; row < table.size(); ++row) layer.row_action.push_back(row);
  layer.row_readout.assign(table.size(), 0);
  layer.row_next.assign(table.size(), 0);
  std::vector<State> state_of_slot(states);
  std::iota(state_of_slot.begin(), state_of_slot.end(), State{0});
  return CompiledGroup{LrnnModel(minimal.alphabet(), minimal.label_names(), minimal.label(minimal.start()),
                                 std::move(row_of_symbol), {std::move(layer)}),
                       one_layer_hint(state_of_slot, symbol_of_row), true, std::nullopt};
}

}  // namespace krohn
