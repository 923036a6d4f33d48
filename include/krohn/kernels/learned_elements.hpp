// What each operation of a LearnedProgram does to one number, group or column, for host and device: the device's simple
// kernels call these with one thread each; the fast ones (products, recurrences, single steps) do the same operations
// in the same order. Host loops over them are the tests' way to run a program where there is no device.
#pragma once

#include <cstddef>
#include <cstdint>

#include "krohn/kernels/learned.hpp"
#include "krohn/kernels/recurrence.hpp"
#include "krohn/numeric/elementwise.hpp"
#include "krohn/numeric/rounding.hpp"
#include "krohn/numeric/transcendental.hpp"

namespace krohn {

/// A batch as the operations see it.
struct LearnedRows {
  float* features = nullptr;  // [features, pitch]
  std::size_t pitch = 0;      // at least rows; a multiple of 4
  std::uint32_t rows = 0;
  std::uint32_t words = 0;
  std::uint32_t longest = 0;
  const float* weights = nullptr;
  const std::uint32_t* token = nullptr;      // [rows]
  const std::uint32_t* word = nullptr;       // [rows]: the word of each row
  const std::uint32_t* first_row = nullptr;  // [words]
  const std::uint32_t* length = nullptr;     // [words]
  const std::uint32_t* source = nullptr;     // [words]: whose state a word starts from; null: its own
  const float* state_in = nullptr;
  float* state_out = nullptr;  // null: states are not kept
  std::size_t state_size = 0;

