// Searches that find most wrong models in milliseconds, each looking only for words shorter than the best so far. A run
// that visits one model state twice, at automaton states that some suffix tells apart, must be wrong behind one of the
// two, whatever the readout; so the orbits of loop words are followed until the pair (bits, automaton state) repeats.
// The W-method (Chow 1978) drives every transition and asks for the state behind it by a set of words that tells all
// states apart. The beam follows the runs whose readouts come closest to a tie within some further symbols. Powers and
// beams look at all words of their kind up to a length before either goes on to twice that length, so that a long power
// does not hide a short word of another kind. Nothing here proves agreement. Tested by tests/verify/check_test.cpp.
#include "krohn/verify/fast_refutation.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "joint_run.hpp"
#include "krohn/error.hpp"
#include "labelled_words.hpp"

namespace krohn {
namespace {

// Powers and beams go up to this length first, then up to twice that, and so on.
constexpr std::size_t first_length = 64;
// Loop words are as long as there are few of them; those of more than `long_loop` symbols are followed up to
// `long_loop_length` only, so that the others come further.
constexpr std::size_t longest_loop = 6;
constexpr std::size_t most_loops = 256;
constexpr std::size_t long_loop = 3;
constexpr std::size_t long_loop_length = 512;
constexpr std::size_t most_prefixes = 4;

class Search {
 public:
  Search(const Machine& model, const Specification& specification, const FastRefutationOptions& options)
      : model_(model),
        specification_(specification),
        automaton_(specification.automaton()),
        options_(options),
        loops_(loop_words()) {}

  std::optional<Refutation> find() {
    find_access_words();
    std::uint64_t for_suite = options_.steps;
    within(for_suite, [&] {
      if (auto wrong = w_method()) found(std::move(wrong->word), "w-method");
    });
    std::uint64_t for_powers = options_.steps;
    std::uint64_t for_beams = options_.steps;
    for (std::size_t length = first_length; for_powers + for_beams > 0 && !over(); length *= 2) {
      bool closed = true;
      if (within(for_powers, [&] { closed = powers(length); }) && closed) for_powers = 0;
      bool alive = true;
      if (within(for_beams, [&] { alive = beam(options_.beam, 0, length); }) && !alive) for_beams = 0;
      if (longest_ <= length) break;
    }
    return std::move(best_);
  }

  std::optional<Refutation> find_by_beam(std::size_t length, int ahead) {
    longest_ = length;
    std::uint64_t steps = options_.steps;
    within(steps, [&] { beam(options_.beam, ahead, length); });
    return std::move(best_);
  }

 private:
  struct OutOfSteps {};
  // How breadth-first search first came to a state.
  struct Arrival {
    State parent;
    Symbol symbol;
  };

  bool over() const { return options_.budget.interrupted() || options_.budget.out_of_time(); }

  // Runs a search within `steps` steps, of which the unused ones are left. False if it ran out of them.
  template <class Searching>
  bool within(std::uint64_t& steps, Searching&& search) {
    steps_left_ = steps;
    bool ended = true;
    try {
      search();
    } catch (const OutOfSteps&) {
      ended = false;
    }
    steps = ended ? steps_left_ : 0;
    return ended;
  }

  // Notes a wrong word; from now on only shorter ones are looked for.
  void found(Word word, const char* method) {
    if (word.size() > longest_) return;
    longest_ = word.empty() ? 0 : word.size() - 1;
    best_ = Refutation{std::move(word), method};
  }

  // Advances the run. True if the label is wrong; throws NumericError.
  bool advance(JointRun& run, Symbol a) {
    if (steps_left_ == 0) throw OutOfSteps{};
    --steps_left_;
    if (steps_left_ % 64 == 0 && over()) throw OutOfSteps{};
    return run.read(a);
  }

  // Advances the run along the word; the length of the prefix on which the label is wrong, or nothing.
  std::optional<std::size_t> advance(JointRun& run, std::span<const Symbol> word) {
    for (std::size_t i = 0; i < word.size(); ++i) {
      if (advance(run, word[i])) return i + 1;
    }
    return std::nullopt;
  }

