// The bit-exact closure of (everything the model carries, automaton state): all pairs that words reach.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "krohn/automata/dfa.hpp"
#include "krohn/engine/collapsed_states.hpp"
#include "krohn/engine/key_set.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/verify/budget.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {

/// A set of (model state, automaton state) pairs, numbered in the order of insertion, each with the pair and symbol
/// from which it was first reached. Flat storage: 12 bytes and the model state a pair, 8 to 16 bytes a pair in the
/// index; at most 2^31 pairs.
class PairSet {
 public:
  static constexpr std::uint32_t absent = KeySet::absent;

  /// `state_size`: bytes of a model state.
  explicit PairSet(std::size_t state_size)
      : state_size_(state_size), keys_(state_size + sizeof(State), 2 * sizeof(std::uint32_t)) {}

  std::uint32_t size() const noexcept { return keys_.size(); }
  std::size_t state_size() const noexcept { return state_size_; }
  /// Bytes held, and bytes held at the most while one more pair is inserted.
  std::size_t memory() const noexcept { return keys_.memory(); }
  std::size_t memory_of_next() const noexcept { return keys_.memory_of_next(); }

  /// `pair` is the model state followed by the automaton state (4 bytes, native order). Returns its number; inserts it
  /// (with parent and symbol) if it is new, which shows in size().
  std::uint32_t insert(const std::byte* pair, std::uint32_t parent, Symbol symbol) {
    return insert(pair, hash(pair), parent, symbol);
  }
  /// Its number, or absent.
  std::uint32_t find(const std::byte* pair) const { return keys_.find(pair); }

  /// As KeySet's, for many insertions at once.
  std::uint64_t hash(const std::byte* pair) const noexcept { return keys_.hash(pair); }
  void prefetch_place(std::uint64_t hashed) const noexcept { keys_.prefetch_place(hashed); }
  void prefetch_pair(std::uint64_t hashed) const noexcept { keys_.prefetch_key(hashed); }
  std::uint32_t insert(const std::byte* pair, std::uint64_t hashed, std::uint32_t parent, Symbol symbol);

  /// The pair in insert's layout; stays where it is for the set's life.
  const std::byte* pair(std::uint32_t number) const noexcept { return keys_.key(number); }
  std::span<const std::byte> state(std::uint32_t number) const noexcept { return {pair(number), state_size_}; }
  State automaton_state(std::uint32_t number) const noexcept { return word_at(number, 0); }
  std::uint32_t parent(std::uint32_t number) const noexcept { return word_at(number, 1); }
  Symbol symbol(std::uint32_t number) const noexcept { return word_at(number, 2); }
  /// The word along which the pair was first reached; pair 0 has the empty word.
  Word word(std::uint32_t number) const;

 private:
  std::uint32_t word_at(std::uint32_t number, std::size_t index) const noexcept;

  std::size_t state_size_;
  KeySet keys_;
};

struct ClosureOptions {
  Budget budget;
  /// Ends the search when all words up to this length were compared.
  std::optional<std::uint64_t> up_to = std::nullopt;
  /// Ends the search when more successors than this were computed; those that were looked up (CollapsedStates) count a
  /// sixteenth.
  std::optional<std::uint64_t> successors = std::nullopt;
};

/// What a closure established. Exactly one of: `closed` (the labels agree on every word of the domain), a
/// `disagreement`, a `limit`, or the length `up_to` was reached.
struct Closure {
  bool closed = false;
  /// The first word in shortlex order of the model's alphabet on which the labels differ: a shortest one.
  std::optional<Word> disagreement;
  Limit limit = Limit::none;
  /// Every word of the domain up to this length agrees; nothing if the empty word already disagrees.
  std::optional<std::uint64_t> length;
  std::uint64_t successors = 0;
  /// With the model's states as it carries them, or collapsed where that takes less memory.
  PairSet pairs;
  std::shared_ptr<CollapsedStates> collapsed = nullptr;
};

/// Breadth first from the initial pair over all symbols in the model's order; the observation of every edge and of the
/// empty word is compared with the label that the specification asks for. Throws NumericError where a reachable step
/// gives NaN or infinity, naming the word. Time: successors(pairs) = pairs * symbols steps.
Closure joint_closure(const Machine& model, const Specification& specification, const ClosureOptions& options);

}  // namespace krohn
