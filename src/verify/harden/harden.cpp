// Refinement of codes. Invariant of a try: the codes of every unit are states of the model's own runs (or the state
// before the first symbol), farther apart than the try's tolerance. A closure walks breadth first over (carried bits,
// automaton state), so that the word that it finds wrong is a shortest one; then either the model itself is wrong on
// it, which ends the try, or its own states along it say what the codes lack. Cost: a closure a round, each a forward
// pass and the distances to all codes for every configuration and symbol.
#include "krohn/verify/harden.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <utility>

#include "distances.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/engine/learned/carried_words.hpp"
#include "krohn/engine/learned/snapping_run.hpp"
#include "krohn/error.hpp"
#include "krohn/numeric/splitmix64.hpp"
#include "krohn/verify/closure.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {
namespace {

/// Where a try begins, and what lies near: parts of a largest code's norm within which a state is a code.
struct Start {
  double tolerance = 0.0;
  /// Codes at the start are the means of own states over words that lead to one automaton state and share this many
  /// last symbols; none: the state before the first symbol alone.
  std::optional<std::size_t> suffix;
};
constexpr Start starts[] = {{1e-3, std::nullopt},
                            {1e-2, std::nullopt},
                            {5e-2, std::nullopt},
                            {1.5e-1, std::nullopt},
                            {3e-1, std::nullopt},
                            {1e-2, 1},
                            {1e-2, 2},
                            {1e-2, 0},
                            {1e-2, 3}};

/// Steps of uniform grids, tried from the coarsest.
constexpr double grid_steps[] = {0.5, 0.25, 0.125, 0.0625, 0.03125};

struct Try {
  Start from;
  /// Of the last time: whether its last closure met a wrong word; steps times codes.
  bool ended_wrong = false;
  std::uint64_t cost = 0;
};

/// Every start is tried within small limits before any is within larger ones: what closes mostly closes soon.
struct Limits {
  std::size_t rounds;
  std::size_t configurations;
  /// Part of the time left that one try may take.
  double time;
};
constexpr Limits limits[] = {{48, 1000, 0.1}, {192, 10000, 0.1}, {1000, std::numeric_limits<std::size_t>::max(), 0.5}};

/// Own runs that the means are taken over.
constexpr std::size_t mean_words = 256;
constexpr std::size_t mean_length = 32;

/// What a closure found.
struct Walk {
  bool closed = false;
  /// A shortest wrong word.
  std::optional<Word> wrong;
  /// Right on every word up to here.
  std::uint64_t length = 0;
  std::size_t configurations = 0;
  double gap = std::numeric_limits<double>::infinity();
  double margin = std::numeric_limits<double>::infinity();
  /// Per unit, which codes were taken.
  std::vector<std::vector<bool>> taken;
  std::string limit;
};

class Refinement {
 public:
  Refinement(const Program& program, const LearnedTask& task, const Language& language, const HardenOptions& options)
      : program_(program),
        task_(task),
        specification_(task.alphabet, task.label_names, language.minimal()),
        options_(options),
        own_(program),
        snapped_(program),
        carried_(program, read_tokens(task)),
        logits_(program.num_logits()) {
    task_.validate(program);
    for (std::size_t p = 0; p < program.state_parts().size(); ++p) {
      const StatePart& part = program.state_parts()[p];
      if (!part.recurrent()) continue;
      for (std::size_t u = 0; u < part.units(); ++u)
        units_.push_back({p, u, codes_name(part, u).substr(6), {}, {}, {}});
    }
  }

