// The shapes of learned models. One function a mixer states its shapes (check), one its fields in a fixed order
// (walk): parameters, the test for NaN and the fingerprint all read the latter, so that nothing can be left out of
// one of them. Cost: one pass over the weights.
#include "krohn/model/learned_model.hpp"

#include <bit>
#include <cmath>
#include <limits>

#include "krohn/digest/sha256.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

constexpr std::size_t largest_extent = std::size_t{1} << 28U;

// ---- walk: every option and weight, in order ----------------------------------------------------------------------

template <class Sink>
void walk(Sink& sink, const std::string& name, const Matrix& m) {
  sink.number(name + ".rows", static_cast<double>(m.rows));
  sink.number(name + ".columns", static_cast<double>(m.columns));
  sink.weights(name, m.entries);
}
template <class Sink>
void walk(Sink& sink, const std::string& name, const Norm& norm) {
  sink.number(name + ".kind", static_cast<double>(norm.kind));
  sink.number(name + ".epsilon", norm.epsilon);
  sink.number(name + ".weight_is_offset", norm.weight_is_offset ? 1 : 0);
  sink.weights(name + ".weight", norm.weight);
  sink.weights(name + ".bias", norm.bias);
}
template <class Sink>
void walk(Sink& sink, const std::string& name, const ShortConvolution& c) {
  sink.number(name + ".channels", static_cast<double>(c.channels));
  sink.number(name + ".width", static_cast<double>(c.width));
  sink.weights(name + ".weight", c.weight);
  sink.weights(name + ".bias", c.bias);
}
template <class Sink>
void walk(Sink& sink, const std::string& name, const BlockDiagonal& b) {
  sink.number(name + ".blocks", static_cast<double>(b.blocks));
  sink.number(name + ".size", static_cast<double>(b.size));
  sink.weights(name, b.weight);
}
template <class Sink>
void walk(Sink& sink, const std::string& name, const LowRank& l) {
  walk(sink, name + ".down", l.down);
  walk(sink, name + ".up", l.up);
  sink.weights(name + ".bias", l.bias);
}
template <class Sink, class T>
void walk(Sink& sink, const std::string& name, const std::optional<T>& value) {
  sink.number(name + ".present", value ? 1 : 0);
  if (value) walk(sink, name, *value);
}
template <class Sink>
void walk(Sink& sink, const std::string& name, const QueryKeyValue& q) {
  walk(sink, name + ".query", q.query);
  walk(sink, name + ".key", q.key);
  walk(sink, name + ".value", q.value);
  walk(sink, name + ".query_convolution", q.query_convolution);
  walk(sink, name + ".key_convolution", q.key_convolution);
  walk(sink, name + ".value_convolution", q.value_convolution);
  sink.number(name + ".query_key_activation", static_cast<double>(q.query_key_activation));
  sink.number(name + ".value_activation", static_cast<double>(q.value_activation));
}
template <class Sink>
void walk(Sink& sink, const std::string& name, const HeadOutput& o) {
  walk(sink, name + ".norm", o.norm);
  walk(sink, name + ".gate", o.gate);
  walk(sink, name + ".projection", o.projection);
}

