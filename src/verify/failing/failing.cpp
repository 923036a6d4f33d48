// Families of failing words. A repetition in a failing word, v v .. v, is a guess at a loop: the words with another
// number of v are run, each number once, the loop's runs sharing their beginning. Words without repetitions have loops
// of one symbol put in at every place, and every symbol is a loop behind the words that lead to the first states. What
// is said of a family is what was run; only where everything carried and the language's state come back together does
// it hold for every k, for then the labels behind the suffix repeat too.
#include "krohn/verify/failing.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "joint_run.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

constexpr std::size_t longest_loop = 8;
constexpr std::uint64_t most_repetitions = 4096;
constexpr std::size_t most_candidates = 40;
constexpr std::size_t memory_of_states = std::size_t{64} << 20U;

struct Candidate {
  Word before;
  Word loop;
  Word after;
  /// Repetitions in the word that it comes from.
  std::uint64_t seen = 0;
  auto operator<=>(const Candidate&) const = default;
};

class Describing {
 public:
  Describing(const Machine& model, const Specification& specification, const FailingOptions& options)
      : model_(model), specification_(specification), automaton_(specification.automaton()), options_(options) {}

  Failing run(const Word& word) {
    find_access_words();
    try {
      words_.push_back(word);
      result_.from_states.reserve(std::min(options_.states, access_.size()));
      find_from_states();
      find_families();
    } catch (const OutOfSteps&) {
      result_.cut_short = true;
    }
    sort_families();
    return std::move(result_);
  }

 private:
  struct OutOfSteps {};

  bool read(JointRun& run, Symbol symbol) {
    if (++result_.steps > options_.steps ||
        (result_.steps % 128 == 0 && (options_.budget.interrupted() || options_.budget.out_of_time()))) {
      throw OutOfSteps{};
    }
    return run.read(symbol);
  }
  // True if the label behind the whole word is wrong.
  bool read(JointRun& run, const Word& word) {
    bool wrong = run.wrong();
    for (const Symbol symbol : word) wrong = read(run, symbol);
    return wrong;
  }

  void find_access_words() {
    std::vector<bool> seen(automaton_.num_states(), false);
    access_.emplace_back(automaton_.start(), Word{});
    seen[automaton_.start()] = true;
    for (std::size_t i = 0; i < access_.size(); ++i) {
      for (Symbol a = 0; a < automaton_.num_symbols(); ++a) {
        const State next = automaton_.next(access_[i].first, a);
        if (seen[next]) continue;
        seen[next] = true;
        Word word = access_[i].second;
        word.push_back(a);
        access_.emplace_back(next, std::move(word));
      }
    }
  }

  // ---- from every state ---------------------------------------------------------------------------------------------

  void find_from_states() {
    const std::size_t count = std::min(options_.states, access_.size());
    for (std::size_t i = 0; i < count; ++i) {
      const auto& [state, access] = access_[i];
      FailingFromState& one = result_.from_states.emplace_back(FailingFromState{state, access, std::nullopt, false});
      try {
        search_from(one, options_.steps / (4 * count));
      } catch (const NumericError&) {
        // Nothing is known of what lies behind.
      }
      if (one.suffix) {
        Word failing = access;
        failing.insert(failing.end(), one.suffix->begin(), one.suffix->end());
        words_.push_back(std::move(failing));
      }
    }
  }