  Hardening run() {
    Hardening best;
    best.reason = "nothing was tried";
    if (options_.method == HardenOptions::Method::grid) {
      for (const double step : grid_steps) {
        if (best.closed || best.original_wrong || over()) break;
        attempt_grid(step, options_.budget.share(0.5), best);
      }
      if (!best.closed && options_.budget.interrupted()) note(best, "interrupted");
      best.steps = steps_;
      return best;
    }
    std::vector<Try> order;
    for (const Start& from : starts) order.push_back({from, false, 0});
    for (const Limits& limit : limits) {
      for (Try& next : order) {
        // A model that is wrong itself stays so.
        if (best.closed || best.original_wrong || over()) break;
        attempt(next, {limit.rounds, std::min(limit.configurations, options_.max_configurations), limit.time},
                options_.budget.share(limit.time), best);
      }
      // Starts that met no wrong word within the smaller limits come first within the larger ones, the cheap before
      // all.
      std::stable_sort(order.begin(), order.end(), [](const Try& a, const Try& b) {
        return std::pair(a.ended_wrong, a.cost) < std::pair(b.ended_wrong, b.cost);
      });
    }
    if (!best.closed && options_.budget.interrupted()) note(best, "interrupted");
    best.steps = steps_;
    return best;
  }

 private:
  bool over() const { return options_.budget.interrupted() || options_.budget.out_of_time(); }
  static bool over(const Budget& budget) { return budget.interrupted() || budget.out_of_time(); }
  std::span<const float> unit_of(std::span<const float> state, const UnitCodes& u) const {
    const StatePart& part = program_.state_parts()[u.part];
    return state.subspan(part.offset + u.unit * part.unit_size(), part.unit_size());
  }

  // ---- codes ------------------------------------------------------------------------------------------------------

  /// Adds a code unless it is near to one, or not finite, as a stabilizer is before the first token; true if it was
  /// added.
  bool add(UnitCodes& u, std::span<const float> state, const Word& word, CodeOrigin origin, double tolerance) {
    if (!std::ranges::all_of(state, [](float x) { return std::isfinite(x); })) return false;
    double norm = squared_norm(state);
    for (const std::vector<float>& code : u.codes) norm = std::max(norm, squared_norm(code));
    for (const std::vector<float>& code : u.codes) {
      const double d = squared_distance(code, state);
      if (d == 0.0 || d <= tolerance * tolerance * norm) return false;
    }
    u.codes.emplace_back(state.begin(), state.end());
    u.words.push_back(word);
    u.origins.push_back(origin);
    return true;
  }

  static void erase(UnitCodes& u, std::size_t k) {
    const auto at = static_cast<std::ptrdiff_t>(k);
    u.codes.erase(u.codes.begin() + at);
    u.words.erase(u.words.begin() + at);
    u.origins.erase(u.origins.begin() + at);
  }

  std::size_t count_codes() const {
    std::size_t count = 0;
    for (const UnitCodes& u : units_) count += u.codes.size();
    return count;
  }

  void use_codes() {
    for (const UnitCodes& u : units_) {
      std::vector<float> flat;
      for (const std::vector<float>& code : u.codes) flat.insert(flat.end(), code.begin(), code.end());
      snapped_.set_codes(u.part, u.unit, flat);
      carried_.set_codes(u.part, u.unit, flat);
    }
  }

  // ---- runs -------------------------------------------------------------------------------------------------------

  /// The state before the first symbol, and the label there.
  Observation start(SnappingRun& run, std::vector<float>& state, std::vector<Snap>* snaps = nullptr,
                    bool with_units = false) {
    state.resize(program_.state_size());
    run.initial(state);
    if (!task_.first_token) return {undefined_label, std::numeric_limits<float>::infinity()};
    return read(run, state, *task_.first_token, snaps, with_units);
  }
  Observation read(SnappingRun& run, std::vector<float>& state, std::uint32_t token, std::vector<Snap>* snaps = nullptr,
                   bool with_units = false) {
    ++steps_;
    run.step(state, token, logits_, snaps, with_units);
    for (const float x : logits_) {
      if (!std::isfinite(x)) throw NumericError("a logit is NaN or infinite in hardening");
    }
    return task_.observe(logits_);
  }

  // ---- the closure ------------------------------------------------------------------------------------------------

