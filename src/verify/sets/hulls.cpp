// Hulls: a recurrence without a read is a recurrence of each entry of the state by itself, s = a s + w v with a in
// (-1, 1). Where the decay is the same for all columns, S[j, m] = sum over contexts b of y_b[j] v_b[m] with
// y_b[j] = a_c[j] y_b[j] + [b = c] w_c[j], so that entry j of the y is bounded jointly, in directions u:
//     h'[u] >= u_c w_c[j] + a_c[j] h[u]   (h[-u] where a_c[j] < 0).
// Elsewhere, or with many contexts, every entry is a generator of its own. The least closed h is found by policy
// iteration: every situation and direction has one step that it takes its value from; along those values are linear,
// and a step that would give more is taken instead, until there is none.
//
// *Boxes.* An entry of its own that hardly decays, 1 - a <= 2^-20 for some context, is not followed through words: its
// state as the canonical form has it, roundings included, stays within [-l, h]. For h, a binary32 number, and a context
// that adds w > 0 it suffices that (a h (1 + u) + w) (1 + u) <= h, or, since 0 <= a <= 1, that w is less than half a
// unit in the last place of h: what lies at most at h is rounded to at most h. The readout's functional keeps such an
// entry as it is, whatever word follows.
//
// Rounding: the canonical step is s' = fma(c, w, fl(a s)), two roundings of at most u |s|, u |s'|; c is taken as the
// canonical form computes it, so it has none. Errors obey e' = a e + what is added: at most 2 u max |s| / (1 - max |a|)
// by entry. Behind a word the readout's functional sees them through the word, and what each of the word's tokens adds
// through the tokens that follow it. The answer is a sum of key_size terms by fma, off by at most key_size u of the sum
// of their sizes. Tested by tests/verify/sets_test.cpp.
#include <algorithm>
#include <cmath>
#include <limits>

#include "sets/enclosing.hpp"

namespace krohn::sets {
namespace {

constexpr std::size_t most_joint_contexts = 8;
/// A decay that is nearer to 1 leaves the entry in a box.
constexpr double least_room = 0x1p-20;
constexpr std::size_t policy_rounds = 200;

class Hulls final : public Enclosing {
 public:
  Hulls(const System& system, bool joint)
      : Enclosing(system, joint ? system.contexts().size() : 1, system.recurrence().key_size,
                  Fan(joint ? system.contexts().size() : 1,
                      joint && system.contexts().size() == 2 ? Fan::even_places(3) : std::vector<double>())),
        joint_(joint) {
    const std::size_t columns = system.recurrence().value_size;
    for (std::size_t h = 0; h < system.heads(); ++h) {
      for (std::size_t m = 0; m < (joint ? 1 : columns); ++m) readers_.push_back({h, m, joint ? columns : 1});
    }
    tables_.supports.assign(system.situations().size() * pitch(), 0.0);
    for (const Context& context : system.contexts()) {
      std::vector<std::vector<float>> changes;
      for (const HeadStep& step : context.heads) {
        std::vector<float> change = step.value;
        if (step.scales) {
          for (float& x : change) x = step.beta * x;
        }
        changes.push_back(std::move(change));
      }
      changes_.push_back(std::move(changes));
    }
    if (joint_) return;
    boxed_.assign(readers_.size() * size_, false);
    for (std::size_t r = 0; r < readers_.size(); ++r) {
      for (std::size_t j = 0; j < size_; ++j) {
        for (std::uint32_t c = 0; c < system.contexts().size(); ++c) {
          if (!(1.0 - decay(step(c, r), j, readers_[r].first) > least_room)) boxed_[r * size_ + j] = true;
        }
      }
    }
  }

  std::string_view name() const override { return "hulls"; }