template <class Sink>
void walk(Sink& sink, const std::string& name, const DeltaMixer& m) {
  sink.number(name + ".num_heads", static_cast<double>(m.num_heads));
  sink.number(name + ".num_value_heads", static_cast<double>(m.num_value_heads));
  sink.number(name + ".key_size", static_cast<double>(m.key_size));
  sink.number(name + ".value_size", static_cast<double>(m.value_size));
  sink.number(name + ".num_householder", static_cast<double>(m.num_householder));
  walk(sink, name, m.inputs);
  sink.number(name + ".key_norm", static_cast<double>(m.key_norm));
  walk(sink, name + ".beta", m.beta);
  sink.number(name + ".beta_input_scale", m.beta_input_scale);
  sink.number(name + ".beta_scale", m.beta_scale);
  sink.number(name + ".beta_shift", m.beta_shift);
  walk(sink, name + ".decay", m.decay);
  sink.weights(name + ".log_rate", m.log_rate);
  sink.weights(name + ".decay_bias", m.decay_bias);
  walk(sink, name + ".output", m.output);
}
template <class Sink>
void walk(Sink& sink, const std::string& name, const GlaMixer& m) {
  sink.number(name + ".num_heads", static_cast<double>(m.num_heads));
  sink.number(name + ".num_key_heads", static_cast<double>(m.num_key_heads));
  sink.number(name + ".key_size", static_cast<double>(m.key_size));
  sink.number(name + ".value_size", static_cast<double>(m.value_size));
  walk(sink, name, m.inputs);
  sink.number(name + ".feature_map", static_cast<double>(m.feature_map));
  walk(sink, name + ".decay_down", m.decay_down);
  walk(sink, name + ".decay_up", m.decay_up);
  sink.weights(name + ".decay_bias", m.decay_bias);
  sink.number(name + ".decay_divisor", m.decay_divisor);
  sink.number(name + ".decay_floor.present", m.decay_floor ? 1 : 0);
  if (m.decay_floor) sink.number(name + ".decay_floor", *m.decay_floor);
  walk(sink, name + ".output", m.output);
}
template <class Sink>
void walk(Sink& sink, const std::string& name, const MambaMixer& m) {
  sink.number(name + ".channels", static_cast<double>(m.channels));
  sink.number(name + ".state_size", static_cast<double>(m.state_size));
  sink.number(name + ".rank", static_cast<double>(m.rank));
  sink.number(name + ".negative_eigenvalues", m.negative_eigenvalues ? 1 : 0);
  walk(sink, name + ".in", m.in);
  sink.weights(name + ".in_bias", m.in_bias);
  walk(sink, name + ".convolution", m.convolution);
  walk(sink, name + ".selection", m.selection);
  walk(sink, name + ".step", m.step);
  sink.weights(name + ".step_bias", m.step_bias);
  sink.weights(name + ".log_rate", m.log_rate);
  sink.weights(name + ".skip", m.skip);
  walk(sink, name + ".out", m.out);
  sink.weights(name + ".out_bias", m.out_bias);
}
template <class Sink>
void walk(Sink& sink, const std::string& name, const Mamba2Mixer& m) {
  sink.number(name + ".num_heads", static_cast<double>(m.num_heads));
  sink.number(name + ".head_size", static_cast<double>(m.head_size));
  sink.number(name + ".state_size", static_cast<double>(m.state_size));
  sink.number(name + ".num_groups", static_cast<double>(m.num_groups));
  walk(sink, name + ".in", m.in);
  sink.weights(name + ".in_bias", m.in_bias);
  walk(sink, name + ".convolution", m.convolution);
  sink.weights(name + ".step_bias", m.step_bias);
  sink.number(name + ".step_least", m.step_least);
  sink.number(name + ".step_most", m.step_most);
  sink.weights(name + ".log_rate", m.log_rate);
  sink.weights(name + ".skip", m.skip);
  walk(sink, name + ".norm", m.norm);
  sink.number(name + ".norm_before_gate", m.norm_before_gate ? 1 : 0);
  walk(sink, name + ".out", m.out);
  sink.weights(name + ".out_bias", m.out_bias);
}
template <class Sink>
void walk(Sink& sink, const std::string& name, const Rwkv7Mixer& m) {
  sink.number(name + ".num_heads", static_cast<double>(m.num_heads));
  sink.number(name + ".key_size", static_cast<double>(m.key_size));
  sink.number(name + ".value_size", static_cast<double>(m.value_size));
  sink.weights(name + ".mix_r", m.mix_r);
  sink.weights(name + ".mix_w", m.mix_w);
  sink.weights(name + ".mix_k", m.mix_k);
  sink.weights(name + ".mix_v", m.mix_v);
  sink.weights(name + ".mix_a", m.mix_a);
  sink.weights(name + ".mix_g", m.mix_g);
  walk(sink, name + ".receptance", m.receptance);
  walk(sink, name + ".key", m.key);
  walk(sink, name + ".value", m.value);
  walk(sink, name + ".out", m.out);
  walk(sink, name + ".decay", m.decay);
  walk(sink, name + ".value_mix", m.value_mix);
  walk(sink, name + ".rate", m.rate);
  walk(sink, name + ".gate", m.gate);
  sink.weights(name + ".removal_scale", m.removal_scale);
  sink.weights(name + ".rate_scale", m.rate_scale);
  sink.weights(name + ".bonus", m.bonus);
  sink.number(name + ".smooth_key_norm", m.smooth_key_norm ? 1 : 0);
  walk(sink, name + ".norm", m.norm);
}
template <class Sink>
void walk(Sink& sink, const std::string& name, const MlstmMixer& m) {
  sink.number(name + ".num_heads", static_cast<double>(m.num_heads));
  sink.number(name + ".head_size", static_cast<double>(m.head_size));
  walk(sink, name + ".up", m.up);
  walk(sink, name + ".convolution", m.convolution);
  walk(sink, name + ".query", m.query);
  walk(sink, name + ".key", m.key);
  walk(sink, name + ".value", m.value);
  walk(sink, name + ".input_gate", m.input_gate);
  sink.weights(name + ".input_gate_bias", m.input_gate_bias);
  walk(sink, name + ".forget_gate", m.forget_gate);
  sink.weights(name + ".forget_gate_bias", m.forget_gate_bias);
  walk(sink, name + ".norm", m.norm);
  sink.weights(name + ".skip", m.skip);
  walk(sink, name + ".down", m.down);
}
template <class Sink>
void walk(Sink& sink, const std::string& name, const SlstmMixer& m) {
  sink.number(name + ".num_heads", static_cast<double>(m.num_heads));
  sink.number(name + ".head_size", static_cast<double>(m.head_size));
  walk(sink, name + ".convolution", m.convolution);
  for (std::size_t i = 0; i < 4; ++i) walk(sink, name + ".slots." + std::to_string(i), m.slots[i]);
  sink.weights(name + ".recurrent", m.recurrent);
  sink.weights(name + ".bias", m.bias);
  walk(sink, name + ".norm", m.norm);
}
template <class Sink>
void walk(Sink& sink, const std::string& name, const GatedFeedForward& f) {
  sink.number(name + ".activation", static_cast<double>(f.activation));
  walk(sink, name + ".gate", f.gate);
  walk(sink, name + ".up", f.up);
  walk(sink, name + ".down", f.down);
}
template <class Sink>
void walk(Sink& sink, const std::string& name, const ShiftedFeedForward& f) {
  sink.weights(name + ".mix", f.mix);
  walk(sink, name + ".key", f.key);
  walk(sink, name + ".value", f.value);
}
template <class Sink, class... T>
void walk(Sink& sink, const std::string& name, const std::variant<T...>& v) {
  sink.number(name + ".kind", static_cast<double>(v.index()));
  std::visit([&](const auto& value) { walk(sink, name, value); }, v);
}