  // Breadth first for half of the steps, then powers and what follows the state in the word that refutes.
  void search_from(FailingFromState& one, std::uint64_t steps) {
    JointRun first(model_, specification_);
    if (read(first, one.access)) {
      one.suffix = Word{};
      one.shortest = true;
      return;
    }
    const std::uint64_t end = result_.steps + std::max<std::uint64_t>(64, steps / 2);
    struct Item {
      JointRun run;
      std::uint32_t from;
      Symbol symbol;
    };
    std::vector<Item> items{{first, 0, 0}};
    const auto word_of = [&](std::size_t i) {
      Word word;
      for (; i != 0; i = items[i].from) word.push_back(items[i].symbol);
      std::reverse(word.begin(), word.end());
      return word;
    };
    for (std::size_t i = 0; i < items.size() && result_.steps < end; ++i) {
      for (Symbol a = 0; a < automaton_.num_symbols(); ++a) {
        JointRun next = items[i].run;
        const bool wrong = read(next, a);
        items.push_back({std::move(next), static_cast<std::uint32_t>(i), a});
        if (wrong) {
          one.suffix = word_of(items.size() - 1);
          one.shortest = true;
          return;
        }
      }
      // What was gone through is not needed again.
      items[i].run.state = {};
    }
    std::vector<Word> tries;
    for (Symbol a = 0; a < automaton_.num_symbols(); ++a) tries.emplace_back(options_.length, a);
    State q = automaton_.start();
    const Word& known = words_.front();
    for (std::size_t t = 0; t <= known.size(); ++t) {
      if (q == one.state) {
        tries.emplace_back(known.begin() + static_cast<std::ptrdiff_t>(t), known.end());
        break;
      }
      if (t < known.size()) q = automaton_.next(q, known[t]);
    }
    for (const Word& word : tries) {
      JointRun run = first;
      try {
        for (std::size_t t = 0; t < word.size() && (!one.suffix || t + 1 < one.suffix->size()); ++t) {
          if (!read(run, word[t])) continue;
          one.suffix = Word(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(t + 1));
          break;
        }
      } catch (const NumericError&) {
        // This word ends here.
      }
    }
  }

  // ---- families -----------------------------------------------------------------------------------------------------

  void find_families() {
    std::vector<Candidate> candidates;
    std::set<Candidate> known;
    const auto add = [&](Candidate candidate) {
      // Whole loops at the end of what lies before belong to the loop.
      const std::size_t size = candidate.loop.size();
      while (candidate.before.size() >= size &&
             std::equal(candidate.loop.begin(), candidate.loop.end(),
                        candidate.before.end() - static_cast<std::ptrdiff_t>(size))) {
        candidate.before.resize(candidate.before.size() - size);
        ++candidate.seen;
      }
      Candidate key = candidate;
      key.seen = 0;
      if (candidates.size() < most_candidates && known.insert(std::move(key)).second) {
        candidates.push_back(std::move(candidate));
      }
    };
    for (const Word& word : words_) {
      for (Candidate& candidate : repetitions(word)) add(std::move(candidate));
    }
    const std::size_t places = std::min<std::size_t>(words_.front().size(), 6);
    for (std::size_t at = 0; at <= places && automaton_.num_symbols() <= 8; ++at) {
      const auto cut = words_.front().begin() + static_cast<std::ptrdiff_t>(at);
      for (Symbol a = 0; a < automaton_.num_symbols(); ++a) {
        if (words_.front().size() <= places)
          add({Word(words_.front().begin(), cut), {a}, Word(cut, words_.front().end())});
      }
    }
    std::vector<std::pair<Word, Word>> directions;
    for (const Candidate& candidate : candidates) {
      if (candidate.seen >= 2) directions.emplace_back(candidate.before, candidate.loop);
    }
    for (std::size_t i = 0; i < std::min<std::size_t>(4, access_.size()); ++i) {
      for (Symbol a = 0; a < std::min<std::size_t>(8, automaton_.num_symbols()); ++a) {
        directions.emplace_back(access_[i].second, Word{a});
        add({access_[i].second, {a}, {}});
      }
    }
    for (const auto& [before, loop] : directions) {
      try {
        look_along(before, loop);
      } catch (const NumericError&) {
        // This direction ends there.
      }
    }
    for (const Candidate& candidate : candidates) {
      try {
        look_at(candidate);
      } catch (const NumericError&) {
        // A run of the family is not finite: nothing is claimed of it.
      }
    }
  }