  /// `met`, if given, is told of every unit that was snapped, and behind which word.
  Walk close(const Budget& budget, std::size_t most, const std::function<void(const Snap&, const Word&)>& met = {}) {
    use_codes();
    ++closures_;
    Walk walk;
    for (const UnitCodes& u : units_) walk.taken.emplace_back(u.codes.size(), false);
    const Dfa& automaton = specification_.automaton();
    // Everything carried, with the automaton state; pairs are numbered in the order in which they are met.
    std::vector<std::uint32_t> words(carried_.size());
    const std::size_t bytes = words.size() * sizeof(std::uint32_t);
    PairSet pairs(bytes);
    std::vector<std::byte> pair(bytes + sizeof(State));
    const auto insert = [&](State q, std::uint32_t from, Symbol a) {
      std::memcpy(pair.data(), words.data(), bytes);
      std::memcpy(pair.data() + bytes, &q, sizeof q);
      pairs.insert(pair.data(), from, a);
    };
    std::vector<Snap> snaps;
    const auto look_at = [&](const auto& word) {
      for (const Snap& snap : snaps) {
        if (met) met(snap, word());
        walk.taken[index_of(snap.part, snap.unit)][snap.code] = true;
        if (!std::isfinite(snap.second)) continue;
        walk.gap = std::min(walk.gap,
                            std::sqrt(static_cast<double>(snap.second)) - std::sqrt(static_cast<double>(snap.nearest)));
      }
    };
    std::vector<float> state;
    const Observation first = start(snapped_, state, &snaps, bool(met));
    look_at([] { return Word{}; });
    if (!specification_.agrees(first.label, automaton.start())) {
      walk.wrong = Word{};
      return walk;
    }
    carried_.initial(words);
    if (task_.first_token) carried_.advance(words, *task_.first_token, state);
    insert(automaton.start(), 0, 0);
    // Pairs below level_end have words of at most walk.length symbols.
    for (std::uint32_t i = 0, level_end = 1; i < pairs.size(); ++i) {
      if (i % 16 == 0 && over(budget)) {
        walk.limit = "time";
        break;
      }
      if (i % 1024 == 0 && options_.progress) options_.progress(closures_, count_codes(), pairs.size());
      if (i == level_end) {
        ++walk.length;
        level_end = pairs.size();
      }
      for (Symbol a = 0; a < automaton.num_symbols(); ++a) {
        State q = 0;
        std::memcpy(words.data(), pairs.pair(i), bytes);
        std::memcpy(&q, pairs.pair(i) + bytes, sizeof q);
        carried_.expand(words, state);
        const Observation observation = read(snapped_, state, task_.tokens[a], &snaps, bool(met));
        q = automaton.next(q, a);
        const auto word = [&] {
          Word result = pairs.word(i);
          result.push_back(a);
          return result;
        };
        look_at(word);
        if (!specification_.agrees(observation.label, q)) {
          walk.wrong = word();
          walk.configurations = pairs.size();
          return walk;
        }
        if (automaton.label(q) != null_label) {
          walk.margin = std::min(walk.margin, static_cast<double>(observation.margin));
        }
        carried_.advance(words, task_.tokens[a], state);
        insert(q, i, a);
      }
      if (pairs.size() > most) {
        walk.limit = std::to_string(most) + " configurations";
        break;
      }
    }
    walk.configurations = pairs.size();
    walk.closed = walk.limit.empty();
    return walk;
  }

  std::size_t index_of(std::size_t part, std::size_t unit) const {
    for (std::size_t i = 0; i < units_.size(); ++i) {
      if (units_[i].part == part && units_[i].unit == unit) return i;
    }
    throw InternalError("hardening: a unit without codes became a code");
  }

  // ---- refinement -------------------------------------------------------------------------------------------------

  /// The model's own states along a word become codes. Nothing where the model itself is wrong there.
  std::optional<std::size_t> add_own(const Word& word, double tolerance) {
    std::vector<float> state;
    Observation seen = start(own_, state);
    State q = specification_.automaton().start();
    std::size_t added = 0;
    Word prefix;
    const auto look = [&] {
      for (UnitCodes& u : units_) added += add(u, unit_of(state, u), prefix, CodeOrigin::own_run, tolerance) ? 1U : 0U;
    };
    look();
    for (const Symbol a : word) {
      seen = read(own_, state, task_.tokens[a]);
      q = specification_.automaton().next(q, a);
      prefix.push_back(a);
      look();
    }
    return specification_.agrees(seen.label, q) ? std::optional(added) : std::nullopt;
  }