  double value(std::size_t reader, std::size_t generator, std::size_t m) const override {
    return joint_ ? change(static_cast<std::uint32_t>(generator), readers_[reader].head, m) : 1.0;
  }
  void begin(std::uint32_t context, std::size_t reader, double* functional) const override {
    std::ranges::copy(step(context, reader).query, functional);
  }
  void back(std::uint32_t context, std::size_t reader, double* functional, double* t, double* sizes) const override {
    const HeadStep& s = step(context, reader);
    double sum = 0.0;
    double size = 0.0;
    for (std::size_t j = 0; j < size_; ++j) {
      if (boxed(reader, j)) continue;
      const double term = functional[j] * write(context, reader, j);
      sum += term;
      size += std::abs(term);
      functional[j] *= decay(s, j, readers_[reader].first);
    }
    t[joint_ ? context : 0] += sum;
    sizes[joint_ ? context : 0] += size;
  }
  void supports(std::uint32_t situation, std::size_t reader, const double* functional, double* out) const override {
    const std::size_t directions = combinations_.size();
    const double* own = tables_.supports.data() + situation * pitch() + reader * size_ * directions;
    for (std::size_t u = 0; u < directions; ++u) {
      const std::size_t other = opposite(u);
      double sum = 0.0;
      double size = 0.0;
      for (std::size_t j = 0; j < size_; ++j) {
        const double p = functional[j];
        const double term = std::abs(p) * own[j * directions + (p >= 0.0 ? u : other)];
        sum += term;
        size += std::abs(term);
      }
      out[u] = sum + slack * size;
    }
  }
  double reach(std::size_t reader) const override {
    double sum = 0.0;
    for (std::size_t j = 0; j < size_; ++j) {
      double most = 0.0;
      for (std::size_t s = 0; s < system_.situations().size(); ++s) {
        for (std::size_t u = 0; u < combinations_.size(); ++u) most = std::max(most, std::abs(entry(s, reader, j, u)));
      }
      sum += most;
    }
    return sum;
  }

  double rounding(std::uint32_t context, std::size_t reader, std::size_t m, const double* functional,
                  const double* noise) const override {
    const HeadStep& s = step(context, reader);
    double sum = 0.0;
    const double added = 2.0 * fp32_unit * 1.01;
    const double terms = static_cast<double>(size_) * fp32_unit * 1.01;
    for (std::size_t j = 0; j < size_; ++j) {
      const std::size_t at = (reader * size_ + j) * readers_[reader].count + m;
      const double most = largest_[at] + errors_[at];
      // What is in a box is the canonical form's own.
      if (!boxed(reader, j)) sum += std::abs(functional[j]) * errors_[at] + noise[j] * (added * most + fp32_least);
      sum += std::abs(static_cast<double>(s.query[j])) * terms * most;
    }
    return sum * (1.0 + 0x1p-30) + static_cast<double>(size_) * fp32_least;
  }
  bool bound_rounding(std::optional<std::uint64_t>) override {
    const std::size_t count = readers_.front().count;
    errors_.assign(readers_.size() * size_ * count, 0.0);
    largest_ = errors_;
    std::vector<double> u(generators_);
    std::vector<Fan::Part> parts;
    for (std::size_t r = 0; r < readers_.size(); ++r) {
      for (std::size_t j = 0; j < size_; ++j) {
        if (boxed(r, j)) {
          // The box holds the canonical form's own states.
          const double* box = tables_.supports.data() + (r * size_ + j) * combinations_.size();
          largest_[r * size_ + j] = std::max(box[0], box[1]);
          continue;
        }
        double fastest = 0.0;
        for (std::uint32_t c = 0; c < system_.contexts().size(); ++c) {
          fastest = std::max(fastest, std::abs(decay(step(c, r), j, readers_[r].first)));
        }
        if (!(fastest < 1.0)) return false;
        for (std::size_t m = 0; m < count; ++m) {
          // Both signs of the combination of generators that entry (j, m) is.
          double most = 0.0;
          for (const double sign : {1.0, -1.0}) {
            for (std::size_t b = 0; b < generators_; ++b) u[b] = sign * value(r, b, m);
            combinations_.decompose(u.data(), parts);
            for (std::size_t s = 0; s < system_.situations().size(); ++s) {
              double far = 0.0;
              double size = 0.0;
              for (const Fan::Part& part : parts) {
                const double term = part.weight * entry(s, r, j, part.direction);
                far += term;
                size += std::abs(term);
              }
              most = std::max(most, far + slack * size);
            }
          }
          const std::size_t at = (r * size_ + j) * count + m;
          // |s| of the canonical form is at most `most` and the error e; e = 2 u (most + e) / (1 - a), solved for e.
          // The states inside of a step, a s, are no larger than those before it.
          const double room = 1.0 - fastest * (1.0 + slack);
          const double added = 2.0 * fp32_unit * 1.01;
          if (!(room > 8.0 * added)) return false;
          const double error = (added * most + fp32_least) / (room - added) * (1.0 + slack);
          errors_[at] = error;
          largest_[at] = most;
        }
      }
    }
    return true;
  }