  KROHN_INLINE_DEVICE float* at(std::uint32_t feature, std::uint32_t row) const {
    return features + feature * pitch + row;
  }
  KROHN_INLINE_DEVICE const float* carried(std::uint32_t w) const {
    return state_in + (source != nullptr ? source[w] : w) * state_size;
  }
};

namespace learned_elements {

using Op = LearnedOperation;

KROHN_INLINE_DEVICE void gather(const Op& op, const LearnedRows& x, std::uint32_t i, std::uint32_t row) {
  *x.at(op.out + i, row) = x.weights[op.w0 + static_cast<std::size_t>(i) * op.size + x.token[row]];
}

KROHN_INLINE_DEVICE void constants(const Op& op, const LearnedRows& x, std::uint32_t i, std::uint32_t row) {
  *x.at(op.out + i, row) = x.weights[op.w0 + i];
}

KROHN_INLINE_DEVICE float map_value(const Op& op, const LearnedRows& x, std::uint32_t i, std::uint32_t row) {
  return elementwise<float>(
      op.map, {op.k0, op.k1, op.k2},
      [&] {
        const std::uint32_t entry =
            op.a_run == 0 ? i / op.a_share : i / op.a_run * op.a_stride + i % op.a_run / op.a_share;
        return *x.at(op.a + entry, row);
      },
      [&] { return *x.at(op.b + i / op.b_share, row); }, [&] { return *x.at(op.c + i, row); },
      [&] { return x.weights[op.w0 + i / op.w_share]; }, [&] { return x.weights[op.w1 + i / op.v_share]; });
}

KROHN_INLINE_DEVICE float* map_place(const Op& op, const LearnedRows& x, std::uint32_t i, std::uint32_t row) {
  return x.at(op.out + (op.out_run == 0 ? i : i / op.out_run * op.out_stride + i % op.out_run), row);
}
KROHN_INLINE_DEVICE void map(const Op& op, const LearnedRows& x, std::uint32_t i, std::uint32_t row) {
  *map_place(op, x, i, row) = map_value(op, x, i, row);
}

/// One output by itself; `block` counts the blocks of a block-diagonal product.
KROHN_INLINE_DEVICE void multiply(const Op& op, const LearnedRows& x, std::uint32_t block, std::uint32_t o,
                                  std::uint32_t row) {
  const float* w = x.weights + op.w0 + static_cast<std::size_t>(block) * op.size * op.pitch + o;
  float sum = 0.0F;
  for (std::uint32_t i = 0; i < op.size; ++i) {
    sum = numeric::fused(w[static_cast<std::size_t>(i) * op.pitch], *x.at(op.a + block * op.size + i, row), sum);
  }
  if (op.w1 != Op::none) sum = sum + x.weights[op.w1 + o];
  float* out = x.at(op.out + block * op.count + o, row);
  *out = op.accumulate ? *out + sum : sum;
}

/// What a group's numbers have in common: each becomes (x - middle) scale, x / scale, or exp(x - middle) / scale.
struct GroupSums {
  float middle = 0.0F;
  float scale = 0.0F;
};
/// Of group g of a row; not of a bonus.
KROHN_INLINE_DEVICE GroupSums group_sums(const Op& op, const LearnedRows& x, std::uint32_t g, std::uint32_t row) {
  using namespace numeric;
  using Group = Op::Group;
  const float* from = x.at(op.a + g * op.size, row);
  const std::size_t pitch = x.pitch;
  const auto in = [&](std::uint32_t i) { return from[i * pitch]; };
  float sum = 0.0F;
  const bool centred = op.group == Group::layer;
  if (centred || op.group == Group::sum) {
    for (std::uint32_t i = 0; i < op.size; ++i) sum = sum + in(i);
  }
  if (op.group == Group::sum) return {0.0F, sum + op.k0};
  if (op.group == Group::absolute_sum) {
    for (std::uint32_t i = 0; i < op.size; ++i) sum = sum + absolute(in(i));
    return {0.0F, maximum(sum, op.k0)};
  }
  if (op.group == Group::softmax) {
    float most = in(0);
    for (std::uint32_t i = 1; i < op.size; ++i) most = maximum(most, in(i));
    for (std::uint32_t i = 0; i < op.size; ++i) sum = sum + exp(in(i)-most);
    return {most, sum};
  }
  const auto size = static_cast<float>(op.size);
  const float middle = centred ? quotient(sum, size) : 0.0F;
  float square = 0.0F;
  for (std::uint32_t i = 0; i < op.size; ++i) {
    const float v = centred ? in(i)-middle : in(i);
    square = fused(v, v, square);
  }
  if (op.group == Group::l2) return {0.0F, rsqrt(square + op.k0)};
  if (op.group == Group::root) return {0.0F, maximum(square_root(square), op.k0)};
  return {middle, rsqrt(quotient(square, size) + op.k0)};
}
/// What number i of group g becomes.
KROHN_INLINE_DEVICE float group_value(const Op& op, const LearnedRows& x, const GroupSums& sums, std::uint32_t g,
                                      std::uint32_t i, std::uint32_t row) {
  using namespace numeric;
  using Group = Op::Group;
  const float in = *x.at(op.a + g * op.size + i, row);
  switch (op.group) {
    case Group::l2:
      return in * sums.scale;
    case Group::sum:
    case Group::root:
    case Group::absolute_sum:
      return quotient(in, sums.scale);
    case Group::softmax:
      return quotient(exp(in - sums.middle), sums.scale);
    default:
      break;
  }
  float y = (op.group == Group::layer ? in - sums.middle : in) * sums.scale;
  const std::size_t at = static_cast<std::size_t>(g) * op.size * op.w_share + i;
  if (op.w0 != Op::none) {
    const float w = x.weights[op.w0 + at];
    y = y * (op.weight_is_offset ? 1.0F + w : w);
  }
  if (op.w1 != Op::none) y = y + x.weights[op.w1 + at];
  return y;
}
KROHN_INLINE_DEVICE void bonus(const Op& op, const LearnedRows& x, std::uint32_t g, std::uint32_t row) {
  float bonus = 0.0F;
  for (std::uint32_t i = g * op.size; i < (g + 1) * op.size; ++i) {
    bonus = numeric::fused(*x.at(op.a + i, row) * *x.at(op.b + i, row), x.weights[op.w0 + i], bonus);
  }
  *x.at(op.out + g, row) = bonus;
}

/// Group g of a row.
KROHN_INLINE_DEVICE void group(const Op& op, const LearnedRows& x, std::uint32_t g, std::uint32_t row) {
  if (op.group == Op::Group::bonus) return bonus(op, x, g, row);
  const GroupSums sums = group_sums(op, x, g, row);
  for (std::uint32_t i = 0; i < op.size; ++i) {
    *x.at(op.out + g * op.size + i, row) = group_value(op, x, sums, g, i, row);
  }
}

/// What a convolution of width op.size sums up of its newest input, given the ones before it, oldest first.
template <class Weight, class Before>
KROHN_INLINE_DEVICE float convolution_sum(const Op& op, const float* weights, std::uint32_t channel, float newest,
                                          const Weight& weight, const Before& before) {
  using namespace numeric;
  const std::uint32_t tail = op.size - 1;
  float sum = 0.0F;
  for (std::uint32_t j = 0; j < tail; ++j) sum = fused(weight(j), before(j), sum);
  const float y = fused(weight(tail), newest, sum);
  return op.w1 != Op::none ? y + weights[op.w1 + channel] : y;
}
KROHN_INLINE_DEVICE float activated(const Op& op, float y) {
  const auto value = [&] { return y; };
  return elementwise<float>(op.map, {}, value, value, value, value, value);
}
template <class Before>
KROHN_INLINE_DEVICE float convolved(const Op& op, const float* weights, std::uint32_t channel, float newest,
                                    const Before& before) {
  const float* w = weights + op.w0 + static_cast<std::size_t>(channel) * op.size;
  return activated(op, convolution_sum(
                           op, weights, channel, newest, [&](std::uint32_t j) { return w[j]; }, before));
}

KROHN_INLINE_DEVICE void convolution(const Op& op, const LearnedRows& x, std::uint32_t channel, std::uint32_t row) {
  const std::uint32_t w = x.word[row];
  const std::uint32_t t = row - x.first_row[w];
  const std::uint32_t tail = op.size - 1;
  const float* in = x.at(op.a + channel, row);
  const float* carried = x.carried(w) + op.state + channel;
  *x.at(op.out + channel, row) = convolved(op, x.weights, channel, *in, [&](std::uint32_t j) {
    return t + j < tail ? carried[static_cast<std::size_t>(t + j) * op.count] : in[static_cast<std::int64_t>(j) - tail];
  });
}
/// The last inputs of a channel of a word, kept for the next batch.
KROHN_INLINE_DEVICE void keep_tail(const Op& op, const LearnedRows& x, std::uint32_t channel, std::uint32_t w) {
  const std::uint32_t tail = op.size - 1;
  const std::uint32_t length = x.length[w];
  const float* carried = x.carried(w) + op.state + channel;
  const float* end = x.at(op.a + channel, x.first_row[w] + length);
  float* kept = x.state_out + w * x.state_size + op.state + channel;
  for (std::uint32_t j = 0; j < tail; ++j) {
    kept[static_cast<std::size_t>(j) * op.count] = length + j < tail
                                                       ? carried[static_cast<std::size_t>(length + j) * op.count]
                                                       : end[static_cast<std::int64_t>(j) - tail];
  }
}

KROHN_INLINE_DEVICE void shift(const Op& op, const LearnedRows& x, std::uint32_t i, std::uint32_t row) {
  const std::uint32_t w = x.word[row];
  const float* in = x.at(op.a + i, row);
  const float before = row == x.first_row[w] ? x.carried(w)[op.state + i] : in[-1];
  *x.at(op.out + i, row) = op.difference ? before - *in : before;
}
KROHN_INLINE_DEVICE void keep_shift(const Op& op, const LearnedRows& x, std::uint32_t i, std::uint32_t w) {
  const std::uint32_t length = x.length[w];
  x.state_out[w * x.state_size + op.state + i] =
      length == 0 ? x.carried(w)[op.state + i] : *x.at(op.a + i, x.first_row[w] + length - 1);
}

/// All tokens of one head of a word.
KROHN_INLINE_DEVICE void stabilizer(const Op& op, const LearnedRows& x, std::uint32_t head, std::uint32_t w) {
  using namespace numeric;
  float m = x.carried(w)[op.state + head];
  for (std::uint32_t t = 0; t < x.length[w]; ++t) {
    const std::uint32_t row = x.first_row[w] + t;
    const float in = *x.at(op.a + head, row) + x.weights[op.w0 + head];
    const float forget = log_sigmoid(*x.at(op.b + head, row) + x.weights[op.w1 + head]) + m;
    const float top = maximum(forget, in);
    *x.at(op.out + head, row) = exp(forget - top);
    *x.at(op.out + op.count + head, row) = exp(in - top);
    *x.at(op.out + 2 * op.count + head, row) = exp(0.0F - top);
    m = top;
  }
  if (x.state_out != nullptr) x.state_out[w * x.state_size + op.state + head] = m;
}

/// What one entry of an sLSTM cell carries.
struct Cell {
  float output, cell, normalizer, stabilizer;
};
/// A slot of entry e of a head, complete: its input, the sum over the head's outputs of the token before, its bias.
/// The recurrent weights are stored [slot, head, from, to], so that neighbouring entries read neighbouring weights.
KROHN_INLINE_DEVICE float complete_slot(const Op& op, const LearnedRows& x, std::uint32_t slot, std::uint32_t head,
                                        std::uint32_t e, std::uint32_t row, const float* outputs) {
  const std::uint32_t i = slot * op.count + head * op.size + e;
  const float* w = x.weights + op.w0 + static_cast<std::size_t>(slot * op.count + head * op.size) * op.size + e;
  float sum = 0.0F;
  for (std::uint32_t from = 0; from < op.size; ++from) {
    sum = numeric::fused(w[static_cast<std::size_t>(from) * op.size], outputs[from], sum);
  }
  return (*x.at(op.a + i, row) + sum) + x.weights[op.w1 + i];
}
/// One token: raw are the four slots, complete.
KROHN_INLINE_DEVICE void advance(Cell& s, const float (&raw)[4]) {
  using namespace numeric;
  const float in = raw[0];
  const float forget = s.stabilizer + log_sigmoid(raw[1]);
  const float top = select(less(0.0F, s.normalizer), maximum(in, forget), in);
  const float keep = exp(minimum(forget - top, 0.0F));
  const float take_in = exp(in - top);
  s.cell = fused(keep, s.cell, take_in * tanh(raw[2]));
  s.normalizer = fused(keep, s.normalizer, take_in);
  s.stabilizer = top;
  s.output = quotient(sigmoid(raw[3]) * s.cell, s.normalizer);
}

/// The recurrence of an operation on a batch.
KROHN_INLINE_DEVICE Recurrence recurrence(const LearnedRecurrence& op, const LearnedRows& x) {
  const auto input = [&](const LearnedFeatures& f) {
    RecurrenceInput array;
    if (f.first == LearnedFeatures::none) return array;
    array.data = x.features + f.first * x.pitch;
    array.time = 1;
    array.head = static_cast<std::int64_t>(f.head * x.pitch);
    array.element = static_cast<std::int64_t>(x.pitch);
    array.group = f.group;
    return array;
  };
  Recurrence r;
  r.words = x.words;
  r.heads = op.heads;
  r.key_size = op.key_size;
  r.value_size = op.value_size;
  r.length = x.longest;
  r.lengths = x.length;
  r.first_row = x.first_row;
  r.decay_kind = op.decay_kind;
  r.decay = input(op.decay);
  r.rates = op.rates == LearnedOperation::none ? nullptr : x.weights + op.rates;
  r.negative = op.negative;
  r.num_updates = op.num_updates;
  for (std::uint32_t u = 0; u < op.num_updates; ++u) {
    r.updates[u] = {input(op.updates[u].read), input(op.updates[u].write), input(op.updates[u].value),
                    input(op.updates[u].beta), op.updates[u].reads_undecayed};
  }
  r.query = input(op.query);
  r.reads_before = op.reads_before;
  r.ridge = input(op.ridge);
  r.solver_steps = op.solver_steps;
  r.codes = op.codes == LearnedOperation::none ? nullptr : x.weights + op.codes;
  r.num_codes = op.num_codes;
  const RecurrenceInput out = input(op.output);
  r.output = {x.features + op.output.first * x.pitch, 0, out.time, out.head, out.element, out.group};
  r.state_in = x.state_in + op.state;
  r.state_out = x.state_out == nullptr ? nullptr : x.state_out + op.state;
  r.state_word = static_cast<std::int64_t>(x.state_size);
  r.state_group = op.state_group;
  r.source = x.source;
  return r;
}

/// The label of a row: of the largest of the answers' logits; undefined (-1) where two largest ones of different labels
/// are equal; not_finite_label where any logit is NaN or infinite.
KROHN_INLINE_DEVICE std::int32_t label(const LearnedRows& x, std::uint32_t logits, std::uint32_t num_logits,
                                       const LearnedAnswer* answers, std::uint32_t num_answers, std::uint32_t row) {
  for (std::uint32_t i = 0; i < num_logits; ++i) {
    if (is_not_finite(*x.at(logits + i, row))) return not_finite_label;
  }
  std::int32_t best = answers[0].label;
  float largest = *x.at(logits + answers[0].logit, row);
  for (std::uint32_t i = 1; i < num_answers; ++i) {
    const float value = *x.at(logits + answers[i].logit, row);
    if (value > largest) {
      largest = value;
      best = answers[i].label;
    }
  }
  for (std::uint32_t i = 0; i < num_answers; ++i) {
    if (answers[i].label != best && largest - *x.at(logits + answers[i].logit, row) <= 0.0F) return -1;
  }
  return best;
}

}  // namespace learned_elements
}  // namespace krohn