  /// The states before snapping along a word of the snapped run become codes.
  std::size_t add_snapped(const Word& word, double tolerance) {
    std::vector<float> state;
    std::vector<Snap> snaps;
    std::size_t added = 0;
    Word prefix;
    const auto look = [&] {
      for (const Snap& snap : snaps) {
        added +=
            add(units_[index_of(snap.part, snap.unit)], snap.before, prefix, CodeOrigin::before_snapping, tolerance)
                ? 1U
                : 0U;
      }
    };
    start(snapped_, state, &snaps, true);
    if (task_.first_token) look();
    for (const Symbol a : word) {
      read(snapped_, state, task_.tokens[a], &snaps, true);
      prefix.push_back(a);
      look();
    }
    return added;
  }

  /// The means of own states over words that lead to one automaton state and end in the same `suffix` symbols become
  /// codes. A word on which the model itself is wrong, if one is met.
  std::optional<Word> add_means(std::size_t suffix, double tolerance) {
    struct Mean {
      Word word;
      std::size_t count = 0;
      std::vector<double> sum;
    };
    std::map<std::pair<State, Word>, Mean> means;
    const Dfa& automaton = specification_.automaton();
    SplitMix64 random(1);
    std::vector<float> state;
    for (std::size_t w = 0; w < mean_words; ++w) {
      start(own_, state);
      State q = automaton.start();
      Word word;
      Symbol a = 0;
      for (std::size_t t = 0; t < mean_length; ++t) {
        // Half of the words in runs of one symbol: states that are kept, and what decays meanwhile.
        if (w % 2 == 0 || t == 0 || random.next() % 4 == 0)
          a = static_cast<Symbol>(random.next() % automaton.num_symbols());
        word.push_back(a);
        q = automaton.next(q, a);
        if (!specification_.agrees(read(own_, state, task_.tokens[a]).label, q)) return word;
        Word last(word.end() - static_cast<std::ptrdiff_t>(std::min(suffix, word.size())), word.end());
        Mean& mean = means[{q, std::move(last)}];
        if (mean.count++ == 0) mean.sum.assign(state.size(), 0.0);
        if (mean.word.empty() || word.size() < mean.word.size()) mean.word = word;
        std::transform(state.begin(), state.end(), mean.sum.begin(), mean.sum.begin(),
                       [](float x, double sum) { return sum + static_cast<double>(x); });
      }
    }
    for (const auto& [key, mean] : means) {
      state.resize(mean.sum.size());
      std::transform(mean.sum.begin(), mean.sum.end(), state.begin(),
                     [&](double sum) { return static_cast<float>(sum / static_cast<double>(mean.count)); });
      for (UnitCodes& u : units_) add(u, unit_of(state, u), mean.word, CodeOrigin::mean, tolerance);
    }
    return std::nullopt;
  }

