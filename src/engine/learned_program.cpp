// Mirrors learned_forward.hpp mixer by mixer. Features are handed out upwards and taken back at the end of a block, as
// the forward pass does with its scratch memory; what block 0 leaves for the others (RWKV-7's values) stays.
#include "krohn/engine/learned_program.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "krohn/error.hpp"
#include "krohn/kernels/recurrence.hpp"
#include "krohn/numeric/transcendental.hpp"

namespace krohn {
namespace {

using Op = LearnedOperation;
using Map = Op::Map;
using Group = Op::Group;
using Feature = std::uint32_t;

std::uint32_t narrow(std::size_t size) {
  if (size >= (std::size_t{1} << 31U)) {
    throw ResourceError("a model on the device: expected sizes below 2^31, got " + std::to_string(size));
  }
  return static_cast<std::uint32_t>(size);
}

class Builder {
 public:
  explicit Builder(const LearnedModel& model) : model_(model) {
    program_.initial_state.assign(model.state_size(), 0.0F);
    block_state_.assign(model.blocks().size() + 1, 0);
    for (const StatePart& part : model.state_parts()) {
      block_state_[part.block + 1] = part.offset + part.size;
      // mLSTM's stabiliser is a running maximum; sLSTM's starts at 0.
      if (part.kind == StatePart::Kind::stabilizer &&
          std::holds_alternative<MlstmMixer>(model.blocks()[part.block].mixer)) {
        std::fill_n(program_.initial_state.begin() + static_cast<std::ptrdiff_t>(part.offset), part.size,
                    -std::numeric_limits<float>::infinity());
      }
    }
    for (std::size_t i = 1; i < block_state_.size(); ++i)
      block_state_[i] = std::max(block_state_[i], block_state_[i - 1]);
  }

  LearnedProgram build() {
    const std::size_t size = model_.model_size();
    const Feature x = take(size);
    Op embed = op(Op::Kind::gather, x, size);
    embed.size = narrow(model_.vocabulary_size());
    embed.w0 = store(model_.embedding().entries);
    push(embed);
    for (std::size_t i = 0; i < model_.blocks().size(); ++i) {
      const LearnedBlock& block = model_.blocks()[i];
      const Feature mark = next_;
      state_ = block_state_[i];
      if (block.stream_norm) normalize(*block.stream_norm, x, x, size);
      const Feature h = take(size);
      normalize(block.mixer_norm, x, h, size);
      std::visit([&](const auto& mixer) { mix(mixer, h, x); }, block.mixer);
      if (block.feed_forward) {
        normalize(*block.feed_forward_norm, x, h, size);
        std::visit([&](const auto& f) { feed(f, h, x); }, *block.feed_forward);
      }
      if (i > 0 || first_value_ == LearnedFeatures::none) next_ = mark;
    }
    Feature last = x;
    if (model_.last_norm()) {
      last = take(size);
      normalize(*model_.last_norm(), x, last, size);
    }
    program_.num_logits = narrow(model_.num_logits());
    program_.logits = take(model_.num_logits());
    multiply(model_.head(), last, program_.logits);
    program_.num_features = most_;
    return std::move(program_);
  }

 private:
  // ---- features, weights, operations ------------------------------------------------------------------------------

