// Lassos of a repeated word on the bits that a model carries (Brent's algorithm), and pairs of words that no readout
// can separate (Grazzi et al., arXiv:2411.12537, Theorems 1 and 2, step by step instead of in exact arithmetic).
//
// Cost: at most 2 max(mu, lambda) + lambda applications to detect (brent.hpp), about as many again to find the least
// mu; memory of four states.
// Refuses an empty loop word and alphabets that differ. No pair leaves this file before a plain replay has found
// the same bits and the same label.
#include "krohn/verify/lasso.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "brent.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

using Bytes = std::vector<std::byte>;

bool same(const Bytes& a, const Bytes& b) { return a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0; }

/// Ends a search from within; never leaves this file.
struct SearchEnded {
  std::string reason;
};

/// Applies the map and keeps the account.
class Stepper {
 public:
  Stepper(const StateMap& map, const LassoBudget& budget, std::uint64_t cost)
      : map_(map), budget_(budget), cost_(cost) {}

  void operator()(Bytes& state) {
    if (cost_ > budget_.max_steps - steps_) {
      throw SearchEnded{"the budget of " + std::to_string(budget_.max_steps) + " steps ran out"};
    }
    if (budget_.stop != nullptr && (++calls_ & 0xFFU) == 0 && budget_.stop->load(std::memory_order_relaxed)) {
      throw SearchEnded{"stopped after " + std::to_string(steps_) + " steps"};
    }
    steps_ += cost_;
    map_(state);
  }
  std::uint64_t steps() const noexcept { return steps_; }

 private:
  const StateMap& map_;
  const LassoBudget& budget_;
  std::uint64_t cost_;
  std::uint64_t steps_ = 0;
  std::uint64_t calls_ = 0;
};

void require_same_alphabet(const Machine& machine, const Dfa& dfa) {
  if (machine.alphabet() == dfa.alphabet()) return;
  throw InputError("alphabet: expected the automaton's " + std::to_string(dfa.num_symbols()) +
                   " symbols in its order, got the model's " + std::to_string(machine.alphabet().size()));
}

Observation advance(const Machine& machine, Bytes& state, std::span<const Symbol> word, Observation observation) {
  for (const Symbol symbol : word) observation = machine.step(state, symbol);
  return observation;
}

/// A shortest suffix after which both labels are in the domain and differ, by breadth-first search over pairs.
std::optional<Word> separating_suffix(const Dfa& dfa, State first, State second) {
  const auto conflict = [&](State q, State r) {
    return dfa.label(q) != null_label && dfa.label(r) != null_label && dfa.label(q) != dfa.label(r);
  };
  using Pair = std::pair<State, State>;
  std::map<Pair, std::pair<Pair, Symbol>> reached_from;
  std::deque<Pair> queue{{first, second}};
  reached_from[{first, second}] = {{first, second}, 0};
  while (!queue.empty()) {
    const Pair pair = queue.front();
    queue.pop_front();
    if (conflict(pair.first, pair.second)) {
      Word suffix;
      for (Pair at = pair; at != Pair{first, second};) {
        const auto& [before, symbol] = reached_from.at(at);
        suffix.push_back(symbol);
        at = before;
      }
      std::reverse(suffix.begin(), suffix.end());
      return suffix;
    }
    for (Symbol symbol = 0; symbol < dfa.num_symbols(); ++symbol) {
      const Pair next{dfa.next(pair.first, symbol), dfa.next(pair.second, symbol)};
      if (next.first == next.second) continue;
      if (reached_from.try_emplace(next, pair, symbol).second) queue.push_back(next);
    }
  }
  return std::nullopt;
}

/// The states delta(q0, p u^k) for every k, as a preperiod and a cycle.
struct AutomatonOrbit {
  std::vector<State> states;
  std::size_t preperiod = 0;
  std::size_t period() const { return states.size() - preperiod; }
  State at(std::uint64_t k) const {
    return k < states.size() ? states[k] : states[preperiod + (k - preperiod) % period()];
  }
};

AutomatonOrbit automaton_orbit(const Dfa& dfa, State start, std::span<const Symbol> loop) {
  AutomatonOrbit orbit;
  std::vector<std::size_t> seen(dfa.num_states(), dfa.num_states());
  State state = start;
  while (seen[state] == dfa.num_states()) {
    seen[state] = orbit.states.size();
    orbit.states.push_back(state);
    state = dfa.next(state, loop);
  }
  orbit.preperiod = seen[state];
  return orbit;
}

/// The carried bits and the observation after a word, by plain replay.
struct Replay {
  Bytes state;
  Observation observation;
};