  // A shortest word from the start into a reachable state; words are not kept, for there may be as many as long.
  Word access_word(State q) const {
    Word word;
    for (; q != automaton_.start(); q = access_[q]->parent) word.push_back(access_[q]->symbol);
    std::reverse(word.begin(), word.end());
    return word;
  }

  // Finds the states that words reach, breadth first.
  void find_access_words() {
    access_.assign(automaton_.num_states(), std::nullopt);
    access_[automaton_.start()] = Arrival{automaton_.start(), 0};
    reachable_ = {automaton_.start()};
    for (std::size_t i = 0; i < reachable_.size(); ++i) {
      for (Symbol a = 0; a < automaton_.num_symbols(); ++a) {
        const State next = automaton_.next(reachable_[i], a);
        if (access_[next]) continue;
        access_[next] = Arrival{reachable_[i], a};
        reachable_.push_back(next);
      }
    }
  }

  // A shortest word behind which p and q ask for different labels, neither of them null.
  std::optional<Word> separating(State p, State q) {
    const auto known = separating_.find({std::min(p, q), std::max(p, q)});
    if (known != separating_.end()) return known->second;
    struct Visit {
      State p, q;
      std::size_t parent;
      Symbol symbol;
    };
    std::vector<Visit> queue = {{p, q, 0, 0}};
    std::set<std::pair<State, State>> seen = {{p, q}};
    std::optional<Word> result;
    for (std::size_t i = 0; i < queue.size() && !result && queue.size() < 200'000; ++i) {
      if (i % 1024 == 0 && over()) throw OutOfSteps{};
      const Visit visit = queue[i];
      const LabelId x = automaton_.label(visit.p);
      const LabelId y = automaton_.label(visit.q);
      if (x != y && x != null_label && y != null_label) {
        Word word;
        for (std::size_t j = i; j != 0; j = queue[j].parent) word.push_back(queue[j].symbol);
        std::reverse(word.begin(), word.end());
        result = std::move(word);
        break;
      }
      for (Symbol a = 0; a < automaton_.num_symbols(); ++a) {
        const State p2 = automaton_.next(visit.p, a);
        const State q2 = automaton_.next(visit.q, a);
        if (p2 != q2 && seen.insert({p2, q2}).second) queue.push_back({p2, q2, i, a});
      }
    }
    separating_[{std::min(p, q), std::max(p, q)}] = result;
    return result;
  }

  std::optional<Refutation> w_method() {
    // A characterising set: words are added until they split the reachable states as far as labels can.
    std::vector<Word> characterising;
    std::vector<std::vector<LabelId>> signature(automaton_.num_states());
    for (const State q : reachable_) signature[q] = {automaton_.label(q)};
    std::map<std::vector<LabelId>, State> representative;
    for (bool again = true; again && characterising.size() < 64;) {
      again = false;
      representative.clear();
      for (const State q : reachable_) {
        const auto [entry, fresh] = representative.emplace(signature[q], q);
        if (fresh) continue;
        const std::optional<Word> word = separating(entry->second, q);
        if (!word) continue;
        // Each of these costs as a step of a small model does.
        const std::uint64_t cost = std::uint64_t{word->size()} * reachable_.size();
        if (cost > steps_left_ || over()) throw OutOfSteps{};
        steps_left_ -= cost;
        for (const State state : reachable_)
          signature[state].push_back(automaton_.label(automaton_.next(state, *word)));
        characterising.push_back(*word);
        again = true;
        break;
      }
    }
    using Clock = std::chrono::steady_clock;
    GrowingBatch batch(4096, std::size_t{1} << 22U);  // symbols
    std::vector<Word> words;
    std::size_t symbols = 0;
    Word before;
    const auto flush = [&]() -> std::optional<Refutation> {
      if (over()) throw OutOfSteps{};
      const auto begin = Clock::now();
      std::optional<Refutation> found;
      const LabelledWords seen =
          label_and_compare(model_, specification_, words, options_.device, options_.budget, NotFinite::pass_over);
      if (seen.wrong) {
        words[seen.wrong->word].resize(seen.wrong->length);
        found = Refutation{std::move(words[seen.wrong->word]), "w-method"};
      }
      words.clear();
      symbols = 0;
      batch.took(Clock::now() - begin);
      return found;
    };
    const auto add = [&](Word word) -> std::optional<Refutation> {
      // What a word has in common with the one before is counted once.
      const auto steps = static_cast<std::uint64_t>(word.end() - std::ranges::mismatch(word, before).in1);
      const bool last = steps >= steps_left_;
      steps_left_ -= std::min(steps_left_, steps);
      symbols += word.size();
      before = word;
      words.push_back(std::move(word));
      if (symbols < batch.size() && !last) return std::nullopt;
      std::optional<Refutation> found = flush();
      if (!found && last) throw OutOfSteps{};
      return found;
    };
    for (const State q : reachable_) {
      for (Symbol a = 0; a < automaton_.num_symbols(); ++a) {
        Word edge = access_word(q);
        edge.push_back(a);
        if (characterising.empty()) {
          if (auto found = add(edge)) return found;
        }
        for (const Word& tail : characterising) {
          Word word = edge;
          word.insert(word.end(), tail.begin(), tail.end());
          if (auto found = add(std::move(word))) return found;
        }
      }
    }
    return words.empty() ? std::nullopt : flush();
  }

