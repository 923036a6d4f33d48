// Codes of a compiled model: its own states, breadth first. Every configuration (the codes of all layers, the
// language's state) is reached by a shortest word, and the model's own run along that word says which states follow. A
// state that is farther than a tolerance from all codes of its layer becomes one. Where rounding moves a state along
// such a word by less than the tolerance, and two right states differ by more, the codes are the right states, one
// each. Nothing rests on that: the snapped model is closed and compared like any other. A layer whose states come back
// bit for bit needs no codes. Cost: a step for every configuration and symbol, and the distances to all codes of its
// layers. Tested by tests/verify/harden_compiled_test.cpp.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <limits>
#include <map>
#include <string>
#include <utility>

#include "distances.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/error.hpp"
#include "krohn/numeric/splitmix64.hpp"
#include "krohn/verify/closure.hpp"
#include "krohn/verify/harden.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {
namespace {

/// Parts of a largest state's norm within which a state is a code, in the order of the tries.
constexpr double tolerances[] = {1e-4, 1e-5, 1e-3, 1e-2, 1e-1};

class Covering {
 public:
  Covering(const LrnnModel& model, const Language& language, const HardenOptions& options)
      : model_(model),
        own_(make_machine(model, Semantics::fp32_fma_v1)),
        specification_(*own_, language.minimal()),
        options_(options) {
    for (const TableLayer& layer : model.layers()) {
      offsets_.push_back(offsets_.empty() ? 0 : offsets_.back() + units_.back());
      units_.push_back(layer.hidden_size());
    }
  }

  Hardening run() {
    Hardening best;
    best.reason = "nothing was tried";
    for (const double tolerance : tolerances) {
      if (over()) break;
      attempt(tolerance, best);
      if (best.closed || best.original_wrong) return best;
    }
    if (options_.budget.interrupted()) best.reason = "interrupted";
    return best;
  }

 private:
  bool over() const { return options_.budget.interrupted() || options_.budget.out_of_time(); }

  std::span<const float> hidden(std::span<const float> state, std::size_t layer) const {
    return state.subspan(offsets_[layer], units_[layer]);
  }

  /// The codes of a layer, and how far states that were taken for one lay from it.
  struct Codes {
    std::vector<std::vector<float>> codes;
    std::vector<Word> words;
    double largest = 0.0;
    double drift = 0.0;
  };

  /// The code that stands for a state; a new one where none is near.
  static std::uint32_t code_of(Codes& layer, std::span<const float> state, const Word& word, double tolerance) {
    double least = std::numeric_limits<double>::infinity();
    std::size_t nearest = 0;
    for (std::size_t k = 0; k < layer.codes.size(); ++k) {
      const double d = distance(layer.codes[k], state);
      if (d < least) {
        least = d;
        nearest = k;
      }
    }
    layer.largest = std::max(layer.largest, std::sqrt(squared_norm(state)));
    if (least <= tolerance * layer.largest) {
      layer.drift = std::max(layer.drift, least);
      return static_cast<std::uint32_t>(nearest);
    }
    layer.codes.emplace_back(state.begin(), state.end());
    layer.words.push_back(word);
    return static_cast<std::uint32_t>(layer.codes.size() - 1);
  }

