// Fans: the delta rule behind a scalar gate, S' = a (S - beta k (k^T S)) + beta k v^T. With contexts b, S = sum over b
// of y_b v_b^T, where y_b' = A_c y_b + [b = c] beta_c k_c, A_c = a_c (I - beta_c k_c k_c^T): all y_b lie in the span of
// the keys, whatever the key size. A functional p on it is its values pi_j = p . k_j on the keys, and one step back is
//     pi'_j = a_c (pi_j - beta_c pi_c G_cj),    its own part beta_c pi_c,    G_ij = k_i . k_j.
// A situation's set is known by h[u, d] >= sum over b of u_b (d . y_b), for the directions d of a fan in these values
// and u of one of combinations. A_c^T d is a combination of neighbouring directions with weights l >= 0, hence
//     h'[u, d] >= u_c beta_c d_c + sum of l h[u, d'],
// which is closed in directions with d_c = 0 where a_c = 1: they are kept exactly.
//
// Without a gate nothing is forgotten, closed sets also hold the states of words that are far too long, and often there
// are none. There the tables are those after N tokens: by N steps from the first state, up to most_steps, which are
// cheap enough to be taken again by whoever checks; beyond, h_N[u, d] = h[u, d] + N r e[d], with the sets e of errors
// (below), for which e[d] >= |beta_c d_c| + sum of l e[d']. If the step makes of h at most h + r e, it makes of h + t r
// e at most h + (t + 1) r e, for every t: the rate r is all that has to be checked, once. h is found by the step itself
// from the first state, so often that N r e no longer counts, or as often as twice the length asked for.
//
// Rounding. t = fl(a s); the sum of k_j t_j has key_size roundings, the difference and the product with beta one each:
//     change = beta (v - k . a s) + dc,  |dc| <= beta ((key_size + 4) u |k| R + 2 u |v|),  R >= |s| of the column,
// which moves s along k, as a change of v does: errors of that kind stay within the sets e of y' = A_c y + [-1, 1]
// beta_c k_c, times the largest (key_size + 4) u |k| R + 2 u |v|. Beside it every entry is rounded once in the last fma
// and, where there is a gate, once in t, which the same token stretches by |I - beta k k^T|: a vector of norm at most
// (1 or 2) u R in any direction, which A_c shrinks by its norm rho: (1 or 2) u R / (1 - rho) for ever, (1 or 2) u R N
// max(1, rho)^N after N tokens. R is what the exact sets give plus both errors. Behind a word the query sees all that
// through the word's tokens: errors from before by the functional that is left, along its part in the keys' span and,
// in any direction, by its norm, to which the part of the query across the span adds, times the word's gates; of each
// token what it adds by the functional behind it, where R is what the tokens so far have left of it. The answer has
// another key_size u |q| R.
//
// Where little is forgotten, the roundings of entries far back are what counts. Each is taken by its entries, at most
// half a unit in the last place of the largest that a state has there, and through the words since, as far_back.hpp
// says, where that is less: the largest is the exact sets' and |s| - |exact s|, which bounds the errors. Tested by
// tests/verify/sets_test.cpp.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "krohn/error.hpp"
#include "sets/enclosing.hpp"
#include "sets/far_back.hpp"

namespace krohn::sets {
namespace {

constexpr std::size_t most_keys = 4;
constexpr double none = -std::numeric_limits<double>::infinity();
/// Of an iteration that ends by itself or not at all.
constexpr std::size_t most_rounds = 20000;
/// So many tokens' tables are found again by checkers.
constexpr std::uint64_t most_steps = 4096;
/// Below it, roundings add up to a bound for all lengths.
constexpr double forgetting = 1.0 - 0x1p-30;

/// Parts of [0, 1] on an axis.
std::size_t parts_of(std::size_t keys) { return keys <= 2 ? 48 : keys == 3 ? 8 : 4; }

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

class Fans final : public Enclosing {
 public:
  explicit Fans(const System& system)
      : Enclosing(system, system.contexts().size(), system.contexts().size(),
                  Fan(system.contexts().size(),
                      system.contexts().size() == 2 ? Fan::even_places(3) : std::vector<double>())) {
    const std::size_t columns = system.recurrence().value_size;
    for (std::size_t h = 0; h < system.heads(); ++h) readers_.push_back({h, 0, columns});
    for (std::size_t h = 0; h < system.heads(); ++h) {
      Head& head = heads_.emplace_back();
      head.products.resize(size_ * size_);
      for (std::size_t i = 0; i < size_; ++i) {
        for (std::size_t j = 0; j < size_; ++j) head.products[i * size_ + j] = dot(key(i, h), key(j, h));
        head.longest = std::max(head.longest, std::sqrt(head.products[i * size_ + i]) * (1.0 + slack));
      }
      for (std::uint32_t c = 0; c < size_; ++c) head.gated = head.gated || gate(c, h) != 1.0;
      for (std::uint32_t c = 0; c < size_; ++c) head.stretch = std::max(head.stretch, stretch_by(c, h));
      head.has_frame = make_frame(head);
      if (head.has_frame && head.stretch == 1.0) {
        std::vector<std::vector<float>> keys;
        std::vector<double> strengths;
        std::vector<double> gates;
        for (std::size_t c = 0; c < size_; ++c) {
          keys.push_back(key(c, h));
          strengths.push_back(strength(c, h));
          gates.push_back(gate(c, h));
        }
        head.far_back.emplace(std::move(keys), std::move(strengths), std::move(gates));
      }
      const std::vector<double> places = size_ == 1 ? std::vector<double>() : places_of(head);
      tables_.grids.insert(tables_.grids.end(), places.begin(), places.end());
    }
    place_directions();
    tables_.supports.assign(system.situations().size() * pitch(), none);
    tables_.errors.assign(system.heads() * num_directions(), 0.0);
    for (std::size_t h = 0; h < system.heads(); ++h) forgets_ = forgets_ && !(retained(h) >= forgetting);
    if (!forgets_) tables_.rates.assign(system.heads(), 0.0);
    begin();
  }