  std::optional<std::string> close(const Budget& budget) override {
    const std::size_t directions = combinations_.size();
    for (std::size_t r = 0; r < readers_.size(); ++r) {
      for (std::size_t j = 0; j < size_; ++j) {
        if (budget.interrupted() || budget.out_of_time()) return "in the time given, the hulls do not close";
        if (boxed(r, j)) {
          if (!make_box(r, j)) {
            return "entry " + std::to_string(j) + " of head " + std::to_string(readers_[r].head) + " has no box";
          }
          continue;
        }
        for (std::uint32_t c = 0; c < system_.contexts().size(); ++c) {
          if (!(1.0 - std::abs(decay(step(c, r), j, readers_[r].first)) > least_room)) {
            return "entry " + std::to_string(j) + " of head " + std::to_string(readers_[r].head) +
                   " does not decay: no hull";
          }
        }
        iterate_policies(r, j);
        // Room for the slack of doubles: what is the same for all situations and directions of an entry only shrinks.
        double most = 0.0;
        for (std::size_t s = 0; s < system_.situations().size(); ++s) {
          for (std::size_t u = 0; u < directions; ++u) most = std::max(most, std::abs(entry(s, r, j, u)));
        }
        for (std::size_t s = 0; s < system_.situations().size(); ++s) {
          for (std::size_t u = 0; u < directions; ++u) {
            tables_.supports[s * pitch() + (r * size_ + j) * directions + u] += 0x1p-20 * most + 0x1p-90;
          }
        }
      }
    }
    return closed(std::nullopt) ? std::nullopt : std::optional<std::string>("the hulls do not close");
  }

  bool closed(std::optional<std::uint64_t>) override {
    for (std::size_t r = 0; r < readers_.size(); ++r) {
      for (std::size_t j = 0; j < size_; ++j) {
        if (boxed(r, j) && !box_holds(r, j)) return false;
      }
    }
    std::vector<double> next;
    step_tables(next);
    for (std::size_t i = 0; i < next.size(); ++i) {
      if (!(next[i] <= tables_.supports[i])) return false;
    }
    return true;
  }

