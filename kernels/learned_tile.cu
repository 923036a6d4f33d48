// A block takes a tile of 32 or 48 rows through the whole program: features lie in shared memory from the first
// operation to the logits, so that nothing but weights, which the caches hold, and the words' states move. Blocks of a
// multiprocessor are at different operations, so that one's waiting for states is another's products.
//
// Warps take rows by features where an operation works number by number or group by group, four or six rows of a
// feature a thread; products, states and recurrences have files of their own. What does not depend on features
// (weights, tables, the states that a warp begins with) is asked for before a block waits.
#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "cuda.cuh"
#include "learned_tile.cuh"
#include "tile_products.cuh"
#include "tile_recurrences.cuh"
#include "tile_states.cuh"

namespace krohn {
namespace {

using namespace tiles;

/// For every i < count: a warp takes four numbers of all rows, a share of the rows a lane.
template <class Element>
__device__ __forceinline__ void each_share(std::uint32_t count, const Place& at, const Element& element) {
#pragma unroll 1
  for (std::uint32_t i = at.warp * 4 + at.lane / 8; i < count; i += 4 * at.warps) element(i, at.lane % 8);
}

/// The first numbers are asked for before features may be overwritten.
template <Order order, class Wait>
__device__ __forceinline__ void gather(const Op& op, const Tile<order>& t, const Place& at, const Wait& wait) {
  constexpr int at_once = 4;
  using Part = Share<order>;
  const std::uint32_t share = at.lane % 8;
  const float* const table = t.weights + op.w0;
  std::uint32_t token[Part::rows];
#pragma unroll
  for (int r = 0; r < Part::rows; ++r) {
    token[r] = t.token[r < 4 ? share * 4 + r : Layout<order>::first_branch + share * 2 + r - 4];
  }
  // Those of two rows are then an even number and the next.
  const bool in_pairs = order != Order::single && op.w0 % 2 == 0 && op.size % 2 == 0;
  struct Batch {
    typename Part::Values of[at_once];
  };
  const auto load = [&](std::uint32_t first) {
    Batch x;
#pragma unroll
    for (int j = 0; j < at_once; ++j) {
      const float* entries = table + min(first + j * 4 * at.warps, op.count - 1) * op.size;
#pragma unroll
      for (int r = 0; r < Part::rows; r += 2) {
        if (in_pairs) {
          // Behind the last row tokens are any.
          const float2 two = __ldg(reinterpret_cast<const float2*>(entries + token[r] / 2 * 2));
          x.of[j].v[r] = two.x, x.of[j].v[r + 1] = two.y;
        } else {
          x.of[j].v[r] = __ldg(entries + token[r]), x.of[j].v[r + 1] = __ldg(entries + token[r + 1]);
        }
      }
    }
    return x;
  };
  std::uint32_t first = at.warp * 4 + at.lane / 8;
  Batch x = load(first);
  wait();
#pragma unroll 1
  while (first < op.count) {
#pragma unroll
    for (int j = 0; j < at_once; ++j) {
      const std::uint32_t i = first + j * 4 * at.warps;
      if (i < op.count) Part(t.at(op.out + i, 0), share).store(x.of[j]);
    }
    first += at_once * 4 * at.warps;
    if (first < op.count) x = load(first);
  }
}

/// The function is known before the loop.
template <Function f, Order order>
__device__ __forceinline__ bool map(const Op& op, const Tile<order>& t, const Place& at) {
  constexpr auto reads = [](char operand) { return operands_of(f).find(operand) != std::string_view::npos; };
  const auto shared = [](std::uint32_t i, std::uint32_t share) { return share == 1 ? i : i / share; };
  each_share(op.count, at, [&](std::uint32_t i, std::uint32_t rows) {
    using Part = Share<order>;
    typename Part::Values a{}, b{}, c{};
    float w = 0.0F;
    float v = 0.0F;
    if constexpr (reads('a')) a = Part(t.at(op.a + shared(i, op.a_share), 0), rows).load();
    if constexpr (reads('b')) b = Part(t.at(op.b + shared(i, op.b_share), 0), rows).load();
    if constexpr (reads('c')) c = Part(t.at(op.c + i, 0), rows).load();
    if constexpr (reads('w')) w = t.weights[op.w0 + shared(i, op.w_share)];
    if constexpr (reads('v')) v = t.weights[op.w1 + shared(i, op.v_share)];
    typename Part::Values x;
#pragma unroll
    for (int r = 0; r < Part::rows; ++r) {
      x.v[r] = elementwise<float>(
          f, {op.k0, op.k1, op.k2}, [&] { return a.v[r]; }, [&] { return b.v[r]; }, [&] { return c.v[r]; },
          [&] { return w; }, [&] { return v; });
    }
    Part(t.at(op.out + i, 0), rows).store(x);
  });
  return true;
}
/// What layers do to all of their numbers; false where it is something else.
template <Order order>
__device__ __forceinline__ bool map(const Op& op, const Tile<order>& t, const Place& at) {
  if (op.a_run != 0 || op.out_run != 0) return false;
  switch (op.map) {
    case Function::copy:
      return map<Function::copy>(op, t, at);
    case Function::add:
      return map<Function::add>(op, t, at);
    case Function::scale:
      return map<Function::scale>(op, t, at);
    case Function::multiply:
      return map<Function::multiply>(op, t, at);
    case Function::multiply_weight:
      return map<Function::multiply_weight>(op, t, at);
    case Function::silu:
      return map<Function::silu>(op, t, at);
    case Function::sigmoid:
      return map<Function::sigmoid>(op, t, at);
    case Function::squared_relu:
      return map<Function::squared_relu>(op, t, at);
    case Function::times_silu:
      return map<Function::times_silu>(op, t, at);
    case Function::times_sigmoid:
      return map<Function::times_sigmoid>(op, t, at);
    case Function::strength:
      return map<Function::strength>(op, t, at);
    default:
      return false;
  }
}

/// Sums are chains, a row and group a thread, in `sums` [2, groups, rows].
template <Order order>
__device__ __forceinline__ void sum_groups(const Op& op, const Tile<order>& t, const Place& at, float* sums) {
  constexpr std::uint32_t rows = Layout<order>::rows;
  each_row<order>(op.count, at, [&](std::uint32_t g, std::uint32_t row) {
    const elements::GroupSums of = elements::group_sums(op, t, g, row);
    sums[g * rows + row] = of.middle;
    sums[(op.count + g) * rows + row] = of.scale;
  });
}
/// Then all threads work on the numbers, which lie together. `weighted`: each has a weight.
template <bool weighted, Order order>
__device__ __forceinline__ void scale_groups(const Op& op, const Tile<order>& t, const Place& at, float* scales) {
  using Part = Share<order>;
  const std::uint32_t share = at.lane % 8;
  const std::uint32_t first = at.warp * 4 + at.lane / 8;
  const std::uint32_t step = 4 * at.warps;
  Part in(t.at(op.a + first, 0), share);
  Part out(t.at(op.out + first, 0), share);
  const Part scale_of(scales, share);
  const float* weights = t.weights + op.w0;
  std::uint32_t g = 0;
  std::uint32_t i = first;
#pragma unroll 1
  for (std::uint32_t n = first; n < op.count * op.size; n += step) {
    for (; i >= op.size; i -= op.size) ++g;
    const typename Part::Values scale = scale_of.load(g * Layout<order>::rows);
    const float w = weighted ? __ldg(weights + g * op.size * op.w_share + i) : 0.0F;
    typename Part::Values x = in.load();
#pragma unroll
    for (int r = 0; r < Part::rows; ++r) {
      x.v[r] = x.v[r] * scale.v[r];
      if (weighted) x.v[r] = x.v[r] * w;
    }
    out.store(x);
    in.advance(step * Layout<order>::pitch);
    out.advance(step * Layout<order>::pitch);
    i += step;
  }
}
/// Where the sums of groups lie.
template <Order order>
__device__ __forceinline__ float* sums_of(const TileArgs& args, const Tile<order>& t) {
  return t.features + args.num_features * Layout<order>::pitch;
}
/// The usual norms; false where it is something else.
template <Order order>
__device__ __forceinline__ bool group(const Op& op, const Tile<order>& t, const Place& at, float* sums) {
  const bool rms = op.group == Op::Group::rms && op.w1 == Op::none && !op.weight_is_offset;
  if (!rms && op.group != Op::Group::l2) return false;
  Op one = op;
  if (rms) {
    one.group = Op::Group::rms;
    sum_groups(one, t, at, sums);
  } else {
    one.group = Op::Group::l2;
    sum_groups(one, t, at, sums);
  }
  __syncthreads();
  float* scales = sums + op.count * Layout<order>::rows;
  if (rms && op.w0 != Op::none) {
    scale_groups<true>(op, t, at, scales);
  } else {
    scale_groups<false>(op, t, at, scales);
  }
  return true;
}
template <Order order>
__device__ __forceinline__ void any_group(const Op& op, const Tile<order>& t, const Place& at, float* sums) {
  constexpr std::uint32_t rows = Layout<order>::rows;
  sum_groups(op, t, at, sums);
  __syncthreads();
  each_row<order>(op.count * op.size, at, [&](std::uint32_t n, std::uint32_t row) {
    const std::uint32_t g = n / op.size;
    const elements::GroupSums of{sums[g * rows + row], sums[(op.count + g) * rows + row]};
    const std::uint32_t i = n - g * op.size;
    *t.at(op.out + n, row) = elements::group_value(op, t, of, g, i, row);
  });
}

/// Operations that few models have, or have little of: apart, so that they take no registers of the others.
template <Order order>
__device__ __noinline__ void run_seldom(const TileArgs& args, const Op& op, const Rows& rows) {
  const Place at = place();
  const Tile<order> t = tile<order>(args, rows);
  switch (op.kind) {
    case Op::Kind::map:
      return each_row<order>(op.count, at, [&](std::uint32_t i, std::uint32_t row) { elements::map(op, t, i, row); });
    case Op::Kind::group:
      if (op.group == Op::Group::bonus) {
        return each_row<order>(op.count, at,
                               [&](std::uint32_t g, std::uint32_t row) { elements::bonus(op, t, g, row); });
      }
      return any_group(op, t, at, sums_of(args, t));
    case Op::Kind::constants:
      return each_row<order>(op.count, at,
                             [&](std::uint32_t i, std::uint32_t row) { elements::constants(op, t, i, row); });
    default:
      break;
  }
  // Families have no other (LearnedTiles::of).
  if constexpr (!Layout<order>::families) {
    switch (op.kind) {
      case Op::Kind::convolution:
        return convolution(op, t, at);
      case Op::Kind::shift:
        return each_carried(op.count, t, at, [&](std::uint32_t i, std::uint32_t row) {
          if (t.state_out != nullptr) elements::keep_shift(op, t, i, row);
          elements::shift(op, t, i, row);
        });
      case Op::Kind::stabilizer:
        return each_row<order>(op.count, at, [&](std::uint32_t i, std::uint32_t row) {
          if (row < t.rows) elements::stabilizer(op, t, i, row);
        });
      case Op::Kind::cell:
        return cell(op, t, at);
      default:
        break;
    }
  }
}

/// Which of the tile's rows, as they are numbered outside of it, row i is.
template <Order order>
__device__ __forceinline__ std::uint32_t row_of(std::uint32_t i) {
  if constexpr (Layout<order>::families) {
    constexpr std::uint32_t first_branch = Layout<order>::first_branch;
    const std::uint32_t family = i < first_branch ? i / 4 : (i - first_branch) / 2;
    return family * 6 + (i < first_branch ? 2 + i % 4 : i % 2);
  }
  return i;
}

/// For rows in an order, that leave states or do not.
template <Order order, bool keep>
__global__ void __launch_bounds__(Layout<order>::most_threads) tile_kernel(const __grid_constant__ TileArgs args) {
  __shared__ Rows rows;
  const LearnedRows& x = args.x;
  const std::uint32_t first = blockIdx.x * Layout<order>::rows;
  if (threadIdx.x < Layout<order>::rows) {
    const std::uint32_t i = threadIdx.x;
    const LearnedBranches& branches = args.branches;
    const std::uint32_t symbols = branches.symbols;
    const std::uint32_t family = branches.family();
    std::uint32_t row = first + row_of<order>(i);
    // Those behind the last do the last one's work, or that of the last family's.
    if (row >= x.rows) row = x.rows - family + row % family;
    const std::uint32_t parent = row / family;
    const std::uint32_t member = row % family;
    const std::uint32_t below = member - symbols;
    const std::uint32_t child = member < symbols ? member : below / symbols;
    std::uint32_t token = (branches.first_token + parent * symbols + child) % branches.tokens;
    if (member >= symbols) token = (token * symbols + below % symbols) % branches.tokens;
    rows.token[i] = token;
    rows.source[i] = args.begin + parent;
    rows.own[i] = i;
    rows.one[i] = 1;
  }
  // Which operation is next: kept here, since a register that lives through all operations would be spilled.
  __shared__ std::uint32_t next_operation[most_warps];
  if (threadIdx.x < most_warps) next_operation[threadIdx.x] = 0;
  __syncthreads();
  for (;;) {
    const Place at = place();
    std::uint32_t* const next = next_operation + at.warp;
    const std::uint32_t number = *static_cast<volatile std::uint32_t*>(next);
    if (number == args.num_operations) break;
    __syncwarp();
    if (at.lane == 0) *next = number + 1;
    __syncwarp();
    const TileOperation& operation = args.operations[number];
    const Tile<order> t = tile<order>(args, rows);
    const Op& op = operation.op;
    const auto wait = [&] {
      if (operation.waits) __syncthreads();
    };
    switch (op.kind) {
      case Op::Kind::gather:
        gather(op, t, at, wait);
        continue;
      case Op::Kind::multiply:
        multiply(operation, t, args.packed, at, wait);
        continue;
      case Op::Kind::map:
        wait();
        if (map(op, t, at)) continue;
        break;
      case Op::Kind::group:
        wait();
        if (group(op, t, at, sums_of(args, t))) continue;
        break;
      case Op::Kind::convolution:
        if constexpr (Layout<order>::families) {
          convolve_families<keep>(op, t, at, wait);
          continue;
        } else {
          if (op.size == 4 && op.count % 32 == 0) {
            convolve_four<order == Order::pairs ? 2 : 1, keep, true>(op, t, at, wait);
            continue;
          }
          if (op.size == 4) {
            convolve_four<1, keep, false>(op, t, at, wait);
            continue;
          }
          wait();
          break;
        }
      case Op::Kind::recurrence:
        recurrence<order, keep>(args.recurrences[op.w0], t, at, wait);
        continue;
      default:
        wait();
        break;
    }
    run_seldom<order>(args, op, rows);
  }
  __syncthreads();
  const Tile<order> t = tile<order>(args, rows);
  each_row<order>(args.num_logits, place(), [&](std::uint32_t i, std::uint32_t row) {
    const std::uint32_t number = row_of<order>(row);
    if (number < t.rows) *x.at(i, first + number) = *t.at(args.logits + i, row);
  });
}

/// Features, the first and how many: at least those that an operation touches.
using Range = std::pair<std::uint32_t, std::uint32_t>;
struct Touched {
  std::vector<Range> read, written;
};

Touched touched(const Op& op, std::span<const LearnedRecurrence> recurrences) {
  Touched all;
  const auto read = [&](std::uint32_t first, std::uint32_t count) { all.read.emplace_back(first, count); };
  const auto write = [&](std::uint32_t first, std::uint32_t count) { all.written.emplace_back(first, count); };
  switch (op.kind) {
    case Op::Kind::gather:
    case Op::Kind::constants:
      write(op.out, op.count);
      break;
    case Op::Kind::multiply:
      read(op.a, op.groups * op.size);
      write(op.out, op.groups * op.count);
      break;
    case Op::Kind::map:
      read(op.a, op.a_run == 0 ? op.count : (op.count / op.a_run + 1) * (op.a_stride + op.a_run));
      read(op.b, op.count);
      read(op.c, op.count);
      write(op.out, op.out_run == 0 ? op.count : (op.count / op.out_run + 1) * (op.out_stride + op.out_run));
      break;
    case Op::Kind::group:
      read(op.a, op.count * op.size);
      read(op.b, op.count * op.size);
      write(op.out, op.group == Op::Group::bonus ? op.count : op.count * op.size);
      break;
    case Op::Kind::convolution:
    case Op::Kind::shift:
      read(op.a, op.count);
      write(op.out, op.count);
      break;
    case Op::Kind::stabilizer:
      read(op.a, op.count);
      read(op.b, op.count);
      write(op.out, 3 * op.count);
      break;
    case Op::Kind::cell:
      read(op.a, 4 * op.count);
      write(op.out, op.count);
      break;
    case Op::Kind::recurrence: {
      const LearnedRecurrence& r = recurrences[op.w0];
      const auto end = [&](const LearnedFeatures& f, std::uint32_t size) {
        return (r.heads - 1) / f.group * f.head + size;
      };
      const auto input = [&](const LearnedFeatures& f, std::uint32_t size) {
        if (f.first != LearnedFeatures::none) read(f.first, end(f, size));
      };
      input(r.decay, r.decay_kind == Decay::key ? r.key_size : 1);
      input(r.query, r.key_size);
      for (std::uint32_t u = 0; u < r.num_updates; ++u) {
        input(r.updates[u].read, r.key_size);
        input(r.updates[u].write, r.key_size);
        input(r.updates[u].value, r.value_size);
        input(r.updates[u].beta, 1);
      }
      write(r.output.first, end(r.output, r.value_size));
      break;
    }
  }
  return all;
}

bool overlap(const std::vector<Range>& a, const std::vector<Range>& b) {
  return std::any_of(a.begin(), a.end(), [&](const Range& x) {
    return std::any_of(b.begin(), b.end(),
                       [&](const Range& y) { return x.first < y.first + y.second && y.first < x.first + x.second; });
  });
}

/// What a tile takes of shared memory: its features, and the most sums of groups that are kept at a time.
template <Order order>
std::size_t tile_bytes(const LearnedProgramView& program, std::uint32_t num_features) {
  std::size_t numbers = 0;
  for (const Op& op : program.operations) {
    if (op.kind == Op::Kind::group) numbers = std::max(numbers, std::size_t{2} * op.count * Layout<order>::rows);
  }
  return sizeof(float) * (numbers + std::size_t{Layout<order>::pitch} * num_features);
}

}  // namespace

struct LearnedTiles::Program {
  TileArgs args;
  DeviceArray<float> packed;
  std::size_t tile_bytes = 0;
  std::size_t families_bytes = 0;
  /// Families have a form: all that is carried is states of recurrences on the way, and tails of three.
  bool twice = false;
};

LearnedTiles::LearnedTiles(std::unique_ptr<Program> program) : program_(std::move(program)) {}
LearnedTiles::LearnedTiles(LearnedTiles&&) noexcept = default;
LearnedTiles& LearnedTiles::operator=(LearnedTiles&&) noexcept = default;
LearnedTiles::~LearnedTiles() = default;

namespace {

/// Three operations that are one: products of the same features, and the first's times the silu of the second's, where
/// nothing else reads either. `first` and `second` are theirs in that order.
struct Gated {
  const Op* first = nullptr;
  const Op* second = nullptr;
};
std::optional<Gated> gated_at(const LearnedProgramView& program, std::size_t at) {
  if (at + 2 >= program.operations.size()) return std::nullopt;
  const Op* first = &program.operations[at];
  const Op* second = &program.operations[at + 1];
  const Op& map = program.operations[at + 2];
  const auto plain = [&](const Op& op) {
    return op.kind == Op::Kind::multiply && op.groups == 1 && !op.accumulate && op.w1 == Op::none &&
           op.count == map.count && op.count % quad_outputs == 0 && op.a == first->a && op.size == first->size;
  };
  if (map.kind != Op::Kind::map || map.map != Function::times_silu || !plain(*first) || !plain(*second)) {
    return std::nullopt;
  }
  if (map.a_share != 1 || map.b_share != 1 || map.a_run != 0 || map.out_run != 0) return std::nullopt;
  if (map.a == second->out && map.b == first->out) std::swap(first, second);
  if (map.a != first->out || map.b != second->out) return std::nullopt;
  const Range out{map.out, map.count};
  if (overlap({{first->a, first->size}}, {out}) || overlap({{first->out, map.count}}, {{second->out, map.count}})) {
    return std::nullopt;
  }
  // What the products would have left must be overwritten before it is read.
  std::vector<bool> stale(program.num_features, false);
  for (const Op* op : {first, second}) std::fill_n(stale.begin() + op->out, op->count, true);
  std::fill_n(stale.begin() + map.out, map.count, false);
  const auto any_stale = [&](const Range& range) {
    const std::uint32_t end = std::min(range.first + range.second, program.num_features);
    return range.first < end &&
           std::find(stale.begin() + range.first, stale.begin() + end, true) != stale.begin() + end;
  };
  for (std::size_t i = at + 3; i < program.operations.size(); ++i) {
    const Op& op = program.operations[i];
    const Touched now = touched(op, program.recurrences);
    if (std::any_of(now.read.begin(), now.read.end(), any_stale)) return std::nullopt;
    if (op.accumulate && std::any_of(now.written.begin(), now.written.end(), any_stale)) return std::nullopt;
    // Of these `touched` may list more than they write.
    if (op.kind == Op::Kind::recurrence || op.out_run != 0) continue;
    for (const Range& range : now.written) std::fill_n(stale.begin() + range.first, range.second, false);
  }
  if (any_stale({program.logits, program.num_logits})) return std::nullopt;
  return Gated{first, second};
}

template <Order order>
void launch(const TileArgs& args, std::size_t bytes) {
  // Tiles that a multiprocessor has room for: fewer have more threads.
  const std::size_t at_once = shared_memory_limit() / (bytes + declared_bytes);
  const unsigned threads = at_once >= 3 ? 128 : Layout<order>::most_threads / (at_once == 2 ? 2 : 1);
  const auto run = [&](auto* kernel) {
    allow_shared_memory(kernel, bytes);
    kernel<<<(args.x.rows + Layout<order>::rows - 1) / Layout<order>::rows, threads, bytes>>>(args);
    check_launch("tile_kernel");
  };
  args.x.state_out != nullptr ? run(tile_kernel<order, true>) : run(tile_kernel<order, false>);
}

}  // namespace

std::optional<LearnedTiles> LearnedTiles::of(const LearnedProgramView& program) {
  if (program.operations.size() > most_operations || program.recurrences.size() > most_recurrences ||
      program.weights.size() >= std::size_t{1} << 30U ||
      !std::all_of(program.recurrences.begin(), program.recurrences.end(), fits)) {
    return std::nullopt;
  }
  auto tiles = std::make_unique<Program>();
  TileArgs& args = tiles->args;
  std::vector<float> packed;
  std::uint32_t given = 0;
  std::uint32_t end = program.logits + program.num_logits;
  Touched since;
  for (std::size_t i = 0; i < program.operations.size(); ++i) {
    TileOperation& operation = args.operations[args.num_operations++];
    operation.op = program.operations[i];
    const std::optional<Gated> gated = gated_at(program, i);
    if (gated) {
      operation.op = *gated->first;
      operation.op.out = program.operations[i + 2].out;
      operation.gated = true;
      i += 2;
    }
    const Op& op = operation.op;
    const Touched now = touched(op, program.recurrences);
    for (const std::vector<Range>* ranges : {&now.read, &now.written}) {
      for (const auto& [first, count] : *ranges) end = std::max(end, first + count);
    }
    // A group's sums are in one place.
    operation.waits = op.kind == Op::Kind::group || overlap(now.read, since.written) ||
                      overlap(now.written, since.written) || overlap(now.written, since.read);
    if (operation.waits) since = Touched{};
    since.read.insert(since.read.end(), now.read.begin(), now.read.end());
    since.written.insert(since.written.end(), now.written.begin(), now.written.end());
    if (operation.waits) given = 0;
    if (op.kind != Op::Kind::multiply) continue;
    operation.given = given;
    operation.packed = static_cast<std::uint32_t>(packed.size());
    given += strips(operation);
    if (gated) {
      pack(operation, std::array{gated->first, gated->second}, program.weights, packed);
    } else {
      pack(operation, std::array{&op}, program.weights, packed);
    }
  }
  args.num_features = std::min(end, program.num_features);
  tiles->tile_bytes = tile_bytes<Order::single>(program, args.num_features);
  tiles->families_bytes = tile_bytes<Order::families>(program, args.num_features);
  if (tiles->tile_bytes + declared_bytes > shared_memory_limit()) return std::nullopt;
  packed.resize(packed.size() + 2 * quads_ahead * quad_outputs);
  tiles->packed = DeviceArray<float>(std::span<const float>(packed));
  std::copy(program.recurrences.begin(), program.recurrences.end(), args.recurrences);
  tiles->twice = tiles->families_bytes + declared_bytes <= shared_memory_limit() &&
                 std::all_of(program.recurrences.begin(), program.recurrences.end(), on_the_way) &&
                 std::all_of(program.operations.begin(), program.operations.end(), [](const Op& op) {
                   if (op.kind == Op::Kind::convolution) return op.size == 4 && op.count % 8 == 0;
                   return op.kind != Op::Kind::shift && op.kind != Op::Kind::stabilizer && op.kind != Op::Kind::cell;
                 });
  args.packed = tiles->packed.data();
  args.logits = program.logits;
  args.num_logits = program.num_logits;
  return LearnedTiles(std::move(tiles));
}

bool LearnedTiles::twice(std::uint32_t symbols) const { return symbols == 2 && program_->twice; }

void LearnedTiles::run(const LearnedRows& x, const LearnedBranches& branches, std::uint32_t begin) const {
  if (x.rows == 0) return;
  TileArgs args = program_->args;
  args.x = x;
  args.branches = branches;
  args.begin = begin;
  const Program& program = *program_;
  if (branches.levels == 2) return launch<Order::families>(args, program.families_bytes);
  if (branches.symbols % 2 == 0) return launch<Order::pairs>(args, program.tile_bytes);
  launch<Order::single>(args, program.tile_bytes);
}

}  // namespace krohn
