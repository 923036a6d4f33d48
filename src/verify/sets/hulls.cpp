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
// canonical form computes it, so it has none. The answer is a sum of key_size terms by fma.
//
// *Of entries of their own* errors obey e' = a e + what is added: at most 2 u max |s| / (1 - max |a|) by entry. Behind
// a word the readout's functional sees them through the word, and what each of the word's tokens adds through the
// tokens that follow it; the answer is off by at most key_size u of the sum of its terms' sizes.
//
// *Of joint entries*, with decays in [0, 1): let G[m] = sum over b of |v_b[m]| |y_b|, at least |s| of column m. From
// |e'| <= a |e| + u a (|s| + |e|) + u (|s'| + |e'|) follows |e'| <= a (1 + 2.1 u) |e| + 2.01 u G', since a G <= G'.
// What was added n tokens ago is in the G of n + 1 tokens, and decayed since by the same decays wherever its rounding
// was made: in |e| it has at most the weight 2.01 u (n + 1) (1 + 2.1 u)^n of what it has in G. So an error grows with
// the *age* of what it comes from, and what is forgotten takes its error along. With p the functional before a word of
// L tokens, the answer in column m is off by at most the sum over b of |v_b[m]| X_b,
//     X_b = sum over j, n of |p[j]| (what token b adds to y_b[j]) (product of the n decays since) (2 u (n + 1 + L) +
//     key_size u)
// over the tokens before the word, and (2 u L + key_size u) times the sizes of what the word's own tokens add. Since
// y_b[j] has the sign of w_b[j], t_b = p . y_b is a sum of the same terms, p[j] w_b[j] > 0 or not for all n alike: X_b
// - r |t_b| is at most, for either sign of r, the sum over j of |p[j] w_b[j]| and over n of a^n (2 u (n + 1 + L) +
// key_size u -+ r) where that is positive, a the largest decay, in closed form. So the error is a share r of t_b, and
// what is left. Tested by tests/verify/rounding_test.cpp and sets_test.cpp.
#include <algorithm>
#include <cmath>
#include <limits>

#include "sets/enclosing.hpp"
#include "sets/look_back.hpp"

