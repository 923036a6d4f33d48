// The bit-exact closure of (everything carried, automaton state), breadth first. Two runs that meet in one pair behave
// alike for ever, on the model's side because equal bytes do (the contract of Machine) and on the automaton's by
// definition; so the labels are right on every word if they are right on the empty word and on every edge out of the
// pairs reached. Invariant: pair i was first reached by word(i), the least word in shortlex order that reaches it, and
// pairs are numbered in that order. Edges are visited by (pair, symbol), hence in the shortlex order of word(i) a. If w
// = u a is the least word that disagrees and pair i the pair of u, then word(i) <= u, and word(i) a takes the same
// edge, so it disagrees too and w = word(i) a: the first disagreement met is the least one. Cost: one step, one hash
// and one probe an edge, no allocation a pair. NaN and infinity end the closure with an error and are never part of a
// proof.
//
// Models of several layers are closed on their collapsed states, which are equal exactly if the carried ones are, so
// that pairs, their numbers and all results are the same; what layers have computed is looked up. Where that turns out
// to take more memory than the states themselves, as where hardly any layer comes back to a state, the pairs are
// expanded.
#include "krohn/verify/closure.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "krohn/error.hpp"

namespace krohn {
namespace {

// Successors inserted together, so that their places in the index are fetched while others are computed.
constexpr std::size_t batch_size = 64;
// The clock is looked at once in so many successors.
constexpr std::uint64_t budget_period = 64;
// Collapsed states are weighed against expanded ones first after so many successors, then whenever those have doubled.
constexpr std::uint64_t first_weighing = 1024;
// Successors that are looked up, for one that is computed.
constexpr double looked_up = 16.0;

}  // namespace

std::uint32_t PairSet::word_at(std::uint32_t number, std::size_t index) const noexcept {
  std::uint32_t value = 0;
  std::memcpy(&value, pair(number) + state_size_ + index * sizeof(value), sizeof(value));
  return value;
}

std::uint32_t PairSet::insert(const std::byte* pair, std::uint64_t hashed, std::uint32_t parent, Symbol symbol) {
  const std::uint32_t before = size();
  const std::uint32_t number = keys_.insert(pair, hashed);
  if (size() > before) {
    std::memcpy(keys_.payload(number), &parent, sizeof(parent));
    std::memcpy(keys_.payload(number) + sizeof(parent), &symbol, sizeof(symbol));
  }
  return number;
}

Word PairSet::word(std::uint32_t number) const {
  Word reversed;
  for (; number != 0; number = parent(number)) reversed.push_back(symbol(number));
  std::reverse(reversed.begin(), reversed.end());
  return reversed;
}

namespace {

// The model's steps, on states as it carries them or collapsed.
class CarriedStates {
 public:
  CarriedStates(const Machine& model, std::shared_ptr<CollapsedStates> collapsed)
      : model_(model), collapsed_(std::move(collapsed)) {}

  std::size_t size() const { return collapsed_ ? collapsed_->size() : model_.state_size(); }
  Observation initial(std::span<std::byte> state) {
    return collapsed_ ? collapsed_->initial(state) : model_.initial(state);
  }
  Observation step(std::span<std::byte> state, Symbol a) {
    return collapsed_ ? collapsed_->step(state, a) : model_.step(state, a);
  }
  std::size_t memory() const { return collapsed_ ? collapsed_->memory() : 0; }
  // What `successors` cost, in steps.
  double cost(std::uint64_t successors) const {
    const auto all = static_cast<double>(successors);
    return collapsed_ ? collapsed_->computed() + all / looked_up : all;
  }
  const std::shared_ptr<CollapsedStates>& collapsed() const { return collapsed_; }

