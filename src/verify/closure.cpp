// The bit-exact closure of (everything carried, automaton state), breadth first. Two runs that meet in one pair behave
// alike for ever, on the model's side because equal bytes do (the contract of Machine) and on the automaton's by
// definition; so the labels are right on every word if they are right on the empty word and on every edge out of the
// pairs reached. Invariant: pair i was first reached by word(i), the least word in shortlex order that reaches it, and
// pairs are numbered in that order. Edges are visited by (pair, symbol), hence in the shortlex order of word(i) a. If w
// = u a is the least word that disagrees and pair i the pair of u, then word(i) <= u, and word(i) a takes the same
// edge, so it disagrees too and w = word(i) a: the first disagreement met is the least one. Cost: one step, one hash
// and one probe an edge, no allocation a pair. NaN and infinity end the closure with an error and are never part of a
// proof.
#include "krohn/verify/closure.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "krohn/error.hpp"

namespace krohn {
namespace {

constexpr std::size_t chunk_bytes = std::size_t{1} << 17U;
constexpr std::uint32_t first_index_bits = 10;
constexpr std::uint64_t tag_mask = 0xFFFFFFFF00000000U;
// Successors inserted together, so that their places in the index are fetched while others are computed.
constexpr std::size_t batch_size = 64;
// The clock is looked at once in so many successors.
constexpr std::uint64_t budget_period = 64;

__extension__ using Wide = unsigned __int128;

std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

}  // namespace

PairSet::PairSet(std::size_t state_size)
    : state_size_(state_size),
      key_size_(state_size + sizeof(State)),
      stride_(key_size_ + 2 * sizeof(std::uint32_t)),
      index_(std::size_t{1} << first_index_bits, 0),
      index_shift_(64 - first_index_bits) {
  while ((stride_ << (chunk_shift_ + 1)) <= chunk_bytes) ++chunk_shift_;
  chunk_mask_ = (std::uint32_t{1} << chunk_shift_) - 1;
}

std::size_t PairSet::memory() const noexcept {
  return chunks_.size() * (stride_ << chunk_shift_) + index_.size() * sizeof(std::uint64_t);
}

std::size_t PairSet::memory_of_next() const noexcept {
  std::size_t bytes = memory();
  if ((size_ & chunk_mask_) == 0) bytes += stride_ << chunk_shift_;
  if (2 * (std::size_t{size_} + 1) > index_.size()) bytes += 2 * index_.size() * sizeof(std::uint64_t);
  return bytes;
}

std::uint32_t PairSet::word_at(std::uint32_t number, std::size_t index) const noexcept {
  std::uint32_t value = 0;
  std::memcpy(&value, pair(number) + state_size_ + index * sizeof(value), sizeof(value));
  return value;
}

std::uint64_t PairSet::hash(const std::byte* pair) const noexcept {
  // Multiply and fold over 8-byte words; the hash decides only the cost, never the answer.
  std::uint64_t state = 0x9E3779B97F4A7C15U ^ key_size_;
  std::size_t at = 0;
  for (; at + 8 <= key_size_; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, pair + at, 8);
    state = mix(state ^ word, 0xD6E8FEB86659FD93U);
  }
  if (at < key_size_) {
    std::uint64_t word = 0;
    std::memcpy(&word, pair + at, key_size_ - at);
    state = mix(state ^ word, 0xD6E8FEB86659FD93U);
  }
  return mix(state ^ 0xA0761D6478BD642FU, 0xE7037ED1A0B428DBU);
}

void PairSet::prefetch_place(std::uint64_t hashed) const noexcept {
  __builtin_prefetch(index_.data() + (hashed >> index_shift_));
}

void PairSet::prefetch_pair(std::uint64_t hashed) const noexcept {
  const std::uint64_t entry = index_[hashed >> index_shift_];
  if (entry != 0) __builtin_prefetch(pair(static_cast<std::uint32_t>(entry) - 1));
}

std::uint32_t PairSet::find(const std::byte* pair) const {
  const std::uint64_t hashed = hash(pair);
  const std::size_t mask = index_.size() - 1;
  for (std::size_t slot = hashed >> index_shift_;; slot = (slot + 1) & mask) {
    const std::uint64_t entry = index_[slot];
    if (entry == 0) return absent;
    if (((entry ^ hashed) & tag_mask) != 0) continue;
    const auto number = static_cast<std::uint32_t>(entry) - 1;
    if (std::memcmp(this->pair(number), pair, key_size_) == 0) return number;
  }
}

std::uint32_t PairSet::insert(const std::byte* pair, std::uint64_t hashed, std::uint32_t parent, Symbol symbol) {
  if (2 * (std::size_t{size_} + 1) > index_.size()) grow();
  const std::size_t mask = index_.size() - 1;
  std::size_t slot = hashed >> index_shift_;
  for (;; slot = (slot + 1) & mask) {
    const std::uint64_t entry = index_[slot];
    if (entry == 0) break;
    if (((entry ^ hashed) & tag_mask) != 0) continue;
    const auto number = static_cast<std::uint32_t>(entry) - 1;
    if (std::memcmp(this->pair(number), pair, key_size_) == 0) return number;
  }
  // Above 2^31 pairs the index would need more bits than the tags have.
  if (size_ >= max_size) throw ResourceError("closure: more than 2^31 pairs");
  if ((size_ & chunk_mask_) == 0) chunks_.push_back(std::make_unique<std::byte[]>(stride_ << chunk_shift_));
  index_[slot] = (hashed & tag_mask) | (size_ + 1);
  std::byte* place = chunks_[size_ >> chunk_shift_].get() + (size_ & chunk_mask_) * stride_;
  std::memcpy(place, pair, key_size_);
  std::memcpy(place + key_size_, &parent, sizeof(parent));
  std::memcpy(place + key_size_ + sizeof(parent), &symbol, sizeof(symbol));
  return size_++;
}