 private:
  std::size_t pitch() const { return readers_.size() * size_ * combinations_.size(); }
  double entry(std::size_t situation, std::size_t reader, std::size_t j, std::size_t u) const {
    return tables_.supports[situation * pitch() + (reader * size_ + j) * combinations_.size() + u];
  }
  const HeadStep& step(std::uint32_t context, std::size_t reader) const {
    return system_.contexts()[context].heads[readers_[reader].head];
  }
  double change(std::uint32_t context, std::size_t head, std::size_t m) const {
    return static_cast<double>(changes_[context][head][m]);
  }
  double decay(const HeadStep& s, std::size_t j, std::size_t first) const {
    const std::size_t columns = system_.recurrence().value_size;
    const std::size_t at = s.decay.size() == 1 ? 0 : s.decay.size() == size_ ? j : j * columns + first;
    return static_cast<double>(s.decay[at]);
  }
  /// Whether the entry is kept in a box.
  bool boxed(std::size_t reader, std::size_t j) const { return !boxed_.empty() && boxed_[reader * size_ + j]; }
  /// Finds the entry's box; false where there is none.
  bool make_box(std::size_t r, std::size_t j) {
    double ends[2] = {0.0, 0.0};
    for (std::uint32_t c = 0; c < system_.contexts().size(); ++c) {
      const double w = write(c, r, j);
      // With more room than the conditions ask for.
      const double room = 1.0 - decay(step(c, r), j, readers_[r].first) - 5.0 * fp32_unit;
      double reach = std::abs(w) * 0x1.01p25;
      if (room > 0.0) reach = std::min(reach, (std::abs(w) * (1.0 + 8.0 * fp32_unit) + 0x1p-130) / room);
      double& end = ends[(w >= 0.0) == (combinations_.direction(0)[0] > 0.0) ? 0 : 1];
      end = std::max(end, reach);
    }
    for (std::size_t s = 0; s < system_.situations().size(); ++s) {
      for (std::size_t u = 0; u < 2; ++u) {
        // The next binary32 number but one, so that the conditions hold with their roundings.
        float up =
            std::nextafter(static_cast<float>(ends[u] * (1.0 + 0x1p-20)), std::numeric_limits<float>::infinity());
        if (ends[u] == 0.0) up = 0.0F;
        tables_.supports[s * pitch() + (r * size_ + j) * 2 + u] = static_cast<double>(up);
      }
    }
    return box_holds(r, j);
  }
  bool box_holds(std::size_t r, std::size_t j) const {
    for (std::size_t u = 0; u < 2; ++u) {
      const double end = entry(0, r, j, u);
      if (!(end >= 0.0 && end < 0x1p100) || static_cast<double>(static_cast<float>(end)) != end) return false;
      for (std::size_t s = 1; s < system_.situations().size(); ++s) {
        if (entry(s, r, j, u) != end) return false;
      }
      for (std::uint32_t c = 0; c < system_.contexts().size(); ++c) {
        const double a = decay(step(c, r), j, readers_[r].first);
        // Exact: the product of two binary32 numbers.
        const double w = combinations_.direction(u)[0] * write(c, r, j);
        if (!(a >= 0.0 && a <= 1.0)) return false;
        if (w <= 0.0) continue;
        const double grown = (a * end * (1.0 + 2.0 * fp32_unit) + w) * (1.0 + 2.0 * fp32_unit) + 2.0 * fp32_least;
        // Half a unit in the last place of a number is more than 2^-25 of it.
        if (!(grown <= end) && !(w < 0x1p-25 * end && end > 0x1p-100)) return false;
      }
    }
    return true;
  }

  /// The least closed supports of an entry, up to the rounding of doubles.
  void iterate_policies(std::size_t r, std::size_t j) {
    constexpr std::size_t first = static_cast<std::size_t>(-1);
    const std::size_t directions = combinations_.size();
    const std::size_t nodes = system_.situations().size() * directions;
    const std::size_t at = (r * size_ + j) * directions;
    // Where a node's value comes from: value = own + factor * value[from].
    struct Source {
      std::size_t from = first;
      double own = 0.0;
      double factor = 0.0;
    };
    std::vector<Source> policy(nodes);
    std::vector<double> value(nodes, 0.0);
    std::vector<bool> known(nodes, false);
    const auto begin = [&](std::size_t u) {
      const auto context = system_.first_context();
      return context ? added(*context, r, j, u) : 0.0;
    };
    for (std::size_t u = 0; u < directions; ++u) {
      policy[u] = {first, begin(u), 0.0};
      known[u] = true;
    }
    const auto improve = [&] {
      bool better = false;
      std::vector<Source> next = policy;
      std::vector<double> best = value;
      std::vector<bool> had = known;
      for (std::uint32_t s = 0; s < system_.situations().size(); ++s) {
        for (Symbol x = 0; x < system_.symbols(); ++x) {
          const std::uint32_t c = system_.context(s, x);
          const double a = decay(step(c, r), j, readers_[r].first);
          for (std::size_t u = 0; u < directions; ++u) {
            const std::size_t from = s * directions + (a >= 0.0 ? u : opposite(u));
            const std::size_t to = system_.next(s, x) * directions + u;
            if (!known[from]) continue;
            const double own = added(c, r, j, u);
            const double got = own + std::abs(a) * value[from];
            if (had[to] && got <= best[to] + 1e-13 * (std::abs(own) + std::abs(best[to]))) continue;
            next[to] = {from, own, std::abs(a)};
            best[to] = got;
            had[to] = true;
            better = true;
          }
        }
      }
      policy = std::move(next);
      known = std::move(had);
      return better;
    };
    const auto evaluate = [&] {
      std::vector<std::uint8_t> mark(nodes, 0);
      std::vector<std::size_t> path;
      for (std::size_t start = 0; start < nodes; ++start) {
        if (!known[start]) continue;
        path.clear();
        std::size_t node = start;
        while (node != first && mark[node] == 0) {
          mark[node] = 1;
          path.push_back(node);
          node = policy[node].from;
        }
        if (node != first && mark[node] == 1) {
          // A cycle: what one way around makes of the value at its node.
          double own = 0.0;
          double factor = 1.0;
          std::size_t around = node;
          do {
            own += factor * policy[around].own;
            factor *= policy[around].factor;
            around = policy[around].from;
          } while (around != node);
          value[node] = own / (1.0 - factor);
          mark[node] = 2;
        }
        while (!path.empty()) {
          const std::size_t last = path.back();
          path.pop_back();
          if (mark[last] == 2) continue;
          const Source& source = policy[last];
          value[last] = source.own + (source.from == first ? 0.0 : source.factor * value[source.from]);
          mark[last] = 2;
        }
      }
    };
    evaluate();
    for (std::size_t round = 0; round < policy_rounds && improve(); ++round) evaluate();
    for (std::size_t s = 0; s < system_.situations().size(); ++s) {
      for (std::size_t u = 0; u < directions; ++u) {
        tables_.supports[s * pitch() + at + u] = value[s * directions + u];
      }
    }
  }