  // The longest stretches of a word that repeat a loop at least twice, for every length of the loop.
  static std::vector<Candidate> repetitions(const Word& word) {
    std::vector<std::pair<std::size_t, Candidate>> found;
    for (std::size_t period = 1; period <= longest_loop && 2 * period <= word.size(); ++period) {
      for (std::size_t begin = 0; begin + 2 * period <= word.size();) {
        std::size_t end = begin + period;
        while (end < word.size() && word[end] == word[end - period]) ++end;
        const std::size_t times = (end - begin) / period;
        if (times >= 2) {
          const auto at = [&](std::size_t i) { return word.begin() + static_cast<std::ptrdiff_t>(i); };
          found.push_back({times * period - period,
                           {Word(word.begin(), at(begin)), Word(at(begin), at(begin + period)),
                            Word(at(begin + times * period), word.end()), times}});
        }
        begin = std::max(begin + 1, end - period + 1);
      }
    }
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    std::vector<Candidate> best;
    for (auto& [saved, candidate] : found) {
      // A loop that is a power of a shorter one says less.
      const Word& loop = candidate.loop;
      bool primitive = true;
      for (std::size_t p = 1; p < loop.size() && primitive; ++p) {
        primitive = loop.size() % p != 0 ||
                    !std::equal(loop.begin() + static_cast<std::ptrdiff_t>(p), loop.end(), loop.begin());
      }
      if (primitive && best.size() < 3) best.push_back(std::move(candidate));
    }
    return best;
  }

  void look_along(const Word& before, const Word& loop) {
    JointRun run(model_, specification_);
    read(run, before);
    Direction direction{before, loop, {}};
    std::uint64_t labelled = 0;
    std::uint64_t right = 0;
    std::uint64_t next = 8;
    const std::uint64_t length =
        std::max<std::uint64_t>(options_.length, std::min<std::size_t>(2 * words_.front().size(), most_repetitions));
    for (std::uint64_t t = 1; t <= length; ++t) {
      const bool wrong = read(run, loop[(t - 1) % loop.size()]);
      if (automaton_.label(run.q) != null_label) {
        ++labelled;
        right += wrong ? 0 : 1;
      }
      if (t == next || t == length) {
        if (labelled > 0) {
          direction.shares.push_back({t, static_cast<double>(right) / static_cast<double>(labelled)});
        }
        next *= 2;
      }
    }
    if (direction.shares.empty() || right == labelled) return;
    if (!result_.worst || direction.shares.back().right < result_.worst->shares.back().right) {
      result_.worst = std::move(direction);
    }
  }

  void look_at(const Candidate& candidate) {
    const std::uint64_t cost = candidate.loop.size() + candidate.after.size();
    FailingFamily family{candidate.before, candidate.loop, candidate.after, 0, {}, std::nullopt, false};
    family.bound = std::clamp<std::uint64_t>(4 * candidate.seen, 64, most_repetitions);
    family.bound = std::min(family.bound, std::max<std::uint64_t>(8, options_.steps / (12 * cost)));
    JointRun run(model_, specification_);
    read(run, candidate.before);
    std::unordered_multimap<std::size_t, std::pair<std::uint64_t, std::vector<std::byte>>> seen;
    const std::uint64_t kept = memory_of_states / (run.state.size() + 64);
    std::vector<bool> fails;
    std::optional<std::pair<std::uint64_t, std::uint64_t>> lasso;  // first, period
    for (std::uint64_t k = 0; k <= family.bound; ++k) {
      if (k > 0) read(run, candidate.loop);
      std::vector<std::byte> key = run.state;
      const auto q = std::as_bytes(std::span(&run.q, 1));
      key.insert(key.end(), q.begin(), q.end());
      // The label belongs to the step, not to what is carried behind it.
      const auto label = std::as_bytes(std::span(&run.observation.label, 1));
      key.insert(key.end(), label.begin(), label.end());
      const std::size_t hashed =
          std::hash<std::string_view>{}(std::string_view(reinterpret_cast<const char*>(key.data()), key.size()));
      const auto [begin, end] = seen.equal_range(hashed);
      const auto same = std::find_if(begin, end, [&](const auto& entry) { return entry.second.second == key; });
      if (same != end) {
        lasso = {same->second.first, k - same->second.first};
        family.bound = k - 1;
        break;
      }
      if (k < kept) seen.emplace(hashed, std::pair(k, std::move(key)));
      JointRun behind = run;
      fails.push_back(read(behind, candidate.after));
    }
    for (std::uint64_t k = 0; k < fails.size(); ++k) {
      if (fails[k]) family.failing.push_back(k);
    }
    if (family.failing.empty()) return;
    family.for_ever = lasso.has_value();
    family.pattern = lasso ? after_lasso(fails, lasso->first, lasso->second) : seen_pattern(fails);
    // One word is no family.
    if (family.failing.size() < 2 && !(family.pattern && !family.pattern->residues.empty())) return;
    result_.families.push_back(std::move(family));
  }