  void attempt(Try& now, const Limits& most, const Budget& budget, Hardening& best) {
    const auto& [tolerance, suffix] = now.from;
    now.cost = 0;
    std::vector<float> state;
    start(own_, state);
    for (UnitCodes& u : units_) {
      u = {u.part, u.unit, u.name, {}, {}, {}};
      add(u, unit_of(state, u), Word{}, CodeOrigin::own_run, tolerance);
    }
    // A stabilizer has its first code behind the first symbol.
    if (std::ranges::any_of(units_, [](const UnitCodes& u) { return u.codes.empty(); }) &&
        !add_own(Word{0}, tolerance)) {
      best.original_wrong = Word{0};
      return note(best, "the model itself is wrong on a word of 1 symbol");
    }
    if (suffix) {
      if (const std::optional<Word> wrong = add_means(*suffix, tolerance)) {
        best.original_wrong = *wrong;
        return note(best, "the model itself is wrong on a word of " + std::to_string(wrong->size()) + " symbols");
      }
    }
    for (std::size_t round = 1;; ++round) {
      if (over(budget)) return note(best, "the time was used up");
      if (round > most.rounds) return note(best, "codes were added for " + std::to_string(most.rounds) + " rounds");
      const std::uint64_t before = steps_;
      const Walk walk = close(budget, most.configurations);
      ++best.rounds;
      now.cost += (steps_ - before) * count_codes();
      now.ended_wrong = walk.wrong.has_value();
      if (walk.closed) {
        // Leaving codes out may take about as long as the closure, and a little longer where that was quick.
        finish(walk, budget, steps_ + std::max<std::uint64_t>(steps_ - before, 100000), best);
        return;
      }
      if (walk.wrong)
        best.length = std::max<std::uint64_t>(best.length, walk.wrong->empty() ? 0 : walk.wrong->size() - 1);
      if (!walk.wrong) {
        best.length = std::max(best.length, walk.length);
        return note(best, "the closure did not end within " + walk.limit);
      }
      const std::optional<std::size_t> added = add_own(*walk.wrong, tolerance);
      if (!added) {
        best.original_wrong = *walk.wrong;
        return note(best, "the model itself is wrong on a word of " + std::to_string(walk.wrong->size()) + " symbols");
      }
      if (*added == 0) {
        double finer = tolerance;
        while (add_snapped(*walk.wrong, finer) == 0) {
          finer /= 4;
          if (finer < 1e-7) return note(best, "codes of the states met do not tell what the language tells apart");
        }
      }
      for (const UnitCodes& u : units_) {
        if (u.codes.size() > options_.max_codes) {
          return note(best, "more than " + std::to_string(options_.max_codes) + " codes of a unit were asked for");
        }
      }
    }
  }

  // ---- grids ------------------------------------------------------------------------------------------------------

  /// Every entry to the nearest multiple of the step, ties to even.
  static std::vector<float> on_grid(std::span<const float> unit, double step) {
    std::vector<float> point;
    for (const float x : unit)
      point.push_back(static_cast<float>(std::nearbyint(static_cast<double>(x) / step) * step));
    return point;
  }

  /// The points of a uniform grid that are met become codes, round after round, until none is missing: then the nearest
  /// code is the nearest point of the grid, up to ties.
  void attempt_grid(double step, const Budget& budget, Hardening& best) {
    std::vector<float> state;
    start(own_, state);
    for (UnitCodes& u : units_) {
      u = {u.part, u.unit, u.name, {}, {}, {}};
      add(u, on_grid(unit_of(state, u), step), Word{}, CodeOrigin::grid, 0.0);
    }
    for (;;) {
      if (over(budget)) return note(best, "the time was used up");
      std::size_t added = 0;
      const Walk walk = close(budget, options_.max_configurations, [&](const Snap& snap, const Word& word) {
        const bool fresh =
            add(units_[index_of(snap.part, snap.unit)], on_grid(snap.before, step), word, CodeOrigin::grid, 0.0);
        added += fresh ? 1U : 0U;
      });
      ++best.rounds;
      best.length = std::max(best.length, walk.length);
      for (const UnitCodes& u : units_) {
        if (u.codes.size() > options_.max_codes) {
          return note(best, "more than " + std::to_string(options_.max_codes) + " points of a grid were met");
        }
      }
      if (added > 0) continue;
      if (walk.wrong) {
        if (!add_own(*walk.wrong, std::numeric_limits<double>::infinity())) best.original_wrong = *walk.wrong;
        return note(best, "no grid is right on a word of " + std::to_string(walk.wrong->size()) + " symbols");
      }
      if (!walk.closed) return note(best, "the closure did not end within " + walk.limit);
      // Nothing is left out: the codes are the grid's points.
      measure_all(walk, best);
      return;
    }
  }

  static void note(Hardening& best, std::string reason) { best.reason = std::move(reason); }