  Feature take(std::size_t size) {
    const Feature first = next_;
    next_ = narrow(next_ + size);
    most_ = std::max(most_, next_);
    return first;
  }
  /// Weights begin at multiples of 4, so that they can be read four at a time.
  std::uint64_t store(const std::vector<float>& values) {
    std::vector<float>& weights = program_.weights;
    weights.resize((weights.size() + 3) / 4 * 4, 0.0F);
    const std::uint64_t at = weights.size();
    weights.insert(weights.end(), values.begin(), values.end());
    return at;
  }
  void push(const Op& o) {
    if (o.count > 0) program_.operations.push_back(o);
  }
  static Op op(Op::Kind kind, Feature out, std::size_t count) {
    Op o;
    o.kind = kind;
    o.out = out;
    o.count = narrow(count);
    return o;
  }
  static Op map_op(Map function, Feature out, Feature a, std::size_t count) {
    Op o = op(Op::Kind::map, out, count);
    o.map = function;
    o.a = a;
    return o;
  }
  void map(Map function, Feature out, Feature a, std::size_t count) { push(map_op(function, out, a, count)); }
  void map(Map function, Feature out, Feature a, Feature b, std::size_t count) {
    Op o = map_op(function, out, a, count);
    o.b = b;
    push(o);
  }
  void map_constant(Map function, Feature out, Feature a, std::size_t count, double k0, double k1 = 0.0,
                    double k2 = 0.0) {
    Op o = map_op(function, out, a, count);
    o.k0 = static_cast<float>(k0);
    o.k1 = static_cast<float>(k1);
    o.k2 = static_cast<float>(k2);
    push(o);
  }
  void map_weight(Map function, Feature out, Feature a, const std::vector<float>& w, std::size_t count) {
    Op o = map_op(function, out, a, count);
    o.w0 = store(w);
    push(o);
  }
  void activate(Activation activation, Feature x, std::size_t count) {
    if (activation != Activation::identity) map(function_of(activation), x, x, count);
  }
  static Map function_of(Activation activation) {
    switch (activation) {
      case Activation::identity:
        return Map::copy;
      case Activation::silu:
        return Map::silu;
      case Activation::relu:
        return Map::relu;
      case Activation::sigmoid:
        return Map::sigmoid;
      case Activation::log_sigmoid:
        return Map::log_sigmoid;
      case Activation::squared_relu:
        return Map::squared_relu;
      case Activation::elu_plus_one:
        return Map::elu_plus_one;
    }
    throw InternalError("an activation without a function");
  }

  /// out = x W^T (+ bias), or out = out + that.
  void multiply(const Matrix& m, Feature x, Feature out, const std::vector<float>* bias = nullptr,
                bool accumulate = false) {
    Op o = op(Op::Kind::multiply, out, m.rows);
    o.a = x;
    o.size = narrow(m.columns);
    o.pitch = narrow((m.rows + 3) / 4 * 4);
    std::vector<float> padded(m.columns * o.pitch, 0.0F);
    for (std::size_t i = 0; i < m.columns; ++i) {
      std::copy_n(m.entries.begin() + static_cast<std::ptrdiff_t>(i * m.rows), m.rows,
                  padded.begin() + static_cast<std::ptrdiff_t>(i * o.pitch));
    }
    o.w0 = store(padded);
    if (bias != nullptr && !bias->empty()) o.w1 = store(*bias);
    o.accumulate = accumulate;
    push(o);
  }
  void multiply(const BlockDiagonal& m, Feature x, Feature out) {
    Op o = op(Op::Kind::multiply, out, m.size);
    o.a = x;
    o.size = narrow(m.size);
    o.groups = narrow(m.blocks);
    o.pitch = narrow((m.size + 3) / 4 * 4);
    std::vector<float> transposed(m.blocks * m.size * o.pitch, 0.0F);
    for (std::size_t block = 0; block < m.blocks; ++block) {
      for (std::size_t out_index = 0; out_index < m.size; ++out_index) {
        for (std::size_t i = 0; i < m.size; ++i) {
          transposed[(block * m.size + i) * o.pitch + out_index] = m.weight[(block * m.size + out_index) * m.size + i];
        }
      }
    }
    o.w0 = store(transposed);
    push(o);
  }

  /// `running`: the weights of a group follow those of the group before; else all groups share them.
  void normalize(const Norm& norm, Feature x, Feature out, std::size_t size, std::size_t groups = 1,
                 bool running = false) {
    Op o = op(Op::Kind::group, out, groups);
    o.group = norm.kind == Norm::Kind::layer ? Group::layer : Group::rms;
    o.a = x;
    o.size = narrow(size);
    o.w_share = running ? 1U : 0U;
    o.weight_is_offset = norm.weight_is_offset;
    if (!norm.weight.empty()) o.w0 = store(norm.weight);
    if (!norm.bias.empty()) o.w1 = store(norm.bias);
    o.k0 = static_cast<float>(norm.epsilon);
    push(o);
  }
  void group(Group function, Feature x, std::size_t groups, std::size_t size, double k0 = 0.0) {
    Op o = op(Op::Kind::group, x, groups);
    o.group = function;
    o.a = x;
    o.size = narrow(size);
    o.k0 = static_cast<float>(k0);
    push(o);
  }