  std::string_view name() const override { return "fans"; }
  double value(std::size_t reader, std::size_t generator, std::size_t m) const override {
    return static_cast<double>(system_.contexts()[generator].heads[reader].value[m]);
  }
  void begin(std::uint32_t context, std::size_t reader, double* functional) const override {
    for (std::size_t j = 0; j < size_; ++j) {
      functional[j] = dot(system_.contexts()[context].heads[reader].query, key(j, reader));
    }
  }
  void back(std::uint32_t context, std::size_t reader, double* functional, double* t, double* sizes) const override {
    const double own = step_back(context, reader, functional);
    t[context] += own;
    sizes[context] += std::abs(own);
  }
  void supports(std::uint32_t situation, std::size_t reader, const double* functional, double* out) const override {
    const Decomposed parts = decomposed(reader, functional);
    for (std::size_t u = 0; u < combinations_.size(); ++u) {
      out[u] = far(supports_.data() + table(situation, reader, u), parts, set_tops_[reader]);
    }
  }
  double loss(std::size_t reader, const Behind& word) const override {
    // A functional of entries of at most 1 is a combination of unit vectors; what a token adds is at most beta. Doubles
    // lose 2^-50 of a functional's entries a token, times how far errors on the keys' values go while norms do not
    // grow, which is at most 2^10 where the keys' Gram matrix has pivots of at least 2^-20.
    constexpr double drift = 0x1p-38;
    const double reach = static_cast<double>(size_) * (set_tops_[reader] + 3.0);
    return drift * static_cast<double>(word.contexts.size() + 1) * word.largest * reach;
  }

  Rounding rounding(std::size_t reader, const Behind& word) const override {
    const Head& head = heads_[reader];
    const std::size_t columns = readers_[reader].count;
    const std::vector<float>& query = system_.contexts()[word.contexts.back()].heads[reader].query;
    const double terms = static_cast<double>(query.size());
    const double unit = fp32_unit * 1.01;
    // Backwards, from the query: behind every token the functional on the state there, its part across the keys' span,
    // and what the token's change adds.
    std::array<double, most_keys> functional{};
    begin(word.contexts.back(), reader, functional.data());
    const double inside = norm_of(head, functional.data());
    const double whole = std::sqrt(dot(query, query)) * (1.0 + slack);
    double across = std::sqrt(std::max(whole * whole - inside * inside, 0.0) + 0x1p-30 * whole * whole);
    std::vector<double> entries(query.begin(), query.end());
    double most = whole;
    const auto norm = [&] {
      return std::min(std::hypot(norm_of(head, functional.data()), across) * (1.0 + 0x1p-18), most);
    };
    std::vector<double> seen;
    std::vector<double> own;
    for (std::size_t i = word.contexts.size(); i-- > 0;) {
      const std::uint32_t c = word.contexts[i];
      seen.push_back(norm());
      own.push_back(std::abs(step_back(c, reader, functional.data())));
      if (head.far_back) head.far_back->back(c, entries);
      across *= gate(c, reader);
      most *= std::max(1.0, retained_by(c, reader) * (1.0 + slack));
    }
    const double before = norm();
    const double along =
        far(errors_.data() + reader * num_directions(), decomposed(reader, functional.data()), error_tops_[reader]);
    Rounding result{{}, std::vector<double>(generators_, 0.0), std::vector<double>(generators_, 0.0)};
    std::vector<FarBack::Functional> corners;
    if (head.far_back) corners = head.far_back->corners(std::move(entries));
    for (std::size_t m = 0; m < columns; ++m) {
      const Column& column = columns_[reader * columns + m];
      double any = column.any * before;
      if (head.far_back) {
        // The doubles of p, seen twice, are off by less than 2^-28 of the query's norm, behind 2^12 tokens of keys of
        // 2^9 entries.
        const double seen_at_most = head.far_back->most(corners, column.halves) + 0x1p-27 * whole * column.halves_norm;
        any = std::min(any, column.tokens * seen_at_most * (1.0 + slack));
      }
      double sum = column.along * along + any;
      // Forwards: how long the column is.
      double largest = column.largest;
      for (std::size_t i = 0; i < word.contexts.size(); ++i) {
        const std::uint32_t c = word.contexts[i];
        const double changed = strength(c, reader) * std::abs(value(reader, c, m));
        const std::size_t back = word.contexts.size() - 1 - i;
        sum += own[back] * ((terms + 4.0) * unit * head.longest * largest + 2.0 * unit * std::abs(value(reader, c, m)) +
                            fp32_least);
        // Of the change's rounding, beta |k|^2 (terms + 4) u of the decayed state, and the last roundings.
        const double more = 1.0 + (2.1 * (terms + 4.0) + 4.0) * unit;
        const double grown = (retained_by(c, reader) * largest + changed * head.longest) * more + terms * fp32_least;
        // Rounded once, and with a gate before that too.
        const double rounded = (head.gated ? head.stretch * largest : 0.0) + grown;
        sum += seen[back] * (unit * rounded + terms * fp32_least);
        largest = std::min(column.largest, grown);
      }
      result.numbers.push_back((sum + whole * terms * unit * largest) * (1.0 + slack) + terms * fp32_least);
    }
    return result;
  }