template <class Sink>
void walk_model(Sink& sink, const Matrix& embedding, const std::vector<LearnedBlock>& blocks,
                const std::optional<Norm>& last_norm, const std::optional<Matrix>& head) {
  walk(sink, "embedding", embedding);
  sink.number("blocks", static_cast<double>(blocks.size()));
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const std::string name = "blocks." + std::to_string(i);
    walk(sink, name + ".stream_norm", blocks[i].stream_norm);
    walk(sink, name + ".mixer_norm", blocks[i].mixer_norm);
    walk(sink, name + ".mixer", blocks[i].mixer);
    walk(sink, name + ".feed_forward_norm", blocks[i].feed_forward_norm);
    walk(sink, name + ".feed_forward", blocks[i].feed_forward);
  }
  walk(sink, "last_norm", last_norm);
  walk(sink, "head", head);
}

struct CountSink {
  std::size_t count = 0;
  void number(const std::string&, double) {}
  void weights(const std::string&, const std::vector<float>& values) { count += values.size(); }
};

struct FiniteSink {
  std::vector<std::string>& problems;
  void number(const std::string&, double) {}
  void weights(const std::string& name, const std::vector<float>& values) {
    std::size_t bad = 0;
    for (const float value : values) bad += std::isfinite(value) ? 0 : 1;
    if (bad != 0) {
      problems.push_back(name + ": expected finite weights, got " + std::to_string(bad) + " that are NaN or infinite");
    }
  }
};