  /// What the context's token adds to entry j of its generator.
  double write(std::uint32_t context, std::size_t reader, std::size_t j) const {
    const HeadStep& s = step(context, reader);
    if (s.write.empty()) return 0.0;
    const double w = static_cast<double>(s.write[j]);
    return joint_ ? w : w * change(context, readers_[reader].head, readers_[reader].first);
  }
  double added(std::uint32_t context, std::size_t reader, std::size_t j, std::size_t u) const {
    return combinations_.direction(u)[joint_ ? context : 0] * write(context, reader, j);
  }
  std::size_t opposite(std::size_t u) const { return combinations_.opposite(u); }

  /// The least tables that the step allows: what every set must hold of the tables before.
  void step_tables(std::vector<double>& next) const {
    constexpr double none = -std::numeric_limits<double>::infinity();
    next.assign(tables_.supports.size(), none);
    const std::size_t directions = combinations_.size();
    for (std::size_t r = 0; r < readers_.size(); ++r) {
      for (std::size_t j = 0; j < size_; ++j) {
        const std::size_t at = (r * size_ + j) * directions;
        if (boxed(r, j)) continue;
        for (std::size_t u = 0; u < directions; ++u) {
          const auto first = system_.first_context();
          const double begin = first ? added(*first, r, j, u) : 0.0;
          next[at + u] = begin + slack * std::abs(begin);
        }
        for (std::uint32_t s = 0; s < system_.situations().size(); ++s) {
          for (Symbol x = 0; x < system_.symbols(); ++x) {
            const std::uint32_t c = system_.context(s, x);
            const double a = decay(step(c, r), j, readers_[r].first);
            double* to = next.data() + system_.next(s, x) * pitch() + at;
            const double* from = tables_.supports.data() + s * pitch() + at;
            for (std::size_t u = 0; u < directions; ++u) {
              const double own = added(c, r, j, u);
              const double kept = std::abs(a) * from[a >= 0.0 ? u : opposite(u)];
              to[u] = std::max(to[u], own + kept + slack * (std::abs(own) + std::abs(kept)));
            }
          }
        }
      }
    }
  }

  bool joint_;
  /// By reader and entry, of entries of their own.
  std::vector<bool> boxed_;
  /// By context and head: the canonical form's change of every column.
  std::vector<std::vector<std::vector<float>>> changes_;
  std::vector<double> errors_;
  std::vector<double> largest_;
};

}  // namespace

std::unique_ptr<Enclosing> make_hulls(const System& system) {
  const LinearRecurrence::Decay decay = system.recurrence().decay;
  const bool by_column = decay == LinearRecurrence::Decay::rate || decay == LinearRecurrence::Decay::element;
  return std::make_unique<Hulls>(system, !by_column && system.contexts().size() <= most_joint_contexts);
}

}  // namespace krohn::sets
