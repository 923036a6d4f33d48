// Steps of a table layer whose every intermediate value is exact, in whatever order they are computed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/semantics.hpp"
#include "krohn/verify/layer_steps.hpp"

namespace krohn {

/// Collects the significant bits that the intermediate values of one layer's steps need. docs/certificates.md, 6, says
/// which orders of operations are covered; the source has the proof.
class ExactLayer {
 public:
  /// The layer must outlive this.
  ExactLayer(const TableLayer& layer, Semantics semantics);

  /// Looks at the step of `move` from a hidden state [hidden_size] as stored. Returns the slot that it hands on, -1 for
  /// a tie; nothing where exactness was not shown, now or in an earlier step.
  std::optional<std::int32_t> add(const Move& move, std::span<const float> hidden);

  /// The significant bits that suffice for all steps looked at, at most 24; nothing if some step was not shown exact.
  std::optional<unsigned> bits() const;

 private:
  struct Action {
    TokenRow row;
    std::optional<unsigned> bits;  // of the parameters among themselves; nothing if they are not exact
  };
  const Action& action(std::uint32_t index);
  bool note(unsigned width);
  bool in_range(std::span<const double> values) const;
  bool update(const Action& action);
  std::optional<std::int32_t> decode(std::uint32_t readout);

  const TableLayer& layer_;
  Semantics semantics_;
  std::vector<std::optional<Action>> actions_;
  // Per readout the slots of hidden states seen lately.
  std::vector<std::unordered_map<std::string, std::int32_t>> decoded_;
  std::vector<double> hidden_;
  std::vector<double> term_;
  unsigned bits_ = 0;
  bool exact_ = true;
};

/// The layers of a model, for steps of whole runs.
class ExactModel {
 public:
  /// The model must outlive this.
  ExactModel(const LrnnModel& model, Semantics semantics);

  /// Looks at all that `symbol` does to a carried state (docs/semantics.md, 5). False where exactness was not shown,
  /// now or earlier.
  bool add(std::span<const std::byte> state, Symbol symbol);
  ExactLayer& layer(std::size_t index) { return layers_[index]; }

  /// As ExactLayer::bits, of all layers.
  std::optional<unsigned> bits() const;

 private:
  const LrnnModel& model_;
  std::vector<ExactLayer> layers_;
  std::vector<float> hidden_;
};

}  // namespace krohn
