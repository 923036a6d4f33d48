// A learned linear RNN as a value: named tensors, operations on the features of a token, and what is carried from token
// to token. An architecture (krohn/architectures) is a function from options and tensors to a program; everything else
// reads the program and nothing of where it came from.
//
// Operation i makes value i, a row of features of the token at hand, from values before it, from tensors, and from
// state parts; the last operation's value is the logits. Vectors are rows; weights are in single precision, which holds
// fp16 and bf16 exactly. docs/semantics.md, "Learned models", says how each operation rounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "krohn/numeric/function.hpp"

namespace krohn {

/// Values that are read when they are needed, and not kept: those of a model larger than memory.
class DeferredValues {
 public:
  virtual ~DeferredValues() = default;
  virtual std::size_t size() const = 0;
  /// Row-major in the file's order, whatever ProgramTensor::input_major says.
  virtual std::vector<float> read() const = 0;
};

/// Numbers of a checkpoint under their name. `shape` is the file's; where `input_major`, the last two axes [out, in]
/// are stored [in, out], so that the outputs of one input lie side by side.
struct ProgramTensor {
  std::string name;
  std::vector<std::size_t> shape;
  bool input_major = false;
  std::vector<float> values;
  /// In the place of `values`. Only what says so runs a program with such tensors.
  std::shared_ptr<const DeferredValues> deferred = nullptr;

  std::size_t num_values() const { return deferred ? deferred->size() : values.size(); }
  std::size_t extent(std::size_t axis) const { return shape.at(axis); }
  friend bool operator==(const ProgramTensor&, const ProgramTensor&) = default;
};

/// A tensor's values, read if they are deferred. A view of the tensor if they are not.
class TensorValues {
 public:
  explicit TensorValues(const ProgramTensor& tensor);
  TensorValues(const TensorValues&) = delete;
  TensorValues& operator=(const TensorValues&) = delete;

  const std::vector<float>& operator*() const { return values_; }
  const std::vector<float>* operator->() const { return &values_; }

 private:
  std::vector<float> read_;
  const std::vector<float>& values_;
};

/// Row-major values whose last two axes are [out, in], stored [in, out].
std::vector<float> input_major(const std::vector<float>& values, const std::vector<std::size_t>& shape);

inline constexpr std::uint32_t no_index = ~std::uint32_t{0};

/// `size` features of a value from `offset` on.
struct Slice {
  std::uint32_t value = no_index;
  std::uint32_t offset = 0;
  std::uint32_t size = 0;

  bool present() const noexcept { return value != no_index; }
  Slice part(std::size_t first, std::size_t count) const {
    return {value, offset + static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(count)};
  }
  friend bool operator==(const Slice&, const Slice&) = default;
};

/// A tensor as it is used: entry i of the result reads entry i / share of the derived numbers.
struct WeightUse {
  /// cumulative_softmax, of a tensor [rows, channels]: for each channel the softmax over the rows, and of it the sum of
  /// the rows from 1 to `row`.
  enum class Derived : std::uint8_t { as_is, exponential, negative_exponential, negative, sigmoid, cumulative_softmax };
  std::uint32_t tensor = no_index;
  std::uint32_t share = 1;
  Derived derived = Derived::as_is;
  std::uint32_t row = 0;

  bool present() const noexcept { return tensor != no_index; }
  friend bool operator==(const WeightUse&, const WeightUse&) = default;
};

/// A feature operand: entry i of the result reads entry i / share of the slice; where `run` is not 0, entry
/// i / run * stride + i % run / share.
struct Operand {
  Slice slice;
  std::uint32_t share = 1;
  std::uint32_t run = 0;
  std::uint32_t stride = 0;

