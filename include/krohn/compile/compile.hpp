// Any regular language to an exact linear RNN: minimise, decompose into a cascade of permutation-reset levels, and
// turn each level into a layer of generalized Householder products (Grazzi et al. 2025 (arXiv:2411.12537), Thm 4,
// with at most |Q|-1 levels).
//
//     CompileResult result = compile(dfa, {});
//     result.model;   // gives every word the label that dfa gives it
//
// A layer's row is a context (letter, P, P') of the cascade; its readout selects the slot from which the next context
// follows. What a layer hands over must tell the *old* slot too, which a reset destroys: `Delay` names the two cures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "krohn/automata/cascade.hpp"
#include "krohn/automata/language.hpp"
#include "krohn/compile/group.hpp"
#include "krohn/model/hint.hpp"
#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/semantics.hpp"

namespace krohn {

/// How a layer tells the slot before the step.
enum class Delay {
  read_before,  ///< the layer is decoded before its update
  block,        ///< the hidden state is (current | previous); decoded after the update
};

/// How a level resets.
enum class Resets {
  automatic,    ///< per level the form with the smallest hidden state, then the fewest factors; one layer a level
  householder,  ///< one-hot keys, a projection and write for each slot
  registers,    ///< a value register; levels that also permute become a group layer and a register
  hybrid,       ///< one-hot keys, a zero gate and a write
};

/// Which eigenvalues the state-transition matrices may have.
enum class Spectrum {
  any,          ///< [-1, 1]
  nonnegative,  ///< [0, 1]: aperiodic languages only
};

/// What a token's matrix may be.
enum class Recurrence {
  any,                 ///< products of reflections, resets as `resets` says
  gated_deltaproduct,  ///< the same with zero gates as resets
  kda,            ///< signed gates as well: symmetries of squares and cubes, where those take fewer factors or less
  rwkv7_widened,  ///< one factor I - k (a k)^T with a in [0, 2]: a letter moves one state onto another, or swaps two
  pd,             ///< a column one-hot matrix: every letter of the minimal automaton, in one layer
};

struct CompileOptions {
  CascadeOptions cascade;
  Delay delay = Delay::read_before;
  Resets resets = Resets::automatic;
  Spectrum spectrum = Spectrum::any;
  KeyForm keys = KeyForm::integer;
  /// Of languages all of whose letters are permutations; rotation also of levels of a cascade whose permutations turn a
  /// polygon of three slots or more. Empty: the smallest exact one, which is scalar for two states (A = 1 and A = -1)
  /// and permutation else.
  std::optional<GroupRepresentation> representation;
  Recurrence recurrence = Recurrence::any;
  /// In an integer semantics every number that is stored is to be in its range; InputError where one is not.
  Semantics semantics = Semantics::fp32_fma_v1;
  /// The largest family for which the textbook depth is computed, for comparison only.
  std::size_t max_holonomy_family = 20000;
  /// Called as a stage begins, with its name.
  std::function<void(const std::string&)> begins = {};
};

/// What a model takes.
struct ModelSize {
  std::size_t layers = 0;
  /// Sum over the layers.
  std::size_t hidden = 0;
  /// The most of a row; of all tables.
  std::size_t householder = 0;
  std::size_t factors = 0;
};
ModelSize size_of(const LrnnModel& model);

/// A compiled model and what there is to say about it.
struct CompileResult {
  LrnnModel model;
  InvariantHint hint;
  /// The minimal automaton that was compiled; the hint's states are its states.
  Dfa minimal;
  std::size_t states = 0;
  /// Letters that act differently.
  std::size_t distinct_letters = 0;
  /// "R", "Z" or "G"; "G+Z" where congruences split the automaton; "group" where all letters are permutations: one
  /// level without a cascade; "squares", "cubes" and "moves": one layer of that family.
  std::string mode{};
  /// The stretches of levels, top to bottom; none for a group.
  std::vector<CascadePart> parts{};
  /// Per level of the cascade.
  std::vector<std::size_t> widths{};
  /// Levels that are kept as symmetries of squares.
  std::size_t square_levels = 0;
  /// Levels whose slots are corners of a polygon that rotations turn.
  std::size_t polygon_levels = 0;
  /// Sets of the cascade's family.
  std::size_t family = 0;
  /// Per layer.
  std::vector<std::size_t> hidden{};
  std::vector<std::size_t> num_householder{};
  /// Rows and distinct table rows of all layers, factors of all tables.
  std::size_t rows = 0;
  std::size_t table_rows = 0;
  std::size_t factors = 0;
  /// True if every step is exact in fp32, fp16 and bf16.
  bool exact = true;
  /// Certified length, empty when exact; of several levels that turn, the least.
  std::optional<std::uint64_t> horizon{};
  /// With a recurrence asked for: what products of reflections alone take, resets as projections.
  std::optional<ModelSize> with_reflections{};
  /// |Q| - 1, the number of levels that always suffice; 2^|Q|, the paper's bound; the textbook's depth where known.
  std::size_t linear_bound = 0;
  std::string paper_bound{};
  std::optional<std::size_t> holonomy_depth{};
};

/// Throws ResourceError past a cap, InputError where the options ask for what the language does not have.
CompileResult compile(const Language& language, const CompileOptions& options = {});

}  // namespace krohn
