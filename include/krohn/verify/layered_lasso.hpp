// Lassos of compiled models, found layer by layer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "krohn/engine/compiled/theorem_machines.hpp"
#include "krohn/model/lrnn_model.hpp"
#include "krohn/verify/lasso.hpp"

namespace krohn {

struct LayeredLasso {
  /// The joint lasso of layers 1..i: periods divide one another, transients do not fall. Complete if `lasso` is set.
  std::vector<Lasso> layers;
  /// That of all layers, equal to what find_lasso finds on the whole model.
  std::optional<Lasso> lasso;
  std::uint64_t steps = 0;
  std::string reason;
};

/// As find_lasso(make_machine(model, arithmetic), ..), cheaper: once the layers below are on their cycle, a layer is
/// iterated alone on the cycle of its rows, without decoding; and where those rows have no GH factors, each element of
/// its hidden state alone, in a register (a scalar step counts a sixteenth of a step of the budget). The result is
/// confirmed by one plain replay of the whole model to mu + lambda. Falls back to find_lasso where a readout ties on
/// the way, since `?` stops every layer at once.
LayeredLasso find_layered_lasso(const LrnnModel& model, const Arithmetic& arithmetic, std::span<const Symbol> prefix,
                                std::span<const Symbol> loop, const LassoBudget& budget = {});

}  // namespace krohn