  /// Leaves out what the closure does not need, then measures.
  void finish(Walk walk, const Budget& budget, std::uint64_t last_step, Hardening& best) {
    leave_out(walk);
    for (std::size_t u = 0; u < units_.size(); ++u) {
      for (std::size_t k = units_[u].codes.size(); k-- > 0 && steps_ < last_step && !over(budget);) {
        if (units_[u].codes.size() == 1) break;
        const UnitCodes kept = units_[u];
        erase(units_[u], k);
        // A closure without the code that is larger than the one with it gains nothing.
        Walk smaller = close(budget, walk.configurations);
        // Fewer codes, but not at the price of a closer call.
        if (smaller.closed && smaller.gap >= walk.gap / 2 && smaller.margin >= walk.margin / 2) {
          walk = std::move(smaller);
        } else {
          units_[u] = kept;
        }
      }
    }
    walk = close({options_.budget.memory, std::nullopt, nullptr}, options_.max_configurations);
    leave_out(walk);
    measure_all(walk, best);
  }

  void measure_all(const Walk& walk, Hardening& best) {
    best.closed = walk.closed;
    best.codes = units_;
    best.configurations = walk.configurations;
    best.gap = walk.gap;
    best.margin = walk.margin;
    best.reason.clear();
    best.code_distance = least_distance(units_);
    measure(best);
    best.program = with_codes();
  }

  void leave_out(Walk& walk) {
    bool any = false;
    for (std::size_t u = 0; u < units_.size(); ++u) {
      for (std::size_t k = units_[u].codes.size(); k-- > 0;) {
        if (walk.taken[u][k] || units_[u].codes.size() == 1) continue;
        erase(units_[u], k);
        any = true;
      }
    }
    // A code that no transition takes is no transition's nearest one: the closure is the same, the gaps may grow.
    if (any) walk = close({options_.budget.memory, std::nullopt, nullptr}, options_.max_configurations);
  }

  /// Own runs on random words.
  void measure(Hardening& best) {
    DistancesByLength distances;
    SplitMix64 random(1);
    std::vector<float> state;
    for (std::size_t w = 0; w < DistancesByLength::words; ++w) {
      start(own_, state);
      for (std::size_t t = 1; t <= DistancesByLength::longest; ++t) {
        read(own_, state, task_.tokens[random.next() % task_.tokens.size()]);
        for (const UnitCodes& u : units_) {
          double nearest = std::numeric_limits<double>::infinity();
          for (const std::vector<float>& code : u.codes) {
            nearest = std::min(nearest, squared_distance(code, unit_of(state, u)));
          }
          distances.add(t, std::sqrt(nearest));
        }
      }
    }
    best.distances = distances.table();
  }

  Program with_codes() const {
    ProgramParts parts = program_.parts();
    for (StatePart& part : parts.state_parts) part.codes.clear();
    for (const UnitCodes& u : units_) {
      StatePart& part = parts.state_parts[u.part];
      ProgramTensor tensor;
      tensor.name = codes_name(part, u.unit);
      tensor.shape.push_back(u.codes.size());
      tensor.shape.insert(tensor.shape.end(), part.shape.begin() + (part.kind == StatePart::Kind::hidden ? 1 : 0),
                          part.shape.end());
      for (const std::vector<float>& code : u.codes)
        tensor.values.insert(tensor.values.end(), code.begin(), code.end());
      part.codes.push_back(static_cast<std::uint32_t>(parts.tensors.size()));
      parts.tensors.push_back(std::move(tensor));
    }
    return Program(std::move(parts));
  }

  const Program& program_;
  LearnedTask task_;
  Specification specification_;
  const HardenOptions& options_;
  SnappingRun own_;
  SnappingRun snapped_;
  CarriedWords carried_;
  std::vector<float> logits_;
  std::vector<UnitCodes> units_;
  std::uint64_t steps_ = 0;
  std::size_t closures_ = 0;
};

}  // namespace

Hardening harden(const Program& program, const LearnedTask& task, const Language& language,
                 const HardenOptions& options) {
  return Refinement(program, task, language, options).run();
}

}  // namespace krohn