  bool bound_rounding(std::optional<std::uint64_t> length) override {
    const std::size_t count = readers_.front().count;
    columns_.assign(readers_.size() * count, {});
    set_tops_.clear();
    error_tops_.clear();
    if (!forgets_ && !length) return false;
    supports_ = stepped() ? walk_.supports : tables_.supports;
    errors_ = stepped() ? walk_.errors : tables_.errors;
    if (stepped() && walk_.steps != length) throw InternalError("sets: tables of another length");
    for (std::size_t h = 0; h < readers_.size() && !forgets_ && !stepped(); ++h) {
      for (std::size_t i = 0; i < system_.situations().size() * combinations_.size() * num_directions(); ++i) {
        const std::size_t d = i % num_directions();
        const std::size_t u = i / num_directions() % combinations_.size();
        double& x = supports_[table(i / num_directions() / combinations_.size(), h, u) + d];
        const double grown = static_cast<double>(*length) * tables_.rates[h] * errors_[h * num_directions() + d];
        x += grown + slack * (std::abs(x) + grown);
      }
    }
    for (std::size_t h = 0; h < readers_.size(); ++h) {
      set_tops_.push_back(set_top(h, supports_));
      error_tops_.push_back(largest(errors_.data() + h * num_directions(), num_directions()));
    }
    const auto terms = static_cast<double>(system_.recurrence().key_size);
    std::vector<double> u(generators_);
    std::vector<Fan::Part> parts;
    for (std::size_t h = 0; h < readers_.size(); ++h) {
      const Head& head = heads_[h];
      if (!head.has_frame) return false;
      const double rho = retained(h);
      // What one rounding a token adds up to.
      double total = 0.0;
      if (rho < forgetting) {
        total = 1.0 / (1.0 - rho);
      } else if (length) {
        const double n = static_cast<double>(*length) + 1.0;
        total = n * std::exp(n * (rho > 1.0 ? rho - 1.0 : 0.0)) * (1.0 + slack);
      } else {
        return false;
      }
      const double roundings = head.gated ? 1.0 + head.stretch : 1.0;
      double error_norm = 0.0;
      for (std::size_t i = 0; i < size_; ++i) {
        const double f =
            far(errors_.data() + h * num_directions(), decomposed(h, head.frame.data() + i * size_), error_tops_[h]);
        error_norm += f * f;
      }
      error_norm = std::sqrt(error_norm) * (1.0 + 0x1p-20);
      for (std::size_t m = 0; m < count; ++m) {
        double exact = 0.0;
        double values = 0.0;
        for (std::size_t b = 0; b < generators_; ++b) {
          u[b] = value(h, b, m);
          values = std::max(values, std::abs(u[b]));
        }
        combinations_.decompose(u.data(), parts);
        for (std::uint32_t s = 0; s < system_.situations().size(); ++s) {
          double square = 0.0;
          for (std::size_t i = 0; i < size_; ++i) {
            double most = 0.0;
            for (const double sign : {1.0, -1.0}) {
              std::array<double, most_keys> functional{};
              for (std::size_t j = 0; j < size_; ++j) functional[j] = sign * head.frame[i * size_ + j];
              most = std::max(most, far_of(s, h, parts, decomposed(h, functional.data())));
            }
            square += most * most;
          }
          exact = std::max(exact, std::sqrt(square) * (1.0 + 0x1p-20));
        }
        // R = exact + along error_norm + any, along = (terms + 4) u |k| R + 2 u |v|, any = roundings u R total.
        const double unit = fp32_unit * 1.01;
        const double by_along = (terms + 4.0) * unit * head.longest;
        const double feedback = by_along * error_norm + roundings * unit * total;
        if (!(feedback < 0.5)) return false;
        const double largest =
            (exact + 2.0 * unit * values * error_norm + terms * fp32_least * total) / (1.0 - feedback) * (1.0 + slack);
        Column& column = columns_[h * count + m];
        column.along = (by_along * largest + 2.0 * unit * values + fp32_least) * (1.0 + slack);
        column.any = (roundings * unit * largest + terms * fp32_least) * total * (1.0 + slack);
        column.largest = largest;
        if (head.far_back) bound_entries(h, parts, largest - exact, total, column);
      }
    }
    return true;
  }

