// The bit-exact closure of (everything the model carries, automaton state): all pairs that words reach.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "krohn/automata/dfa.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/verify/budget.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {

/// A set of (model state, automaton state) pairs, numbered in the order of insertion, each with the pair and symbol
/// from which it was first reached. Flat storage: 12 bytes and the model state a pair, 8 to 16 bytes a pair in the
/// index; at most 2^31 pairs.
class PairSet {
 public:
  static constexpr std::uint32_t absent = 0xFFFFFFFFU;
  static constexpr std::uint32_t max_size = 0x80000000U;

  /// `state_size`: bytes of a model state.
  explicit PairSet(std::size_t state_size);

  std::uint32_t size() const noexcept { return size_; }
  std::size_t state_size() const noexcept { return state_size_; }
  /// Bytes held, and bytes held at the most while one more pair is inserted.
  std::size_t memory() const noexcept;
  std::size_t memory_of_next() const noexcept;

  /// `pair` is the model state followed by the automaton state (4 bytes, native order). Returns its number; inserts it
  /// (with parent and symbol) if it is new, which shows in size().
  std::uint32_t insert(const std::byte* pair, std::uint32_t parent, Symbol symbol) {
    return insert(pair, hash(pair), parent, symbol);
  }
  /// Its number, or absent.
  std::uint32_t find(const std::byte* pair) const;

  /// For many insertions at once: hash all pairs, ask for their places in the index, then for the pairs found there,
  /// then insert; the memory is fetched meanwhile.
  std::uint64_t hash(const std::byte* pair) const noexcept;
  void prefetch_place(std::uint64_t hashed) const noexcept;
  void prefetch_pair(std::uint64_t hashed) const noexcept;
  std::uint32_t insert(const std::byte* pair, std::uint64_t hashed, std::uint32_t parent, Symbol symbol);

  /// The pair in insert's layout; stays where it is for the set's life.
  const std::byte* pair(std::uint32_t number) const noexcept {
    return chunks_[number >> chunk_shift_].get() + (number & chunk_mask_) * stride_;
  }
  std::span<const std::byte> state(std::uint32_t number) const noexcept { return {pair(number), state_size_}; }
  State automaton_state(std::uint32_t number) const noexcept { return word_at(number, 0); }
  std::uint32_t parent(std::uint32_t number) const noexcept { return word_at(number, 1); }
  Symbol symbol(std::uint32_t number) const noexcept { return word_at(number, 2); }
  /// The word along which the pair was first reached; pair 0 has the empty word.
  Word word(std::uint32_t number) const;

 private:
  std::uint32_t word_at(std::uint32_t number, std::size_t index) const noexcept;
  void grow();

  std::size_t state_size_;
  std::size_t key_size_;
  std::size_t stride_;
  std::uint32_t chunk_shift_ = 0;
  std::uint32_t chunk_mask_ = 0;
  std::uint32_t size_ = 0;
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  // Open addressing, linear probing from the hash's highest bits: the hash's high half above number + 1; 0 is empty.
  std::vector<std::uint64_t> index_;
  std::uint32_t index_shift_ = 0;
};

struct ClosureOptions {
  Budget budget;
  /// Ends the search when all words up to this length were compared.
  std::optional<std::uint64_t> up_to = std::nullopt;
  /// Ends the search when more successors than this were computed.
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
  PairSet pairs;
};

/// Breadth first from the initial pair over all symbols in the model's order; the observation of every edge and of the
/// empty word is compared with the label that the specification asks for. Throws NumericError where a reachable step
/// gives NaN or infinity, naming the word. Time: successors(pairs) = pairs * symbols steps.
Closure joint_closure(const Machine& model, const Specification& specification, const ClosureOptions& options);

}  // namespace krohn
