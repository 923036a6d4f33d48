// The subset construction. Symbols under which every state moves alike are one class, and the sets are made for
// classes. A set is kept without the states that can do nothing but move on by epsilon: such states never tell two sets
// apart. Small automata use one row of bits per set and a table of successor rows, large ones sorted lists in one
// arena; both are found again through an open hash table of indices. Invariant: the row at index i is the set reached
// by the i-th shortlex-least word among words that reach different sets. Cost: proportional to the sets' sizes times
// the classes; caps on both are checked as the sets are made.
//
// Where there are many sets, the construction begins again with smaller ones: a state is left out of a set that holds
// another state which simulates it (every move of the one can be answered by the other, and the other accepts where the
// one does), because it adds no word to the set's language. In a filter such as .*x[^y]{100}.* all states after the x
// are one chain under simulation, and of 2^100 sets a hundred are left. The greatest simulation is computed from
// above, by removing pairs until no move refutes one (Henzinger, Henzinger and Kopke 1995, without their counters), in
// the order in which the states lead to acceptance, which settles chains in one pass. The sets stay reachable sets of
// words, so the result is deterministic, complete, and of the same language (De Wulf, Doyen, Henzinger and Raskin 2006
// use the order in the same way on antichains).
#include "krohn/automata/nfa.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "krohn/automata/minimize.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

// Bytes of all sets together, and of the table of transitions.
constexpr std::size_t max_bytes = std::size_t{1} << 28;
constexpr std::size_t max_table_words = std::size_t{1} << 22;
// From so many sets on it is worth to look for a simulation, on automata of so many states, for so long.
constexpr std::size_t many_sets = 4096;
constexpr std::size_t max_simulation_states = 8192;
constexpr std::size_t max_simulation_steps = std::size_t{1} << 30;