  // Follows prefix loop^k, up to words of `length` symbols, until a label is wrong, a model state repeats at a
  // separable automaton state, or the pair repeats (Brent: the anchor is renewed at powers of two). True if longer
  // words of this form show nothing new.
  bool follow(const JointRun& from, const Word& prefix, const Word& loop, std::size_t length) {
    const auto power = [&](std::uint64_t times, std::span<const Symbol> rest) {
      Word word = prefix;
      for (std::uint64_t i = 0; i < times; ++i) word.insert(word.end(), loop.begin(), loop.end());
      word.insert(word.end(), rest.begin(), rest.end());
      return word;
    };
    JointRun run = from;
    JointRun anchor = from;
    std::uint64_t anchor_at = 0;
    std::uint64_t renewal = 1;
    std::size_t at = prefix.size();
    for (std::uint64_t k = 1;; ++k) {
      for (std::size_t i = 0; i < loop.size(); ++i, ++at) {
        if (at >= std::min(length, longest_)) return false;
        if (!advance(run, loop[i])) continue;
        found(power(k - 1, std::span(loop).first(i + 1)), "powers");
        return true;
      }
      if (run.state == anchor.state) {
        if (run.q == anchor.q) return true;
        if (const std::optional<Word> suffix = separating(run.q, anchor.q)) {
          // One of the two labels behind the suffix is wrong.
          for (const std::uint64_t times : {anchor_at, k}) {
            JointRun probe = times == anchor_at ? anchor : run;
            if (const auto wrong = advance(probe, *suffix)) {
              found(power(times, std::span(*suffix).first(*wrong)), "powers");
              break;
            }
          }
          return true;
        }
      }
      if (k - anchor_at == renewal) {
        anchor = run;
        anchor_at = k;
        renewal *= 2;
      }
    }
  }

  // Loop words by length, shortest first; a power of a shorter word has that word's orbit and is left out.
  std::vector<Word> loop_words() const {
    std::vector<Word> loops;
    std::vector<Word> level = {Word{}};
    for (std::size_t length = 1; length <= longest_loop; ++length) {
      std::vector<Word> next;
      for (const Word& word : level) {
        for (Symbol a = 0; a < automaton_.num_symbols(); ++a) {
          next.push_back(word);
          next.back().push_back(a);
        }
      }
      if (loops.size() + next.size() > most_loops && length > 1) break;
      for (const Word& word : next) {
        bool primitive = true;
        for (std::size_t period = 1; period < length && primitive; ++period) {
          primitive = length % period != 0 ||
                      !std::equal(word.begin() + static_cast<std::ptrdiff_t>(period), word.end(), word.begin());
        }
        if (primitive) loops.push_back(word);
      }
      level = std::move(next);
    }
    return loops;
  }

  // Powers behind access words, up to words of `length` symbols. True if longer ones show nothing new.
  bool powers(std::size_t length) {
    bool closed = true;
    for (std::size_t i = 0; i < std::min(reachable_.size(), most_prefixes); ++i) {
      const Word prefix = access_word(reachable_[i]);
      JointRun from(model_, specification_);
      try {
        if (const auto wrong = advance(from, prefix)) {
          found(Word(prefix.begin(), prefix.begin() + static_cast<std::ptrdiff_t>(*wrong)), "powers");
          continue;
        }
      } catch (const NumericError&) {
        continue;
      }
      for (const Word& loop : loops_) {
        if (loop.size() > long_loop && length > long_loop_length) break;
        try {
          closed = follow(from, prefix, loop, length) && closed;
        } catch (const NumericError&) {
          // This orbit ends here.
        }
      }
    }
    return closed;
  }

