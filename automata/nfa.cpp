// The subset construction. A set is kept without the states that can do nothing but move on by epsilon: such states
// never tell two sets apart. Small automata use one row of bits per set and a table of successor rows, large ones
// sorted lists in one arena; both are found again through an open hash table of indices. Invariant: the row at index i
// is the set reached by the i-th shortlex-least word among words that reach different sets. Cost: proportional to the
// sets' sizes times the symbols; caps on both are checked as the sets are made.
#include "krohn/automata/nfa.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string>
#include <utility>

#include "krohn/error.hpp"

namespace krohn {
namespace {

constexpr std::size_t max_members = std::size_t{1} << 26;
constexpr std::size_t max_table_words = std::size_t{1} << 22;

[[noreturn]] void too_many(std::size_t sets, std::size_t max_states, std::size_t nfa_states) {
  const std::string of = " sets of the " + std::to_string(nfa_states) + " nondeterministic states";
  if (sets >= max_states) throw ResourceError("determinize: more than " + std::to_string(max_states) + of);
  throw ResourceError("determinize: " + std::to_string(sets) + of + " hold more than " + std::to_string(max_members) +
                      " states");
}

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15ULL;
  return hash ^ (hash >> 32U);
}

// Indices of rows by content, open addressing. The owner keeps the rows.
class RowTable {
 public:
  RowTable() : slots_(64, empty) {}

  // The index of an equal row, or `index` after entering it under `hash`.
  template <typename Equal>
  std::uint32_t find_or_add(std::uint64_t hash, std::uint32_t index, Equal&& equal) {
    if (2 * (hashes_.size() + 1) > slots_.size()) grow();
    std::size_t slot = hash & (slots_.size() - 1);
    for (; slots_[slot] != empty; slot = (slot + 1) & (slots_.size() - 1)) {
      if (hashes_[slots_[slot]] == hash && equal(slots_[slot])) return slots_[slot];
    }
    slots_[slot] = index;
    hashes_.push_back(hash);
    return index;
  }

 private:
  static constexpr std::uint32_t empty = UINT32_MAX;

  void grow() {
    slots_.assign(slots_.size() * 2, empty);
    for (std::uint32_t i = 0; i < hashes_.size(); ++i) {
      std::size_t slot = hashes_[i] & (slots_.size() - 1);
      while (slots_[slot] != empty) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = i;
    }
  }

  std::vector<std::uint32_t> slots_;
  std::vector<std::uint64_t> hashes_;
};

// Transitions grouped by source: the epsilon moves of q, and the moves of q sorted by symbol.
struct Moves {
  std::vector<std::uint32_t> epsilon_offset;
  std::vector<State> epsilon_target;
  std::vector<std::uint32_t> offset;
  std::vector<std::pair<Symbol, State>> target;
  std::vector<bool> kept;  // has a move by a symbol, or accepts

  explicit Moves(const Nfa& nfa)
      : epsilon_offset(nfa.num_states() + 1, 0), offset(nfa.num_states() + 1, 0), kept(nfa.num_states(), false) {
    for (const NfaTransition& t : nfa.transitions()) ++(t.symbol == epsilon ? epsilon_offset : offset)[t.from + 1];
    for (std::size_t q = 0; q < nfa.num_states(); ++q) {
      kept[q] = offset[q + 1] > 0 || nfa.accepting(static_cast<State>(q));
      epsilon_offset[q + 1] += epsilon_offset[q];
      offset[q + 1] += offset[q];
    }
    epsilon_target.resize(epsilon_offset.back());
    target.resize(offset.back());
    std::vector<std::uint32_t> epsilon_at(epsilon_offset.begin(), epsilon_offset.end() - 1);
    std::vector<std::uint32_t> at(offset.begin(), offset.end() - 1);
    for (const NfaTransition& t : nfa.transitions()) {
      if (t.symbol == epsilon) {
        epsilon_target[epsilon_at[t.from]++] = t.to;
      } else {
        target[at[t.from]++] = {t.symbol, t.to};
      }
    }
    for (std::size_t q = 0; q < nfa.num_states(); ++q) {
      std::sort(target.begin() + offset[q], target.begin() + offset[q + 1]);
    }
  }
};

// Collects epsilon closures, each state at most once between two calls of clear().
class Closure {
 public:
  explicit Closure(const Moves& moves) : moves_(moves), seen_(moves.kept.size(), 0) {}

  void clear() {
    ++round_;
    states_.clear();
  }

