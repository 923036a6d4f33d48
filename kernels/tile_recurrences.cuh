// Recurrences of a tile's rows: a warp takes 32 columns of a head, a column a thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tile_rows.cuh"

namespace krohn::tiles {

/// A warp takes 32 columns of a head of G neighbouring rows, a column a lane. Neighbouring rows are often branches of
/// one word, whose state is then read once. With Exact key_size and value_size are D.
template <int D, int G, bool Exact, Order order>
__device__ __forceinline__ void recur(const LearnedRecurrence& r, const Tile<order>& t, const Place& at) {
  constexpr std::uint32_t pitch = Layout<order>::pitch;
  const std::uint32_t keys = Exact ? D : r.key_size;
  const std::uint32_t values = Exact ? D : r.value_size;
  const std::uint32_t blocks = (values + 31) / 32;
  const std::uint32_t heads = r.heads;
  const std::uint32_t parts = heads * blocks;
  std::uint32_t row = 0;
  for (std::uint32_t part = at.warp;; part += at.warps) {
    for (; part >= parts; part -= parts) row += G;
    if (row >= t.rows) break;
    const std::uint32_t h = blocks == 1 ? part : part / blocks;
    const std::uint32_t column = (blocks == 1 ? 0 : part % blocks * 32) + at.lane;
    const bool owned = (Exact && D % 32 == 0) || column < values;
    const auto vector = [&](const LearnedFeatures& f) {
      return t.at(f.first + (f.group == 1 ? h : h / f.group) * f.head, row);
    };
    const std::uint32_t state = r.state_group == 1 ? h : h / r.state_group;
    const std::size_t place = r.state + static_cast<std::size_t>(state) * keys * values + column;
    float S[G][D];
#pragma unroll
    for (int g = 0; g < G; ++g) {
      if (g > 0 && t.source[row + g] == t.source[row + g - 1]) {
#pragma unroll
        for (int j = 0; j < D; ++j) S[g][j] = S[g - 1][j];  // not changed before the last of them is there
        continue;
      }
      const float* from = t.carried(row + g) + place;
#pragma unroll
      for (int j = 0; j < D; ++j) S[g][j] = owned && (Exact || j < keys) ? state_number(from + j * values) : 0.0F;
    }
    const auto dot = [&](const float* x) {
      Numbers<G> sum;
#pragma unroll
      for (int g = 0; g < G; ++g) sum.v[g] = 0.0F;
#pragma unroll
      for (int j = 0; j < D; ++j) {
        if (!Exact && j >= keys) break;
        const Numbers<G> v = load_rows<G>(x + j * pitch);
#pragma unroll
        for (int g = 0; g < G; ++g) sum.v[g] = __fmaf_rn(v.v[g], S[g][j], sum.v[g]);
      }
      return sum;
    };
    Numbers<G> undecayed{};
    if (r.num_updates > 0 && r.updates[0].reads_undecayed) undecayed = dot(vector(r.updates[0].read));
    if (r.decay_kind == Decay::scalar) {
      const Numbers<G> a = load_rows<G>(vector(r.decay));
#pragma unroll
      for (int j = 0; j < D; ++j) {
#pragma unroll
        for (int g = 0; g < G; ++g) S[g][j] = a.v[g] * S[g][j];
      }
    }
    if (r.decay_kind == Decay::key) {
      const float* x = vector(r.decay);
#pragma unroll
      for (int j = 0; j < D; ++j) {
        if (!Exact && j >= keys) break;
        const Numbers<G> a = load_rows<G>(x + j * pitch);
#pragma unroll
        for (int g = 0; g < G; ++g) S[g][j] = a.v[g] * S[g][j];
      }
    }
#pragma unroll 1
    for (std::uint32_t u = 0; u < r.num_updates; ++u) {
      const LearnedRecurrence::Update& update = r.updates[u];
      Numbers<G> change{};
      if (update.value.first != LearnedFeatures::none && owned) {
        change = load_rows<G>(vector(update.value) + column * pitch);
      }
      if (update.read.first != LearnedFeatures::none) {
        const Numbers<G> sum = update.reads_undecayed ? undecayed : dot(vector(update.read));
#pragma unroll
        for (int g = 0; g < G; ++g) change.v[g] = change.v[g] - sum.v[g];
      }
      if (update.beta.first != LearnedFeatures::none) {
        const Numbers<G> beta = load_rows<G>(vector(update.beta));
#pragma unroll
        for (int g = 0; g < G; ++g) change.v[g] = beta.v[g] * change.v[g];
      }
      const float* write = vector(update.write);
#pragma unroll
      for (int j = 0; j < D; ++j) {
        if (!Exact && j >= keys) break;
        const Numbers<G> v = load_rows<G>(write + j * pitch);
#pragma unroll
        for (int g = 0; g < G; ++g) S[g][j] = __fmaf_rn(change.v[g], v.v[g], S[g][j]);
      }
    }
    const Numbers<G> answer = dot(vector(r.query));
    if (!owned) continue;
    float* out = vector(r.output) + column * pitch;
#pragma unroll
    for (int g = 0; g < G; ++g) out[g] = answer.v[g];
    if (t.state_out == nullptr || state * r.state_group != h) continue;
#pragma unroll
    for (int g = 0; g < G; ++g) {
      if (row + g >= t.rows) break;
      float* to = t.state_out + (row + g) * t.state_size + place;
#pragma unroll
      for (int j = 0; j < D; ++j) {
        if (Exact || j < keys) keep_number(to + j * values, S[g][j]);
      }
    }
  }
}

/// One or two updates of states of 32 by 32 of a head: a warp takes G neighbouring rows, a column a lane. The new
/// states exist entry by entry only, made anew for every sum. What rows begin with, `start`, gives entry j of each.
template <Order order, int G, int N, Decay decays>
class Advance {
 public:
  static constexpr int D = 32;
  static constexpr std::uint32_t pitch = Layout<order>::pitch;
  struct Changes {
    Numbers<G> v[N];
  };