  /// The convolved (and activated) features; those given where there is no convolution.
  Feature convolve(const ShortConvolution& c, Feature x, Activation activation) {
    const Feature out = take(c.channels);
    Op o = op(Op::Kind::convolution, out, c.channels);
    o.a = x;
    o.size = narrow(c.width);
    o.w0 = store(c.weight);
    if (!c.bias.empty()) o.w1 = store(c.bias);
    o.map = function_of(activation);
    o.state = state_;
    state_ += (c.width - 1) * c.channels;
    push(o);
    return out;
  }
  Feature convolve(const std::optional<ShortConvolution>& c, Feature x, std::size_t count, Activation activation) {
    if (c) return convolve(*c, x, activation);
    activate(activation, x, count);
    return x;
  }

  void shift(Feature x, Feature out, std::size_t count) {
    Op o = op(Op::Kind::shift, out, count);
    o.a = x;
    o.state = state_;
    state_ += count;
    push(o);
  }

  static LearnedFeatures heads(Feature first, std::size_t head, std::size_t group = 1) {
    return {first, narrow(head), narrow(group)};
  }
  /// Places the state of r.heads / r.state_group heads, and runs it.
  void recur(LearnedRecurrence r) {
    r.state = state_;
    state_ += std::size_t{r.heads} / r.state_group * r.key_size * r.value_size;
    Op o = op(Op::Kind::recurrence, r.output.first, 1);
    o.w0 = program_.recurrences.size();
    program_.recurrences.push_back(r);
    push(o);
  }
  static LearnedRecurrence recurrence(std::size_t num_heads, std::size_t key_size, std::size_t value_size) {
    LearnedRecurrence r;
    r.heads = narrow(num_heads);
    r.key_size = narrow(key_size);
    r.value_size = narrow(value_size);
    return r;
  }
  static std::uint32_t kind(Recurrence::Decay decay) { return static_cast<std::uint32_t>(decay); }

  /// -exp(log_rate)
  static std::vector<float> rates(const std::vector<float>& log_rate) {
    std::vector<float> result;
    for (const float value : log_rate) result.push_back(0.0F - numeric::exp(value));
    return result;
  }

  // ---- mixers: x = x + mixer(h) -----------------------------------------------------------------------------------

  struct Projected {
    Feature query, key, value;
  };
  Projected project(const QueryKeyValue& inputs, Feature h) {
    Projected p{take(inputs.query.rows), take(inputs.key.rows), take(inputs.value.rows)};
    multiply(inputs.query, h, p.query);
    multiply(inputs.key, h, p.key);
    multiply(inputs.value, h, p.value);
    p.query = convolve(inputs.query_convolution, p.query, inputs.query.rows, inputs.query_key_activation);
    p.key = convolve(inputs.key_convolution, p.key, inputs.key.rows, inputs.query_key_activation);
    p.value = convolve(inputs.value_convolution, p.value, inputs.value.rows, inputs.value_activation);
    return p;
  }

  void finish(const HeadOutput& output, Feature h, Feature o, std::size_t num_heads, std::size_t key_size,
              std::size_t value_size, Feature x) {
    const std::size_t size = num_heads * value_size;
    map_constant(Map::scale, o, o, size, 1.0 / std::sqrt(static_cast<double>(key_size)));
    normalize(output.norm, o, o, value_size, num_heads);
    if (output.gate) {
      const Feature g = take(size);
      multiply(*output.gate, h, g);
      map(Map::times_silu, o, o, g, size);
    }
    multiply(output.projection, o, x, nullptr, true);
  }