  void add(State state) {
    if (seen_[state] == round_) return;
    seen_[state] = round_;
    stack_.push_back(state);
    while (!stack_.empty()) {
      const State q = stack_.back();
      stack_.pop_back();
      if (moves_.kept[q]) states_.push_back(q);
      for (std::uint32_t i = moves_.epsilon_offset[q]; i < moves_.epsilon_offset[q + 1]; ++i) {
        const State r = moves_.epsilon_target[i];
        if (seen_[r] == round_) continue;
        seen_[r] = round_;
        stack_.push_back(r);
      }
    }
  }

  // The kept states collected since clear(), ascending. Sets that hold much of the automaton are read off the marks.
  const std::vector<State>& sorted() {
    if (states_.size() > seen_.size() / 32) {
      states_.clear();
      for (State q = 0; q < seen_.size(); ++q) {
        if (seen_[q] == round_ && moves_.kept[q]) states_.push_back(q);
      }
    } else {
      std::sort(states_.begin(), states_.end());
    }
    return states_;
  }

  const std::vector<State>& states() const { return states_; }

 private:
  const Moves& moves_;
  std::vector<std::uint64_t> seen_;
  std::uint64_t round_ = 1;
  std::vector<State> stack_;
  std::vector<State> states_;
};

Dfa by_bits(const Nfa& nfa, const Moves& moves, std::size_t max_states) {
  const std::size_t n = nfa.num_states();
  const std::size_t k = nfa.alphabet().size();
  // Kept states get the bits.
  std::vector<std::uint32_t> bit(n, 0);
  std::vector<State> state_of_bit;
  for (State q = 0; q < n; ++q) {
    bit[q] = static_cast<std::uint32_t>(state_of_bit.size());
    if (moves.kept[q]) state_of_bit.push_back(q);
  }
  const std::size_t bits = state_of_bit.size();
  const std::size_t words = std::max<std::size_t>(1, (bits + 63) / 64);

  Closure closure(moves);
  const auto put = [&](std::uint64_t* row) {
    for (const State q : closure.states()) row[bit[q] / 64] |= std::uint64_t{1} << (bit[q] % 64);
  };
  std::vector<std::uint64_t> successors(bits * k * words, 0);
  std::vector<std::uint64_t> accepting_row(words, 0);
  for (std::size_t b = 0; b < bits; ++b) {
    const State q = state_of_bit[b];
    if (nfa.accepting(q)) accepting_row[b / 64] |= std::uint64_t{1} << (b % 64);
    for (std::uint32_t i = moves.offset[q]; i < moves.offset[q + 1];) {
      const Symbol symbol = moves.target[i].first;
      closure.clear();
      for (; i < moves.offset[q + 1] && moves.target[i].first == symbol; ++i) closure.add(moves.target[i].second);
      put(successors.data() + (b * k + symbol) * words);
    }
  }

  std::vector<std::uint64_t> rows(words, 0);
  closure.clear();
  for (const State q : nfa.starts()) closure.add(q);
  put(rows.data());
  RowTable table;
  std::size_t count = 0;
  const auto enter = [&]() -> State {  // the last row of `rows`: new, or dropped again
    const std::uint64_t* row = rows.data() + count * words;
    std::uint64_t hash = 0;
    for (std::size_t w = 0; w < words; ++w) hash = mix(hash, row[w]);
    const std::uint32_t index = table.find_or_add(hash, static_cast<std::uint32_t>(count), [&](std::uint32_t other) {
      return std::equal(row, row + words, rows.data() + other * words);
    });
    if (index == count) {
      if (++count > max_states || count * words > max_members) too_many(count - 1, max_states, n);
    } else {
      rows.resize(count * words);
    }
    return index;
  };
  enter();
  std::vector<State> delta;
  std::vector<bool> accepting;
  std::vector<std::uint64_t> next(k * words);
  for (std::size_t i = 0; i < count; ++i) {
    std::fill(next.begin(), next.end(), 0);
    bool accepts = false;
    for (std::size_t w = 0; w < words; ++w) {
      std::uint64_t remaining = rows[i * words + w];
      accepts = accepts || (remaining & accepting_row[w]) != 0;
      for (; remaining != 0; remaining &= remaining - 1) {
        const std::size_t b = w * 64 + static_cast<std::size_t>(std::countr_zero(remaining));
        const std::uint64_t* row = successors.data() + b * k * words;
        for (std::size_t x = 0; x < k * words; ++x) next[x] |= row[x];
      }
    }
    accepting.push_back(accepts);
    for (std::size_t a = 0; a < k; ++a) {
      rows.insert(rows.end(), next.begin() + static_cast<std::ptrdiff_t>(a * words),
                  next.begin() + static_cast<std::ptrdiff_t>((a + 1) * words));
      delta.push_back(enter());
    }
  }
  return Dfa::acceptor(nfa.alphabet(), 0, std::move(delta), accepting);
}

Dfa by_lists(const Nfa& nfa, const Moves& moves, std::size_t max_states) {
  const std::size_t k = nfa.alphabet().size();
  std::vector<State> arena;
  std::vector<std::size_t> offset{0};
  RowTable table;
  std::vector<bool> accepting;
  Closure closure(moves);
  const auto enter = [&]() -> State {  // the set that `closure` holds
    const std::vector<State>& set = closure.sorted();
    std::uint64_t hash = 0;
    for (const State q : set) hash = mix(hash, q);
    const auto count = static_cast<std::uint32_t>(offset.size() - 1);
    const std::uint32_t index = table.find_or_add(hash, count, [&](std::uint32_t other) {
      return std::equal(set.begin(), set.end(), arena.begin() + static_cast<std::ptrdiff_t>(offset[other]),
                        arena.begin() + static_cast<std::ptrdiff_t>(offset[other + 1]));
    });
    if (index == count) {
      if (count >= max_states || arena.size() + set.size() > max_members) too_many(count, max_states, nfa.num_states());
      arena.insert(arena.end(), set.begin(), set.end());
      offset.push_back(arena.size());
      accepting.push_back(std::any_of(set.begin(), set.end(), [&](State q) { return nfa.accepting(q); }));
    }
    return index;
  };
  closure.clear();
  for (const State q : nfa.starts()) closure.add(q);
  enter();
  std::vector<State> delta;
  std::vector<std::vector<State>> targets(k);  // by symbol
  for (std::size_t i = 0; i + 1 < offset.size(); ++i) {
    for (std::size_t j = offset[i]; j < offset[i + 1]; ++j) {
      const State q = arena[j];
      for (std::uint32_t m = moves.offset[q]; m < moves.offset[q + 1]; ++m) {
        targets[moves.target[m].first].push_back(moves.target[m].second);
      }
    }
    for (std::vector<State>& of_symbol : targets) {
      closure.clear();
      for (const State q : of_symbol) closure.add(q);
      of_symbol.clear();
      delta.push_back(enter());
    }
  }
  return Dfa::acceptor(nfa.alphabet(), 0, std::move(delta), accepting);
}

}  // namespace

