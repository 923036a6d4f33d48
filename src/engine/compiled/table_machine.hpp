// The machine of a compiled model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "krohn/engine/compiled/dense_rows.hpp"
#include "krohn/engine/compiled/flat_model.hpp"
#include "krohn/engine/device_team.hpp"
#include "krohn/engine/machine.hpp"
#include "reachable.hpp"

namespace krohn {

/// A readout with every weight present: weight[e * padded + slot].
struct DenseReadout {
  std::uint32_t slots = 0;
  std::uint32_t padded = 0;
  std::vector<float> weight;  // empty: the sparse form is cheaper
  std::vector<float> bias;
};

class TableMachine final : public Machine {
 public:
  TableMachine(LrnnModel model, Semantics semantics);
  TableMachine(const TableMachine&) = delete;
  TableMachine& operator=(const TableMachine&) = delete;

  const Alphabet& alphabet() const override { return model_.alphabet(); }
  const std::vector<std::string>& label_names() const override { return model_.label_names(); }
  std::string_view semantics() const override { return semantics_id(semantics_); }
  std::string fingerprint() const override;
  /// The hidden states of all layers, then one word: whether the run is undefined.
  std::size_t state_size() const override { return 4 * initial_.size() + 4; }
  Observation initial(std::span<std::byte> state) const override;
  Observation step(std::span<std::byte> state, Symbol symbol) const override;
  Trace run(WordBatch words, const RunOptions& options) const override;
  std::optional<Tables> tables() const override {
    return model_.snapped() ? std::nullopt : std::optional(Tables{model_, semantics_});
  }
  const LrnnModel* compiled() const override { return &model_; }
  WalkPlan plan_walk(const EnumerateOptions& options) const override;

 private:
  void check_size(std::span<std::byte> state) const;
  void write(std::span<std::byte> state, const float* hidden, std::uint32_t undefined) const;
  Observation step_on(std::span<std::byte> state, Symbol symbol, float* hidden) const;

  // The forms of run() (table_batches.cpp); `bytes`: what a part of the words may take on a device.
  const Reachable* reached() const;
  void observe_last(const Reachable& reachable, const Observation& before, std::size_t index,
                    std::span<const Symbol> word, std::uint32_t state, Trace& trace) const;
  void run_states(const Reachable& reachable, WordBatch words, const RunOptions& options, Trace& trace) const;
  void run_states_on_devices(const Reachable& reachable, WordBatch words, const RunOptions& options, std::size_t bytes,
                             DeviceTeam& team, Trace& trace) const;
  void run_flat_on_devices(WordBatch words, const RunOptions& options, std::size_t bytes, DeviceTeam& team,
                           Trace& trace) const;

  LrnnModel model_;
  Semantics semantics_;
  FlatModel flat_;
  FlatModelView view_;
  std::vector<float> initial_;
  std::vector<std::vector<DenseReadout>> dense_;
  /// What reached() has found.
  mutable std::once_flag looked_;
  mutable std::unique_ptr<const Reachable> reachable_;
};

}  // namespace krohn