struct HashSink {
  Sha256 hash;
  void bytes(const void* data, std::size_t size) { hash.add({static_cast<const char*>(data), size}); }
  void name(const std::string& text) { bytes(text.c_str(), text.size() + 1); }
  void number(const std::string& text, double value) {
    name(text);
    bytes(&value, sizeof value);
  }
  void weights(const std::string& text, const std::vector<float>& values) {
    name(text);
    const auto count = static_cast<std::uint64_t>(values.size());
    bytes(&count, sizeof count);
    bytes(values.data(), values.size() * sizeof(float));
  }
};
static_assert(std::endian::native == std::endian::little, "the fingerprint hashes little-endian numbers");

// ---- check: the shapes --------------------------------------------------------------------------------------------

class ShapeCheck {
 public:
  explicit ShapeCheck(std::size_t model_size) : model_(model_size) {}

  void expect(const std::string& name, bool holds, const std::string& expected, const std::string& got) {
    if (!holds) problems.push_back(name + ": expected " + expected + ", got " + got);
  }
  void positive(const std::string& name, std::size_t value) {
    expect(name, value > 0 && value <= largest_extent, "a size from 1 to " + std::to_string(largest_extent),
           std::to_string(value));
  }
  void vector(const std::string& name, const std::vector<float>& v, std::size_t size, bool optional = false) {
    if (optional && v.empty()) return;
    expect(name, v.size() == size, "shape [" + std::to_string(size) + "]", "[" + std::to_string(v.size()) + "]");
  }
  void matrix(const std::string& name, const Matrix& m, std::size_t rows, std::size_t columns) {
    expect(name, m.rows == rows && m.columns == columns,
           "shape [" + std::to_string(rows) + ", " + std::to_string(columns) + "]",
           "[" + std::to_string(m.rows) + ", " + std::to_string(m.columns) + "]");
    expect(name, m.entries.size() == m.rows * m.columns, std::to_string(m.rows * m.columns) + " entries",
           std::to_string(m.entries.size()));
  }
  void norm(const std::string& name, const Norm& n, std::size_t size) {
    vector(name + ".weight", n.weight, size, true);
    vector(name + ".bias", n.bias, size, true);
    expect(name + ".epsilon", std::isfinite(n.epsilon) && n.epsilon >= 0, "a number of at least 0",
           std::to_string(n.epsilon));
  }
  void convolution(const std::string& name, const ShortConvolution& c, std::size_t channels) {
    positive(name + ".width", c.width);
    expect(name + ".channels", c.channels == channels, std::to_string(channels), std::to_string(c.channels));
    vector(name + ".weight", c.weight, c.channels * c.width);
    vector(name + ".bias", c.bias, c.channels, true);
  }
  void block_diagonal(const std::string& name, const BlockDiagonal& b, std::size_t total) {
    expect(name, b.blocks * b.size == total && b.weight.size() == b.blocks * b.size * b.size,
           "blocks that cover " + std::to_string(total),
           std::to_string(b.blocks) + " of size " + std::to_string(b.size) + " with " +
               std::to_string(b.weight.size()) + " weights");
  }
  void low_rank(const std::string& name, const LowRank& l, std::size_t out) {
    matrix(name + ".down", l.down, l.down.rows, model_);
    matrix(name + ".up", l.up, out, l.down.rows);
    vector(name + ".bias", l.bias, out, true);
  }
  void inputs(const std::string& name, const QueryKeyValue& q, std::size_t queries, std::size_t keys,
              std::size_t values) {
    matrix(name + ".query", q.query, queries, model_);
    matrix(name + ".key", q.key, keys, model_);
    matrix(name + ".value", q.value, values, model_);
    if (q.query_convolution) convolution(name + ".query_convolution", *q.query_convolution, queries);
    if (q.key_convolution) convolution(name + ".key_convolution", *q.key_convolution, keys);
    if (q.value_convolution) convolution(name + ".value_convolution", *q.value_convolution, values);
  }
  void output(const std::string& name, const HeadOutput& o, std::size_t value_size, std::size_t values) {
    norm(name + ".norm", o.norm, value_size);
    if (o.gate) matrix(name + ".gate", *o.gate, values, model_);
    matrix(name + ".projection", o.projection, model_, values);
  }