  std::size_t entry(std::size_t i) const {
    return slice.offset + (run == 0 ? i / share : i / run * stride + i % run / share);
  }
  friend bool operator==(const Operand&, const Operand&) = default;
};

// ---- operations ---------------------------------------------------------------------------------------------------

/// The token's row of a table [vocabulary, size], input_major.
struct Embedding {
  std::uint32_t table = no_index;
  friend bool operator==(const Embedding&, const Embedding&) = default;
};

/// in W^T (+ bias), and that added to `onto` where it is present. W [out, in], or [blocks, out, in] on blocks of the
/// input; input_major. With `copies` that is done to each of so many equal parts of the input; with `inputs` not 0 only
/// so many inputs of W [out, in] count, from `first_input` on.
struct Product {
  std::uint32_t weight = no_index;
  std::uint32_t bias = no_index;
  Slice in;
  Slice onto;
  std::uint32_t copies = 1;
  std::uint32_t first_input = 0;
  std::uint32_t inputs = 0;
  friend bool operator==(const Product&, const Product&) = default;
};

struct Elementwise {
  Function function = Function::copy;
  Operand a, b, c;
  WeightUse w, v;
  double k = 0.0;
  double l = 0.0;
  double m = 0.0;
  friend bool operator==(const Elementwise&, const Elementwise&) = default;
};

/// For each of `groups` groups, its part of every slice, one after the other.
struct Interleave {
  std::vector<Slice> parts;
  std::uint32_t groups = 1;
  friend bool operator==(const Interleave&, const Interleave&) = default;
};

/// Groups of features of equal size, each by itself. rms: x / sqrt(mean x^2 + epsilon); layer: the same of x - mean x;
/// both times a weight (1 + weight where `weight_is_offset`), plus a bias. l2: x / sqrt(sum x^2 + epsilon); root:
/// x / max(sqrt(sum x^2), epsilon); sum: x / (sum x + epsilon); absolute_sum: x / max(sum |x|, epsilon); softmax:
/// exp(x - max x) over their sum.
struct Normalization {
  enum class Kind : std::uint8_t { rms, layer, l2, root, sum, absolute_sum, softmax };
  Kind kind = Kind::rms;
  Slice in;
  std::uint32_t groups = 1;
  double epsilon = 0.0;
  /// [size of a group], or of all groups one after the other; or none.
  std::uint32_t weight = no_index;
  std::uint32_t bias = no_index;
  bool weight_is_offset = false;
  friend bool operator==(const Normalization&, const Normalization&) = default;
};

/// For each group: sum over its entries of (a b) w.
struct WeightedDot {
  Slice a, b;
  std::uint32_t groups = 1;
  std::uint32_t weight = no_index;
  friend bool operator==(const WeightedDot&, const WeightedDot&) = default;
};

/// activation(sum_j weight[c, j] x_{t-(width-1)+j}[c] (+ bias[c])), x = 0 before the start; weight [channels, 1,
/// width].
struct ShortConvolution {
  Slice in;
  std::uint32_t weight = no_index;
  std::uint32_t bias = no_index;
  Function activation = Function::copy;
  /// The last width - 1 inputs; none where the width is 1.
  std::uint32_t tail = no_index;
  friend bool operator==(const ShortConvolution&, const ShortConvolution&) = default;
};

/// The token before's x, minus x; or that x itself.
struct TokenShift {
  Slice in;
  std::uint32_t last = no_index;
  bool difference = true;
  friend bool operator==(const TokenShift&, const TokenShift&) = default;
};

/// Numbers of the model itself, rounded to the number type.
struct Constants {
  std::vector<double> values;
  friend bool operator==(const Constants&, const Constants&) = default;
};

/// A vector for each head: of head h it begins at slice.offset + h / group * stride.
struct HeadInput {
  Slice slice;
  std::uint32_t stride = 0;
  std::uint32_t group = 1;

