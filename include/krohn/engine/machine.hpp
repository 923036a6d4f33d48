// What everything that runs a model sees of it, compiled or learned: a deterministic machine over the bits that it
// carries from token to token.
//
//     const std::unique_ptr<Machine> machine = make_machine(model, Semantics::fp16_state_v1);
//     const Trace trace = machine->run(words);
//     trace.label(3);                        // the label of words[3]
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "krohn/automata/alphabet.hpp"
#include "krohn/engine/device.hpp"
#include "krohn/engine/word_batch.hpp"
#include "krohn/error.hpp"
#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/semantics.hpp"

namespace krohn {

class CollapsedStates;
struct EnumerateOptions;
struct WalkPlan;

/// A label and how far the readout is from another one.
struct Observation {
  std::int32_t label = undefined_label;
  /// The winning score less the runner-up's in the decode that was closest to a tie; 0 for `?`, infinity where
  /// nothing was decoded.
  float margin = 0.0F;
};

struct RunOptions {
  Device device = Device::automatic;
  /// The label after every symbol and before the first, instead of the last one only.
  bool all_positions = false;
  /// Fill Trace::margins.
  bool margins = false;
  /// CPU threads; 0 takes one a core.
  unsigned threads = 0;
  /// The most bytes of memory to use on each device; 0 for what is free.
  std::uint64_t device_memory = 0;
  /// Runs that use the devices side by side, this one among them: each takes its share of what is free.
  unsigned runs_at_once = 1;
  /// Polled, on devices between parts of the words; once true, the run ends with a StoppedError. Null for none.
  const std::atomic<bool>* stop = nullptr;
  void check_stop() const {
    if (stop != nullptr && stop->load(std::memory_order_relaxed)) throw StoppedError();
  }
};

/// Labels (and margins) of a batch, in the order of the words. Labels, margins and errors are the same bits on every
/// device and for every number of threads.
struct Trace {
  /// [words + 1]: word i has the entries offset[i] .. offset[i + 1]; one, or its length + 1 where all positions were
  /// asked for (entry t is the label after t symbols).
  std::vector<std::uint64_t> offset;
  std::vector<std::int32_t> labels;
  /// As labels, or empty.
  std::vector<float> margins;
  /// What ran: "cpu" (one number at a time), "cpu (avx2)" or "cpu (avx512)" (vectors), "cpu (states)" (a table of the
  /// states that words reach), or the names of the CUDA devices ("2 x NVIDIA H200"), and behind them those that failed
  /// on the way, whose work others did.
  std::string device;
  std::string semantics;

  std::size_t num_words() const noexcept { return offset.size() - 1; }
  /// The last label of a word.
  std::int32_t label(std::size_t word) const { return labels.at(offset.at(word + 1) - 1); }
  std::span<const std::int32_t> labels_of(std::size_t word) const {
    return {labels.data() + offset.at(word), static_cast<std::size_t>(offset.at(word + 1) - offset.at(word))};
  }
};

/// A model in one semantics, stepped on explicit state. Two states with equal bytes behave alike for ever: the state
/// is everything carried (hidden states of all layers, convolution tails, whether the run is already undefined).
/// Const members may be called from several threads at once, each with its own state.
class Machine {
 public:
  virtual ~Machine() = default;

  virtual const Alphabet& alphabet() const = 0;
  virtual const std::vector<std::string>& label_names() const = 0;
  virtual std::string_view semantics() const = 0;
  /// SHA-256 of the model in canonical bytes, 64 hexadecimal digits in lower case; of its weights, not of its
  /// semantics. Linear in the size of the model. Throws InternalError for a machine that nothing is certified about.
  virtual std::string fingerprint() const;

  /// Bytes of the carried state, a multiple of 4.
  virtual std::size_t state_size() const = 0;
  /// Writes the state before the first symbol and returns the observation on the empty word.
  virtual Observation initial(std::span<std::byte> state) const = 0;
  /// Advances the state by one symbol and returns the observation after it. Throws NumericError on NaN or infinity.
  virtual Observation step(std::span<std::byte> state, Symbol symbol) const = 0;

  /// The numbers that a carried state stands for: of a learned model as Program::state_parts() lays them out, of a
  /// compiled one layer after layer, and behind them whatever else is carried.
  virtual std::vector<float> hidden(std::span<const std::byte> state) const;

  /// Runs many words, with the bits of step(), on the CPU or CUDA devices. Throws NumericError, naming the first word
  /// concerned, if a run meets NaN or infinity; InputError for a symbol that is not in the alphabet; DeviceError if
  /// CUDA was asked for and is missing or fails, or the machine has no form there. Cost: linear in the symbols, spread
  /// over words; words with a common beginning may share it.
  virtual Trace run(WordBatch words, const RunOptions& options = {}) const;

  /// What a machine of tables computes with; it lives as long as the machine. Methods that reason about tables ask for
  /// them, and do not apply where there are none: of a learned model, and of one whose states are snapped to codes.
  struct Tables {
    const LrnnModel& model;
    Semantics semantics;
  };
  virtual std::optional<Tables> tables() const { return std::nullopt; }
  /// The compiled model that the machine runs, with codes or without, for those who show it; null of a learned one.
  virtual const LrnnModel* compiled() const { return nullptr; }

  /// A new store of this machine's states by layers (krohn/engine/collapsed_states.hpp); null where there are not two
  /// layers that carry something.
  virtual std::shared_ptr<CollapsedStates> collapsed() const { return nullptr; }

  /// How every word up to a length is tried (krohn/engine/enumerate.hpp). Throws DeviceError or ResourceError where the
  /// device asked for cannot.
  virtual WalkPlan plan_walk(const EnumerateOptions& options) const;
};

/// A compiled model in canonical form, formula by formula as in docs/semantics.md. Throws as FlatModel.
std::unique_ptr<Machine> make_machine(LrnnModel model, Semantics semantics);

}  // namespace krohn