  std::optional<std::string> close(const Budget& budget) override {
    for (std::size_t h = 0; h < readers_.size(); ++h) {
      if (!heads_[h].has_frame) return "the keys of head " + std::to_string(h) + " are nearly dependent";
    }
    begin();
    if (!forgets_) {
      leave_to_walk();
      return std::nullopt;
    }
    if (auto obstacle = close_errors(budget)) return obstacle;
    tables_.supports = walk_.supports;
    for (std::size_t h = 0; h < readers_.size(); ++h) {
      const std::vector<double> norms = norms_of(heads_[h]);
      Growth growth;
      while (true) {
        const double top = set_top(h, tables_.supports);
        if (growth.rounds == most_rounds || !(top < 1e6) || over(budget)) {
          return (over(budget) ? "in the time given, the sets of head " : "the sets of head ") + std::to_string(h) +
                 " do not close";
        }
        growth.begin_round();
        each_step(h, tables_.supports, [&](const double* from, std::size_t to, std::uint32_t c, std::size_t u) {
          for (std::size_t d = 0; d < num_directions(); ++d) {
            const double needed = set_step(h, c, u, d, from, top);
            double& x = tables_.supports[to + d];
            if (needed > x) x = growth.raised(needed, top * norms[d]);
          }
        });
        if (!growth.grew) break;
      }
    }
    return closed(std::nullopt) ? std::nullopt : std::optional<std::string>("the sets do not close");
  }

  std::optional<std::string> close_up_to(std::uint64_t length, const Budget& budget) override {
    constexpr std::uint64_t between_looks = 8;
    if (length <= most_steps) {
      // A checker takes the steps again.
      leave_to_walk();
      while (walk_.steps < length) {
        if (over(budget)) return "in the time given, the sets do not reach so far";
        step();
      }
      return std::nullopt;
    }
    tables_.rates.assign(system_.heads(), 0.0);
    if (tables_.errors.empty()) {
      tables_.errors.assign(system_.heads() * num_directions(), 0.0);
      if (auto obstacle = close_errors(budget)) return obstacle;
    }
    while (true) {
      const bool enough = walk_.steps >= 2 * length;
      if (enough || walk_.steps % between_looks == 0) {
        tables_.supports = walk_.supports;
        double most = 0.0;
        for (std::size_t h = 0; h < readers_.size(); ++h) {
          find_rate(h, length);
          const double* errors = tables_.errors.data() + h * num_directions();
          most = std::max(most, static_cast<double>(length) * tables_.rates[h] * largest(errors, num_directions()) /
                                    set_top(h, tables_.supports));
        }
        if (enough || most <= 1e-4) break;
      }
      if (over(budget)) return "in the time given, the sets do not reach so far";
      step();
    }
    return closed(length) ? std::nullopt : std::optional<std::string>("the sets grow too fast");
  }

  void keep() override {
    kept_tables_ = tables_;
    kept_walk_ = walk_;
  }
  void go_back() override {
    tables_ = kept_tables_;
    walk_ = kept_walk_;
  }

  bool closed(std::optional<std::uint64_t> length) override {
    if (!forgets_ && !length) return false;
    if (stepped()) {
      if (forgets_ || *length > most_steps) return false;
      begin();
      while (walk_.steps < *length) step();
      return std::ranges::all_of(walk_.supports, [](double x) { return std::abs(x) < 1e7; }) &&
             std::ranges::all_of(walk_.errors, [](double x) { return x < 1e7; });
    }
    for (const double x : tables_.rates) {
      if (!(x >= 0.0 && x < 1.0)) return false;
    }
    for (const double x : tables_.errors) {
      if (!(x >= 0.0 && x < 1e7)) return false;
    }
    for (const double x : tables_.supports) {
      if (!(std::abs(x) < 1e7)) return false;
    }
    bool holds = true;
    for (std::size_t h = 0; h < readers_.size(); ++h) {
      const double* errors = tables_.errors.data() + h * num_directions();
      const double error_top = largest(errors, num_directions());
      for (std::uint32_t c = 0; c < size_; ++c) {
        for (std::size_t d = 0; d < num_directions(); ++d) {
          holds = holds && error_step(h, c, d, errors, error_top) <= errors[d];
        }
      }
      const double rate = forgets_ ? 0.0 : tables_.rates[h];
      const double top = last_top(h, length);
      std::vector<double> first(tables_.supports.size(), none);
      begin_tables(h, first, slack);
      for (std::size_t i = 0; i < combinations_.size() * num_directions(); ++i) {
        holds = holds && first[table(0, h, 0) + i] <= tables_.supports[table(0, h, 0) + i];
      }
      each_step(h, tables_.supports, [&](const double* from, std::size_t to, std::uint32_t c, std::size_t u) {
        for (std::size_t d = 0; d < num_directions(); ++d) {
          const double most = tables_.supports[to + d];
          const double grown = rate * errors[d];
          const double room = forgets_ ? 0.0 : grown - slack * (std::abs(most) + grown);
          holds = holds && set_step(h, c, u, d, from, top) <= most + room;
        }
      });
    }
    return holds;
  }