Nfa::Nfa(Alphabet alphabet, std::vector<State> starts, std::vector<NfaTransition> transitions,
         std::vector<bool> accepting)
    : alphabet_(std::move(alphabet)),
      starts_(std::move(starts)),
      transitions_(std::move(transitions)),
      accepting_(std::move(accepting)) {
  std::vector<std::string> problems;
  const auto check_state = [&](State state, const std::string& where) {
    if (state < accepting_.size()) return;
    problems.push_back(where + ": expected a state below " + std::to_string(accepting_.size()) + ", got " +
                       std::to_string(state));
  };
  for (std::size_t i = 0; i < starts_.size(); ++i) check_state(starts_[i], "starts[" + std::to_string(i) + "]");
  for (std::size_t i = 0; i < transitions_.size(); ++i) {
    const NfaTransition& t = transitions_[i];
    if (t.from < accepting_.size() && t.to < accepting_.size() &&
        (t.symbol < alphabet_.size() || t.symbol == epsilon)) {
      continue;
    }
    const std::string where = "transitions[" + std::to_string(i) + "]";
    check_state(t.from, where);
    check_state(t.to, where);
    if (t.symbol >= alphabet_.size() && t.symbol != epsilon) {
      problems.push_back(where + ": expected a symbol below " + std::to_string(alphabet_.size()) + ", got " +
                         std::to_string(t.symbol));
    }
  }
  if (!problems.empty()) throw InputError(std::move(problems));
}

Dfa determinize(const Nfa& nfa, std::size_t max_states) {
  if (nfa.num_states() == 0) {
    return Dfa::acceptor(nfa.alphabet(), 0, std::vector<State>(nfa.alphabet().size(), 0), {false});
  }
  const Moves moves(nfa);
  const auto kept = static_cast<std::size_t>(std::count(moves.kept.begin(), moves.kept.end(), true));
  const bool small = kept * nfa.alphabet().size() * ((kept + 63) / 64) <= max_table_words;
  return small ? by_bits(nfa, moves, max_states) : by_lists(nfa, moves, max_states);
}

}  // namespace krohn