[[noreturn]] void too_many(std::size_t sets, std::size_t max_states, std::size_t nfa_states) {
  const std::string of = " sets of the " + std::to_string(nfa_states) + " nondeterministic states";
  if (sets >= max_states) throw ResourceError("determinize: more than " + std::to_string(max_states) + of);
  throw ResourceError("determinize: " + std::to_string(sets) + of + " take more than " + std::to_string(max_bytes) +
                      " bytes");
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

// Symbols under which the transitions are the same, numbered in the order of their first symbols.
struct SymbolClasses {
  std::vector<std::uint32_t> of_symbol;
  std::size_t count = 0;
};

SymbolClasses classes_of_symbols(const Nfa& nfa) {
  const std::size_t k = nfa.alphabet().size();
  std::vector<std::uint64_t> hashes(k, 0);
  std::vector<std::uint32_t> offset(k + 1, 0);
  for (const NfaTransition& t : nfa.transitions()) {
    if (t.symbol == epsilon) continue;
    hashes[t.symbol] += mix(mix(1, t.from), t.to);  // a sum: the order of the transitions has no meaning
    ++offset[t.symbol + 1];
  }
  std::partial_sum(offset.begin(), offset.end(), offset.begin());
  // The transitions of the symbols that share a hash, to compare them in earnest.
  std::vector<Symbol> by_hash(k);
  std::iota(by_hash.begin(), by_hash.end(), Symbol{0});
  const auto size_of = [&](Symbol a) { return offset[a + 1] - offset[a]; };
  const auto key = [&](Symbol a) { return std::pair(hashes[a], size_of(a)); };
  std::stable_sort(by_hash.begin(), by_hash.end(), [&](Symbol a, Symbol b) { return key(a) < key(b); });
  std::vector<bool> shared(k, false);
  for (std::size_t i = 1; i < k; ++i) {
    if (key(by_hash[i]) == key(by_hash[i - 1])) shared[by_hash[i]] = shared[by_hash[i - 1]] = true;
  }
  std::vector<std::vector<std::pair<State, State>>> moves(k);
  for (const NfaTransition& t : nfa.transitions()) {
    if (t.symbol != epsilon && shared[t.symbol]) moves[t.symbol].emplace_back(t.from, t.to);
  }
  for (auto& list : moves) std::sort(list.begin(), list.end());
  std::vector<Symbol> representative(k);
  std::iota(representative.begin(), representative.end(), Symbol{0});
  for (std::size_t i = 1; i < k; ++i) {
    const Symbol before = representative[by_hash[i - 1]];
    if (key(by_hash[i]) == key(before) && moves[by_hash[i]] == moves[before]) representative[by_hash[i]] = before;
  }
  SymbolClasses classes;
  classes.of_symbol.resize(k);
  for (Symbol a = 0; a < k; ++a) {
    const bool first = representative[a] == a;
    classes.of_symbol[a] = first ? static_cast<std::uint32_t>(classes.count++) : classes.of_symbol[representative[a]];
  }
  return classes;
}

// Transitions grouped by source: the epsilon moves of q, and the moves of q sorted by class of symbols.
struct Moves {
  std::size_t num_classes;
  std::vector<std::uint32_t> epsilon_offset;
  std::vector<State> epsilon_target;
  std::vector<std::uint32_t> offset;
  std::vector<std::pair<Symbol, State>> target;
  std::vector<bool> kept;  // has a move by a symbol, or accepts

  Moves(const Nfa& nfa, const SymbolClasses& classes)
      : num_classes(classes.count),
        epsilon_offset(nfa.num_states() + 1, 0),
        offset(nfa.num_states() + 1, 0),
        kept(nfa.num_states(), false) {
    // One symbol of each class stands for it.
    std::vector<bool> first(classes.of_symbol.size(), false);
    std::uint32_t seen = 0;
    for (Symbol a = 0; a < first.size(); ++a) {
      first[a] = classes.of_symbol[a] == seen;
      if (first[a]) ++seen;
    }
    const auto counts = [&](const NfaTransition& t) { return t.symbol == epsilon || first[t.symbol]; };
    for (const NfaTransition& t : nfa.transitions()) {
      if (counts(t)) ++(t.symbol == epsilon ? epsilon_offset : offset)[t.from + 1];
    }
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
      if (!counts(t)) continue;
      if (t.symbol == epsilon) {
        epsilon_target[epsilon_at[t.from]++] = t.to;
      } else {
        target[at[t.from]++] = {classes.of_symbol[t.symbol], t.to};
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

// The kept states as bits, with their moves by classes closed under epsilon.
struct KeptMoves {
  std::vector<std::uint32_t> bit;  // of a kept state
  std::vector<State> state_of_bit;

  explicit KeptMoves(const Moves& moves) : bit(moves.kept.size(), 0) {
    for (State q = 0; q < bit.size(); ++q) {
      bit[q] = static_cast<std::uint32_t>(state_of_bit.size());
      if (moves.kept[q]) state_of_bit.push_back(q);
    }
  }
  std::size_t size() const { return state_of_bit.size(); }
  std::size_t words() const { return std::max<std::size_t>(1, (size() + 63) / 64); }
};

void set_bit(std::uint64_t* row, std::size_t b) { row[b / 64] |= std::uint64_t{1} << (b % 64); }
bool has_bit(const std::uint64_t* row, std::size_t b) { return ((row[b / 64] >> (b % 64)) & 1U) != 0; }

template <typename Visit>
void for_each_bit(const std::uint64_t* row, std::size_t words, Visit&& visit) {
  for (std::size_t w = 0; w < words; ++w) {
    for (std::uint64_t rest = row[w]; rest != 0; rest &= rest - 1) {
      visit(w * 64 + static_cast<std::size_t>(std::countr_zero(rest)));
    }
  }
}

// Row b holds the kept states that a set may leave out where it holds b: those that b simulates, of equals the later.
struct Dominance {
  std::size_t words;
  std::vector<std::uint64_t> rows;

  // Every state that some state of the set dominates is left out: what dominates most is never left out, so that the
  // states that stay simulate all of the set.
  void prune(std::uint64_t* set, std::uint64_t* scratch) const {
    std::copy(set, set + words, scratch);
    for_each_bit(scratch, words, [&](std::size_t b) {
      const std::uint64_t* row = rows.data() + b * words;
      for (std::size_t w = 0; w < words; ++w) set[w] &= ~row[w];
    });
  }
};

// None where the automaton is large, the search is long, or nothing is simulated by anything else.
std::optional<Dominance> find_dominance(const Nfa& nfa, const Moves& moves, const KeptMoves& kept) {
  const std::size_t n = kept.size();
  const std::size_t k = moves.num_classes;
  const std::size_t words = kept.words();
  if (n > max_simulation_states) return std::nullopt;
  // Moves and their inverses on bits, by class.
  struct Move {
    std::uint32_t symbol;
    std::uint32_t from;
    std::uint32_t to;
  };
  std::vector<Move> list;
  Closure closure(moves);
  for (std::uint32_t b = 0; b < n; ++b) {
    const State q = kept.state_of_bit[b];
    for (std::uint32_t i = moves.offset[q]; i < moves.offset[q + 1];) {
      const Symbol symbol = moves.target[i].first;
      closure.clear();
      for (; i < moves.offset[q + 1] && moves.target[i].first == symbol; ++i) closure.add(moves.target[i].second);
      for (const State r : closure.states()) list.push_back({symbol, b, kept.bit[r]});
      if (list.size() > max_simulation_steps / 64) return std::nullopt;
    }
  }
  // sources[offset[to * k + symbol] ..]
  std::vector<std::uint32_t> offset(n * k + 1, 0);
  for (const Move& move : list) ++offset[move.to * k + move.symbol + 1];
  std::partial_sum(offset.begin(), offset.end(), offset.begin());
  std::vector<std::uint32_t> sources(list.size());
  {
    std::vector<std::uint32_t> at(offset.begin(), offset.end() - 1);
    for (const Move& move : list) sources[at[move.to * k + move.symbol]++] = move.from;
  }
  // above[q]: the states that may still simulate q.
  std::vector<std::uint64_t> above(n * words, 0);
  std::vector<std::uint32_t> queue;
  std::vector<bool> queued(n, false);
  for (std::uint32_t q = 0; q < n; ++q) {
    const bool accepting = nfa.accepting(kept.state_of_bit[q]);
    for (std::uint32_t p = 0; p < n; ++p) {
      if (!accepting || nfa.accepting(kept.state_of_bit[p])) set_bit(above.data() + q * words, p);
    }
    if (accepting) {
      queue.push_back(q);
      queued[q] = true;
    }
  }
  // All states, those near to acceptance first.
  for (std::size_t i = 0; i < queue.size(); ++i) {
    for (std::uint32_t j = offset[queue[i] * k]; j < offset[(queue[i] + 1) * k]; ++j) {
      if (queued[sources[j]]) continue;
      queued[sources[j]] = true;
      queue.push_back(sources[j]);
    }
  }
  for (std::uint32_t q = 0; q < n; ++q) {
    if (queued[q]) continue;
    queued[q] = true;
    queue.push_back(q);
  }
  std::vector<std::uint64_t> able(words);
  std::size_t steps = 0;
  for (std::size_t i = 0; i < queue.size();) {
    const std::uint32_t to = queue[i];
    queued[to] = false;
    for (std::size_t a = 0; a < k; ++a) {
      const std::uint32_t begin = offset[to * k + a];
      const std::uint32_t end = offset[to * k + a + 1];
      if (begin == end) continue;
      // Who can answer a move by a into `to`.
      std::fill(able.begin(), able.end(), 0);
      for_each_bit(above.data() + to * words, words, [&](std::size_t p) {
        const std::uint32_t last = offset[p * k + a + 1];
        for (std::uint32_t j = offset[p * k + a]; j < last; ++j) set_bit(able.data(), sources[j]);
        steps += 1 + last - offset[p * k + a];
      });
      for (std::uint32_t j = begin; j < end; ++j) {
        std::uint64_t* row = above.data() + sources[j] * words;
        bool changed = false;
        for (std::size_t w = 0; w < words; ++w) {
          const std::uint64_t less = row[w] & able[w];
          changed = changed || less != row[w];
          row[w] = less;
        }
        if (changed && !queued[sources[j]]) {
          queued[sources[j]] = true;
          queue.push_back(sources[j]);
        }
      }
      steps += (end - begin) * words;
      if (steps > max_simulation_steps) return std::nullopt;
    }
    ++i;
    if (i > 4 * n && i > queue.size() / 2) {
      queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(i));
      i = 0;
    }
  }
  Dominance dominance{words, std::vector<std::uint64_t>(n * words, 0)};
  bool any = false;
  for (std::uint32_t q = 0; q < n; ++q) {
    for_each_bit(above.data() + q * words, words, [&](std::size_t p) {
      if (p == q) return;
      const bool equal = has_bit(above.data() + p * words, q);
      if (equal && q < p) return;
      set_bit(dominance.rows.data() + p * words, q);
      any = true;
    });
  }
  if (!any) return std::nullopt;
  return dominance;
}

// A complete automaton over classes of symbols.
struct ByClass {
  std::vector<State> delta;
  std::vector<bool> accepting;
};

struct Limits {
  std::size_t max_states;  // more are an error
  std::size_t many;        // more are given up
};

// None where there are more than `many` sets.
std::optional<ByClass> by_bits(const Nfa& nfa, const Moves& moves, const KeptMoves& kept, const Dominance* dominance,
                               const Limits& limits) {
  const std::size_t k = moves.num_classes;
  const std::size_t bits = kept.size();
  const std::size_t words = kept.words();
  Closure closure(moves);
  std::vector<std::uint64_t> scratch(words);
  const auto put = [&](std::uint64_t* row) {
    for (const State q : closure.states()) set_bit(row, kept.bit[q]);
    if (dominance != nullptr) dominance->prune(row, scratch.data());
  };
  std::vector<std::uint64_t> successors(bits * k * words, 0);
  std::vector<std::uint64_t> accepting_row(words, 0);
  for (std::size_t b = 0; b < bits; ++b) {
    const State q = kept.state_of_bit[b];
    if (nfa.accepting(q)) set_bit(accepting_row.data(), b);
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
  const std::size_t bytes_each = words * sizeof(std::uint64_t) + (k + 4) * sizeof(State);
  const auto enter = [&]() -> State {  // the last row of `rows`: new, or dropped again
    const std::uint64_t* row = rows.data() + count * words;
    std::uint64_t hash = 0;
    for (std::size_t w = 0; w < words; ++w) hash = mix(hash, row[w]);
    const std::uint32_t index = table.find_or_add(hash, static_cast<std::uint32_t>(count), [&](std::uint32_t other) {
      return std::equal(row, row + words, rows.data() + other * words);
    });
    if (index == count) {
      if (++count > limits.max_states || count * bytes_each > max_bytes) {
        too_many(count - 1, limits.max_states, nfa.num_states());
      }
    } else {
      rows.resize(count * words);
    }
    return index;
  };
  enter();
  ByClass result;
  std::vector<std::uint64_t> next(k * words);
  for (std::size_t i = 0; i < count; ++i) {
    if (count > limits.many) return std::nullopt;
    std::fill(next.begin(), next.end(), 0);
    bool accepts = false;
    for (std::size_t w = 0; w < words; ++w) accepts = accepts || (rows[i * words + w] & accepting_row[w]) != 0;
    for_each_bit(rows.data() + i * words, words, [&](std::size_t b) {
      const std::uint64_t* row = successors.data() + b * k * words;
      for (std::size_t x = 0; x < k * words; ++x) next[x] |= row[x];
    });
    result.accepting.push_back(accepts);
    for (std::size_t a = 0; a < k; ++a) {
      std::uint64_t* row = next.data() + a * words;
      if (dominance != nullptr) dominance->prune(row, scratch.data());
      rows.insert(rows.end(), row, row + words);
      result.delta.push_back(enter());
    }
  }
  return result;
}

std::optional<ByClass> by_lists(const Nfa& nfa, const Moves& moves, const KeptMoves& kept, const Dominance* dominance,
                                const Limits& limits) {
  const std::size_t k = moves.num_classes;
  std::vector<State> arena;
  std::vector<std::size_t> offset{0};
  RowTable table;
  ByClass result;
  Closure closure(moves);
  std::vector<std::uint64_t> row(dominance != nullptr ? kept.words() : 0);
  std::vector<std::uint64_t> scratch(row.size());
  std::vector<State> pruned;
  const auto members = [&]() -> const std::vector<State>& {
    const std::vector<State>& set = closure.sorted();
    if (dominance == nullptr) return set;
    std::fill(row.begin(), row.end(), 0);
    for (const State q : set) set_bit(row.data(), kept.bit[q]);
    dominance->prune(row.data(), scratch.data());
    pruned.clear();
    for_each_bit(row.data(), row.size(), [&](std::size_t b) { pruned.push_back(kept.state_of_bit[b]); });
    return pruned;
  };
  const auto enter = [&]() -> State {  // the set that `closure` holds
    const std::vector<State>& set = members();
    std::uint64_t hash = 0;
    for (const State q : set) hash = mix(hash, q);
    const auto count = static_cast<std::uint32_t>(offset.size() - 1);
    const std::uint32_t index = table.find_or_add(hash, count, [&](std::uint32_t other) {
      return std::equal(set.begin(), set.end(), arena.begin() + static_cast<std::ptrdiff_t>(offset[other]),
                        arena.begin() + static_cast<std::ptrdiff_t>(offset[other + 1]));
    });
    if (index == count) {
      const std::size_t entries = arena.size() + set.size() + (count + std::size_t{1}) * (k + 6);
      if (count >= limits.max_states || entries * sizeof(State) > max_bytes) {
        too_many(count, limits.max_states, nfa.num_states());
      }
      arena.insert(arena.end(), set.begin(), set.end());
      offset.push_back(arena.size());
      result.accepting.push_back(std::any_of(set.begin(), set.end(), [&](State q) { return nfa.accepting(q); }));
    }
    return index;
  };
  closure.clear();
  for (const State q : nfa.starts()) closure.add(q);
  enter();
  std::vector<std::vector<State>> targets(k);  // by class
  for (std::size_t i = 0; i + 1 < offset.size(); ++i) {
    if (offset.size() - 1 > limits.many) return std::nullopt;
    for (std::size_t j = offset[i]; j < offset[i + 1]; ++j) {
      const State q = arena[j];
      for (std::uint32_t m = moves.offset[q]; m < moves.offset[q + 1]; ++m) {
        targets[moves.target[m].first].push_back(moves.target[m].second);
      }
    }
    for (std::vector<State>& of_class : targets) {
      closure.clear();
      for (const State q : of_class) closure.add(q);
      of_class.clear();
      result.delta.push_back(enter());
    }
  }
  return result;
}

// The automaton over classes of symbols; for no states, one that rejects.
ByClass subsets(const Nfa& nfa, const SymbolClasses& classes, std::size_t max_states) {
  if (nfa.num_states() == 0) return {std::vector<State>(classes.count, 0), {false}};
  const Moves moves(nfa, classes);
  const KeptMoves kept(moves);
  const bool small = kept.size() * classes.count * kept.words() <= max_table_words;
  const auto construct = [&](const Dominance* dominance, const Limits& limits) {
    return small ? by_bits(nfa, moves, kept, dominance, limits) : by_lists(nfa, moves, kept, dominance, limits);
  };
  std::optional<ByClass> result = construct(nullptr, {std::max(max_states, many_sets + 1), many_sets});
  if (result) {
    if (result->accepting.size() > max_states) too_many(max_states, max_states, nfa.num_states());
    return std::move(*result);
  }
  const std::optional<Dominance> dominance = find_dominance(nfa, moves, kept);
  return std::move(*construct(dominance ? &*dominance : nullptr, {max_states, SIZE_MAX}));
}

// Each class by its symbols again.
Dfa spread(const Alphabet& alphabet, const SymbolClasses& classes, std::span<const State> delta,
           const std::vector<bool>& accepting) {
  if (accepting.size() > max_bytes / sizeof(State) / alphabet.size()) {
    throw ResourceError("determinize: " + std::to_string(accepting.size()) + " states under " +
                        std::to_string(alphabet.size()) + " symbols take more than " + std::to_string(max_bytes) +
                        " bytes");
  }
  std::vector<State> spread_delta;
  spread_delta.reserve(accepting.size() * alphabet.size());
  for (std::size_t q = 0; q < accepting.size(); ++q) {
    for (const std::uint32_t of_class : classes.of_symbol) spread_delta.push_back(delta[q * classes.count + of_class]);
  }
  return Dfa::acceptor(alphabet, 0, std::move(spread_delta), accepting);
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
  const SymbolClasses classes = classes_of_symbols(nfa);
  const ByClass sets = subsets(nfa, classes, max_states);
  return spread(nfa.alphabet(), classes, sets.delta, sets.accepting);
}

MinimalDfa minimal_dfa(const Nfa& nfa, std::size_t max_states) {
  const SymbolClasses classes = classes_of_symbols(nfa);
  ByClass sets = subsets(nfa, classes, max_states);
  const std::size_t count = sets.accepting.size();
  std::vector<std::string> names;
  for (std::size_t i = 0; i < classes.count; ++i) names.push_back(std::to_string(i));
  // Classes are in the order of their first symbols, so that the numbering of states is that of the whole alphabet.
  const Dfa minimal =
      minimize(Dfa::acceptor(Alphabet(std::move(names)), 0, std::move(sets.delta), std::move(sets.accepting)));
  std::vector<bool> accepting;
  for (State q = 0; q < minimal.num_states(); ++q) accepting.push_back(minimal.accepts_at(q));
  return {spread(nfa.alphabet(), classes, minimal.delta(), accepting), count};
}

}  // namespace krohn
