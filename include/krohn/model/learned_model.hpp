// Learned linear RNNs as values: what a checkpoint holds once its format is forgotten.
//
// A model is an embedding, blocks, an optional last norm and an output head. A block adds to the residual stream x
//     x = x + mixer(norm(x));   x = x + feed_forward(norm(x)),
// where a mixer carries state from token to token and a feed-forward part does not (RWKV-7's carries one vector).
// Every mixer but sLSTM makes the inputs of one recurrence (krohn/engine/learned_forward.hpp). Vectors are rows;
// weights are in single precision, which holds fp16 and bf16 exactly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace krohn {

/// y = x W^T, W [rows, columns] = [out, in], stored input by input: entry (out, in) at in * rows + out, so that the
/// outputs of one input lie side by side.
struct Matrix {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::vector<float> entries;
  friend bool operator==(const Matrix&, const Matrix&) = default;
};

/// rms: x / sqrt(mean x^2 + eps); layer: (x - mean) / sqrt(variance + eps); then times weight, plus bias.
struct Norm {
  enum class Kind { rms, layer };
  Kind kind = Kind::rms;
  double epsilon = 1e-6;
  /// Empty: no weight (no bias).
  std::vector<float> weight;
  std::vector<float> bias;
  /// The factor is 1 + weight.
  bool weight_is_offset = false;
  friend bool operator==(const Norm&, const Norm&) = default;
};

enum class Activation { identity, silu, relu, sigmoid, log_sigmoid, squared_relu, elu_plus_one };

/// Depthwise causal convolution over time: y_t[c] = sum_j weight[c, j] x_{t-(width-1)+j}[c] (+ bias[c]), x = 0
/// before the start. It carries the last width - 1 inputs.
struct ShortConvolution {
  std::size_t channels = 0;
  std::size_t width = 0;
  std::vector<float> weight;  // [channels, width]
  std::vector<float> bias;    // [channels] or empty
  friend bool operator==(const ShortConvolution&, const ShortConvolution&) = default;
};

/// Queries, keys and values: projection, then convolution if there is one, then activation.
struct QueryKeyValue {
  Matrix query;
  Matrix key;
  Matrix value;
  std::optional<ShortConvolution> query_convolution;
  std::optional<ShortConvolution> key_convolution;
  std::optional<ShortConvolution> value_convolution;
  Activation query_key_activation = Activation::silu;
  Activation value_activation = Activation::silu;
  friend bool operator==(const QueryKeyValue&, const QueryKeyValue&) = default;
};

/// The read-outs of all heads: norm per head, times silu(gate projection) if there is one, then the projection out.
struct HeadOutput {
  Norm norm;
  std::optional<Matrix> gate;
  Matrix projection;
  friend bool operator==(const HeadOutput&, const HeadOutput&) = default;
};

/// DeltaNet, Gated DeltaNet, DeltaProduct, Gated DeltaProduct: state [num_value_heads, key_size, value_size],
///   S = a S;   for j < num_householder: S = S + k_j (beta_j (v_j - S^T k_j))^T;   o = S^T q / sqrt(key_size).
/// Key rows are ordered (step, head, entry); value head h uses query and key head h / (num_value_heads / num_heads).
struct DeltaMixer {
  std::size_t num_heads = 0;
  std::size_t num_value_heads = 0;
  std::size_t key_size = 0;
  std::size_t value_size = 0;
  std::size_t num_householder = 1;
  QueryKeyValue inputs;
  /// x / sqrt(sum x^2 + 1e-6), or x / sum x.
  enum class KeyNorm { l2, sum };
  KeyNorm key_norm = KeyNorm::l2;
  /// beta = beta_scale sigmoid(beta_input_scale b) + beta_shift with b [num_householder * num_value_heads];
  /// beta_scale without b.
  std::optional<Matrix> beta;
  double beta_input_scale = 1.0;
  double beta_scale = 1.0;
  double beta_shift = 0.0;
  /// a = exp(-exp(log_rate) softplus(h decay^T + decay_bias)) per value head; 1 without it.
  std::optional<Matrix> decay;
  std::vector<float> log_rate;
  std::vector<float> decay_bias;
  HeadOutput output;
  friend bool operator==(const DeltaMixer&, const DeltaMixer&) = default;
};