  bool present() const noexcept { return slice.present(); }
  std::uint32_t first(std::size_t head) const {
    return slice.offset + static_cast<std::uint32_t>(head) / group * stride;
  }
  friend bool operator==(const HeadInput&, const HeadInput&) = default;
};

/// S = S + write (beta (value - read^T S))^T; without `read` nothing is subtracted, without `value` it is 0, without
/// `beta` it is 1.
struct RankOneUpdate {
  HeadInput read, write, value, beta;
  /// read^T S is taken before the decay; only the first update may say so.
  bool reads_undecayed = false;
  friend bool operator==(const RankOneUpdate&, const RankOneUpdate&) = default;
};

/// In the divisions of conjugate gradients.
inline constexpr double solver_guard = 1e-5;

/// For every state S [key_size, value_size]: S = decay . S, the updates in order, then S^T q for each of its `queries`
/// queries. The value is [states * queries, value_size].
///
/// With a `ridge`, the first key_size columns of S are a matrix M, and the answer to q is that of the other columns to
/// x, which is what `solver_steps` steps of conjugate gradients from x = 0 make of (M + diag(ridge)) x = q. With r = p
/// = q and d = r . r: a = d / (p . (M^T p + ridge p) + 1e-5); x = x + a p; r = r - a (M^T p + ridge p); d' = r . r; p =
/// r + d' / (d + 1e-5) p. The value is [states * queries, value_size - key_size].
struct LinearRecurrence {
  /// none; one number a state; one a key; rate: element (j, c) decays by exp(x[c] r[j, c]), or by twice that less 1;
  /// element: one number each, [key_size, value_size]; rotation: keys 2j and 2j + 1 are the parts of a complex number,
  /// which is multiplied by decays 2j + i decays 2j + 1.
  enum class Decay : std::uint8_t { none, scalar, key, rate, element, rotation };
  std::uint32_t states = 0;
  std::uint32_t queries = 1;
  std::uint32_t key_size = 0;
  std::uint32_t value_size = 0;
  Decay decay = Decay::none;
  HeadInput decays;
  /// rate: r [key_size, value_size] as stored.
  WeightUse rates;
  bool signed_rates = false;
  std::vector<RankOneUpdate> updates;
  /// Head state * queries + i is query i of a state.
  HeadInput query;
  std::uint32_t hidden = no_index;
  /// The queries are answered before the token changes S.
  bool reads_before = false;
  /// [key_size]
  HeadInput ridge;
  std::uint32_t solver_steps = 0;

  /// Numbers of an answer.
  std::size_t answer_size() const { return ridge.present() ? value_size - key_size : value_size; }
  friend bool operator==(const LinearRecurrence&, const LinearRecurrence&) = default;
};

/// mLSTM's gates: with i = input + bias, f = log_sigmoid(forget + bias) + m and m' = max(f, i), the value is
/// exp(f - m'), exp(i - m'), exp(-m'), each for all heads.
struct Stabilizer {
  Slice input, forget;
  std::uint32_t input_bias = no_index;
  std::uint32_t forget_bias = no_index;
  std::uint32_t maximum = no_index;
  friend bool operator==(const Stabilizer&, const Stabilizer&) = default;
};

/// sLSTM's nonlinear cell: in [4, size] (input, forget, cell, output), recurrent [4, heads, out, in] (input_major) on
/// the outputs before, bias [4, size].
struct SlstmCell {
  Slice in;
  std::uint32_t recurrent = no_index;
  std::uint32_t bias = no_index;
  std::uint32_t output = no_index;
  std::uint32_t cell = no_index;
  std::uint32_t normalizer = no_index;
  std::uint32_t stabilizer = no_index;
  friend bool operator==(const SlstmCell&, const SlstmCell&) = default;
};

struct Operation {
  std::variant<Embedding, Product, Elementwise, Interleave, Normalization, WeightedDot, ShortConvolution, TokenShift,
               LinearRecurrence, Stabilizer, SlstmCell, Constants>
      kind;
  /// Features of its value.
  std::uint32_t size = 0;
  /// The layer it belongs to, or no_index.
  std::uint32_t layer = no_index;
  friend bool operator==(const Operation&, const Operation&) = default;
};

/// "product", "normalization", ..
std::string_view name_of(const Operation& operation);
/// The slices that an operation reads, absent ones left out.
std::vector<Slice> inputs_of(const Operation& operation);
/// The state parts that an operation reads and writes.
std::vector<std::uint32_t> state_parts_of(const Operation& operation);

/// A named piece of what is carried from token to token.
struct StatePart {
  enum class Kind : std::uint8_t { hidden, convolution, shift, stabilizer, cell, normalizer, output };
  Kind kind = Kind::hidden;
  std::size_t layer = 0;
  /// "q", "k", "v", "x" for convolutions; "mixer", "feed_forward", or what is kept for shifts; empty elsewhere.
  std::string input;
  /// hidden: [states, key_size, value_size]; convolution: [width - 1, channels], oldest first; else [entries].
  std::vector<std::size_t> shape;
  /// What it holds before the first token.
  float initial = 0.0F;
  /// Per unit, a tensor of codes [codes, shape of a unit]: after every token the unit becomes the nearest of them
  /// (docs/semantics.md, section 10). Empty: it stays as it is.
  std::vector<std::uint32_t> codes;
  /// hidden: how the architecture's own programs lay it out.
  enum class Axes : std::uint8_t { key_value, value_key, value_key_of_one_head, normalizer_last };
  Axes axes = Axes::key_value;
  /// Derived: where it lies.
  std::size_t offset = 0;
  std::size_t size = 0;