  // From `first` on the answers repeat every `period`: the least period of them, and where it begins.
  static FailingFamily::Pattern after_lasso(const std::vector<bool>& fails, std::uint64_t first, std::uint64_t period) {
    std::uint64_t least = period;
    for (std::uint64_t p = period; p >= 1; --p) {
      if (period % p != 0) continue;
      bool repeats = true;
      for (std::uint64_t k = 0; k < period && repeats; ++k) {
        repeats = fails[first + k] == fails[first + (k + p) % period];
      }
      if (repeats) least = p;
    }
    const auto at = [&](std::uint64_t k) { return k < fails.size() ? fails[k] : fails[first + (k - first) % period]; };
    std::uint64_t from = first;
    while (from > 0 && at(from - 1) == at(from - 1 + least)) --from;
    return with_residues(from, least, at);
  }

  static std::optional<FailingFamily::Pattern> seen_pattern(const std::vector<bool>& fails) {
    const std::uint64_t count = fails.size();
    for (std::uint64_t p = 1; 8 * p <= count; ++p) {
      std::uint64_t from = count - p;
      while (from > 0 && fails[from - 1] == fails[from - 1 + p]) --from;
      if (2 * from <= count && count - from >= 4 * p) {
        return with_residues(from, p, [&](std::uint64_t k) { return static_cast<bool>(fails[k]); });
      }
    }
    return std::nullopt;
  }

  template <class Fails>
  static FailingFamily::Pattern with_residues(std::uint64_t from, std::uint64_t period, const Fails& fails) {
    FailingFamily::Pattern pattern{from, period, {}};
    for (std::uint64_t r = 0; r < period; ++r) {
      if (fails(from + r)) pattern.residues.push_back(r);
    }
    return pattern;
  }

  // The plainest first: with a pattern that goes on, short, failing soon. A family whose words are another's is left
  // out.
  void sort_families() {
    const auto weight = [](const FailingFamily& f) {
      const bool goes_on = f.pattern && !f.pattern->residues.empty();
      const std::uint64_t symbols = f.before.size() + f.loop.size() + f.after.size();
      return std::tuple(!goes_on, 2 * symbols + (goes_on ? f.pattern->period : 8),
                        f.before.size() + f.failing.front() * f.loop.size() + f.after.size());
    };
    std::stable_sort(result_.families.begin(), result_.families.end(),
                     [&](const FailingFamily& a, const FailingFamily& b) { return weight(a) < weight(b); });
    std::set<Word> shown;
    std::vector<FailingFamily> chosen;
    for (FailingFamily& family : result_.families) {
      if (chosen.size() == options_.families) break;
      std::size_t fresh = 0;
      std::vector<Word> some;
      for (std::size_t i = 0; i < std::min<std::size_t>(family.failing.size(), 200); ++i) {
        Word word = family.before;
        for (std::uint64_t k = 0; k < family.failing[i]; ++k)
          word.insert(word.end(), family.loop.begin(), family.loop.end());
        word.insert(word.end(), family.after.begin(), family.after.end());
        fresh += shown.contains(word) ? 0 : 1;
        some.push_back(std::move(word));
      }
      if (2 * fresh < some.size()) continue;
      shown.insert(some.begin(), some.end());
      chosen.push_back(std::move(family));
    }
    result_.families = std::move(chosen);
  }