void PairSet::grow() {
  std::vector<std::uint64_t> larger(2 * index_.size(), 0);
  --index_shift_;
  const std::size_t mask = larger.size() - 1;
  for (const std::uint64_t entry : index_) {
    if (entry == 0) continue;
    std::size_t slot = entry >> index_shift_;
    while (larger[slot] != 0) slot = (slot + 1) & mask;
    larger[slot] = entry;
  }
  index_ = std::move(larger);
}

Word PairSet::word(std::uint32_t number) const {
  Word reversed;
  for (; number != 0; number = parent(number)) reversed.push_back(symbol(number));
  std::reverse(reversed.begin(), reversed.end());
  return reversed;
}

namespace {

// Successors on their way into the set, in the order of their edges.
class Batch {
 public:
  Batch(PairSet& pairs, std::size_t pair_size) : pairs_(pairs), pair_size_(pair_size), bytes_(batch_size * pair_size) {}

  bool full() const { return items_ == batch_size; }
  std::byte* next() { return bytes_.data() + items_ * pair_size_; }
  void add(std::uint32_t parent, Symbol symbol) {
    hashes_[items_] = pairs_.hash(next());
    pairs_.prefetch_place(hashes_[items_]);
    parents_[items_] = parent;
    symbols_[items_] = symbol;
    ++items_;
  }
  // False if the set may not grow by what is left.
  bool flush(std::size_t memory) {
    for (std::size_t i = 0; i < items_; ++i) pairs_.prefetch_pair(hashes_[i]);
    for (std::size_t i = 0; i < items_; ++i) {
      const std::byte* pair = bytes_.data() + i * pair_size_;
      if (pairs_.memory_of_next() > memory) {
        if (pairs_.find(pair) == PairSet::absent) return false;
        continue;
      }
      pairs_.insert(pair, hashes_[i], parents_[i], symbols_[i]);
    }
    items_ = 0;
    return true;
  }

 private:
  PairSet& pairs_;
  std::size_t pair_size_;
  std::vector<std::byte> bytes_;
  std::array<std::uint64_t, batch_size> hashes_{};
  std::array<std::uint32_t, batch_size> parents_{};
  std::array<Symbol, batch_size> symbols_{};
  std::size_t items_ = 0;
};

}  // namespace

Closure joint_closure(const Machine& model, const Specification& specification, const ClosureOptions& options) {
  const Dfa& automaton = specification.automaton();
  const std::size_t state_size = model.state_size();
  const auto symbols = static_cast<Symbol>(automaton.num_symbols());
  Closure result{.closed = false,
                 .disagreement = std::nullopt,
                 .limit = Limit::none,
                 .length = std::nullopt,
                 .successors = 0,
                 .pairs = PairSet(state_size)};
  PairSet& pairs = result.pairs;

  std::vector<std::byte> pair(state_size + sizeof(State));
  const std::span<std::byte> state(pair.data(), state_size);
  const Observation first = model.initial(state);
  const State start = automaton.start();
  if (!specification.agrees(first.label, start)) {
    result.disagreement = Word{};
    return result;
  }
  std::memcpy(pair.data() + state_size, &start, sizeof(start));
  pairs.insert(pair.data(), 0, 0);

  // Pairs below level_end have words of at most `depth` symbols.
  std::uint64_t depth = 0;
  std::uint32_t level_end = 1;
  std::uint64_t next_look = 0;
  Batch batch(pairs, pair.size());
  for (std::uint32_t current = 0;; ++current) {
    if (current == level_end) {
      if (!batch.flush(options.budget.memory)) {
        result.limit = Limit::memory;
        return result;
      }
      if (current == pairs.size()) {
        result.closed = true;
        return result;
      }
      ++depth;
      level_end = pairs.size();
    }
    result.length = depth;
    if (options.up_to && depth >= *options.up_to) return result;
    if (result.successors >= next_look) {
      next_look = result.successors + budget_period;
      if (options.budget.interrupted()) {
        result.limit = Limit::interrupt;
        return result;
      }
      if (options.budget.out_of_time()) {
        result.limit = Limit::time;
        return result;
      }
    }
    if (options.successors && result.successors > *options.successors) {
      result.limit = Limit::steps;
      return result;
    }
    const std::byte* from = pairs.pair(current);
    const State q = pairs.automaton_state(current);
    for (Symbol a = 0; a < symbols; ++a) {
      if (batch.full() && !batch.flush(options.budget.memory)) {
        result.limit = Limit::memory;
        return result;
      }
      std::byte* to = batch.next();
      std::memcpy(to, from, state_size);
      Observation observation;
      try {
        observation = model.step({to, state_size}, a);
      } catch (const NumericError& error) {
        Word word = pairs.word(current);
        word.push_back(a);
        throw NumericError("word " + model.alphabet().format_word(word) + ": " + error.what());
      }
      ++result.successors;
      const State successor = automaton.next(q, a);
      if (!specification.agrees(observation.label, successor)) {
        result.disagreement = pairs.word(current);
        result.disagreement->push_back(a);
        return result;
      }
      std::memcpy(to + state_size, &successor, sizeof(successor));
      batch.add(current, a);
    }
  }
}

}  // namespace krohn
