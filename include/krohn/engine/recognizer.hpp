// What search and proof see of a model: a deterministic machine over the bits that it carries from token to token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "krohn/automata/alphabet.hpp"
#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/semantics.hpp"

namespace krohn {

class Program;
struct LearnedTask;

/// A label and how far the readout is from another one.
struct Observation {
  std::int32_t label = undefined_label;
  /// The winning score less the runner-up's in the decode that was closest to a tie; 0 for `?`, infinity where
  /// nothing was decoded.
  float margin = 0.0F;
};

/// A model in one semantics, stepped on explicit state. Two states with equal bytes behave alike for ever: the state
/// is everything carried (hidden states of all layers, convolution tails, whether the run is already undefined).
/// Const members may be called from several threads at once, each with its own state.
class Recognizer {
 public:
  virtual ~Recognizer() = default;

  virtual const Alphabet& alphabet() const = 0;
  virtual const std::vector<std::string>& label_names() const = 0;
  virtual std::string_view semantics() const = 0;

  /// Bytes of the carried state, a multiple of 4.
  virtual std::size_t state_size() const = 0;
  /// Writes the state before the first symbol and returns the observation on the empty word.
  virtual Observation initial(std::span<std::byte> state) const = 0;
  /// Advances the state by one symbol and returns the observation after it. Throws NumericError on NaN or infinity.
  virtual Observation step(std::span<std::byte> state, Symbol symbol) const = 0;

  /// The learned model and its task where this is one (they live as long as this does): what the forms that run many
  /// words at once need. Nothing otherwise.
  struct Learned {
    const Program* model = nullptr;
    const LearnedTask* task = nullptr;
  };
  virtual std::optional<Learned> learned() const { return std::nullopt; }
};

/// The canonical CPU form of a compiled model, formula by formula as in docs/semantics.md. The model is copied.
std::unique_ptr<Recognizer> make_recognizer(const LrnnModel& model, Semantics semantics);

}  // namespace krohn
