// Random learned models of every architecture, with sizes of the caller's and every option drawn.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "krohn/model/learned_model.hpp"
#include "krohn/numeric/splitmix64.hpp"

namespace krohn::testing {

/// What a beta is: sigmoid-shaped in (0, 1) or (0, 2), or one exact number for every token.
enum class Beta { unit, doubled, zero, one, two };

struct LearnedSizes {
  std::size_t heads = 2;
  std::size_t head_size = 16;
  std::size_t num_householder = 1;
  Beta beta = Beta::doubled;
  /// 0: drawn. mLSTM and sLSTM have heads * head_size.
  std::size_t model_size = 0;
};

class RandomLearnedModel {
 public:
  explicit RandomLearnedModel(std::uint64_t seed) : random_(seed) {}

  /// "delta", "gla", "mamba", "mamba2", "rwkv7", "mlstm" or "slstm"; two blocks.
  LearnedModel make(const std::string& architecture, const LearnedSizes& sizes) {
    sizes_ = sizes;
    // mLSTM and sLSTM have blocks of the model's size.
    model_ = architecture == "mlstm" || architecture == "slstm" ? sizes.heads * sizes.head_size
             : sizes.model_size != 0                            ? sizes.model_size
                                                                : 24 + 4 * below(3);
    constexpr std::size_t vocabulary = 5;
    std::vector<LearnedBlock> blocks(2);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      LearnedBlock& block = blocks[i];
      block.mixer_norm = norm(model_);
      block.mixer = mixer(architecture, i);
      if (architecture == "rwkv7" && i == 0) block.stream_norm = norm(model_);
      if (coin()) {
        block.feed_forward_norm = norm(model_);
        const std::size_t inner = model_ + 9;
        if (architecture == "rwkv7") {
          block.feed_forward = ShiftedFeedForward{vector(model_), matrix(inner, model_), matrix(model_, inner)};
        } else {
          block.feed_forward = GatedFeedForward{coin() ? GatedFeedForward::Gate::silu : GatedFeedForward::Gate::gelu,
                                                matrix(inner, model_), matrix(inner, model_), matrix(model_, inner)};
        }
      }
    }
    return LearnedModel(architecture, matrix(vocabulary, model_, 1.0), std::move(blocks), norm(model_),
                        coin() ? std::optional(matrix(7, model_)) : std::nullopt);
  }

 private:
  std::uint64_t below(std::uint64_t n) { return random_.next() % n; }
  bool coin() { return below(2) == 0; }
  float uniform(double scale) {
    return static_cast<float>((static_cast<double>(random_.next() >> 11U) * 0x1p-52 - 1.0) * scale);
  }
  std::vector<float> vector(std::size_t size, double scale = 1.0, double middle = 0.0) {
    std::vector<float> v(size);
    for (float& x : v) x = uniform(scale) + static_cast<float>(middle);
    return v;
  }
  Matrix matrix(std::size_t rows, std::size_t columns, double scale = 0.0) {
    const double spread = scale > 0 ? scale : 1.5 / std::sqrt(static_cast<double>(columns));
    return {rows, columns, vector(rows * columns, spread)};
  }
  Norm norm(std::size_t size) {
    Norm n;
    n.kind = coin() ? Norm::Kind::rms : Norm::Kind::layer;
    n.weight_is_offset = coin();
    if (below(4) != 0) n.weight = vector(size, 0.5, n.weight_is_offset ? 0.0 : 1.0);
    if (coin()) n.bias = vector(size, 0.2);
    return n;
  }
  Activation activation() { return static_cast<Activation>(below(7)); }
  ShortConvolution convolution(std::size_t channels) {
    const std::size_t width = 1 + below(4);
    return {channels, width, vector(channels * width, 0.7), coin() ? vector(channels, 0.2) : std::vector<float>{}};
  }
  std::optional<ShortConvolution> maybe_convolution(std::size_t channels) {
    if (coin()) return std::nullopt;
    return convolution(channels);
  }
  QueryKeyValue inputs(std::size_t queries, std::size_t keys, std::size_t values) {
    return {matrix(queries, model_), matrix(keys, model_),      matrix(values, model_), maybe_convolution(queries),
            maybe_convolution(keys), maybe_convolution(values), activation(),           activation()};
  }
  HeadOutput output(std::size_t value_size, std::size_t values) {
    return {norm(value_size), coin() ? std::optional(matrix(values, model_)) : std::nullopt, matrix(model_, values)};
  }
  LowRank low_rank(std::size_t out) {
    const std::size_t rank = 1 + below(6);
    return {matrix(rank, model_), matrix(out, rank), coin() ? vector(out, 0.3) : std::vector<float>{}};
  }
  BlockDiagonal blocks(std::size_t count, std::size_t size) {
    return {count, size, vector(count * size * size, 1.5 / std::sqrt(static_cast<double>(size)))};
  }