namespace krohn::sets {
namespace {

constexpr std::size_t most_joint_contexts = 8;
/// A decay that is nearer to 1 leaves the entry in a box.
constexpr double least_room = 0x1p-20;
constexpr std::size_t policy_rounds = 200;
/// Of all readers together, to be looked back on jointly.
constexpr std::size_t most_entries = 512;

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
      if (joint_) out[u] = std::min(out[u], look_backs_[reader].far(functional, along_[reader * directions + u]));
    }
  }
  double far(const double* functionals, const double* direction) const override {
    if (!joint_ || readers_.size() * size_ >= most_entries) return std::numeric_limits<double>::infinity();
    LookBack::Entries all;
    for (std::size_t r = 0; r < readers_.size(); ++r) append(r, direction + r * generators_, all);
    return over_readers_->far(functionals, all);
  }
  double loss(std::size_t reader, const Behind& word) const override {
    // A token costs a functional's entry a part of 2^-53 of itself, and so all that it stands before.
    double sum = 0.0;
    for (std::size_t j = 0; j < size_; ++j) sum += std::abs(word.functional[j]) * farthest_[reader * size_ + j];
    for (std::size_t b = 0; b < generators_; ++b) sum += word.sizes[b];
    return 0x1p-50 * static_cast<double>(word.contexts.size() + 1) * sum;
  }

  Rounding rounding(std::size_t reader, const Behind& word) const override {
    return joint_ ? rounding_by_age(reader, word) : rounding_by_entry(reader, word);
  }
  bool bound_rounding(std::optional<std::uint64_t>) override {
    const std::size_t directions = combinations_.size();
    farthest_.assign(readers_.size() * size_, 0.0);
    slowest_ = farthest_;
    for (std::size_t r = 0; r < readers_.size(); ++r) {
      for (std::size_t j = 0; j < size_; ++j) {
        for (std::size_t s = 0; s < system_.situations().size(); ++s) {
          for (std::size_t u = 0; u < directions; ++u) {
            farthest_[r * size_ + j] = std::max(farthest_[r * size_ + j], std::abs(entry(s, r, j, u)));
          }
        }
        for (std::uint32_t c = 0; c < system_.contexts().size(); ++c) {
          slowest_[r * size_ + j] =
              std::max(slowest_[r * size_ + j], std::abs(decay(step(c, r), j, readers_[r].first)));
        }
      }
    }
    if (joint_) {
      make_look_backs();
      return std::ranges::all_of(slowest_, [](double a) { return 1.0 - grown(a) > 0.0; });
    }
    errors_.assign(readers_.size() * size_, 0.0);
    for (std::size_t i = 0; i < errors_.size(); ++i) {
      // What is in a box is the canonical form's own. Otherwise |s| of the canonical form is at most the hull's and the
      // error e; e = 2 u (hull + e) / (1 - a), solved for e. The states inside of a step, a s, are no larger than those
      // before it.
      if (boxed_[i]) continue;
      const double room = 1.0 - slowest_[i] * (1.0 + slack);
      const double added = 2.0 * fp32_unit * 1.01;
      if (!(room > 8.0 * added)) return false;
      errors_[i] = (added * farthest_[i] + fp32_least) / (room - added) * (1.0 + slack);
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
          const double a = std::abs(decay(step(c, r), j, readers_[r].first));
          if (!(joint_ ? grown(a) < 1.0 : 1.0 - a > least_room)) {
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
  /// A decay by which errors decay too, of decays below 1.
  static double grown(double decay) { return decay * (1.0 + 2.1 * fp32_unit) * (1.0 + slack); }

  Rounding rounding_by_entry(std::size_t reader, const Behind& word) const {
    const HeadStep& s = step(word.contexts.back(), reader);
    double sum = 0.0;
    const double added = 2.0 * fp32_unit * 1.01;
    const double terms = static_cast<double>(size_) * fp32_unit * 1.01;
    for (std::size_t j = 0; j < size_; ++j) {
      const std::size_t at = reader * size_ + j;
      const double most = farthest_[at] + errors_[at];
      if (!boxed(reader, j)) {
        sum += std::abs(word.functional[j]) * errors_[at] + word.noise[j] * (added * most + fp32_least);
      }
      sum += std::abs(static_cast<double>(s.query[j])) * terms * most;
    }
    return {{sum * (1.0 + 0x1p-30) + static_cast<double>(size_) * fp32_least}, {0.0}, {0.0}};
  }

  Rounding rounding_by_age(std::size_t reader, const Behind& word) const {
    const double unit = 1.02 * fp32_unit;
    // Of what was added n tokens before the word: 2 u (n + 1 + the word's tokens) + key_size u.
    const double by_age = 2.0 * unit;
    const double by_word = 2.0 * unit * static_cast<double>(word.contexts.size()) + static_cast<double>(size_) * unit;
    std::vector<double> most(generators_, 0.0);
    for (std::uint32_t c = 0; c < generators_; ++c) {
      for (std::size_t j = 0; j < size_; ++j) most[c] = std::max(most[c], std::abs(write(c, reader, j)));
    }
    double least = static_cast<double>(size_) * fp32_least;
    for (std::size_t j = 0; j < size_; ++j) {
      const double room = 1.0 - grown(slowest_[reader * size_ + j]);
      least += (std::abs(word.functional[j]) / room + word.noise[j]) * fp32_least;
    }
    Rounding result{std::vector<double>(readers_[reader].count, least), {}, {}};
    for (std::uint32_t b = 0; b < generators_; ++b) {
      // What is left beside a share of t, of either sign.
      const auto left = [&](double share) {
        double sum = 0.0;
        for (std::size_t j = 0; j < size_; ++j) {
          const double w = word.functional[j] * write(b, reader, j);
          if (w == 0.0) continue;
          const double x = grown(slowest_[reader * size_ + j]);
          const double offset = by_word + by_age - (w > 0.0 ? share : -share);
          double n = 0.0;
          if (offset < 0.0) n = std::ceil(-offset / by_age);
          const double room = 1.0 - x;
          const double first = std::max(by_age * n + offset, 0.0);
          sum += std::abs(w) * std::pow(x, n) * (first / room + by_age * x / (room * room));
        }
        return sum * (1.0 + 0x1p-20);
      };
      double share = 0.0;
      double rest = left(0.0);
      double cost = rest;
      for (double tried = 0x1p-24; tried <= 0x1p-4; tried *= 2.0) {
        for (const double signed_share : {tried, -tried}) {
          const double sum = left(signed_share);
          const double own = word.parts[b];
          const double costs = std::max(sum - signed_share * own, 0.0) + tried * (std::abs(own) + most[b]);
          if (costs < cost) {
            cost = costs;
            rest = sum;
            share = signed_share;
          }
        }
      }
      result.shares.push_back(share);
      result.rests.push_back(rest + (by_word + by_age) * word.sizes[b] * (1.0 + slack));
    }
    return result;
  }

  /// Of the contexts that follow a situation.
  std::vector<std::uint32_t> contexts_of_words() const {
    std::vector<std::uint32_t> used;
    for (std::uint32_t s = 0; s < system_.situations().size(); ++s) {
      for (Symbol x = 0; x < system_.symbols(); ++x) used.push_back(system_.context(s, x));
    }
    std::ranges::sort(used);
    const auto rest = std::ranges::unique(used);
    used.erase(rest.begin(), rest.end());
    return used;
  }
  /// Adds the reader's entries as they count towards direction . t, t of the reader.
  void append(std::size_t reader, const double* direction, LookBack::Entries& entries) const {
    const std::vector<std::uint32_t> contexts = contexts_of_words();
    entries.writes.resize(contexts.size());
    for (std::size_t i = 0; i < contexts.size(); ++i) {
      for (std::size_t j = 0; j < size_; ++j) {
        entries.writes[i].push_back(direction[contexts[i]] * write(contexts[i], reader, j));
      }
    }
    const auto first = system_.first_context();
    for (std::size_t j = 0; j < size_; ++j) {
      entries.first.push_back(first ? direction[*first] * write(*first, reader, j) : 0.0);
    }
    std::vector<double> turned(direction, direction + generators_);
    for (std::vector<double>* to : {&entries.up, &entries.down}) {
      std::vector<Fan::Part> parts;
      combinations_.decompose(turned.data(), parts);
      for (std::size_t j = 0; j < size_; ++j) {
        double sum = 0.0;
        for (const Fan::Part& part : parts) {
          sum += part.weight * widest_[(reader * size_ + j) * combinations_.size() + part.direction];
        }
        to->push_back(sum);
      }
      for (double& x : turned) x = -x;
    }
  }
  void make_look_backs() {
    const std::size_t directions = combinations_.size();
    widest_.assign(pitch(), -std::numeric_limits<double>::infinity());
    for (std::size_t s = 0; s < system_.situations().size(); ++s) {
      for (std::size_t i = 0; i < pitch(); ++i) widest_[i] = std::max(widest_[i], tables_.supports[s * pitch() + i]);
    }
    look_backs_.clear();
    along_.clear();
    std::vector<std::vector<double>> all(contexts_of_words().size());
    for (std::size_t r = 0; r < readers_.size(); ++r) {
      std::vector<std::vector<double>> decays;
      for (const std::uint32_t c : contexts_of_words()) {
        std::vector<double>& own = decays.emplace_back();
        for (std::size_t j = 0; j < size_; ++j) own.push_back(decay(step(c, r), j, readers_[r].first));
        std::vector<double>& to = all[decays.size() - 1];
        to.insert(to.end(), own.begin(), own.end());
      }
      look_backs_.emplace_back(std::move(decays));
      for (std::size_t u = 0; u < directions; ++u) append(r, combinations_.direction(u), along_.emplace_back());
    }
    if (all.front().size() < most_entries) over_readers_.emplace(std::move(all));
  }

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
  /// By reader and entry: the farthest that a hull or box goes, the largest decay, and of entries of their own how far
  /// rounding goes.
  std::vector<double> farthest_;
  std::vector<double> slowest_;
  std::vector<double> errors_;
  /// Of joint entries: by reader and entry, for every combination, the farthest of all situations.
  std::vector<double> widest_;
  /// By reader, and of all readers together.
  std::vector<LookBack> look_backs_;
  std::optional<LookBack> over_readers_;
  /// By reader and combination.
  std::vector<LookBack::Entries> along_;
};

}  // namespace

std::unique_ptr<Enclosing> make_hulls(const System& system) {
  const LinearRecurrence::Decay decay = system.recurrence().decay;
  const bool by_column = decay == LinearRecurrence::Decay::rate || decay == LinearRecurrence::Decay::element;
  const bool alternates = std::ranges::any_of(system.contexts(), [](const Context& context) {
    return std::ranges::any_of(context.heads, [](const HeadStep& step) {
      return std::ranges::any_of(step.decay, [](float a) { return a < 0.0F; });
    });
  });
  return std::make_unique<Hulls>(system, !by_column && !alternates && system.contexts().size() <= most_joint_contexts);
}

}  // namespace krohn::sets
