// Hardening a model: after every token each unit of its state becomes the nearest of a few codes, states that the model
// itself reaches. Then errors do not add up, what is carried is finite, and the closure settles every length. Trained
// models are hardened, and compiled ones whose representation is not exact.
//
//     const Hardening hardening = harden(program, task, language, {});
//     if (hardening.program) ... // check() of its machine: PROVED where hardening.closed
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "krohn/automata/language.hpp"
#include "krohn/engine/learned/learned_machine.hpp"
#include "krohn/model/lrnn_model.hpp"
#include "krohn/verify/budget.hpp"

namespace krohn {

struct HardenOptions {
  Budget budget;
  /// Codes found by refinement, or the points of a uniform grid (steps 1/2 to 1/32) that are met.
  enum class Method : std::uint8_t { codes, grid };
  Method method = Method::codes;
  /// Codes of a unit at most.
  std::size_t max_codes = 256;
  /// Configurations (everything carried, automaton state) of a closure at most.
  std::size_t max_configurations = 200000;
  /// Told what begins: "the model itself", "codes", "closure" (harden_with_verdict).
  std::function<void(const std::string& method)> begins = {};
  /// Told of every round, and on the way in long closures: its number, codes of all units, configurations met.
  std::function<void(std::size_t round, std::size_t codes, std::size_t configurations)> progress = {};
};

/// Where a code comes from.
enum class CodeOrigin : std::uint8_t {
  /// The state of the model's own run, never snapped, behind the word.
  own_run,
  /// The mean of such states over words that end alike: the word is a shortest one of them.
  mean,
  /// The state before snapping of the run that was snapped until then.
  before_snapping,
  /// The point of a grid nearest to that.
  grid,
};

/// The codes of one unit of a state part; of a compiled model, of the hidden state of layer `part`.
struct UnitCodes {
  std::size_t part = 0;
  std::size_t unit = 0;
  /// As codes.safetensors has it, without "codes.": LAYER.hidden.HEAD; of a compiled model "layer LAYER".
  std::string name;
  /// [codes][unit_size]
  std::vector<std::vector<float>> codes;
  /// Per code, the word behind which it was met, and what it is there.
  std::vector<Word> words;
  std::vector<CodeOrigin> origins;
};

/// How far states of the model's own runs, not snapped, lie from their nearest codes, by the length of the word.
struct CodeDistance {
  std::size_t from = 0;
  std::size_t to = 0;
  double mean = 0.0;
  double most = 0.0;
};

struct Hardening {
  /// With codes, where the closure ended with right labels; else the best try, if it got beyond one symbol.
  std::optional<Program> program;
  /// The same of a compiled model.
  std::optional<LrnnModel> compiled;
  bool closed = false;
  std::vector<UnitCodes> codes;
  /// Of the closure: configurations, automaton states of the quotient included in them; steps in all tries.
  std::size_t configurations = 0;
  std::uint64_t steps = 0;
  std::size_t rounds = 0;
  /// Every word up to this length has the right label in the best try.
  std::uint64_t length = 0;
  /// Over all transitions of the closure: the least difference between the distances to the nearest and to the second
  /// code (infinite where no unit has two), and the least margin of the logits in the domain.
  double gap = 0.0;
  double margin = 0.0;
  /// The least distance between two codes of one unit.
  double code_distance = 0.0;
  std::vector<CodeDistance> distances;
  /// A word on which the model itself, not snapped, is wrong, met on the way.
  std::optional<Word> original_wrong;
  /// Why the refinement ended without a closure.
  std::string reason;
};

/// Finds codes by refinement: closes; where a word is answered wrongly, the states of the model's own run along it
/// become codes, or, where they are codes already, the states before snapping on the snapped run; starts from the state
/// before the first symbol with several tolerances, then from means of own states over words that lead to one state of
/// the language's automaton and end alike; leaves out codes that the closure does not need. Throws InputError where
/// alphabets or labels differ, NumericError where the model's own run gives NaN or infinity.
Hardening harden(const Program& program, const LearnedTask& task, const Language& language,
                 const HardenOptions& options);

/// Of a compiled model in fp32-fma-v1: the states that it reaches by shortest words become codes of their layers,
/// states within a tolerance of each other one code, with several tolerances; layers whose states come back bit for bit
/// get none. Throws InputError for a model with codes, for the grid, and where alphabets or labels differ; NumericError
/// where a run gives NaN or infinity.
Hardening harden(const LrnnModel& model, const Language& language, const HardenOptions& options);

}  // namespace krohn