  /// What is snapped as one: a state of a recurrence; else the whole part.
  std::size_t units() const { return kind == Kind::hidden ? shape[0] : 1; }
  std::size_t unit_size() const { return size / units(); }
  /// Carried by a recurrence, not a function of the last inputs alone.
  bool recurrent() const { return kind != Kind::convolution && kind != Kind::shift; }
  friend bool operator==(const StatePart&, const StatePart&) = default;
};

/// "codes.LAYER.hidden.UNIT", "codes.LAYER.cell", ..: the tensor of a unit's codes.
std::string codes_name(const StatePart& part, std::size_t unit);

/// What a value can depend on.
enum class Dependence : std::uint8_t { nothing, token, history };

/// What a program is made of.
struct ProgramParts {
  std::string architecture;
  std::vector<ProgramTensor> tensors;
  std::vector<Operation> operations;
  /// Per layer, what its mixer is called.
  std::vector<std::string> layers;
  std::vector<StatePart> state_parts;
};

/// An immutable program. An existing value is valid: operations read what exists, every shape fits, every weight is
/// finite.
class Program {
 public:
  /// Throws InputError naming every operation, shape or value that is wrong.
  explicit Program(ProgramParts parts);

  const std::string& architecture() const noexcept { return parts_.architecture; }
  const std::vector<ProgramTensor>& tensors() const noexcept { return parts_.tensors; }
  const std::vector<Operation>& operations() const noexcept { return parts_.operations; }
  /// Per layer, what its mixer is called.
  const std::vector<std::string>& layers() const noexcept { return parts_.layers; }
  const ProgramParts& parts() const noexcept { return parts_; }

  std::size_t vocabulary_size() const noexcept { return vocabulary_; }
  /// Of the residual stream.
  std::size_t model_size() const noexcept { return parts_.operations.front().size; }
  std::size_t num_logits() const noexcept { return parts_.operations.back().size; }
  /// The logits read the embedding's table.
  bool tied() const noexcept;
  /// Numbers of all tensors.
  std::size_t num_parameters() const noexcept;

  /// What is carried between tokens, in the order of the layout, without gaps.
  const std::vector<StatePart>& state_parts() const noexcept { return parts_.state_parts; }
  /// Numbers carried between tokens.
  std::size_t state_size() const noexcept { return state_size_; }
  /// [state_size()]
  std::vector<float> initial_state() const;
  /// Some state part has codes.
  bool snapped() const noexcept;
  /// Some tensor's values are deferred.
  bool deferred() const noexcept;

  /// Per operation.
  const std::vector<Dependence>& dependence() const noexcept { return dependence_; }
  /// The linear recurrence of a layer; null where it has none.
  const LinearRecurrence* recurrence(std::size_t layer) const noexcept;

  /// 64 hexadecimal digits each, SHA-256. Of the weights: the architecture's name, and every tensor by name, shape and
  /// values, which other programs can compute from the file (docs/certificates.md). Of the program: that, and every
  /// operation by its name and operands, and every state part.
  std::string weights_fingerprint() const;
  std::string fingerprint() const;

  friend bool operator==(const Program& a, const Program& b) {
    return a.parts_.tensors == b.parts_.tensors && a.parts_.operations == b.parts_.operations &&
           a.parts_.layers == b.parts_.layers && a.parts_.state_parts == b.parts_.state_parts;
  }

 private:
  ProgramParts parts_;
  std::size_t vocabulary_ = 0;
  std::size_t state_size_ = 0;
  std::vector<Dependence> dependence_;
};

}  // namespace krohn