  const Machine& model_;
  const Specification& specification_;
  const Dfa& automaton_;
  const FailingOptions& options_;
  std::vector<std::pair<State, Word>> access_;
  /// Words on which the model fails; the first is the given one.
  std::vector<Word> words_;
  Failing result_;
};

std::string listed(const std::vector<std::uint64_t>& numbers, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i == most) return text + ", ..";
    text += (i == 0 ? "" : ", ") + std::to_string(numbers[i]);
  }
  return text;
}

}  // namespace

Failing describe_failing(const Machine& model, const Specification& specification, const Word& word,
                         const FailingOptions& options) {
  return Describing(model, specification, options).run(word);
}

std::string stretches_text(const Word& word, const Alphabet& alphabet) {
  constexpr std::size_t least = 8;
  std::string text;
  for (std::size_t begin = 0; begin < word.size();) {
    std::size_t end = begin;
    while (end < word.size() && word[end] == word[begin]) ++end;
    const bool as_one = end - begin >= least;
    for (std::size_t i = begin; i < (as_one ? begin + 1 : end); ++i) {
      if (!text.empty() && !alphabet.single_characters()) text += ' ';
      text += alphabet.name(word[i]);
    }
    if (as_one) text += "{" + std::to_string(end - begin) + "}";
    begin = end;
  }
  return text;
}

std::string family_text(const FailingFamily& family, const Alphabet& alphabet) {
  const auto text = [&](const Word& word) { return stretches_text(word, alphabet); };
  const char* space = alphabet.single_characters() ? "" : " ";
  const bool bare = family.loop.size() == 1;
  return text(family.before) + (family.before.empty() ? "" : space) + (bare ? "" : "(") + text(family.loop) +
         (bare ? "^k" : ")^k") + (family.after.empty() ? "" : space) + text(family.after);
}

std::string failing_text(const FailingFamily& family) {
  const std::string run = family.for_ever ? " (for every k: everything carried comes back)"
                                          : " (run for every k up to " + std::to_string(family.bound) + ")";
  if (!family.pattern) {
    return "k = " + listed(family.failing, 8) + " (" + std::to_string(family.failing.size()) + " of the k up to " +
           std::to_string(family.bound) + ", each run)";
  }
  const FailingFamily::Pattern& pattern = *family.pattern;
  std::vector<std::uint64_t> before;
  for (const std::uint64_t k : family.failing) {
    if (k < pattern.from) before.push_back(k);
  }
  std::string text = before.empty() ? "" : "k = " + listed(before, 8);
  if (pattern.residues.empty()) return text + ", and none from " + std::to_string(pattern.from) + " on" + run;
  if (!text.empty()) text += ", and ";
  const std::uint64_t first = pattern.from + pattern.residues.front();
  if (pattern.residues.size() == pattern.period) {
    text += first == 0 ? "every k" : "every k from " + std::to_string(first) + " on";
  } else if (pattern.period == 2) {
    text += std::string("every ") + (first % 2 == 0 ? "even" : "odd") + " k from " + std::to_string(first) + " on";
  } else {
    std::vector<std::uint64_t> residues;
    for (const std::uint64_t r : pattern.residues) residues.push_back((pattern.from + r) % pattern.period);
    std::sort(residues.begin(), residues.end());
    text += "every k that is " + listed(residues, 12) + " modulo " + std::to_string(pattern.period) + ", from " +
            std::to_string(first) + " on";
  }
  return text + run;
}

}  // namespace krohn
