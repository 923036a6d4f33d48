// Lassos: what a repeated word does to the bits that a model carries, and the refutations that follow from it.
//
// A model in one semantics is a deterministic machine over finitely many states, so p, pu, puu, .. is eventually
// periodic: F^{mu + lambda}(s) = F^mu(s), with s the bits after the prefix p and F the action of the loop word u. The
// words p u^k and p u^{k + lambda}, k >= max(mu, 1), then leave the model in the same bits, whatever its readout.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "krohn/automata/alphabet.hpp"
#include "krohn/automata/dfa.hpp"
#include "krohn/engine/machine.hpp"

namespace krohn {

/// Transient mu and period lambda >= 1, in iterations of the map: both are the least that hold.
struct Lasso {
  std::uint64_t transient = 0;
  std::uint64_t period = 1;
  friend bool operator==(const Lasso&, const Lasso&) = default;
};

/// What a search may spend. `stop`, if given, ends it early; it may be set by a signal handler.
struct LassoBudget {
  /// Symbols (of a recogniser) or applications (of a bare map) in all.
  std::uint64_t max_steps = std::uint64_t{1} << 26U;
  const std::atomic<bool>* stop = nullptr;
};

/// A lasso, or the reason why none was found: budget, stop, or a run that ended in NaN or infinity.
struct LassoSearch {
  std::optional<Lasso> lasso;
  /// Spent, in the unit of LassoBudget::max_steps.
  std::uint64_t steps = 0;
  /// Empty if a lasso was found.
  std::string reason;
};

/// A map on byte strings of one fixed size, in place.
using StateMap = std::function<void(std::span<std::byte>)>;

/// Brent's algorithm (R. P. Brent, BIT 20, 1980) on the bytes of `start` under `map`. Detects after at most
/// 2 max(mu, lambda) + lambda applications and then finds the least mu; carries four states. An application counts
/// `steps_per_application` of the budget. NumericError from the map ends the search with its text as the reason.
LassoSearch find_lasso(std::span<const std::byte> start, const StateMap& map, const LassoBudget& budget = {},
                       std::uint64_t steps_per_application = 1);

/// The lasso of p, pu, puu, .. in the recogniser's carried bits; `loop` must not be empty (InputError).
LassoSearch find_lasso(const Machine& machine, std::span<const Symbol> prefix, std::span<const Symbol> loop,
                       const LassoBudget& budget = {});

/// The word prefix loop^exponent suffix, which may be too long to write out.
struct PowerWord {
  Word prefix;
  Word loop;
  std::uint64_t exponent = 0;
  Word suffix;
  /// In symbols.
  std::uint64_t length() const noexcept { return prefix.size() + loop.size() * exponent + suffix.size(); }
  /// Throws ResourceError above 2^28 symbols.
  Word expand() const;
  friend bool operator==(const PowerWord&, const PowerWord&) = default;
};

/// Two words after which the model carries the same bits although the automaton tells them apart: with `suffix`
/// appended to both, their labels differ, so that no readout is right on both. Confirmed by plain replay.
struct IndistinguishablePair {
  /// Without the suffix.
  PowerWord word_a;
  PowerWord word_b;
  /// The shortest suffix that separates them; both labels after it are in the domain.
  Word suffix;
  std::string expected_a;
  std::string expected_b;
  /// What the model answers to both words with the suffix; the two are equal.
  std::string observed;
  /// The lasso behind the pair (word_a and word_b are p u^k and p u^{k + lambda}); nothing for a pair that the
  /// forgetting test found, where two different prefixes are iterated in step.
  std::optional<Lasso> lasso;
};

/// What refute_by_lasso may try.
struct LassoRefutationOptions {
  /// For each (prefix, loop word).
  LassoBudget budget;
  /// Symbols in all.
  std::uint64_t max_total_steps = std::uint64_t{1} << 28U;
  /// Loop words longer than this are not tried.
  std::size_t max_loop_length = 64;
  /// Elements of the automaton's transition monoid that the search for loop words of prime order may visit.
  std::size_t max_monoid_elements = 4096;
};

/// A refutation, or how far the search came.
struct LassoRefutation {
  std::optional<IndistinguishablePair> pair;
  std::uint64_t steps = 0;
  /// (prefix, loop) pairs whose lasso was found but refuted nothing, and those not settled within the budget.
  std::size_t lassos_without_conflict = 0;
  std::size_t unsettled = 0;
  /// Why the last unsettled one was not settled.
  std::string reason;
};

/// One prefix and loop word: the pair that their lasso gives, if any. With pi the period of k -> delta(q0, p u^k):
/// where pi does not divide lambda, some k >= max(mu, 1) has states delta(q0, p u^k), delta(q0, p u^{k + lambda}) that
/// differ; the first such k that a suffix in the domain separates is taken. The alphabets must be equal (InputError).
LassoRefutation refute_by_loop(const Machine& machine, const Dfa& dfa, std::span<const Symbol> prefix,
                               std::span<const Symbol> loop, const LassoBudget& budget = {});

/// The pair that a known lasso gives, if the period asks for one, replayed; refute_by_loop without its search. Throws
/// InternalError if the lasso does not hold.
std::optional<IndistinguishablePair> pair_from_lasso(const Machine& machine, const Dfa& dfa,
                                                     std::span<const Symbol> prefix, std::span<const Symbol> loop,
                                                     const Lasso& lasso);

/// The forgetting test: iterates `loop` from two prefixes in step until the carried bits are equal.
LassoRefutation refute_by_forgetting(const Machine& machine, const Dfa& dfa, std::span<const Symbol> prefix_a,
                                     std::span<const Symbol> prefix_b, std::span<const Symbol> loop,
                                     const LassoBudget& budget = {});

/// Tries every symbol, then words that act with prime period on a subset of the automaton (shortlex within the
/// transition monoid, raised to the power that makes the period prime), from a shortest prefix into every state;
/// then the forgetting test on pairs of states that idempotent letters keep apart. Every reported pair is replayed.
LassoRefutation refute_by_lasso(const Machine& machine, const Dfa& dfa, const LassoRefutationOptions& options = {});

}  // namespace krohn