  Mixer mixer(const std::string& architecture, std::size_t block) {
    const std::size_t heads = sizes_.heads;
    const std::size_t d = sizes_.head_size;
    if (architecture == "delta") {
      DeltaMixer m;
      m.num_heads = heads;
      m.num_value_heads = heads * (1 + below(2));
      m.key_size = d;
      m.value_size = coin() ? d : d + 3;
      m.num_householder = sizes_.num_householder;
      m.inputs = inputs(heads * d, m.num_householder * heads * d, m.num_householder * m.num_value_heads * m.value_size);
      // A sum norm needs a sum that is not near zero.
      if (below(4) == 0) {
        m.key_norm = DeltaMixer::KeyNorm::sum;
        m.inputs.query_key_activation = Activation::elu_plus_one;
      }
      switch (sizes_.beta) {
        case Beta::unit:
        case Beta::doubled:
          m.beta = matrix(m.num_householder * m.num_value_heads, model_);
          m.beta_scale = sizes_.beta == Beta::unit ? 1.0 : 2.0;
          break;
        case Beta::zero:
          m.beta_scale = 0.0;
          break;
        case Beta::one:
          m.beta_scale = 1.0;
          break;
        case Beta::two:
          m.beta_scale = 2.0;
          break;
      }
      if (coin()) {
        m.decay = matrix(m.num_value_heads, model_);
        m.log_rate = vector(m.num_value_heads);
        m.decay_bias = vector(m.num_value_heads);
      }
      m.output = output(m.value_size, m.num_value_heads * m.value_size);
      return m;
    }
    if (architecture == "gla") {
      GlaMixer m;
      const std::size_t share = 1 + below(2);
      m.num_key_heads = heads;
      m.num_heads = heads * share;
      m.key_size = d;
      m.value_size = d + 2 * below(3);
      m.inputs = inputs(m.num_heads * d, heads * d, heads * m.value_size);
      m.feature_map = coin() ? Activation::identity : Activation::relu;
      m.decay_down = matrix(3, model_);
      m.decay_up = matrix(heads * d, 3);
      m.decay_bias = vector(heads * d);
      if (coin()) m.decay_floor = -0.05;
      m.output = output(m.value_size, m.num_heads * m.value_size);
      return m;
    }
    if (architecture == "mamba") {
      MambaMixer m;
      m.channels = heads * d;
      m.state_size = 5 + below(12);
      m.rank = 1 + below(3);
      m.in = matrix(2 * m.channels, model_);
      if (coin()) m.in_bias = vector(2 * m.channels, 0.2);
      m.convolution = convolution(m.channels);
      m.selection = matrix(m.rank + 2 * m.state_size, m.channels);
      m.step = matrix(m.channels, m.rank);
      m.step_bias = vector(m.channels);
      m.log_rate = vector(m.channels * m.state_size);
      m.skip = vector(m.channels);
      m.out = matrix(model_, m.channels);
      if (coin()) m.out_bias = vector(model_, 0.2);
      m.negative_eigenvalues = coin();
      return m;
    }
    if (architecture == "mamba2") {
      Mamba2Mixer m;
      m.num_heads = heads;
      m.head_size = d;
      m.state_size = 3 + below(30);
      m.num_groups = heads % 2 == 0 && coin() ? 2 : 1;
      const std::size_t channels = heads * d;
      const std::size_t convolved = channels + 2 * m.num_groups * m.state_size;
      m.in = matrix(channels + convolved + heads, model_);
      if (coin()) m.in_bias = vector(channels + convolved + heads, 0.2);
      m.convolution = convolution(convolved);
      m.step_bias = vector(heads);
      m.step_least = 0.01;
      m.step_most = 1.5;
      m.log_rate = vector(heads);
      m.skip = vector(coin() ? heads : channels);
      if (coin()) {
        m.norm = norm(channels);
        m.norm_before_gate = coin();
      }
      m.out = matrix(model_, channels);
      return m;
    }
    if (architecture == "rwkv7") {
      Rwkv7Mixer m;
      m.num_heads = heads;
      m.key_size = d;
      m.value_size = d;
      for (std::vector<float>* mix : {&m.mix_r, &m.mix_w, &m.mix_k, &m.mix_v, &m.mix_a, &m.mix_g})
        *mix = vector(model_);
      m.receptance = matrix(heads * d, model_);
      m.key = matrix(heads * d, model_);
      m.value = matrix(heads * d, model_);
      m.out = matrix(model_, heads * d);
      m.decay = low_rank(heads * d);
      if (block > 0) m.value_mix = low_rank(heads * d);
      m.rate = low_rank(heads * d);
      m.gate = low_rank(heads * d);
      m.removal_scale = vector(heads * d);
      m.rate_scale = vector(heads * d);
      m.bonus = vector(heads * d);
      m.smooth_key_norm = coin();
      m.norm = norm(heads * d);
      return m;
    }
    if (architecture == "mlstm") {
      MlstmMixer m;
      m.num_heads = heads;
      m.head_size = d;
      const std::size_t channels = heads * d;
      m.up = matrix(2 * channels, model_);
      m.convolution = convolution(channels);
      m.query = blocks(heads, d);
      m.key = blocks(heads, d);
      m.value = blocks(heads * d, 1);
      m.input_gate = matrix(heads, 3 * channels);
      m.forget_gate = matrix(heads, 3 * channels);
      m.input_gate_bias = vector(heads);
      m.forget_gate_bias = vector(heads, 1.0, 2.0);
      m.norm = norm(channels);
      m.skip = vector(channels);
      m.down = matrix(model_, channels);
      return m;
    }
    SlstmMixer m;
    m.num_heads = heads;
    m.head_size = d;
    if (coin()) m.convolution = convolution(model_);
    for (BlockDiagonal& slot : m.slots) slot = blocks(heads, d);
    m.recurrent = vector(4 * heads * d * d, 1.0 / std::sqrt(static_cast<double>(d)));
    m.bias = vector(4 * heads * d);
    m.norm = norm(heads * d);
    return m;
  }

  SplitMix64 random_;
  LearnedSizes sizes_;
  std::size_t model_ = 0;
};

inline const std::vector<std::string>& learned_architectures() {
  static const std::vector<std::string> names = {"delta", "gla", "mamba", "mamba2", "rwkv7", "mlstm", "slstm"};
  return names;
}

}  // namespace krohn::testing