/// Gated linear attention: S = diag(e^g) S + k v^T, o = S^T q / sqrt(key_size), with the log decays
/// g = max(log_sigmoid((h D1^T) D2^T + bias) / 16, decay_floor). Query head h uses key, value and decay head
/// h / (num_heads / num_key_heads).
struct GlaMixer {
  std::size_t num_heads = 0;
  std::size_t num_key_heads = 0;
  std::size_t key_size = 0;
  std::size_t value_size = 0;
  QueryKeyValue inputs;
  Activation feature_map = Activation::identity;
  Matrix decay_down;
  Matrix decay_up;
  std::vector<float> decay_bias;
  double decay_divisor = 16.0;
  std::optional<double> decay_floor;
  HeadOutput output;
  friend bool operator==(const GlaMixer&, const GlaMixer&) = default;
};

/// Mamba: per channel e and state entry n, s = A s + dt B[n] u, y = sum_n s C[n] + D u, with A = exp(dt rate) or,
/// where `negative_eigenvalues`, 2 exp(dt rate) - 1, and rate = -exp(log_rate).
struct MambaMixer {
  std::size_t channels = 0;
  std::size_t state_size = 0;
  std::size_t rank = 0;
  Matrix in;                   // [2 channels, model]: u, then z
  std::vector<float> in_bias;  // or empty
  ShortConvolution convolution;
  Matrix selection;  // [rank + 2 state_size, channels]: dt, B, C
  Matrix step;       // [channels, rank]
  std::vector<float> step_bias;
  std::vector<float> log_rate;  // [channels, state_size]
  std::vector<float> skip;      // [channels]
  Matrix out;
  std::vector<float> out_bias;  // or empty
  bool negative_eigenvalues = false;
  friend bool operator==(const MambaMixer&, const MambaMixer&) = default;
};

/// Mamba-2: per head a scalar decay exp(dt rate); head h uses group h / (num_heads / num_groups) of B and C.
struct Mamba2Mixer {
  std::size_t num_heads = 0;
  std::size_t head_size = 0;
  std::size_t state_size = 0;
  std::size_t num_groups = 0;
  Matrix in;  // [2 channels + 2 groups state + heads, model]: z | x, B, C | dt
  std::vector<float> in_bias;
  ShortConvolution convolution;  // over x, B, C
  std::vector<float> step_bias;  // [heads]
  double step_least = 0.0;
  double step_most = 0.0;
  std::vector<float> log_rate;  // [heads]
  std::vector<float> skip;      // [heads] or [heads * head_size]
  /// Over each of num_groups slices of the channels; none: only the gate.
  std::optional<Norm> norm;
  bool norm_before_gate = false;
  Matrix out;
  std::vector<float> out_bias;
  friend bool operator==(const Mamba2Mixer&, const Mamba2Mixer&) = default;
};

/// up(activation(down x)) + bias.
struct LowRank {
  Matrix down;
  Matrix up;
  std::vector<float> bias;
  friend bool operator==(const LowRank&, const LowRank&) = default;
};

/// RWKV-7: S <- (diag(e^w) - (a kk) kk^T) S + k v^T with kk^T read from the undecayed S; o = S^T r.
struct Rwkv7Mixer {
  std::size_t num_heads = 0;
  std::size_t key_size = 0;
  std::size_t value_size = 0;
  std::vector<float> mix_r, mix_w, mix_k, mix_v, mix_a, mix_g;  // [model]
  Matrix receptance, key, value, out;
  LowRank decay;
  /// Absent in the first layer, whose values the later layers mix in.
  std::optional<LowRank> value_mix;
  LowRank rate;
  LowRank gate;
  std::vector<float> removal_scale;  // k_k [heads * key_size]
  std::vector<float> rate_scale;     // k_a
  std::vector<float> bonus;          // r_k [heads, key_size]
  /// sqrt(sum + 1e-6) in the norm of kk; else max(norm, 1e-12).
  bool smooth_key_norm = true;
  /// Layer norm per head.
  Norm norm;
  friend bool operator==(const Rwkv7Mixer&, const Rwkv7Mixer&) = default;
};

/// x W^T in blocks: weight [blocks, size, size] = (block, out, in).
struct BlockDiagonal {
  std::size_t blocks = 0;
  std::size_t size = 0;
  std::vector<float> weight;
  friend bool operator==(const BlockDiagonal&, const BlockDiagonal&) = default;
};

/// mLSTM: with the stabiliser m' = max(f + m, i), C = e^{f+m-m'} C + e^{i-m'} k v^T, and n likewise as one more value
/// column; h = C^T q / (max(|n.q|, e^{-m'}) + 1e-6). m starts at minus infinity.
struct MlstmMixer {
  std::size_t num_heads = 0;
  std::size_t head_size = 0;
  Matrix up;  // [2 channels, model]: x, then z
  ShortConvolution convolution;
  BlockDiagonal query, key, value;
  Matrix input_gate, forget_gate;  // [heads, 3 channels] on (q, k, v)
  std::vector<float> input_gate_bias, forget_gate_bias;
  Norm norm;  // per head
  std::vector<float> skip;
  Matrix down;
  friend bool operator==(const MlstmMixer&, const MlstmMixer&) = default;
};