  __device__ __forceinline__ Advance(const LearnedRecurrence& r, const Tile<order>& t, std::uint32_t lane,
                                     std::uint32_t h)
      : r_(r), t_(t), lane_(lane), h_(h) {
#pragma unroll
    for (int n = 0; n < N; ++n) {
      read_[n] = r.updates[n].read.first == LearnedFeatures::none ? nullptr : vector(r.updates[n].read);
      write_[n] = vector(r.updates[n].write);
    }
    query_ = vector(r.query);
    decay_ = decays == Decay::none ? nullptr : vector(r.decay);
  }

  static __device__ __forceinline__ std::uint32_t grouped(std::uint32_t h, std::uint32_t group) {
    return h >> (31 - __clz(static_cast<int>(group)));
  }

  /// What the updates write of the rows from `row` on.
  template <class Start>
  __device__ __forceinline__ Changes changes(const Start& start, std::uint32_t row) const {
    Changes change{};
    const Numbers<G> scalar = scalar_decay(row);
#pragma unroll
    for (int n = 0; n < N; ++n) {
      const LearnedRecurrence::Update& u = r_.updates[n];
      if (u.value.first != LearnedFeatures::none) {
        change.v[n] = load_rows<G>(vector(u.value) + lane_ * pitch + row);
      }
      if (read_[n] != nullptr) {
        Numbers<G> sum{};
        if (decays != Decay::none && n == 0 && u.reads_undecayed) {
#pragma unroll
          for (int j = 0; j < D; ++j) add(read_[n], row, j, start(j), sum);
        } else {
#pragma unroll
          for (int j = 0; j < D; ++j) {
            Numbers<G> entry = decayed(start(j), scalar, row, j);
#pragma unroll
            for (int m = 0; m < n; ++m) update(m, row, j, change, entry);
            add(read_[n], row, j, entry, sum);
          }
        }
#pragma unroll
        for (int g = 0; g < G; ++g) change.v[n].v[g] = change.v[n].v[g] - sum.v[g];
      }
      if (u.beta.first != LearnedFeatures::none) {
        const Numbers<G> beta = load_rows<G>(vector(u.beta) + row);
#pragma unroll
        for (int g = 0; g < G; ++g) change.v[n].v[g] = beta.v[g] * change.v[n].v[g];
      }
    }
    return change;
  }

  /// Answers the rows' queries. Calls use(j, entries) with every row's entry j; start(j) is not needed any more then.
  template <class Start, class Use>
  __device__ __forceinline__ void finish(const Start& start, std::uint32_t row, const Changes& change,
                                         const Use& use) const {
    const Numbers<G> scalar = scalar_decay(row);
    Numbers<G> answer{};
#pragma unroll
    for (int j = 0; j < D; ++j) {
      Numbers<G> entry = decayed(start(j), scalar, row, j);
#pragma unroll
      for (int n = 0; n < N; ++n) update(n, row, j, change, entry);
      add(query_, row, j, entry, answer);
      use(j, entry);
    }
    store_rows(vector(r_.output) + lane_ * pitch + row, answer);
  }