  // The smallest margin on the run or behind at most `ahead` symbols more; wrong words met there are noted. `word`
  // gives the run's word.
  template <class WordOfRun>
  float closest_tie(const JointRun& run, int ahead, Word& tail, std::size_t length, const WordOfRun& word) {
    float margin = run.observation.margin;
    if (ahead == 0) return margin;
    for (Symbol a = 0; a < automaton_.num_symbols() && length < longest_; ++a) {
      JointRun next = run;
      tail.push_back(a);
      try {
        if (advance(next, a)) {
          Word wrong = word();
          wrong.insert(wrong.end(), tail.begin(), tail.end());
          found(std::move(wrong), "beam");
        }
        margin = std::min(margin, closest_tie(next, ahead - 1, tail, length + 1, word));
      } catch (const NumericError&) {
        // Nothing is known of this continuation.
      }
      tail.pop_back();
    }
    return margin;
  }

  // Keeps the `width` runs of every length that come closest to a tie within `ahead` symbols more. False if every run
  // ended in NaN.
  bool beam(std::size_t width, int ahead, std::size_t length) {
    struct Item {
      JointRun run;
      std::size_t node;
      float margin;
    };
    std::vector<std::pair<std::size_t, Symbol>> tree = {{0, 0}};  // parent, symbol
    const auto word_of = [&](std::size_t node) {
      Word word;
      for (; node != 0; node = tree[node].first) word.push_back(tree[node].second);
      std::reverse(word.begin(), word.end());
      return word;
    };
    std::vector<Item> items;
    items.push_back({JointRun(model_, specification_), 0, std::numeric_limits<float>::infinity()});
    Word tail;
    for (std::size_t at = 1; at <= std::min(length, longest_) && !items.empty(); ++at) {
      std::vector<Item> next;
      for (const Item& item : items) {
        for (Symbol a = 0; a < automaton_.num_symbols(); ++a) {
          Item successor{item.run, tree.size(), 0.0F};
          try {
            const bool wrong = advance(successor.run, a);
            tree.emplace_back(item.node, a);
            if (wrong) {
              found(word_of(successor.node), "beam");
              return true;
            }
          } catch (const NumericError&) {
            continue;
          }
          successor.margin = closest_tie(successor.run, ahead, tail, at, [&] { return word_of(successor.node); });
          next.push_back(std::move(successor));
        }
      }
      std::stable_sort(next.begin(), next.end(), [](const Item& x, const Item& y) { return x.margin < y.margin; });
      // Equal pairs of one length have equal futures: keep the first.
      std::set<std::pair<State, std::vector<std::byte>>> kept;
      items.clear();
      for (Item& item : next) {
        if (items.size() == width) break;
        if (kept.emplace(item.run.q, item.run.state).second) items.push_back(std::move(item));
      }
    }
    return !items.empty();
  }

  const Machine& model_;
  const Specification& specification_;
  const Dfa& automaton_;
  const FastRefutationOptions& options_;
  const std::vector<Word> loops_;
  std::uint64_t steps_left_ = 0;
  std::optional<Refutation> best_;
  // Words of at most this length are looked for.
  std::size_t longest_ = std::numeric_limits<std::size_t>::max();
  std::vector<std::optional<Arrival>> access_;
  std::vector<State> reachable_;
  std::map<std::pair<State, State>, std::optional<Word>> separating_;
};

}  // namespace

std::optional<Refutation> fast_refutation(const Machine& model, const Specification& specification,
                                          const FastRefutationOptions& options) {
  if (JointRun(model, specification).wrong()) return Refutation{Word{}, "w-method"};
  return Search(model, specification, options).find();
}

std::optional<Refutation> beam_refutation(const Machine& model, const Specification& specification, std::size_t length,
                                          int ahead, const FastRefutationOptions& options) {
  return Search(model, specification, options).find_by_beam(length, ahead);
}

}  // namespace krohn