/// sLSTM, a nonlinear RNN. Slots in the order input, forget, cell, output.
struct SlstmMixer {
  std::size_t num_heads = 0;
  std::size_t head_size = 0;
  /// With it, the input and forget slots read silu(convolution(x)).
  std::optional<ShortConvolution> convolution;
  BlockDiagonal slots[4];
  /// [4, heads, head_size out, head_size in]
  std::vector<float> recurrent;
  std::vector<float> bias;  // [4, heads, head_size]
  Norm norm;                // per head
  friend bool operator==(const SlstmMixer&, const SlstmMixer&) = default;
};

/// down(activation(gate x) * up x).
struct GatedFeedForward {
  enum class Gate { silu, gelu };
  Gate activation = Gate::silu;
  Matrix gate, up, down;
  friend bool operator==(const GatedFeedForward&, const GatedFeedForward&) = default;
};

/// value(relu(key(u_t + (u_{t-1} - u_t) mix))^2).
struct ShiftedFeedForward {
  std::vector<float> mix;
  Matrix key, value;
  friend bool operator==(const ShiftedFeedForward&, const ShiftedFeedForward&) = default;
};

using Mixer = std::variant<DeltaMixer, GlaMixer, MambaMixer, Mamba2Mixer, Rwkv7Mixer, MlstmMixer, SlstmMixer>;
using FeedForward = std::variant<GatedFeedForward, ShiftedFeedForward>;

struct LearnedBlock {
  /// Replaces the residual stream (RWKV-7, first layer).
  std::optional<Norm> stream_norm;
  Norm mixer_norm;
  Mixer mixer;
  std::optional<Norm> feed_forward_norm;
  std::optional<FeedForward> feed_forward;
  friend bool operator==(const LearnedBlock&, const LearnedBlock&) = default;
};

/// A named piece of what a block carries from token to token, as the engine lays it out.
struct StatePart {
  enum class Kind { hidden, convolution, shift, stabilizer, cell, normalizer, output };
  Kind kind = Kind::hidden;
  std::size_t block = 0;
  /// "q", "k", "v", "x" for convolutions; "mixer", "feed_forward" for shifts; empty elsewhere.
  std::string input;
  /// hidden: [heads, key_size, value_size]; convolution: [width - 1, channels], oldest first; else [entries].
  std::vector<std::size_t> shape;
  std::size_t offset = 0;
  std::size_t size = 0;
};

/// An immutable model. An existing value is valid: every shape fits and every weight is finite.
class LearnedModel {
 public:
  /// `architecture` is for display. Throws InputError naming every shape or value that is wrong.
  LearnedModel(std::string architecture, Matrix embedding, std::vector<LearnedBlock> blocks,
               std::optional<Norm> last_norm, std::optional<Matrix> head);

  const std::string& architecture() const noexcept { return architecture_; }
  std::size_t vocabulary_size() const noexcept { return embedding_.rows; }
  std::size_t model_size() const noexcept { return embedding_.columns; }
  std::size_t num_logits() const noexcept { return head().rows; }
  const Matrix& embedding() const noexcept { return embedding_; }
  const std::vector<LearnedBlock>& blocks() const noexcept { return blocks_; }
  const std::optional<Norm>& last_norm() const noexcept { return last_norm_; }
  /// The embedding where the head is tied to it.
  const Matrix& head() const noexcept { return head_ ? *head_ : embedding_; }
  bool tied() const noexcept { return !head_.has_value(); }
  std::size_t num_parameters() const noexcept;

  /// What is carried between tokens, in the order of the layout, without gaps.
  const std::vector<StatePart>& state_parts() const noexcept { return state_parts_; }
  /// Numbers carried between tokens.
  std::size_t state_size() const noexcept { return state_size_; }

  /// 64 hexadecimal digits: SHA-256 of a canonical serialisation of every option and weight.
  std::string fingerprint() const;

  friend bool operator==(const LearnedModel& a, const LearnedModel& b) {
    return a.embedding_ == b.embedding_ && a.blocks_ == b.blocks_ && a.last_norm_ == b.last_norm_ && a.head_ == b.head_;
  }

 private:
  std::string architecture_;
  Matrix embedding_;
  std::vector<LearnedBlock> blocks_;
  std::optional<Norm> last_norm_;
  std::optional<Matrix> head_;
  std::vector<StatePart> state_parts_;
  std::size_t state_size_ = 0;
};

}  // namespace krohn