 private:
  /// A direction one token back.
  struct Step {
    double own = 0.0;
    bool exact = false;
    std::size_t count = 0;
    std::array<Fan::Part, most_keys> parts{};
  };
  struct Head {
    /// G
    std::vector<double> products;
    double longest = 0.0;
    /// Some gate is not 1.
    bool gated = false;
    /// |I - beta k k^T| of all tokens, and at least 1.
    double stretch = 1.0;
    /// Where no token stretches.
    std::optional<FarBack> far_back;
    /// By context and direction.
    std::vector<std::vector<Step>> steps;
    /// The values on the keys of an orthonormal basis of their span.
    std::vector<double> frame;
    bool has_frame = false;
    std::optional<Fan> directions;
  };
  /// The tables after so many tokens, from the first state; what no word leads to is at -infinity.
  struct Walk {
    std::uint64_t steps = 0;
    std::vector<double> supports;
    std::vector<double> errors;
  };
  struct Column {
    double along = 0.0;
    double any = 0.0;
    double largest = 0.0;
    /// Where there is a far_back: how many tokens there are, all forgotten by what follows them, and of every entry
    /// half a unit in its last place.
    double tokens = 0.0;
    std::vector<double> halves;
    double halves_norm = 0.0;
  };

  /// Entries that must grow, from round to round.
  struct Growth {
    std::size_t rounds = 0;
    bool grew = false;

    void begin_round() {
      grew = false;
      ++rounds;
    }
    double raised(double needed, double size) {
      grew = true;
      return needed + (rounds > 128 ? 1e-7 * size : 0.0);
    }
  };
  /// |p| of the functionals with the directions' values on the keys: with K = L Q, of L^-1 d.
  std::vector<double> norms_of(const Head& head) const {
    std::vector<double> norms;
    for (std::size_t d = 0; d < num_directions(); ++d) norms.push_back(norm_of(head, head.directions->direction(d)));
    return norms;
  }
  static double largest(const double* from, std::size_t count) {
    double most = 0.0;
    for (std::size_t i = 0; i < count; ++i) {
      if (from[i] != none) most = std::max(most, std::abs(from[i]));
    }
    return most;
  }
  std::size_t num_directions() const { return heads_.front().directions->size(); }

  /// Dense where the directions of functionals on the keys' span are, on a circle, when keys are nearly parallel: a
  /// direction (1, y) of the first two is at the angle arctan((y - g) / s), g = G12 / |k1|^2, s = |k2'| / |k1|, k2'
  /// what k2 has across k1. A third of the places is spread evenly.
  std::vector<double> places_of(const Head& head) const {
    const std::size_t parts = parts_of(size_);
    if (size_ != 2 || !head.has_frame) return Fan::even_places(parts);
    const double g = std::abs(head.products[1]) / head.products[0];
    const double s = head.frame[3] / head.frame[0];
    const double low = std::atan(-g / s);
    const double all = std::atan((1.0 - g) / s) - low;
    std::vector<double> places = {0.0};
    for (std::size_t i = 1; i < parts; ++i) {
      double a = 0.0;
      double b = 1.0;
      for (int halving = 0; halving < 50; ++halving) {
        const double y = 0.5 * (a + b);
        const double part = y / 3.0 + 2.0 / 3.0 * (std::atan((y - g) / s) - low) / all;
        (part < static_cast<double>(i) / static_cast<double>(parts) ? a : b) = y;
      }
      if (b > places.back() + 0x1p-18 && b < 1.0 - 0x1p-18) places.push_back(b);
    }
    places.push_back(1.0);
    return places.size() == parts + 1 ? places : Fan::even_places(parts);
  }

  /// Without a gate tables may be left to the walk.
  bool fits(const Tables& tables) const override {
    const bool none_listed = tables.supports.empty() && tables.errors.empty() && tables.rates.empty();
    return tables.grids.size() == tables_.grids.size() &&
           ((none_listed && !forgets_) || (tables.supports.size() == system_.situations().size() * pitch() &&
                                           tables.errors.size() == system_.heads() * num_directions() &&
                                           tables.rates.size() == (forgets_ ? 0 : system_.heads())));
  }

  bool place_directions() override {
    const std::size_t count = size_ == 1 ? 0 : parts_of(size_) + 1;
    std::vector<Fan::Part> parts;
    for (std::size_t h = 0; h < system_.heads(); ++h) {
      Head& head = heads_[h];
      const auto begin = tables_.grids.begin() + static_cast<std::ptrdiff_t>(h * count);
      const std::vector<double> places(begin, begin + static_cast<std::ptrdiff_t>(count));
      if (count > 0 && (places.front() != 0.0 || places.back() != 1.0)) return false;
      for (std::size_t i = 1; i < count; ++i) {
        // Far enough apart for quotients by their differences.
        if (!(places[i] > places[i - 1] + 0x1p-20)) return false;
      }
      head.directions.emplace(size_, places);
      head.steps.assign(size_, {});
      for (std::uint32_t c = 0; c < size_; ++c) {
        std::array<double, most_keys> functional{};
        for (std::size_t d = 0; d < head.directions->size(); ++d) {
          std::copy_n(head.directions->direction(d), size_, functional.begin());
          Step step;
          step.own = step_back(c, h, functional.data());
          step.exact = gate(c, h) == 1.0 && step.own == 0.0;
          if (step.exact) {
            // The functional is the direction itself.
            step.parts[step.count++] = {static_cast<std::uint32_t>(d), 1.0};
          } else {
            head.directions->decompose(functional.data(), parts);
            for (const Fan::Part& part : parts) step.parts[step.count++] = part;
          }
          head.steps[c].push_back(step);
        }
      }
    }
    return true;
  }