  void attempt(double tolerance, Hardening& best) {
    ++best.rounds;
    const Dfa& automaton = specification_.automaton();
    std::vector<Codes> layers(model_.layers().size());
    struct Visit {
      std::vector<std::byte> state;
      State q;
      Word word;
    };
    std::deque<Visit> open;
    std::map<std::vector<std::uint32_t>, bool> seen;
    // Nothing follows behind a run that is undefined.
    const auto arrive = [&](Visit visit) {
      const std::vector<float> values = own_->hidden(visit.state);
      std::vector<std::uint32_t> key;
      for (std::size_t l = 0; l < layers.size(); ++l) {
        key.push_back(code_of(layers[l], hidden(values, l), visit.word, tolerance));
      }
      key.push_back(visit.q);
      if (seen.emplace(std::move(key), true).second) open.push_back(std::move(visit));
    };
    Visit first{std::vector<std::byte>(own_->state_size()), automaton.start(), {}};
    if (!specification_.agrees(own_->initial(first.state).label, first.q)) return wrong({}, best);
    arrive(std::move(first));
    for (; !open.empty(); open.pop_front()) {
      if (over()) return note(best, "the time was used up");
      if (seen.size() > options_.max_configurations) {
        return note(best, "more than " + std::to_string(options_.max_configurations) + " configurations were met");
      }
      for (Symbol a = 0; a < automaton.num_symbols(); ++a) {
        Visit next = open.front();
        next.word.push_back(a);
        next.q = automaton.next(next.q, a);
        const Observation seen_here = own_->step(next.state, a);
        ++best.steps;
        if (!specification_.agrees(seen_here.label, next.q)) return wrong(next.word, best);
        if (seen_here.label != undefined_label) arrive(std::move(next));
      }
      for (const Codes& layer : layers) {
        if (layer.codes.size() > options_.max_codes) {
          return note(best, "more than " + std::to_string(options_.max_codes) + " codes of a layer were asked for");
        }
      }
      if (options_.progress && seen.size() % 1024 == 0) options_.progress(best.rounds, count(layers), seen.size());
    }
    if (std::ranges::all_of(layers, [](const Codes& layer) { return layer.drift == 0.0; })) {
      return note(best,
                  "every state of the model comes back bit for bit: nothing is to be snapped, and krohn check "
                  "decides");
    }
    for (Codes& layer : layers) {
      if (layer.drift == 0.0) layer.codes.clear();
    }
    close(layers, best);
  }

  static std::size_t count(const std::vector<Codes>& layers) {
    std::size_t codes = 0;
    for (const Codes& layer : layers) codes += layer.codes.size();
    return codes;
  }

  static void note(Hardening& best, std::string reason) { best.reason = std::move(reason); }
  static void wrong(const Word& word, Hardening& best) {
    best.original_wrong = word;
    note(best, "the model itself is wrong on a word of " + std::to_string(word.size()) + " symbols");
  }

  LrnnModel with_codes(const std::vector<Codes>& codes) const {
    std::vector<TableLayer> layers = model_.layers();
    for (std::size_t l = 0; l < layers.size(); ++l) {
      for (const std::vector<float>& code : codes[l].codes) {
        layers[l].codes.insert(layers[l].codes.end(), code.begin(), code.end());
      }
    }
    return {model_.alphabet(), model_.label_names(), model_.initial_label(), model_.symbol_row(), std::move(layers)};
  }

  /// The closure of the snapped model; where it ends, codes that no transition takes are left out.
  void close(std::vector<Codes>& layers, Hardening& best) {
    for (;;) {
      LrnnModel snapped = with_codes(layers);
      const std::unique_ptr<Machine> machine = make_machine(snapped, Semantics::fp32_snap_v1);
      const Closure closure = joint_closure(*machine, specification_, {options_.budget});
      best.steps += closure.successors;
      best.length = std::max(best.length, closure.length.value_or(0));
      if (closure.disagreement) {
        return note(best, "codes of this tolerance do not tell what the language tells apart: a word of " +
                              std::to_string(closure.disagreement->size()) + " symbols is answered wrongly");
      }
      if (!closure.closed) return note(best, "the closure did not end in the time or memory given");
      const std::vector<std::vector<bool>> taken = measure(layers, *machine, closure, best);
      bool left_out = false;
      for (std::size_t l = 0; l < layers.size(); ++l) {
        for (std::size_t k = layers[l].codes.size(); k-- > 0;) {
          if (taken[l][k]) continue;
          layers[l].codes.erase(layers[l].codes.begin() + static_cast<std::ptrdiff_t>(k));
          layers[l].words.erase(layers[l].words.begin() + static_cast<std::ptrdiff_t>(k));
          left_out = true;
        }
      }
      // A code that no transition takes is no transition's nearest one: the closure is the same, the gaps may grow.
      if (left_out) continue;
      best.closed = true;
      best.reason.clear();
      best.configurations = closure.pairs.size();
      for (std::size_t l = 0; l < layers.size(); ++l) {
        if (layers[l].codes.empty()) continue;
        best.codes.push_back({l, 0, "layer " + std::to_string(l), layers[l].codes, layers[l].words,
                              std::vector<CodeOrigin>(layers[l].codes.size(), CodeOrigin::own_run)});
      }
      best.compiled = std::move(snapped);
      best.code_distance = least_distance(best.codes);
      measure_own(best);
      return;
    }
  }

