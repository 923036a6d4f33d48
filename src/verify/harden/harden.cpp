// Refinement of codes. Invariant of a try: the codes of every unit are states of the model's own runs (or the state
// before the first symbol), farther apart than the try's tolerance. A closure walks breadth first over (carried bits,
// automaton state), so that the word that it finds wrong is a shortest one; then either the model itself is wrong on
// it, which ends the try, or its own states along it say what the codes lack. Cost: a closure a round, each a forward
// pass and the distances to all codes for every configuration and symbol.
#include "krohn/verify/harden.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "krohn/automata/minimize.hpp"
#include "krohn/engine/learned/snapping_run.hpp"
#include "krohn/error.hpp"
#include "krohn/numeric/splitmix64.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {
namespace {

/// Parts of a largest code's norm: what lies nearer to a code is that code.
constexpr double tolerances[] = {1e-3, 1e-2, 5e-2, 1.5e-1, 3e-1};

double squared_distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += d * d;
  }
  return sum;
}

double squared_norm(std::span<const float> a) {
  return std::inner_product(a.begin(), a.end(), a.begin(), 0.0, std::plus<>(),
                            [](float x, float y) { return static_cast<double>(x) * static_cast<double>(y); });
}

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
  Refinement(const Program& program, const LearnedTask& task, const Dfa& language, const HardenOptions& options)
      : program_(program),
        task_(task),
        specification_(task.alphabet, task.label_names, minimize(language)),
        options_(options),
        own_(program),
        snapped_(program),
        logits_(program.num_logits()) {
    task_.validate(program);
    for (std::size_t p = 0; p < program.state_parts().size(); ++p) {
      const StatePart& part = program.state_parts()[p];
      if (!part.recurrent()) continue;
      for (std::size_t u = 0; u < part.units(); ++u) units_.push_back({p, u, {}, {}, {}});
    }
  }

  Hardening run() {
    Hardening best;
    best.reason = "nothing was tried";
    for (std::size_t i = 0; i < std::size(tolerances) && !best.closed && !over(); ++i) {
      const Budget budget = options_.budget.share(i + 1 == std::size(tolerances) ? 1.0 : 0.4);
      attempt(tolerances[i], budget, best);
      // A model that is wrong itself stays so.
      if (best.original_wrong) break;
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

  /// Adds a code unless it is near to one; true if it was added.
  bool add(UnitCodes& u, std::span<const float> state, const Word& word, bool own, double tolerance) {
    double norm = squared_norm(state);
    for (const std::vector<float>& code : u.codes) norm = std::max(norm, squared_norm(code));
    for (const std::vector<float>& code : u.codes) {
      const double d = squared_distance(code, state);
      if (d == 0.0 || d <= tolerance * tolerance * norm) return false;
    }
    u.codes.emplace_back(state.begin(), state.end());
    u.words.push_back(word);
    u.own.push_back(own);
    return true;
  }

  static void erase(UnitCodes& u, std::size_t k) {
    const auto at = static_cast<std::ptrdiff_t>(k);
    u.codes.erase(u.codes.begin() + at);
    u.words.erase(u.words.begin() + at);
    u.own.erase(u.own.begin() + at);
  }

  void use_codes() {
    for (const UnitCodes& u : units_) {
      std::vector<float> flat;
      for (const std::vector<float>& code : u.codes) flat.insert(flat.end(), code.begin(), code.end());
      snapped_.set_codes(u.part, u.unit, flat);
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

  Walk close(const Budget& budget) {
    use_codes();
    Walk walk;
    for (const UnitCodes& u : units_) walk.taken.emplace_back(u.codes.size(), false);
    const Dfa& automaton = specification_.automaton();
    const std::size_t size = program_.state_size();
    std::vector<float> states;
    std::vector<State> at;
    std::vector<std::pair<std::size_t, Symbol>> parent;
    std::vector<std::uint64_t> length;
    std::unordered_map<std::string, std::size_t> index;
    const auto key = [&](const std::vector<float>& state, State q) {
      std::string bytes(reinterpret_cast<const char*>(state.data()), size * sizeof(float));
      bytes.append(reinterpret_cast<const char*>(&q), sizeof q);
      return bytes;
    };
    const auto word_of = [&](std::size_t i, std::optional<Symbol> last) {
      Word word;
      if (last) word.push_back(*last);
      for (; i != 0; i = parent[i].first) word.push_back(parent[i].second);
      std::reverse(word.begin(), word.end());
      return word;
    };
    std::vector<Snap> snaps;
    const auto look_at = [&](const std::vector<Snap>& seen) {
      for (std::size_t i = 0; i < seen.size(); ++i) {
        // Units come in the order of the operations: found by part and unit.
        const std::size_t u = index_of(seen[i].part, seen[i].unit);
        walk.taken[u][seen[i].code] = true;
        if (!std::isfinite(seen[i].second)) continue;
        walk.gap = std::min(
            walk.gap, std::sqrt(static_cast<double>(seen[i].second)) - std::sqrt(static_cast<double>(seen[i].nearest)));
      }
    };
    std::vector<float> state;
    const Observation first = start(snapped_, state, &snaps);
    look_at(snaps);
    if (!specification_.agrees(first.label, automaton.start())) {
      walk.wrong = Word{};
      return walk;
    }
    states = state;
    at.push_back(automaton.start());
    parent.emplace_back(0, 0);
    length.push_back(0);
    index.emplace(key(state, automaton.start()), 0);
    for (std::size_t i = 0; i < at.size(); ++i) {
      if (i % 16 == 0 && over(budget)) {
        walk.limit = "time";
        break;
      }
      walk.length = length[i];
      for (Symbol a = 0; a < automaton.num_symbols(); ++a) {
        state.assign(states.begin() + static_cast<std::ptrdiff_t>(i * size),
                     states.begin() + static_cast<std::ptrdiff_t>((i + 1) * size));
        const Observation seen = read(snapped_, state, task_.tokens[a], &snaps);
        const State q = automaton.next(at[i], a);
        if (!specification_.agrees(seen.label, q)) {
          walk.wrong = word_of(i, a);
          walk.configurations = at.size();
          return walk;
        }
        look_at(snaps);
        if (automaton.label(q) != null_label) walk.margin = std::min(walk.margin, static_cast<double>(seen.margin));
        if (!index.emplace(key(state, q), at.size()).second) continue;
        states.insert(states.end(), state.begin(), state.end());
        at.push_back(q);
        parent.emplace_back(i, a);
        length.push_back(length[i] + 1);
      }
      if (at.size() > options_.max_configurations) {
        walk.limit = std::to_string(options_.max_configurations) + " configurations";
        break;
      }
    }
    walk.configurations = at.size();
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
      for (UnitCodes& u : units_) added += add(u, unit_of(state, u), prefix, true, tolerance) ? 1U : 0U;
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
        added += add(units_[index_of(snap.part, snap.unit)], snap.before, prefix, false, tolerance) ? 1U : 0U;
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

  void attempt(double tolerance, const Budget& budget, Hardening& best) {
    std::vector<float> state;
    start(own_, state);
    for (UnitCodes& u : units_) {
      u = {u.part, u.unit, {}, {}, {}};
      add(u, unit_of(state, u), Word{}, true, tolerance);
    }
    for (std::size_t round = 1;; ++round) {
      if (over(budget)) return note(best, "the time was used up");
      const Walk walk = close(budget);
      ++best.rounds;
      if (walk.closed) {
        finish(walk, budget, best);
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

  static void note(Hardening& best, std::string reason) { best.reason = std::move(reason); }

  /// Leaves out what the closure does not need, then measures.
  void finish(Walk walk, const Budget& budget, Hardening& best) {
    leave_out(walk);
    const std::size_t most_tries = 64;
    std::size_t tries = 0;
    for (std::size_t u = 0; u < units_.size(); ++u) {
      for (std::size_t k = units_[u].codes.size(); k-- > 0 && tries < most_tries && !over(budget);) {
        if (units_[u].codes.size() == 1) break;
        const UnitCodes kept = units_[u];
        erase(units_[u], k);
        ++tries;
        Walk smaller = close(budget);
        // Fewer codes, but not at the price of a closer call.
        if (smaller.closed && smaller.gap >= walk.gap / 2 && smaller.margin >= walk.margin / 2) {
          walk = std::move(smaller);
        } else {
          units_[u] = kept;
        }
      }
    }
    walk = close({options_.budget.memory, std::nullopt, nullptr});
    leave_out(walk);
    best.closed = walk.closed;
    best.codes = units_;
    best.configurations = walk.configurations;
    best.gap = walk.gap;
    best.margin = walk.margin;
    best.reason.clear();
    best.code_distance = std::numeric_limits<double>::infinity();
    for (const UnitCodes& u : units_) {
      for (std::size_t i = 0; i < u.codes.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
          best.code_distance = std::min(best.code_distance, std::sqrt(squared_distance(u.codes[i], u.codes[j])));
        }
      }
    }
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
    if (any) walk = close({options_.budget.memory, std::nullopt, nullptr});
  }

  /// Own runs on random words.
  void measure(Hardening& best) {
    constexpr std::size_t longest = 256;
    constexpr std::size_t words = 8;
    for (std::size_t from = 1; from <= longest; from *= 2) best.distances.push_back({from, 2 * from - 1, 0.0, 0.0});
    std::vector<std::size_t> counts(best.distances.size(), 0);
    SplitMix64 random(1);
    std::vector<float> state;
    for (std::size_t w = 0; w < words; ++w) {
      start(own_, state);
      for (std::size_t t = 1; t < 2 * longest; ++t) {
        read(own_, state, task_.tokens[random.next() % task_.tokens.size()]);
        std::size_t bucket = 0;
        while (best.distances[bucket].to < t) ++bucket;
        for (const UnitCodes& u : units_) {
          double nearest = std::numeric_limits<double>::infinity();
          for (const std::vector<float>& code : u.codes) {
            nearest = std::min(nearest, squared_distance(code, unit_of(state, u)));
          }
          best.distances[bucket].mean += std::sqrt(nearest);
          best.distances[bucket].most = std::max(best.distances[bucket].most, std::sqrt(nearest));
          ++counts[bucket];
        }
      }
    }
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] > 0) best.distances[i].mean /= static_cast<double>(counts[i]);
    }
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
  std::vector<float> logits_;
  std::vector<UnitCodes> units_;
  std::uint64_t steps_ = 0;
};

}  // namespace

Hardening harden(const Program& program, const LearnedTask& task, const Dfa& language, const HardenOptions& options) {
  return Refinement(program, task, language, options).run();
}

}  // namespace krohn