Replay replay(const Machine& machine, const PowerWord& word) {
  Replay run{Bytes(machine.state_size()), {}};
  run.observation = machine.initial(run.state);
  run.observation = advance(machine, run.state, word.prefix, run.observation);
  for (std::uint64_t k = 0; k < word.exponent; ++k) {
    run.observation = advance(machine, run.state, word.loop, run.observation);
  }
  run.observation = advance(machine, run.state, word.suffix, run.observation);
  return run;
}

/// Fills in the labels of a pair by plain replay; nothing if a readout's tie led to it, or if the model's labels differ
/// after all, which happens only where a layer reads its hidden state before the update and the suffix is empty.
std::optional<IndistinguishablePair> confirm(const Machine& machine, const Dfa& dfa, IndistinguishablePair pair) {
  Replay a = replay(machine, pair.word_a);
  Replay b;
  if (pair.word_a.prefix == pair.word_b.prefix && pair.word_a.exponent <= pair.word_b.exponent) {
    // Both are powers of one loop: word_b is word_a and some more iterations.
    b = a;
    for (std::uint64_t k = pair.word_a.exponent; k < pair.word_b.exponent; ++k) {
      b.observation = advance(machine, b.state, pair.word_b.loop, b.observation);
    }
  } else {
    b = replay(machine, pair.word_b);
  }
  if (!same(a.state, b.state)) throw InternalError("lasso: the replay of a pair did not end in equal bits");
  // Where a tie ended both runs, it was the readout that forgot, and another one might not.
  if (a.observation.label == undefined_label) return std::nullopt;
  a.observation = advance(machine, a.state, pair.suffix, a.observation);
  b.observation = advance(machine, b.state, pair.suffix, b.observation);
  const auto name = [&](std::int32_t label) {
    return label == undefined_label ? std::string("?") : machine.label_names().at(static_cast<std::size_t>(label));
  };
  if (a.observation.label != b.observation.label) return std::nullopt;
  pair.observed = name(a.observation.label);
  const auto expected = [&](const PowerWord& word) {
    State state = dfa.next(dfa.start(), word.prefix);
    for (std::uint64_t k = 0; k < word.exponent; ++k) state = dfa.next(state, word.loop);
    return dfa.label_name(dfa.label(dfa.next(state, pair.suffix)));
  };
  pair.expected_a = expected(pair.word_a);
  pair.expected_b = expected(pair.word_b);
  if (pair.expected_a == pair.expected_b) throw InternalError("lasso: the automaton does not separate the pair");
  return pair;
}

/// A shortest word into every reachable state, in breadth-first order.
std::map<State, Word> access_words(const Dfa& dfa) {
  std::map<State, Word> words{{dfa.start(), {}}};
  std::deque<State> queue{dfa.start()};
  while (!queue.empty()) {
    const State state = queue.front();
    queue.pop_front();
    for (Symbol symbol = 0; symbol < dfa.num_symbols(); ++symbol) {
      const State next = dfa.next(state, symbol);
      if (words.contains(next)) continue;
      Word word = words.at(state);
      word.push_back(symbol);
      words.emplace(next, std::move(word));
      queue.push_back(next);
    }
  }
  return words;
}

Word repeat(std::span<const Symbol> word, std::size_t times) {
  Word result;
  result.reserve(word.size() * times);
  for (std::size_t i = 0; i < times; ++i) result.insert(result.end(), word.begin(), word.end());
  return result;
}

/// Loop words that some cycle of the automaton's action turns with prime period: of every element of the transition
/// monoid (up to the cap) a shortest word w, raised to c / r for its cycle lengths c and the primes r that divide c.
std::vector<Word> words_of_prime_period(const Dfa& dfa, std::size_t max_elements, std::size_t max_length) {
  const std::size_t n = dfa.num_states();
  std::vector<State> identity(n);
  std::iota(identity.begin(), identity.end(), State{0});
  std::set<std::vector<State>> elements{identity};
  std::deque<std::pair<std::vector<State>, Word>> queue{{identity, {}}};
  std::set<std::pair<std::size_t, Word>> words;
  while (!queue.empty()) {
    const auto [action, word] = std::move(queue.front());
    queue.pop_front();
    std::vector<bool> visited(n, false);
    for (State start = 0; start < n && !word.empty(); ++start) {
      std::vector<State> path;
      State state = start;
      while (!visited[state]) {
        visited[state] = true;
        path.push_back(state);
        state = action[state];
      }
      const auto on_path = std::find(path.begin(), path.end(), state);
      std::size_t cycle = static_cast<std::size_t>(path.end() - on_path);
      const std::size_t length = cycle;
      for (std::size_t prime = 2; cycle > 1; ++prime) {
        if (cycle % prime != 0) continue;
        while (cycle % prime == 0) cycle /= prime;
        const std::size_t times = length / prime;
        if (word.size() * times <= max_length) words.insert({word.size() * times, repeat(word, times)});
      }
    }
    if (word.size() >= max_length) continue;
    for (Symbol symbol = 0; symbol < dfa.num_symbols() && elements.size() < max_elements; ++symbol) {
      std::vector<State> next(n);
      for (std::size_t q = 0; q < n; ++q) next[q] = dfa.next(action[q], symbol);
      if (!elements.insert(next).second) continue;
      Word longer = word;
      longer.push_back(symbol);
      queue.emplace_back(std::move(next), std::move(longer));
    }
  }
  std::vector<Word> result;
  for (const auto& [length, word] : words) result.push_back(word);
  return result;
}

}  // namespace

