// Group languages as one linear layer (Grazzi et al. 2025, arXiv:2411.12537, Thm 3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "krohn/automata/dfa.hpp"
#include "krohn/compile/representation.hpp"
#include "krohn/model/hint.hpp"
#include "krohn/model/lrnn_model.hpp"

namespace krohn {

/// How keys are written: integers (k = e_i - e_j, beta 1), or doubled coordinates with keys (1/2, 1/2, -1/2, -1/2) of
/// norm exactly 1 and beta 2, for formats that normalise keys.
enum class KeyForm { integer, dyadic };

/// permutation: the points of a low-degree action, exact. rotation: the states as corners of a polygon, cyclic and
/// dihedral groups only, at most two reflections a symbol, inexact but for two and four corners. scalar: A = 1 and A =
/// -1, two-state languages only. least_dimension, least_reflections: the first and the last of find_representations,
/// inexact.
enum class GroupRepresentation { permutation, rotation, scalar, least_dimension, least_reflections };

struct GroupOptions {
  KeyForm keys = KeyForm::integer;
  GroupRepresentation representation = GroupRepresentation::permutation;
  /// As signed KDA has them. Of rotations the first of two reflections, in an axis, is the gate diag(1, -1): one factor
  /// a letter; A_5 in the least dimension is compile_icosahedral's.
  bool signed_gates = false;
};

struct CompiledGroup {
  LrnnModel model;
  InvariantHint hint;
  /// Every reachable hidden state is computed without rounding in fp32-fma-v1, and so for every length.
  bool exact = true;
  /// Where not exact: every word of at most this length is answered right in fp32-fma-v1.
  std::optional<std::uint64_t> horizon;
};

/// Compiles a minimal automaton all of whose letters are permutations into a single layer; one state gives no layers.
/// The slots of the readout are the automaton's states; null labels become label 0 (an undefined label would
/// stay for ever); letters that act alike share a row. Throws InputError if a letter is no permutation or the
/// representation does not fit the group. Hidden size: find_action's degree (doubled for dyadic keys), 2 or 1;
/// reflections a letter: degree - cycles.
CompiledGroup compile_group(const Dfa& minimal, const GroupOptions& options = {});

/// One layer of signed gates and reflections, as signed KDA has them: planes side by side, in each of them a letter is
/// a sign of either coordinate (the gate) and then the swap of both or nothing (one factor), one of the eight
/// symmetries of a square; a letter that resets is a zero gate and a write. All numbers are 0, 1, 2 or their negatives:
/// exact in every format. None where some letter neither permutes nor resets, or no such layer was found: the group
/// must be a quotient of one that acts on squares (automata/reflection_layer.cpp, exponent 4), the states one orbit,
/// and both small.
std::optional<CompiledGroup> compile_square_symmetries(const Dfa& minimal);

/// One layer of signed gates and at most one reflection a letter for a group that is a subgroup of S_4, or of its
/// product with signs: signed permutations of three coordinates where no letter turns all three, else, in four
/// dimensions, x -> p x p on quaternions, p above the letter's rotation of the cube (octahedral.cpp); a coordinate for
/// each sign; a letter that resets is a zero gate and a write. All numbers are small and dyadic: exact in every format.
/// Several slots may stand for one state, 576 for all of S_4. None where the group is no such group or a reset is out
/// of reach.
std::optional<CompiledGroup> compile_octahedral(const Dfa& minimal);

/// A_5 in four dimensions with a sign gate and one reflection a letter, whatever element it is: on quaternions a letter
/// is x -> p x p, p one of the two elements of the binary icosahedral group above it. Inexact, with a certified
/// horizon. A slot is what is reached of that group's two sided products, at most 7200; several slots may stand for one
/// state. None where the letters of `minimal` generate another group.
std::optional<CompiledGroup> compile_icosahedral(const Dfa& minimal);

/// Which letters compile_moves takes.
struct MoveOptions {
  /// The most factors of a letter.
  std::size_t most_factors = ~std::size_t{0};
  /// A letter that resets is a zero gate and a write, not moves.
  bool zero_gates = true;
};

/// One layer that holds the state one-hot, for any automaton: a letter is a product of moves I - (e_p - e_q) e_p^T,
/// which take what is at p to q and add it there, and of swaps I - (e_p - e_q)(e_p - e_q)^T. Of a letter f on n states
/// with c cycles, fixed points counted, these are n - c factors, the least number. All numbers are 0, 1 and -1: exact
/// in every format. None where a letter needs more factors than `most_factors`, or the automaton has one state or more
/// than 1024.
std::optional<CompiledGroup> compile_moves(const Dfa& minimal, const MoveOptions& options = {});

/// The hint of one layer: a child of the root per slot, a leaf whose automaton state is state_of_slot[slot].
/// `row_symbol`: for each row of the layer a symbol that has it.
InvariantHint one_layer_hint(const std::vector<State>& state_of_slot, const std::vector<std::uint32_t>& row_symbol);

/// The layer of one representation, with unit keys in fp32 and a certified horizon. `minimal` is the automaton that the
/// representation was found for.
CompiledGroup compile_representation(const Dfa& minimal, const OrthogonalRepresentation& representation);

}  // namespace krohn