 private:
  __device__ __forceinline__ float* vector(const LearnedFeatures& f) const {
    return t_.at(f.first + grouped(h_, f.group) * f.head, 0);
  }
  __device__ __forceinline__ Numbers<G> scalar_decay(std::uint32_t row) const {
    if constexpr (decays == Decay::scalar) return load_rows<G>(decay_ + row);
    return Numbers<G>{};
  }
  __device__ __forceinline__ Numbers<G> decayed(Numbers<G> x, const Numbers<G>& scalar, std::uint32_t row,
                                                int j) const {
    if constexpr (decays == Decay::none) return x;
    const Numbers<G> decay = decays == Decay::key ? load_rows<G>(decay_ + row + j * pitch) : scalar;
#pragma unroll
    for (int g = 0; g < G; ++g) x.v[g] = decay.v[g] * x.v[g];
    return x;
  }
  __device__ __forceinline__ void add(const float* x, std::uint32_t row, int j, const Numbers<G>& entry,
                                      Numbers<G>& sum) const {
    const Numbers<G> v = load_rows<G>(x + row + j * pitch);
#pragma unroll
    for (int g = 0; g < G; ++g) sum.v[g] = __fmaf_rn(v.v[g], entry.v[g], sum.v[g]);
  }
  __device__ __forceinline__ void update(int n, std::uint32_t row, int j, const Changes& change,
                                         Numbers<G>& entry) const {
    const Numbers<G> v = load_rows<G>(write_[n] + row + j * pitch);
#pragma unroll
    for (int g = 0; g < G; ++g) entry.v[g] = __fmaf_rn(change.v[n].v[g], v.v[g], entry.v[g]);
  }