  void mixer(const std::string& name, const DeltaMixer& m) {
    positive(name + ".num_heads", m.num_heads);
    positive(name + ".key_size", m.key_size);
    positive(name + ".value_size", m.value_size);
    positive(name + ".num_householder", m.num_householder);
    if (!problems.empty()) return;
    expect(name + ".num_value_heads", m.num_value_heads > 0 && m.num_value_heads % m.num_heads == 0,
           "a multiple of num_heads " + std::to_string(m.num_heads), std::to_string(m.num_value_heads));
    const std::size_t values = m.num_value_heads * m.value_size;
    inputs(name, m.inputs, m.num_heads * m.key_size, m.num_householder * m.num_heads * m.key_size,
           m.num_householder * values);
    if (m.beta) matrix(name + ".beta", *m.beta, m.num_householder * m.num_value_heads, model_);
    for (const double scale : {m.beta_input_scale, m.beta_scale, m.beta_shift}) {
      expect(name + ".beta_scale", std::isfinite(scale), "a finite number", std::to_string(scale));
    }
    if (m.decay) {
      matrix(name + ".decay", *m.decay, m.num_value_heads, model_);
      vector(name + ".log_rate", m.log_rate, m.num_value_heads);
      vector(name + ".decay_bias", m.decay_bias, m.num_value_heads);
    }
    output(name + ".output", m.output, m.value_size, values);
  }
  void mixer(const std::string& name, const GlaMixer& m) {
    positive(name + ".num_heads", m.num_heads);
    positive(name + ".num_key_heads", m.num_key_heads);
    positive(name + ".key_size", m.key_size);
    positive(name + ".value_size", m.value_size);
    if (!problems.empty()) return;
    expect(name + ".num_heads", m.num_heads % m.num_key_heads == 0,
           "a multiple of num_key_heads " + std::to_string(m.num_key_heads), std::to_string(m.num_heads));
    inputs(name, m.inputs, m.num_heads * m.key_size, m.num_key_heads * m.key_size, m.num_key_heads * m.value_size);
    matrix(name + ".decay_down", m.decay_down, m.decay_down.rows, model_);
    matrix(name + ".decay_up", m.decay_up, m.num_key_heads * m.key_size, m.decay_down.rows);
    vector(name + ".decay_bias", m.decay_bias, m.num_key_heads * m.key_size);
    output(name + ".output", m.output, m.value_size, m.num_heads * m.value_size);
  }
  void mixer(const std::string& name, const MambaMixer& m) {
    positive(name + ".channels", m.channels);
    positive(name + ".state_size", m.state_size);
    positive(name + ".rank", m.rank);
    if (!problems.empty()) return;
    matrix(name + ".in", m.in, 2 * m.channels, model_);
    vector(name + ".in_bias", m.in_bias, 2 * m.channels, true);
    convolution(name + ".convolution", m.convolution, m.channels);
    matrix(name + ".selection", m.selection, m.rank + 2 * m.state_size, m.channels);
    matrix(name + ".step", m.step, m.channels, m.rank);
    vector(name + ".step_bias", m.step_bias, m.channels);
    vector(name + ".log_rate", m.log_rate, m.channels * m.state_size);
    vector(name + ".skip", m.skip, m.channels);
    matrix(name + ".out", m.out, model_, m.channels);
    vector(name + ".out_bias", m.out_bias, model_, true);
  }
  void mixer(const std::string& name, const Mamba2Mixer& m) {
    positive(name + ".num_heads", m.num_heads);
    positive(name + ".head_size", m.head_size);
    positive(name + ".state_size", m.state_size);
    positive(name + ".num_groups", m.num_groups);
    if (!problems.empty()) return;
    expect(name + ".num_heads", m.num_heads % m.num_groups == 0,
           "a multiple of num_groups " + std::to_string(m.num_groups), std::to_string(m.num_heads));
    const std::size_t channels = m.num_heads * m.head_size;
    const std::size_t convolved = channels + 2 * m.num_groups * m.state_size;
    matrix(name + ".in", m.in, channels + convolved + m.num_heads, model_);
    vector(name + ".in_bias", m.in_bias, m.in.rows, true);
    convolution(name + ".convolution", m.convolution, convolved);
    vector(name + ".step_bias", m.step_bias, m.num_heads);
    expect(name + ".step_least", m.step_least >= 0 && m.step_least <= m.step_most, "limits in ascending order from 0",
           std::to_string(m.step_least) + ".." + std::to_string(m.step_most));
    vector(name + ".log_rate", m.log_rate, m.num_heads);
    vector(name + ".skip", m.skip, m.skip.size() == channels ? channels : m.num_heads);
    if (m.norm) norm(name + ".norm", *m.norm, channels);
    matrix(name + ".out", m.out, model_, channels);
    vector(name + ".out_bias", m.out_bias, model_, true);
  }
  void mixer(const std::string& name, const Rwkv7Mixer& m) {
    positive(name + ".num_heads", m.num_heads);
    positive(name + ".key_size", m.key_size);
    positive(name + ".value_size", m.value_size);
    if (!problems.empty()) return;
    const std::size_t keys = m.num_heads * m.key_size;
    const std::size_t values = m.num_heads * m.value_size;
    for (const std::vector<float>* mix : {&m.mix_r, &m.mix_w, &m.mix_k, &m.mix_v, &m.mix_a, &m.mix_g}) {
      vector(name + ".mix", *mix, model_);
    }
    matrix(name + ".receptance", m.receptance, keys, model_);
    matrix(name + ".key", m.key, keys, model_);
    matrix(name + ".value", m.value, values, model_);
    matrix(name + ".out", m.out, model_, values);
    low_rank(name + ".decay", m.decay, keys);
    if (m.value_mix) low_rank(name + ".value_mix", *m.value_mix, values);
    low_rank(name + ".rate", m.rate, keys);
    low_rank(name + ".gate", m.gate, values);
    vector(name + ".removal_scale", m.removal_scale, keys);
    vector(name + ".rate_scale", m.rate_scale, keys);
    vector(name + ".bonus", m.bonus, keys);
    norm(name + ".norm", m.norm, values);
  }
  void mixer(const std::string& name, const MlstmMixer& m) {
    positive(name + ".num_heads", m.num_heads);
    positive(name + ".head_size", m.head_size);
    if (!problems.empty()) return;
    const std::size_t channels = m.num_heads * m.head_size;
    matrix(name + ".up", m.up, 2 * channels, model_);
    convolution(name + ".convolution", m.convolution, channels);
    block_diagonal(name + ".query", m.query, channels);
    block_diagonal(name + ".key", m.key, channels);
    block_diagonal(name + ".value", m.value, channels);
    matrix(name + ".input_gate", m.input_gate, m.num_heads, 3 * channels);
    matrix(name + ".forget_gate", m.forget_gate, m.num_heads, 3 * channels);
    vector(name + ".input_gate_bias", m.input_gate_bias, m.num_heads);
    vector(name + ".forget_gate_bias", m.forget_gate_bias, m.num_heads);
    norm(name + ".norm", m.norm, channels);
    vector(name + ".skip", m.skip, channels);
    matrix(name + ".down", m.down, model_, channels);
  }
  void mixer(const std::string& name, const SlstmMixer& m) {
    positive(name + ".num_heads", m.num_heads);
    positive(name + ".head_size", m.head_size);
    if (!problems.empty()) return;
    expect(name + ".num_heads", m.num_heads * m.head_size == model_, "heads that cover " + std::to_string(model_),
           std::to_string(m.num_heads) + " of size " + std::to_string(m.head_size));
    if (m.convolution) convolution(name + ".convolution", *m.convolution, model_);
    for (const BlockDiagonal& slot : m.slots) {
      block_diagonal(name + ".slots", slot, model_);
      expect(name + ".slots", slot.blocks == m.num_heads, "a block for each head", std::to_string(slot.blocks));
    }
    vector(name + ".recurrent", m.recurrent, 4 * m.num_heads * m.head_size * m.head_size);
    vector(name + ".bias", m.bias, 4 * model_);
    norm(name + ".norm", m.norm, model_);
  }
  void feed_forward(const std::string& name, const GatedFeedForward& f) {
    matrix(name + ".gate", f.gate, f.gate.rows, model_);
    matrix(name + ".up", f.up, f.gate.rows, model_);
    matrix(name + ".down", f.down, model_, f.gate.rows);
  }
  void feed_forward(const std::string& name, const ShiftedFeedForward& f) {
    vector(name + ".mix", f.mix, model_);
    matrix(name + ".key", f.key, f.key.rows, model_);
    matrix(name + ".value", f.value, model_, f.key.rows);
  }