  /// Gap and margin over all transitions of the closure; says which codes they take. The states before snapping are
  /// those of a step of the model without codes from the snapped state, as long as both decode alike; where they do
  /// not, the gap is taken to be 0.
  std::vector<std::vector<bool>> measure(const std::vector<Codes>& layers, const Machine& snapped,
                                         const Closure& closure, Hardening& best) const {
    std::vector<std::vector<bool>> taken;
    for (const Codes& layer : layers) taken.emplace_back(layer.codes.size(), false);
    best.gap = std::numeric_limits<double>::infinity();
    best.margin = std::numeric_limits<double>::infinity();
    const Dfa& automaton = specification_.automaton();
    std::vector<std::byte> before(snapped.state_size());
    std::vector<std::byte> after(snapped.state_size());
    for (std::uint32_t pair = 0; pair < closure.pairs.size(); ++pair) {
      for (Symbol a = 0; a < automaton.num_symbols(); ++a) {
        std::memcpy(after.data(), closure.pairs.pair(pair), after.size());
        before = after;
        const Observation seen = snapped.step(after, a);
        if (seen.label == undefined_label) continue;
        own_->step(before, a);
        if (automaton.label(automaton.next(closure.pairs.automaton_state(pair), a)) != null_label) {
          best.margin = std::min(best.margin, static_cast<double>(seen.margin));
        }
        const std::vector<float> raw = own_->hidden(before);
        const std::vector<float> code = snapped.hidden(after);
        for (std::size_t l = 0; l < layers.size(); ++l) {
          double nearest = std::numeric_limits<double>::infinity();
          double second = nearest;
          for (std::size_t k = 0; k < layers[l].codes.size(); ++k) {
            const double d = distance(layers[l].codes[k], hidden(raw, l));
            second = std::min(second, std::max(nearest, d));
            nearest = std::min(nearest, d);
            if (std::ranges::equal(layers[l].codes[k], hidden(code, l))) {
              taken[l][k] = true;
              if (d > nearest) second = d;
            }
          }
          if (layers[l].codes.size() < 2) continue;
          const bool same = distance(hidden(raw, l), hidden(code, l)) == nearest;
          best.gap = std::min(best.gap, same ? second - nearest : 0.0);
        }
      }
    }
    return taken;
  }

  /// Own runs on random words.
  void measure_own(Hardening& best) const {
    DistancesByLength distances;
    SplitMix64 random(1);
    std::vector<std::byte> state(own_->state_size());
    for (std::size_t w = 0; w < DistancesByLength::words; ++w) {
      own_->initial(state);
      for (std::size_t t = 1; t <= DistancesByLength::longest; ++t) {
        own_->step(state, static_cast<Symbol>(random.next() % model_.alphabet().size()));
        const std::vector<float> values = own_->hidden(state);
        for (const UnitCodes& unit : best.codes) {
          double nearest = std::numeric_limits<double>::infinity();
          for (const std::vector<float>& code : unit.codes) {
            nearest = std::min(nearest, distance(code, hidden(values, unit.part)));
          }
          distances.add(t, nearest);
        }
      }
    }
    best.distances = distances.table();
  }

  const LrnnModel& model_;
  std::unique_ptr<Machine> own_;
  Specification specification_;
  const HardenOptions& options_;
  // Per layer, where its hidden state begins among all, and its size.
  std::vector<std::size_t> offsets_;
  std::vector<std::size_t> units_;
};

}  // namespace

Hardening harden(const LrnnModel& model, const Language& language, const HardenOptions& options) {
  if (model.snapped()) throw InputError("expected a model without codes, got a hardened one");
  if (options.method != HardenOptions::Method::codes) {
    throw InputError("method: expected codes, the only one for a compiled model, got grid");
  }
  return Covering(model, language, options).run();
}

}  // namespace krohn