  const LearnedRecurrence& r_;
  const Tile<order>& t_;
  std::uint32_t lane_, h_;
  const float* read_[N];
  const float* write_[N];
  const float* query_;
  const float* decay_;
};

/// All heads of all rows. An entry of a state that was used for the last time makes room for the next rows', whose way
/// here is so hidden. With `families` rows are families of a word's two branches and theirs: only the latter's states
/// leave.
template <Order order, bool keep, int N, Decay decays, class Wait>
__device__ __forceinline__ void recur_on_the_way(const LearnedRecurrence& r, const Tile<order>& t, const Place& at,
                                                 const Wait& wait) {
  constexpr bool families = order == Order::families;
  constexpr int G = order == Order::single ? 1 : 2;
  using Rule = Advance<order, G, N, decays>;
  constexpr int D = Rule::D;
  /// Rows of a unit from its first one on, which are the branches' branches of a family.
  constexpr std::uint32_t unit_rows = families ? 4 : G;
  const std::uint32_t units = families ? t.families() : t.rows / G;
  const auto state_at = [&](std::uint32_t unit, std::uint32_t h) {
    return t.carried(unit * unit_rows) + r.state + Rule::grouped(h, r.state_group) * (D * D) + at.lane;
  };
  std::uint32_t unit = at.warp;
  std::uint32_t h = 0;
  for (; unit >= units; unit -= units) ++h;
  float S[D];
  const auto load = [&](const float* from, int count) {
#pragma unroll
    for (int j = 0; j < count; ++j) S[j] = state_number(from + j * D);
  };
  // Rows of a unit, of families the branches, begin with one state.
  const auto start = [&](int j) {
    Numbers<G> x;
#pragma unroll
    for (int g = 0; g < G; ++g) x.v[g] = S[j];
    return x;
  };
  load(h < r.heads ? state_at(unit, h) : state_at(0, 0), D);
  wait();
  std::uint32_t next = unit;
  std::uint32_t next_h = h;
#pragma unroll 1
  for (; h < r.heads; h = next_h) {
    const Rule rule(r, t, at.lane, h);
    const std::uint32_t state = Rule::grouped(h, r.state_group);
    const bool keeps = keep && state * r.state_group == h;
#pragma unroll 1
    while (next_h == h) {
      unit = next;
      const std::uint32_t row = unit * unit_rows;
      next = unit + at.warps;
      for (; next >= units; next -= units) ++next_h;
      const float* from = next_h < r.heads ? state_at(next, next_h) : state_at(unit, h);
      if constexpr (families) {
        const std::uint32_t branches = Layout<order>::first_branch + 2 * unit;
        float branch[2][D];
        rule.finish(start, branches, rule.changes(start, branches), [&](int j, const Numbers<2>& entry) {
          branch[0][j] = entry.v[0];
          branch[1][j] = entry.v[1];
        });
        // Half of the next state, and the rest where entries have been used for the last time.
        constexpr int half = D / 2;
        load(from, half);
        const Advance<order, 4, N, decays> below(r, t, at.lane, h);
        const auto below_start = [&](int j) {
          return Numbers<4>{{branch[0][j], branch[0][j], branch[1][j], branch[1][j]}};
        };
        const auto changes = below.changes(below_start, row);
        if (!keeps) {
          below.finish(below_start, row, changes, [&](int j, const Numbers<4>&) {
            if (j < half) S[half + j] = state_number(from + (half + j) * D);
          });
          continue;
        }
        float* to = t.state_out + row * t.state_size + r.state + state * (D * D) + at.lane;
        below.finish(below_start, row, changes, [&](int j, const Numbers<4>& entry) {
          if (j < half) S[half + j] = state_number(from + (half + j) * D);
#pragma unroll
          for (int g = 0; g < 4; ++g) keep_number(to + g * t.state_size + j * D, entry.v[g]);
        });
        continue;
      }
      const auto changes = rule.changes(start, row);
      if (keeps) {
        float* to = t.state_out + row * t.state_size + r.state + state * (D * D) + at.lane;
        rule.finish(start, row, changes, [&](int j, const Numbers<G>& entry) {
          S[j] = state_number(from + j * D);
#pragma unroll
          for (int g = 0; g < G; ++g) keep_number(to + g * t.state_size + j * D, entry.v[g]);
        });
      } else {
        rule.finish(start, row, changes, [&](int j, const Numbers<G>&) { S[j] = state_number(from + j * D); });
      }
    }
  }
}

/// Whether `recur_on_the_way` does it.
__host__ __device__ constexpr bool on_the_way(const LearnedRecurrence& r) {
  const auto grouped = [](const LearnedFeatures& f) { return (f.group & (f.group - 1)) == 0; };
  bool fits = r.key_size == 32 && r.value_size == 32 && (r.num_updates == 1 || r.num_updates == 2) &&
              grouped(r.decay) && grouped(r.query) && grouped(r.output) && (r.state_group & (r.state_group - 1)) == 0;
  for (std::uint32_t n = 0; n < r.num_updates; ++n) {
    const LearnedRecurrence::Update& u = r.updates[n];
    fits = fits && grouped(u.read) && grouped(u.write) && grouped(u.value) && grouped(u.beta) &&
           (n == 0 || !u.reads_undecayed);
  }
  return fits;
}

template <Order order, bool keep, class Wait>
__device__ __forceinline__ void recurrence(const LearnedRecurrence& r, const Tile<order>& t, const Place& at,
                                           const Wait& wait) {
  if (on_the_way(r)) {
    if (r.num_updates == 1) {
      if (r.decay_kind == Decay::none) return recur_on_the_way<order, keep, 1, Decay::none>(r, t, at, wait);
      if (r.decay_kind == Decay::scalar) return recur_on_the_way<order, keep, 1, Decay::scalar>(r, t, at, wait);
      return recur_on_the_way<order, keep, 1, Decay::key>(r, t, at, wait);
    }
    if (r.decay_kind == Decay::none) return recur_on_the_way<order, keep, 2, Decay::none>(r, t, at, wait);
    if (r.decay_kind == Decay::scalar) return recur_on_the_way<order, keep, 2, Decay::scalar>(r, t, at, wait);
    return recur_on_the_way<order, keep, 2, Decay::key>(r, t, at, wait);
  }
  // Families have recurrences on the way alone.
  if constexpr (order == Order::families) return;
  const bool square = r.key_size == r.value_size;
  wait();
  if (square && r.key_size == 16) return recur<16, 4, true>(r, t, at);
  if (square && r.key_size == 64) return recur<64, 1, true>(r, t, at);
  if (r.key_size <= 16) return recur<16, 4, false>(r, t, at);
  if (r.key_size <= 32) return recur<32, 2, false>(r, t, at);
  recur<64, 1, false>(r, t, at);
}

/// A register form, as in recurrence.cu for single tokens.
inline bool fits(const LearnedRecurrence& r) {
  return r.key_size <= 64 && !r.reads_before && r.ridge.first == LearnedFeatures::none &&
         r.codes == LearnedOperation::none &&
         (r.decay_kind == Decay::none || r.decay_kind == Decay::scalar || r.decay_kind == Decay::key);
}

}  // namespace krohn::tiles