Word PowerWord::expand() const {
  constexpr std::uint64_t limit = std::uint64_t{1} << 28U;
  if (exponent > limit || length() > limit) {
    throw ResourceError("word: expected at most 2^28 symbols, got " + std::to_string(loop.size()) + " times " +
                        std::to_string(exponent));
  }
  Word word = prefix;
  word.reserve(length());
  for (std::uint64_t k = 0; k < exponent; ++k) word.insert(word.end(), loop.begin(), loop.end());
  word.insert(word.end(), suffix.begin(), suffix.end());
  return word;
}

LassoSearch find_lasso(std::span<const std::byte> start, const StateMap& map, const LassoBudget& budget,
                       std::uint64_t steps_per_application) {
  LassoSearch search;
  Stepper apply(map, budget, steps_per_application);
  try {
    search.lasso = brent_lasso(Bytes(start.begin(), start.end()), apply, same);
  } catch (const SearchEnded& ended) {
    search.reason = ended.reason;
  } catch (const NumericError& error) {
    search.reason = error.what();
  }
  search.steps = apply.steps();
  return search;
}

LassoSearch find_lasso(const Machine& machine, std::span<const Symbol> prefix, std::span<const Symbol> loop,
                       const LassoBudget& budget) {
  if (loop.empty()) throw InputError("loop word: expected at least one symbol, got the empty word");
  Bytes start(machine.state_size());
  machine.initial(start);
  try {
    for (const Symbol symbol : prefix) machine.step(start, symbol);
  } catch (const NumericError& error) {
    return {std::nullopt, prefix.size(), error.what()};
  }
  const StateMap map = [&](std::span<std::byte> state) {
    for (const Symbol symbol : loop) machine.step(state, symbol);
  };
  LassoSearch search = find_lasso(start, map, budget, loop.size());
  search.steps += prefix.size();
  return search;
}

LassoRefutation refute_by_loop(const Machine& machine, const Dfa& dfa, std::span<const Symbol> prefix,
                               std::span<const Symbol> loop, const LassoBudget& budget) {
  require_same_alphabet(machine, dfa);
  LassoRefutation result;
  const LassoSearch search = find_lasso(machine, prefix, loop, budget);
  result.steps = search.steps;
  if (!search.lasso) {
    result.unsettled = 1;
    result.reason = search.reason;
    return result;
  }
  try {
    result.pair = pair_from_lasso(machine, dfa, prefix, loop, *search.lasso);
  } catch (const NumericError& error) {
    result.unsettled = 1;
    result.reason = error.what();
    return result;
  }
  if (!result.pair) result.lassos_without_conflict = 1;
  return result;
}

std::optional<IndistinguishablePair> pair_from_lasso(const Machine& machine, const Dfa& dfa,
                                                     std::span<const Symbol> prefix, std::span<const Symbol> loop,
                                                     const Lasso& lasso) {
  require_same_alphabet(machine, dfa);
  const AutomatonOrbit orbit = automaton_orbit(dfa, dfa.next(dfa.start(), prefix), loop);
  const std::uint64_t first = std::max<std::uint64_t>(lasso.transient, 1);
  const std::uint64_t end = std::max<std::uint64_t>(first, orbit.preperiod) + orbit.period();
  for (std::uint64_t k = first; k <= end && lasso.period % orbit.period() != 0; ++k) {
    const std::optional<Word> suffix = separating_suffix(dfa, orbit.at(k), orbit.at(k + lasso.period));
    if (!suffix) continue;
    IndistinguishablePair pair;
    pair.word_a = {Word(prefix.begin(), prefix.end()), Word(loop.begin(), loop.end()), k, {}};
    pair.word_b = pair.word_a;
    pair.word_b.exponent = k + lasso.period;
    pair.suffix = *suffix;
    pair.lasso = lasso;
    if (std::optional<IndistinguishablePair> confirmed = confirm(machine, dfa, std::move(pair))) return confirmed;
  }
  return std::nullopt;
}