  std::vector<std::string> problems;

 private:
  std::size_t model_;
};

// ---- the layout of the carried state ------------------------------------------------------------------------------

class Layout {
 public:
  explicit Layout(std::vector<StatePart>& parts) : parts_(parts) {}

  void add(StatePart::Kind kind, std::size_t block, std::string input, std::vector<std::size_t> shape) {
    std::size_t size = 1;
    for (const std::size_t extent : shape) size *= extent;
    parts_.push_back({kind, block, std::move(input), std::move(shape), total_, size});
    total_ += size;
  }
  void convolution(std::size_t block, const std::string& input, const std::optional<ShortConvolution>& c) {
    if (c && c->width > 1) add(StatePart::Kind::convolution, block, input, {c->width - 1, c->channels});
  }
  std::size_t total() const { return total_; }

 private:
  std::vector<StatePart>& parts_;
  std::size_t total_ = 0;
};

void lay_out(Layout& layout, std::size_t block, const QueryKeyValue& inputs) {
  layout.convolution(block, "q", inputs.query_convolution);
  layout.convolution(block, "k", inputs.key_convolution);
  layout.convolution(block, "v", inputs.value_convolution);
}
void lay_out(Layout& layout, std::size_t block, const DeltaMixer& m) {
  lay_out(layout, block, m.inputs);
  layout.add(StatePart::Kind::hidden, block, "", {m.num_value_heads, m.key_size, m.value_size});
}
void lay_out(Layout& layout, std::size_t block, const GlaMixer& m) {
  lay_out(layout, block, m.inputs);
  layout.add(StatePart::Kind::hidden, block, "", {m.num_key_heads, m.key_size, m.value_size});
}
void lay_out(Layout& layout, std::size_t block, const MambaMixer& m) {
  layout.convolution(block, "x", m.convolution);
  layout.add(StatePart::Kind::hidden, block, "", {1, m.state_size, m.channels});
}
void lay_out(Layout& layout, std::size_t block, const Mamba2Mixer& m) {
  layout.convolution(block, "x", m.convolution);
  layout.add(StatePart::Kind::hidden, block, "", {m.num_heads, m.state_size, m.head_size});
}
void lay_out(Layout& layout, std::size_t block, const Rwkv7Mixer& m) {
  layout.add(StatePart::Kind::shift, block, "mixer", {m.mix_r.size()});
  layout.add(StatePart::Kind::hidden, block, "", {m.num_heads, m.key_size, m.value_size});
}
void lay_out(Layout& layout, std::size_t block, const MlstmMixer& m) {
  layout.convolution(block, "x", m.convolution);
  layout.add(StatePart::Kind::hidden, block, "", {m.num_heads, m.head_size, m.head_size + 1});
  layout.add(StatePart::Kind::stabilizer, block, "", {m.num_heads});
}
void lay_out(Layout& layout, std::size_t block, const SlstmMixer& m) {
  layout.convolution(block, "x", m.convolution);
  const std::size_t size = m.num_heads * m.head_size;
  layout.add(StatePart::Kind::output, block, "", {size});
  layout.add(StatePart::Kind::cell, block, "", {size});
  layout.add(StatePart::Kind::normalizer, block, "", {size});
  layout.add(StatePart::Kind::stabilizer, block, "", {size});
}

}  // namespace