  static bool over(const Budget& budget) { return budget.interrupted() || budget.out_of_time(); }
  /// The tables are those of the walk, which are not listed.
  bool stepped() const { return tables_.supports.empty(); }
  void leave_to_walk() {
    tables_.supports.clear();
    tables_.errors.clear();
    tables_.rates.clear();
  }

  void begin() {
    walk_ = {0, std::vector<double>(system_.situations().size() * pitch(), none),
             std::vector<double>(system_.heads() * num_directions(), 0.0)};
    for (std::size_t h = 0; h < readers_.size(); ++h) begin_tables(h, walk_.supports, 0.0);
  }
  /// Words may be one symbol longer.
  void step() {
    const Walk before = walk_;
    for (std::size_t h = 0; h < readers_.size(); ++h) {
      const std::size_t first = h * num_directions();
      const double error_top = largest(before.errors.data() + first, num_directions());
      for (std::uint32_t c = 0; c < size_; ++c) {
        for (std::size_t d = 0; d < num_directions(); ++d) {
          double& x = walk_.errors[first + d];
          x = std::max(x, error_step(h, c, d, before.errors.data() + first, error_top));
        }
      }
      const double top = set_top(h, before.supports);
      each_step(h, before.supports, [&](const double* from, std::size_t to, std::uint32_t c, std::size_t u) {
        for (std::size_t d = 0; d < num_directions(); ++d) {
          double& x = walk_.supports[to + d];
          x = std::max(x, set_step(h, c, u, d, from, top));
        }
      });
    }
    ++walk_.steps;
  }

  /// From nothing upwards. After a while entries that must grow are raised by a little more, in proportion to the norm
  /// of their direction, which no token makes longer.
  std::optional<std::string> close_errors(const Budget& budget) {
    for (std::size_t h = 0; h < readers_.size(); ++h) {
      const std::vector<double> norms = norms_of(heads_[h]);
      double* errors = tables_.errors.data() + h * num_directions();
      std::fill_n(errors, num_directions(), 0.0);
      Growth growth;
      while (true) {
        const double top = largest(errors, num_directions());
        if (growth.rounds == most_rounds || !(top < 1e6) || over(budget)) {
          return (over(budget) ? "in the time given, the errors of head " : "the errors of head ") + std::to_string(h) +
                 " do not stay bounded";
        }
        growth.begin_round();
        for (std::uint32_t c = 0; c < size_; ++c) {
          for (std::size_t d = 0; d < num_directions(); ++d) {
            const double needed = error_step(h, c, d, errors, top);
            if (needed > errors[d]) errors[d] = growth.raised(needed, top * norms[d]);
          }
        }
        if (!growth.grew) break;
      }
    }
    return std::nullopt;
  }

  /// At most this of the norm of what was before the last token is left of it, rounding excluded.
  double retained(std::size_t h) const {
    double rho = 0.0;
    for (std::uint32_t c = 0; c < size_; ++c) rho = std::max(rho, retained_by(c, h));
    return rho * (1.0 + (heads_[h].gated ? slack : 0.0));
  }
  /// The same of one token, but for the rounding of doubles.
  double retained_by(std::uint32_t c, std::size_t h) const { return gate(c, h) * stretch_by(c, h); }
  double stretch_by(std::uint32_t c, std::size_t h) const {
    return std::max(1.0, std::abs(1.0 - strength(c, h) * heads_[h].products[c * size_ + c]) + slack);
  }
  /// Of the functional on the keys' span with such values on the keys, right to 2^-20.
  double norm_of(const Head& head, const double* values) const {
    double square = 0.0;
    std::array<double, most_keys> x{};
    for (std::size_t i = 0; i < size_; ++i) {
      double sum = values[i];
      for (std::size_t k = 0; k < i; ++k) sum -= head.frame[k * size_ + i] * x[k];
      x[i] = sum / head.frame[i * size_ + i];
      square += x[i] * x[i];
    }
    return std::sqrt(square);
  }