  // The same pairs with expanded states, from now on.
  PairSet expand(const PairSet& pairs) {
    const std::size_t size = model_.state_size();
    PairSet expanded(size);
    std::vector<std::byte> pair(size + sizeof(State));
    for (std::uint32_t i = 0; i < pairs.size(); ++i) {
      collapsed_->expand(pairs.state(i), std::span(pair).first(size));
      std::memcpy(pair.data() + size, pairs.pair(i) + pairs.state_size(), sizeof(State));
      expanded.insert(pair.data(), pairs.parent(i), pairs.symbol(i));
    }
    collapsed_.reset();
    return expanded;
  }

 private:
  const Machine& model_;
  std::shared_ptr<CollapsedStates> collapsed_;
};

// Successors on their way into the set, in the order of their edges.
class Batch {
 public:
  explicit Batch(PairSet& pairs) : pairs_(pairs) { fit(); }

  // Empty, for pairs of the size that the set has now.
  void fit() {
    pair_size_ = pairs_.state_size() + sizeof(State);
    bytes_.resize(batch_size * pair_size_);
  }
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
  bool flush(std::uint64_t memory) {
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
  std::size_t pair_size_ = 0;
  std::vector<std::byte> bytes_;
  std::array<std::uint64_t, batch_size> hashes_{};
  std::array<std::uint32_t, batch_size> parents_{};
  std::array<Symbol, batch_size> symbols_{};
  std::size_t items_ = 0;
};

}  // namespace

Closure joint_closure(const Machine& model, const Specification& specification, const ClosureOptions& options) {
  const Dfa& automaton = specification.automaton();
  const auto symbols = static_cast<Symbol>(automaton.num_symbols());
  CarriedStates carried(model, model.collapsed());
  Closure result{.closed = false,
                 .disagreement = std::nullopt,
                 .limit = Limit::none,
                 .length = std::nullopt,
                 .successors = 0,
                 .pairs = PairSet(carried.size()),
                 .collapsed = carried.collapsed()};
  PairSet& pairs = result.pairs;
  std::size_t state_size = carried.size();

  std::vector<std::byte> pair(state_size + sizeof(State));
  const Observation first = carried.initial(std::span(pair).first(state_size));
  const State start = automaton.start();
  if (!specification.agrees(first.label, start)) {
    result.disagreement = Word{};
    return result;
  }
  std::memcpy(pair.data() + state_size, &start, sizeof(start));
  pairs.insert(pair.data(), 0, 0);

  Batch batch(pairs);
  const auto flush = [&] {
    const std::uint64_t other = carried.memory();
    return batch.flush(options.budget.memory - std::min(other, options.budget.memory));
  };
  // Whether pairs as the model carries them would take less.
  const auto collapse_fails = [&] {
    const std::size_t plain = std::size_t{pairs.size()} * (model.state_size() + sizeof(State));
    return carried.collapsed() && carried.memory() + std::size_t{pairs.size()} * (state_size + sizeof(State)) > plain;
  };

  // Pairs below level_end have words of at most `depth` symbols.
  std::uint64_t depth = 0;
  std::uint32_t level_end = 1;
  std::uint64_t next_look = 0;
  std::uint64_t next_weighing = first_weighing;
  for (std::uint32_t current = 0;; ++current) {
    if (current == level_end) {
      if (!flush()) {
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
    if (options.successors && carried.cost(result.successors) > static_cast<double>(*options.successors)) {
      result.limit = Limit::steps;
      return result;
    }
    if (result.successors >= next_weighing) {
      next_weighing = 2 * result.successors;
      if (!flush()) {
        result.limit = Limit::memory;
        return result;
      }
      if (collapse_fails()) {
        pairs = carried.expand(pairs);
        result.collapsed = nullptr;
        state_size = carried.size();
        batch.fit();
      }
    }
    const std::byte* from = pairs.pair(current);
    const State q = pairs.automaton_state(current);
    for (Symbol a = 0; a < symbols; ++a) {
      if (batch.full() && !flush()) {
        result.limit = Limit::memory;
        return result;
      }
      std::byte* to = batch.next();
      std::memcpy(to, from, state_size);
      Observation observation;
      try {
        observation = carried.step({to, state_size}, a);
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