LearnedModel::LearnedModel(std::string architecture, Matrix embedding, std::vector<LearnedBlock> blocks,
                           std::optional<Norm> last_norm, std::optional<Matrix> head)
    : architecture_(std::move(architecture)),
      embedding_(std::move(embedding)),
      blocks_(std::move(blocks)),
      last_norm_(std::move(last_norm)),
      head_(std::move(head)) {
  ShapeCheck check(embedding_.columns);
  check.positive("vocabulary", embedding_.rows);
  check.positive("model size", embedding_.columns);
  check.matrix("embedding", embedding_, embedding_.rows, embedding_.columns);
  std::vector<std::string> problems = std::move(check.problems);
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const LearnedBlock& block = blocks_[i];
    const std::string name = "blocks." + std::to_string(i);
    ShapeCheck block_check(embedding_.columns);
    if (block.stream_norm) block_check.norm(name + ".stream_norm", *block.stream_norm, embedding_.columns);
    block_check.norm(name + ".mixer_norm", block.mixer_norm, embedding_.columns);
    if (block.feed_forward_norm) {
      block_check.norm(name + ".feed_forward_norm", *block.feed_forward_norm, embedding_.columns);
    }
    if (block.feed_forward) {
      std::visit([&](const auto& f) { block_check.feed_forward(name + ".feed_forward", f); }, *block.feed_forward);
    }
    std::visit([&](const auto& m) { block_check.mixer(name + ".mixer", m); }, block.mixer);
    if (const auto* mixer = std::get_if<Rwkv7Mixer>(&block.mixer); mixer != nullptr) {
      // A value to mix in must exist, and be of the same size.
      const auto* first = i == 0 ? nullptr : std::get_if<Rwkv7Mixer>(&blocks_[0].mixer);
      block_check.expect(name + ".value_mix", mixer->value_mix.has_value() == (i > 0),
                         i == 0 ? "none in the first block" : "one in every block but the first",
                         mixer->value_mix ? "one" : "none");
      block_check.expect(name + ".value", i == 0 || (first != nullptr && first->value.rows == mixer->value.rows),
                         "as many values as in the first block", std::to_string(mixer->value.rows));
    }
    problems.insert(problems.end(), block_check.problems.begin(), block_check.problems.end());
  }
  if (last_norm_) {
    ShapeCheck last(embedding_.columns);
    last.norm("last_norm", *last_norm_, embedding_.columns);
    problems.insert(problems.end(), last.problems.begin(), last.problems.end());
  }
  if (head_) {
    ShapeCheck last(embedding_.columns);
    last.positive("logits", head_->rows);
    last.matrix("head", *head_, head_->rows, embedding_.columns);
    problems.insert(problems.end(), last.problems.begin(), last.problems.end());
  }
  FiniteSink finite{problems};
  walk_model(finite, embedding_, blocks_, last_norm_, head_);
  if (!problems.empty()) throw InputError(problems);

  Layout layout(state_parts_);
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    std::visit([&](const auto& m) { lay_out(layout, i, m); }, blocks_[i].mixer);
    if (blocks_[i].feed_forward && std::holds_alternative<ShiftedFeedForward>(*blocks_[i].feed_forward)) {
      layout.add(StatePart::Kind::shift, i, "feed_forward", {embedding_.columns});
    }
  }
  state_size_ = layout.total();
}

std::size_t LearnedModel::num_parameters() const noexcept {
  CountSink count;
  walk_model(count, embedding_, blocks_, last_norm_, head_);
  return count.count;
}

std::string LearnedModel::fingerprint() const {
  HashSink sink;
  sink.name("krohn-learned-model-v1");
  walk_model(sink, embedding_, blocks_, last_norm_, head_);
  return hexadecimal(sink.hash.digest());
}

}  // namespace krohn