  /// `parts` are the column's values as a combination; `error` bounds how far its states are from the exact ones.
  void bound_entries(std::size_t h, const std::vector<Fan::Part>& parts, double error, double tokens,
                     Column& column) const {
    const std::size_t entries = key(0, h).size();
    column.tokens = tokens;
    column.halves.assign(entries, 0.0);
    double square = 0.0;
    for (std::size_t i = 0; i < entries; ++i) {
      double most = 0.0;
      for (const double sign : {1.0, -1.0}) {
        std::array<double, most_keys> functional{};
        for (std::size_t j = 0; j < size_; ++j) functional[j] = sign * static_cast<double>(key(j, h)[i]);
        const Decomposed along = decomposed(h, functional.data());
        for (std::uint32_t s = 0; s < system_.situations().size(); ++s) {
          most = std::max(most, far_of(s, h, parts, along));
        }
      }
      column.halves[i] = half_unit((most + error) * (1.0 + 0x1p-20)) + fp32_least;
      square += column.halves[i] * column.halves[i];
    }
    column.halves_norm = std::sqrt(square) * (1.0 + slack);
  }
  /// Half a unit in the last place of binary32 numbers of at most this size.
  static double half_unit(double most) {
    int exponent = 0;
    std::frexp(most, &exponent);
    return std::ldexp(1.0, exponent - 25);
  }
  double set_top(std::size_t h, const std::vector<double>& supports) const {
    double top = 0.0;
    for (std::uint32_t s = 0; s < system_.situations().size(); ++s) {
      top = std::max(top, largest(supports.data() + table(s, h, 0), combinations_.size() * num_directions()));
    }
    return top;
  }
  /// After so many tokens.
  double last_top(std::size_t h, std::optional<std::uint64_t> length) const {
    double top = set_top(h, tables_.supports);
    if (!forgets_ && length) {
      top += static_cast<double>(*length) * tables_.rates[h] *
             largest(tables_.errors.data() + h * num_directions(), num_directions()) * (1.0 + slack);
    }
    return top;
  }
  /// The least rate for the tables at hand.
  void find_rate(std::size_t h, std::uint64_t length) {
    const double* errors = tables_.errors.data() + h * num_directions();
    double& rate = tables_.rates[h];
    rate = 0.0;
    // The bound of the doubles' rounding grows with what is reached in the end.
    for (int again = 0; again < 2; ++again) {
      const double top = 2.0 * last_top(h, length);
      double most = 0.0;
      each_step(h, tables_.supports, [&](const double* from, std::size_t to, std::uint32_t c, std::size_t u) {
        for (std::size_t d = 0; d < num_directions(); ++d) {
          const double x = tables_.supports[to + d];
          most = std::max(most, (set_step(h, c, u, d, from, top) - x + 4.0 * slack * std::abs(x)) / errors[d]);
        }
      });
      rate = most * (1.0 + 0x1p-20);
    }
  }
  std::size_t pitch() const { return system_.heads() * combinations_.size() * num_directions(); }
  std::size_t table(std::size_t situation, std::size_t head, std::size_t u) const {
    return situation * pitch() + (head * combinations_.size() + u) * num_directions();
  }
  const std::vector<float>& key(std::size_t context, std::size_t head) const {
    return system_.contexts()[context].heads[head].write;
  }
  double gate(std::size_t context, std::size_t head) const {
    return static_cast<double>(system_.contexts()[context].heads[head].decay.front());
  }
  double strength(std::size_t context, std::size_t head) const {
    return static_cast<double>(system_.contexts()[context].heads[head].beta);
  }

  double step_back(std::size_t c, std::size_t h, double* functional) const {
    const double own = strength(c, h) * functional[c];
    const double a = gate(c, h);
    for (std::size_t j = 0; j < size_; ++j) {
      functional[j] = a * (functional[j] - own * heads_[h].products[c * size_ + j]);
    }
    return own;
  }

  struct Decomposed {
    std::size_t count = 0;
    std::array<Fan::Part, most_keys> parts{};
    double most = 0.0;
  };
  Decomposed decomposed(std::size_t head, const double* functional) const {
    Decomposed result;
    std::vector<Fan::Part> parts;
    heads_[head].directions->decompose(functional, parts);
    for (const Fan::Part& part : parts) result.parts[result.count++] = part;
    for (std::size_t j = 0; j < size_; ++j) result.most = std::max(result.most, std::abs(functional[j]));
    return result;
  }
  /// How far a table, whose entries are at most `top`, goes along a functional. The functional and its parts are off by
  /// less than 2^-44 of its largest entry, a combination of unit vectors, which are directions.
  double far(const double* along, const Decomposed& functional, double top) const {
    double sum = 0.0;
    double size = 0.0;
    for (std::size_t i = 0; i < functional.count; ++i) {
      const double term = functional.parts[i].weight * along[functional.parts[i].direction];
      sum += term;
      size += std::abs(term);
    }
    return sum + slack * (size + functional.most * static_cast<double>(size_) * top);
  }
  /// How far the situation's set of a column goes, whose values are a combination of such parts.
  double far_of(std::uint32_t situation, std::size_t h, const std::vector<Fan::Part>& parts,
                const Decomposed& functional) const {
    double sum = 0.0;
    double size = 0.0;
    for (const Fan::Part& part : parts) {
      const double term =
          part.weight * far(supports_.data() + table(situation, h, part.direction), functional, set_tops_[h]);
      sum += term;
      size += std::abs(term);
    }
    return sum + slack * size;
  }