  void mix(const DeltaMixer& m, Feature h, Feature x) {
    const std::size_t values = m.num_value_heads * m.value_size;
    const std::size_t betas = m.num_householder * m.num_value_heads;
    if (m.num_householder > LearnedRecurrence::most_updates) {
      throw ResourceError("a model on the device: expected at most " + std::to_string(LearnedRecurrence::most_updates) +
                          " Householder factors a token, got " + std::to_string(m.num_householder));
    }
    const auto [q, k, v] = project(m.inputs, h);
    const bool l2 = m.key_norm == DeltaMixer::KeyNorm::l2;
    group(l2 ? Group::l2 : Group::sum, q, m.num_heads, m.key_size, 1e-6);
    group(l2 ? Group::l2 : Group::sum, k, m.num_householder * m.num_heads, m.key_size, 1e-6);
    const Feature beta = take(betas);
    if (!m.beta) {
      map_constant(Map::constant, beta, beta, betas, m.beta_scale);
    } else {
      multiply(*m.beta, h, beta);
      map_constant(Map::strength, beta, beta, betas, m.beta_input_scale, m.beta_scale, m.beta_shift);
    }
    LearnedRecurrence r = recurrence(m.num_value_heads, m.key_size, m.value_size);
    if (m.decay) {
      const Feature decay = take(m.num_value_heads);
      multiply(*m.decay, h, decay);
      Op o = map_op(Map::gated_decay, decay, decay, m.num_value_heads);
      o.w0 = store(m.decay_bias);
      o.w1 = store(rates(m.log_rate));
      push(o);
      r.decay_kind = kind(Recurrence::Decay::scalar);
      r.decay = heads(decay, 1);
    }
    const std::size_t share = m.num_value_heads / m.num_heads;
    r.num_updates = narrow(m.num_householder);
    for (std::size_t j = 0; j < m.num_householder; ++j) {
      const LearnedFeatures key = heads(k + narrow(j * m.num_heads * m.key_size), m.key_size, share);
      r.updates[j] = {key, key, heads(v + narrow(j * values), m.value_size),
                      heads(beta + narrow(j * m.num_value_heads), 1), false};
    }
    const Feature o = take(values);
    r.query = heads(q, m.key_size, share);
    r.output = heads(o, m.value_size);
    recur(r);
    finish(m.output, h, o, m.num_value_heads, m.key_size, m.value_size, x);
  }

  void mix(const GlaMixer& m, Feature h, Feature x) {
    const std::size_t decays = m.num_key_heads * m.key_size;
    const auto [q, k, v] = project(m.inputs, h);
    const Feature low = take(m.decay_down.rows);
    multiply(m.decay_down, h, low);
    const Feature decay = take(decays);
    multiply(m.decay_up, low, decay, &m.decay_bias);
    map_constant(Map::divided_decay, decay, decay, decays, m.decay_divisor,
                 m.decay_floor ? *m.decay_floor : -std::numeric_limits<double>::infinity());
    activate(m.feature_map, q, m.inputs.query.rows);
    activate(m.feature_map, k, m.inputs.key.rows);
    // Query heads that share a key head each have the state to themselves, with the same bits.
    const std::size_t share = m.num_heads / m.num_key_heads;
    const Feature o = take(m.num_heads * m.value_size);
    LearnedRecurrence r = recurrence(m.num_heads, m.key_size, m.value_size);
    r.state_group = narrow(share);
    r.decay_kind = kind(Recurrence::Decay::key);
    r.decay = heads(decay, m.key_size, share);
    r.num_updates = 1;
    r.updates[0].write = heads(k, m.key_size, share);
    r.updates[0].value = heads(v, m.value_size, share);
    r.query = heads(q, m.key_size);
    r.output = heads(o, m.value_size);
    recur(r);
    finish(m.output, h, o, m.num_heads, m.key_size, m.value_size, x);
  }

  void mix(const MambaMixer& m, Feature h, Feature x) {
    const std::size_t channels = m.channels;
    const Feature in = take(2 * channels);
    multiply(m.in, h, in, &m.in_bias);
    const Feature z = in + narrow(channels);
    const Feature u = convolve(m.convolution, in, Activation::silu);
    const Feature selection = take(m.selection.rows);
    multiply(m.selection, u, selection);
    const Feature step = take(channels);
    multiply(m.step, selection, step);
    map_weight(Map::softplus_weight, step, step, m.step_bias, channels);
    const Feature value = take(channels);
    map(Map::multiply, value, step, u, channels);
    std::vector<float> by_key(channels * m.state_size);
    const std::vector<float> by_channel = rates(m.log_rate);
    for (std::size_t n = 0; n < m.state_size; ++n) {
      for (std::size_t e = 0; e < channels; ++e) by_key[n * channels + e] = by_channel[e * m.state_size + n];
    }
    const Feature o = take(channels);
    LearnedRecurrence r = recurrence(1, m.state_size, channels);
    r.decay_kind = kind(Recurrence::Decay::rate);
    r.decay = heads(step, 0);
    r.rates = store(by_key);
    r.negative = m.negative_eigenvalues;
    r.num_updates = 1;
    r.updates[0].write = heads(selection + narrow(m.rank), 0);
    r.updates[0].value = heads(value, 0);
    r.query = heads(selection + narrow(m.rank + m.state_size), 0);
    r.output = heads(o, 0);
    recur(r);
    skip(o, u, m.skip, channels, 1);
    map(Map::times_silu, o, o, z, channels);
    multiply(m.out, o, x, &m.out_bias, true);
  }