LassoRefutation refute_by_forgetting(const Machine& machine, const Dfa& dfa, std::span<const Symbol> prefix_a,
                                     std::span<const Symbol> prefix_b, std::span<const Symbol> loop,
                                     const LassoBudget& budget) {
  require_same_alphabet(machine, dfa);
  if (loop.empty()) throw InputError("loop word: expected at least one symbol, got the empty word");
  LassoRefutation result;
  const AutomatonOrbit orbit_a = automaton_orbit(dfa, dfa.next(dfa.start(), prefix_a), loop);
  const AutomatonOrbit orbit_b = automaton_orbit(dfa, dfa.next(dfa.start(), prefix_b), loop);
  Bytes a(machine.state_size());
  Bytes b(machine.state_size());
  machine.initial(a);
  machine.initial(b);
  const StateMap map = [&](std::span<std::byte> state) {
    for (const Symbol symbol : loop) machine.step(state, symbol);
  };
  Stepper apply(map, budget, loop.size());
  try {
    advance(machine, a, prefix_a, {});
    advance(machine, b, prefix_b, {});
    const std::uint64_t automaton_end =
        std::max(orbit_a.preperiod, orbit_b.preperiod) + std::lcm(orbit_a.period(), orbit_b.period());
    std::uint64_t k = 0;
    for (; k < 1 || !same(a, b); ++k) {
      apply(a);
      apply(b);
    }
    // From here on the bits stay equal; the pair is the first place that a suffix separates.
    for (const std::uint64_t end = k + automaton_end; k <= end; ++k) {
      const std::optional<Word> suffix = separating_suffix(dfa, orbit_a.at(k), orbit_b.at(k));
      if (!suffix) continue;
      IndistinguishablePair pair;
      pair.word_a = {Word(prefix_a.begin(), prefix_a.end()), Word(loop.begin(), loop.end()), k, {}};
      pair.word_b = {Word(prefix_b.begin(), prefix_b.end()), Word(loop.begin(), loop.end()), k, {}};
      pair.suffix = *suffix;
      result.pair = confirm(machine, dfa, std::move(pair));
      if (result.pair) break;
    }
    if (!result.pair) result.lassos_without_conflict = 1;
  } catch (const SearchEnded& ended) {
    result.unsettled = 1;
    result.reason = ended.reason;
  } catch (const NumericError& error) {
    result.unsettled = 1;
    result.reason = error.what();
  }
  result.steps = apply.steps() + prefix_a.size() + prefix_b.size();
  return result;
}

LassoRefutation refute_by_lasso(const Machine& machine, const Dfa& dfa, const LassoRefutationOptions& options) {
  require_same_alphabet(machine, dfa);
  LassoRefutation total;
  const auto spend = [&](const auto& attempt) {
    if (total.steps >= options.max_total_steps ||
        (options.budget.stop != nullptr && options.budget.stop->load(std::memory_order_relaxed))) {
      return true;
    }
    LassoBudget budget = options.budget;
    budget.max_steps = std::min(budget.max_steps, options.max_total_steps - total.steps);
    LassoRefutation one = attempt(budget);
    total.steps += one.steps;
    total.lassos_without_conflict += one.lassos_without_conflict;
    total.unsettled += one.unsettled;
    if (!one.reason.empty()) total.reason = std::move(one.reason);
    total.pair = std::move(one.pair);
    return total.pair.has_value();
  };

  const std::map<State, Word> access = access_words(dfa);
  std::vector<Word> loops;
  for (Symbol symbol = 0; symbol < dfa.num_symbols(); ++symbol) loops.push_back({symbol});
  for (Word& word : words_of_prime_period(dfa, options.max_monoid_elements, options.max_loop_length)) {
    if (std::find(loops.begin(), loops.end(), word) == loops.end()) loops.push_back(std::move(word));
  }
  // From the start first, and only loops that the automaton turns: period 1 divides every lambda.
  for (const bool from_start : {true, false}) {
    for (const Word& loop : loops) {
      for (const auto& [state, prefix] : access) {
        if (prefix.empty() != from_start || automaton_orbit(dfa, state, loop).period() == 1) continue;
        const Word& before = prefix;  // Clang 14 captures no structured binding
        if (spend([&](const LassoBudget& b) { return refute_by_loop(machine, dfa, before, loop, b); })) {
          return total;
        }
      }
    }
  }
  for (Symbol symbol = 0; symbol < dfa.num_symbols(); ++symbol) {
    const Word loop{symbol};
    for (auto a = access.begin(); a != access.end(); ++a) {
      if (dfa.next(a->first, symbol) != a->first) continue;
      for (auto b = std::next(a); b != access.end(); ++b) {
        if (dfa.next(b->first, symbol) != b->first) continue;
        if (spend([&](const LassoBudget& budget) {
              return refute_by_forgetting(machine, dfa, a->second, b->second, loop, budget);
            })) {
          return total;
        }
      }
    }
  }
  return total;
}

}  // namespace krohn