  /// What direction d must hold after the context's token. `top` bounds the table.
  double set_step(std::size_t h, std::uint32_t c, std::size_t u, std::size_t d, const double* from, double top) const {
    const Step& step = heads_[h].steps[c][d];
    if (step.exact) return from[d];
    const double own = combinations_.direction(u)[c] * step.own;
    double sum = own;
    double size = std::abs(own);
    for (std::size_t i = 0; i < step.count; ++i) {
      const double term = step.parts[i].weight * from[step.parts[i].direction];
      sum += term;
      size += std::abs(term);
    }
    // The functional itself is off by 2^-44 of its entries, which are at most 1 + beta |k|^2.
    return sum + slack * (size + 4.0 * static_cast<double>(size_) * top);
  }
  double error_step(std::size_t h, std::uint32_t c, std::size_t d, const double* from, double top) const {
    const Step& step = heads_[h].steps[c][d];
    if (step.exact) return from[d];
    double sum = std::abs(step.own);
    for (std::size_t i = 0; i < step.count; ++i) sum += step.parts[i].weight * from[step.parts[i].direction];
    return sum + slack * (sum + 4.0 * static_cast<double>(size_) * top);
  }

  void begin_tables(std::size_t h, std::vector<double>& to, double part) const {
    for (std::size_t u = 0; u < combinations_.size(); ++u) {
      for (std::size_t d = 0; d < num_directions(); ++d) {
        double own = 0.0;
        if (const auto first = system_.first_context()) {
          own = combinations_.direction(u)[*first] * strength(*first, h) * heads_[h].directions->direction(d)[*first];
        }
        to[table(0, h, u) + d] = own + 4.0 * slack * std::abs(own) - part * std::abs(own);
      }
    }
  }

  /// For every situation that some word of the tables `from` leads to, and every token: use(the supports before, where
  /// those after it begin, the token's context, the combination).
  template <class Use>
  void each_step(std::size_t h, const std::vector<double>& supports, const Use& use) const {
    for (std::uint32_t s = 0; s < system_.situations().size(); ++s) {
      for (Symbol x = 0; x < system_.symbols(); ++x) {
        for (std::size_t u = 0; u < combinations_.size(); ++u) {
          const double* from = supports.data() + table(s, h, u);
          if (from[0] != none) use(from, table(system_.next(s, x), h, u), system_.context(s, x), u);
        }
      }
    }
  }

  /// Cholesky: with K = L Q, Q's rows orthonormal, the values of row i of Q on the keys are column i of L. Where the
  /// pivots are at least 2^-20, L is right to 2^-30.
  bool make_frame(Head& head) const {
    std::vector<double> l(size_ * size_, 0.0);
    for (std::size_t i = 0; i < size_; ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        double sum = head.products[i * size_ + j];
        for (std::size_t k = 0; k < j; ++k) sum -= l[i * size_ + k] * l[j * size_ + k];
        if (i == j) {
          if (!(sum > 0x1p-20 * head.products[i * size_ + i])) return false;
          l[i * size_ + i] = std::sqrt(sum);
        } else {
          l[i * size_ + j] = sum / l[j * size_ + j];
        }
      }
    }
    head.frame.assign(size_ * size_, 0.0);
    for (std::size_t i = 0; i < size_; ++i) {
      for (std::size_t j = 0; j < size_; ++j) head.frame[i * size_ + j] = l[j * size_ + i];
    }
    return true;
  }

  std::vector<Head> heads_;
  /// Every head shrinks what was before, to less than `forgetting`.
  bool forgets_ = true;
  Walk walk_;
  Tables kept_tables_;
  Walk kept_walk_;
  /// As bound_rounding() was asked: after so many tokens.
  std::vector<double> supports_;
  std::vector<double> errors_;
  std::vector<Column> columns_;
  /// By head, of tables that are closed.
  std::vector<double> set_tops_;
  std::vector<double> error_tops_;
};

}  // namespace

std::unique_ptr<Enclosing> make_fans(const System& system) { return std::make_unique<Fans>(system); }

Chosen choose_family(const System& system) {
  const LinearRecurrence& recurrence = system.recurrence();
  if (system.situations().empty()) return {nullptr, "too many pairs of an automaton's state and last tokens"};
  if (recurrence.key_size >= 512) return {nullptr, "keys of 512 or more entries"};
  if (recurrence.updates.empty()) return {nullptr, "nothing is written"};
  const RankOneUpdate& update = recurrence.updates.front();
  if (!update.read.present()) return {make_hulls(system), ""};
  if (!(update.read == update.write)) return {nullptr, "the update reads along another vector than it writes"};
  if (recurrence.decay != LinearRecurrence::Decay::none && recurrence.decay != LinearRecurrence::Decay::scalar) {
    return {nullptr, "a decay by keys under the delta rule"};
  }
  if (system.contexts().size() > most_keys) {
    return {nullptr, "the delta rule has " + std::to_string(system.contexts().size()) +
                         " keys (its tokens, or with a convolution the last tokens), more than " +
                         std::to_string(most_keys)};
  }
  for (const Context& context : system.contexts()) {
    for (const HeadStep& step : context.heads) {
      double square = 0.0;
      for (const float k : step.write) square += static_cast<double>(k) * static_cast<double>(k);
      const double beta = static_cast<double>(step.beta);
      const double a = static_cast<double>(step.decay.front());
      if (!(square <= 1.01 && beta >= 0.0 && beta <= 2.01 && a >= 0.0 && a <= 1.0)) {
        return {nullptr, "a key longer than 1, a strength outside [0, 2] or a gate outside [0, 1]"};
      }
    }
  }
  return {make_fans(system), ""};
}

}  // namespace krohn::sets