  /// o = fma(weight, u, o), a weight for `share` features.
  void skip(Feature o, Feature u, const std::vector<float>& weight, std::size_t count, std::size_t share) {
    Op add = map_op(Map::add_skip, o, o, count);
    add.b = u;
    add.w0 = store(weight);
    add.w_share = narrow(share);
    push(add);
  }

  void mix(const Mamba2Mixer& m, Feature h, Feature x) {
    const std::size_t channels = m.num_heads * m.head_size;
    const std::size_t group_state = m.num_groups * m.state_size;
    const Feature z = take(m.in.rows);
    multiply(m.in, h, z, &m.in_bias);
    const Feature before = z + narrow(channels);
    const Feature step = before + narrow(m.convolution.channels);
    const Feature u = convolve(m.convolution, before, Activation::silu);
    const Feature b = u + narrow(channels);
    const Feature c = b + narrow(group_state);
    Op clamp = map_op(Map::clamped_step, step, step, m.num_heads);
    clamp.w0 = store(m.step_bias);
    clamp.k0 = static_cast<float>(m.step_least);
    clamp.k1 = static_cast<float>(m.step_most);
    push(clamp);
    const Feature decay = take(m.num_heads);
    map_weight(Map::rate_decay, decay, step, rates(m.log_rate), m.num_heads);
    const Feature value = take(channels);
    Op scaled = map_op(Map::multiply, value, step, channels);
    scaled.a_share = narrow(m.head_size);
    scaled.b = u;
    push(scaled);
    const std::size_t share = m.num_heads / m.num_groups;
    const Feature o = take(channels);
    LearnedRecurrence r = recurrence(m.num_heads, m.state_size, m.head_size);
    r.decay_kind = kind(Recurrence::Decay::scalar);
    r.decay = heads(decay, 1);
    r.num_updates = 1;
    r.updates[0].write = heads(b, m.state_size, share);
    r.updates[0].value = heads(value, m.head_size);
    r.query = heads(c, m.state_size, share);
    r.output = heads(o, m.head_size);
    recur(r);
    skip(o, u, m.skip, channels, m.skip.size() == channels ? 1 : m.head_size);
    if (!m.norm || !m.norm_before_gate) map(Map::times_silu, o, o, z, channels);
    if (m.norm) {
      normalize(*m.norm, o, o, channels / m.num_groups, m.num_groups, true);
      if (m.norm_before_gate) map(Map::times_silu, o, o, z, channels);
    }
    multiply(m.out, o, x, &m.out_bias, true);
  }

  void low_rank(const LowRank& l, Map inner, Feature in, Feature out) {
    const Feature low = take(l.down.rows);
    multiply(l.down, in, low);
    if (inner != Map::copy) map(inner, low, low, l.down.rows);
    multiply(l.up, low, out, &l.bias);
  }

  void mix(const Rwkv7Mixer& m, Feature h, Feature x) {
    const std::size_t size = m.mix_r.size();
    const std::size_t keys = m.num_heads * m.key_size;
    const std::size_t values = m.num_heads * m.value_size;
    const Feature v = take(values);
    const Feature dx = take(size);
    const Feature mixed = take(size);
    shift(h, dx, size);
    const auto mixture = [&](const std::vector<float>& weight) {
      Op o = map_op(Map::mix_shift, mixed, h, size);
      o.b = dx;
      o.w0 = store(weight);
      push(o);
    };
    const Feature r = take(keys);
    mixture(m.mix_r);
    multiply(m.receptance, mixed, r);
    const Feature w = take(keys);
    mixture(m.mix_w);
    low_rank(m.decay, Map::tanh, mixed, w);
    map_constant(Map::key_decay, w, w, keys, -0.6065306597126334);
    const Feature k = take(keys);
    mixture(m.mix_k);
    multiply(m.key, mixed, k);
    mixture(m.mix_v);
    multiply(m.value, mixed, v);
    if (m.value_mix) {
      const Feature share = take(values);
      low_rank(*m.value_mix, Map::copy, mixed, share);
      Op o = map_op(Map::mix_value, v, v, values);
      o.b = share;
      o.c = first_value_;
      push(o);
    } else {
      first_value_ = v;
    }
    const Feature a = take(keys);
    mixture(m.mix_a);
    low_rank(m.rate, Map::copy, mixed, a);
    map(Map::sigmoid, a, a, keys);
    const Feature g = take(values);
    mixture(m.mix_g);
    low_rank(m.gate, Map::sigmoid, mixed, g);

    const Feature removal = take(keys);
    map_weight(Map::multiply_weight, removal, k, m.removal_scale, keys);
    m.smooth_key_norm ? group(Group::l2, removal, m.num_heads, m.key_size, 1e-6)
                      : group(Group::root, removal, m.num_heads, m.key_size, 1e-12);
    Op rated = map_op(Map::rated_key, k, k, keys);
    rated.b = a;
    rated.w0 = store(m.rate_scale);
    push(rated);
    const Feature write = take(keys);
    map(Map::multiply, write, removal, a, keys);
    const Feature o = take(values);
    LearnedRecurrence recurrent = recurrence(m.num_heads, m.key_size, m.value_size);
    recurrent.decay_kind = kind(Recurrence::Decay::key);
    recurrent.decay = heads(w, m.key_size);
    recurrent.num_updates = 2;
    recurrent.updates[0].read = heads(removal, m.key_size);
    recurrent.updates[0].write = heads(write, m.key_size);
    recurrent.updates[0].reads_undecayed = true;
    recurrent.updates[1].write = heads(k, m.key_size);
    recurrent.updates[1].value = heads(v, m.value_size);
    recurrent.query = heads(r, m.key_size);
    recurrent.output = heads(o, m.value_size);
    recur(recurrent);
    normalize(m.norm, o, o, m.value_size, m.num_heads, true);
    const Feature bonus = take(m.num_heads);
    Op sum = op(Op::Kind::group, bonus, m.num_heads);
    sum.group = Group::bonus;
    sum.a = r;
    sum.b = k;
    sum.size = narrow(m.key_size);
    sum.w0 = store(m.bonus);
    push(sum);
    Op add = map_op(Map::add_product, o, o, values);
    add.b = bonus;
    add.b_share = narrow(m.value_size);
    add.c = v;
    push(add);
    map(Map::multiply, o, o, g, values);
    multiply(m.out, o, x, nullptr, true);
  }

  void mix(const MlstmMixer& m, Feature h, Feature x) {
    const std::size_t channels = m.num_heads * m.head_size;
    const std::size_t columns = m.head_size + 1;
    const Feature up = take(2 * channels);
    multiply(m.up, h, up);
    const Feature z = up + narrow(channels);
    const Feature c = convolve(m.convolution, up, Activation::silu);
    const Feature qkv = take(3 * channels);
    const Feature k = qkv + narrow(channels);
    const Feature v = k + narrow(channels);
    multiply(m.query, c, qkv);
    multiply(m.key, c, k);
    multiply(m.value, up, v);
    const Feature gates = take(2 * m.num_heads);
    multiply(m.input_gate, qkv, gates);
    multiply(m.forget_gate, qkv, gates + narrow(m.num_heads));
    map_constant(Map::divide_by, k, k, channels, std::sqrt(static_cast<double>(m.head_size)));
    const Feature decay = take(m.num_heads);
    const Feature strength = take(m.num_heads);
    const Feature floor = take(m.num_heads);
    Op stabilize = op(Op::Kind::stabilizer, decay, m.num_heads);
    stabilize.a = gates;
    stabilize.b = strength;
    stabilize.c = floor;
    stabilize.w0 = store(m.input_gate_bias);
    stabilize.w1 = store(m.forget_gate_bias);
    stabilize.state = state_ + m.num_heads * m.head_size * columns;
    push(stabilize);
    const Feature value = take(m.num_heads * columns);
    const Feature read = take(m.num_heads * columns);
    const Feature o = take(channels);
    for (std::size_t head = 0; head < m.num_heads; ++head) {
      const Feature to = value + narrow(head * columns);
      Op scaled = map_op(Map::multiply, to, strength + narrow(head), m.head_size);
      scaled.a_share = narrow(m.head_size);
      scaled.b = v + narrow(head * m.head_size);
      push(scaled);
      map(Map::copy, to + narrow(m.head_size), strength + narrow(head), 1);
    }
    LearnedRecurrence r = recurrence(m.num_heads, m.head_size, columns);
    r.decay_kind = kind(Recurrence::Decay::scalar);
    r.decay = heads(decay, 1);
    r.num_updates = 1;
    r.updates[0].write = heads(k, m.head_size);
    r.updates[0].value = heads(value, columns);
    r.query = heads(qkv, m.head_size);
    r.output = heads(read, columns);
    recur(r);
    state_ += m.num_heads;  // the stabilisers
    for (std::size_t head = 0; head < m.num_heads; ++head) {
      const Feature from = read + narrow(head * columns);
      const Feature bound = from + narrow(m.head_size);
      Op least = map_op(Map::bound, bound, bound, 1);
      least.b = floor + narrow(head);
      least.k0 = static_cast<float>(1e-6);
      push(least);
      Op divide = map_op(Map::divide, o + narrow(head * m.head_size), from, m.head_size);
      divide.b = bound;
      divide.b_share = narrow(m.head_size);
      push(divide);
    }
    normalize(m.norm, o, o, m.head_size, m.num_heads, true);
    skip(o, c, m.skip, channels, 1);
    map(Map::times_silu, o, o, z, channels);
    multiply(m.down, o, x, nullptr, true);
  }

  void mix(const SlstmMixer& m, Feature h, Feature x) {
    const std::size_t size = m.num_heads * m.head_size;
    const Feature convolved = m.convolution ? convolve(*m.convolution, h, Activation::silu) : h;
    const Feature raw = take(4 * size);
    for (std::size_t slot = 0; slot < 4; ++slot) {
      multiply(m.slots[slot], slot < 2 ? convolved : h, raw + narrow(slot * size));
    }
    const Feature y = take(size);
    Op cell = op(Op::Kind::cell, y, size);
    cell.a = raw;
    cell.size = narrow(m.head_size);
    std::vector<float> transposed(m.recurrent.size());
    for (std::size_t block = 0; block < 4 * m.num_heads; ++block) {
      for (std::size_t to = 0; to < m.head_size; ++to) {
        for (std::size_t from = 0; from < m.head_size; ++from) {
          transposed[(block * m.head_size + from) * m.head_size + to] =
              m.recurrent[(block * m.head_size + to) * m.head_size + from];
        }
      }
    }
    cell.w0 = store(transposed);
    cell.w1 = store(m.bias);
    cell.state = state_;
    state_ += 4 * size;
    push(cell);
    normalize(m.norm, y, y, m.head_size, m.num_heads, true);
    map(Map::add, x, x, y, size);
  }

  // ---- feed-forward parts: x = x + f(h) ----------------------------------------------------------------------------

  void feed(const GatedFeedForward& f, Feature h, Feature x) {
    const Feature gate = take(f.gate.rows);
    const Feature up = take(f.gate.rows);
    multiply(f.gate, h, gate);
    multiply(f.up, h, up);
    map(f.activation == GatedFeedForward::Gate::silu ? Map::silu_times : Map::gelu_times, gate, gate, up, f.gate.rows);
    multiply(f.down, gate, x, nullptr, true);
  }
  void feed(const ShiftedFeedForward& f, Feature h, Feature x) {
    const std::size_t size = f.mix.size();
    const Feature dx = take(size);
    const Feature mixed = take(size);
    shift(h, dx, size);
    Op o = map_op(Map::mix_shift, mixed, h, size);
    o.b = dx;
    o.w0 = store(f.mix);
    push(o);
    const Feature inner = take(f.key.rows);
    multiply(f.key, mixed, inner);
    activate(Activation::squared_relu, inner, f.key.rows);
    multiply(f.value, inner, x, nullptr, true);
  }

  const LearnedModel& model_;
  LearnedProgram program_;
  std::vector<std::size_t> block_state_;
  std::size_t state_ = 0;
  Feature next_ = 0;
  Feature most_ = 0;
  Feature first_value_ = LearnedFeatures::none;
};

}  // namespace

bool runs_on_device(const LearnedModel& model) {
  return std::all_of(model.blocks().begin(), model.blocks().end(), [](const LearnedBlock& block) {
    const auto* delta = std::get_if<DeltaMixer>(&block.mixer);
    return delta == nullptr || delta->num_householder <= LearnedRecurrence::most_updates;
  });
}

LearnedProgram make_learned_program(const LearnedModel& model) {
  if (!runs_on_device(model)) {
    throw ResourceError("a model on a device: expected at most " + std::to_string(LearnedRecurrence::most_updates) +
                        " Householder factors a token, got more; run it on the CPU");
  }
  return Builder(model).build();
}

}  // namespace krohn
