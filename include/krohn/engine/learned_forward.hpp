// The forward pass of every learned architecture, written once over the number type: double is the reference, float
// the canonical form "learned-fp32-v1", a vector of floats eight words at once with the same bits, an interval an
// enclosure. docs/semantics.md, "Learned models", is the definition that this file follows line by line.
//
// A mixer only makes the inputs of one recurrence on S [key_size, value_size], column by column:
//     S = decay . S;   for each update in order: S = S + w (beta (v - r^T S))^T;   o = S^T q,
// with a read vector r and a write vector w (equal in the delta family; r absent where nothing is read; in RWKV-7 r
// reads S as it was before the decay). mLSTM's normaliser is one more value column. sLSTM has a step of its own.
// Sums run in ascending order, one fused multiply-add a term, from +0.
//
// An Arithmetic gives the number type and how several of them that lie side by side are handled at once:
//     Number; Weight (a derived constant of the model); Wide, `width` Numbers side by side; lanes: words a Number
//     Number weight(float); Number constant(double); Wide load(const Number*); void store(Number*, Wide);
//     Wide spread(Number); Wide weights(const float*); Wide weights(const Weight*); Number gather(const float*, const
//     std::uint32_t* tokens, stride)
//     tabulated_tokens: the largest vocabulary for which what the first block computes from the token alone (its norm,
//     the products of its inputs) is computed once a token, by the same operations, and looked up afterwards; 0: never.
//     If not 0: void record(float* table, size, vocabulary, token, const Number*), void look_up(const float* table,
//     size, vocabulary, const std::uint32_t* tokens, Number*), table_size(size, vocabulary) in floats.
// Cost: one pass over the weights and three over the state a token. Refuses nothing: values that are not finite are
// found by the caller.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "krohn/model/learned_model.hpp"
#include "krohn/numeric/transcendental.hpp"

namespace krohn::forward {

/// One number at a time: float, double, or a number type of the caller's with the primitives of numeric/.
template <class T>
struct OneByOne {
  using Number = T;
  using Weight = T;
  using Wide = T;
  static constexpr std::size_t width = 1;
  static constexpr std::size_t lanes = 1;
  static constexpr std::size_t tabulated_tokens = 0;
  static T weight(float x) { return T(x); }
  static T constant(double x) { return T(static_cast<numeric::Scalar<T>>(x)); }
  static T load(const T* p) { return *p; }
  static void store(T* p, T x) { *p = x; }
  static T spread(T x) { return x; }
  static T weights(const float* p) { return T(*p); }
  static T weights(const T* p) requires(!std::is_same_v<T, float>) { return *p; }
  static T gather(const float* row, const std::uint32_t* tokens, std::size_t) { return T(row[*tokens]); }
};

/// How S decays in a step.
template <class Number>
struct Decay {
  enum class Kind { none, scalar, key, element };
  Kind kind = Kind::none;
  /// 1, key_size, or key_size * value_size numbers.
  const Number* values = nullptr;
};

/// One update S = S + w (beta (v - r^T S))^T.
template <class Number>
struct Update {
  /// [key_size]; nullptr: nothing is read.
  const Number* read = nullptr;
  /// [key_size]
  const Number* write = nullptr;
  /// [value_size]; nullptr: zero.
  const Number* value = nullptr;
  /// nullptr: 1.
  const Number* beta = nullptr;
  /// The dot product is with S before the decay; only the first update may say so.
  bool reads_undecayed = false;
};

/// Sees the inputs of every recurrence step; `head` counts the block's states.
template <class Number>
class Probe {
 public:
  virtual ~Probe() = default;
  virtual void recurrence(std::size_t block, std::size_t head, std::size_t key_size, std::size_t value_size,
                          const Decay<Number>& decay, std::span<const Update<Number>> updates) = 0;
  /// May answer the step's `queries` queries [key_size] itself, with as many outputs [value_size] to `out`; if it
  /// returns true, the step is not run and the state stays as it is. Called after recurrence().
  virtual bool answer(std::size_t /*block*/, std::size_t /*head*/, std::size_t /*queries*/, const Number* /*query*/,
                      Number* /*out*/) {
    return false;
  }
};

/// The forward pass of one model. Holds scratch memory: one instance a thread. The model must outlive it.
template <class Arithmetic>
class ForwardPass {
 public:
  using A = Arithmetic;
  using Number = typename A::Number;
  using Wide = typename A::Wide;
  using Weight = typename A::Weight;

  explicit ForwardPass(const LearnedModel& model) : model_(&model) {
    block_offset_.assign(model.blocks().size() + 1, 0);
    for (const StatePart& part : model.state_parts()) block_offset_[part.block + 1] = part.offset + part.size;
    for (std::size_t i = 1; i < block_offset_.size(); ++i) {
      if (block_offset_[i] < block_offset_[i - 1]) block_offset_[i] = block_offset_[i - 1];
    }
    for (const LearnedBlock& block : model.blocks()) {
      rates_.emplace_back();
      std::visit([&](const auto& mixer) { derive(mixer, rates_.back()); }, block.mixer);
    }
    stream_.resize(model.model_size());
    if constexpr (A::tabulated_tokens > 0) {
      if (model.vocabulary_size() <= A::tabulated_tokens) tabulate();
    }
  }

  /// Writes the state before the first token, state_size() numbers.
  void initial(Number* state) const {
    for (const StatePart& part : model_->state_parts()) {
      // mLSTM's stabiliser is a running maximum; sLSTM's starts at 0.
      const bool lowest = part.kind == StatePart::Kind::stabilizer &&
                          std::holds_alternative<MlstmMixer>(model_->blocks()[part.block].mixer);
      const Number value = A::constant(lowest ? -std::numeric_limits<double>::infinity() : 0.0);
      for (std::size_t i = 0; i < part.size; ++i) state[part.offset + i] = value;
    }
  }

  /// Writes the state of the word in `lane`, state_size() numbers as LearnedModel::state_parts() lays them out.
  template <class T>
  void read_state(const Number* state, std::size_t lane, T* out) const {
    const T* values = reinterpret_cast<const T*>(state) + lane;
    for (std::size_t i = 0; i < model_->state_size(); ++i) out[i] = values[i * A::lanes];
    if constexpr (A::lanes > 1) {
      for (const StatePart& part : model_->state_parts()) {
        if (part.kind != StatePart::Kind::hidden) continue;
        const std::size_t key_size = part.shape[1];
        const std::size_t value_size = part.shape[2];
        for (std::size_t first = part.offset; first < part.offset + part.size; first += key_size * value_size) {
          for (std::size_t j = 0; j < key_size; ++j) {
            for (std::size_t c = 0; c < value_size; ++c) {
              out[first + j * value_size + c] = values[(first + place(key_size, value_size, j, c)) * A::lanes];
            }
          }
        }
      }
    }
  }

  /// Advances `state` by one token for each lane and writes the logits after it, num_logits() numbers, unless
  /// `logits` is null.
  void step(Number* state, const std::uint32_t* tokens, Number* logits, Probe<Number>* probe = nullptr) {
    probe_ = probe;
    tokens_ = tokens;
    arena_.reset();
    const std::size_t size = model_->model_size();
    const std::size_t vocabulary = model_->vocabulary_size();
    Number* x = stream_.data();
    for (std::size_t i = 0; i < size; ++i) {
      x[i] = A::gather(model_->embedding().entries.data() + i * vocabulary, tokens, vocabulary);
    }
    first_value_ = nullptr;
    for (block_ = 0; block_ < model_->blocks().size(); ++block_) {
      const LearnedBlock& block = model_->blocks()[block_];
      // What block 0 leaves for the others (RWKV-7's values) stays in the arena.
      const auto mark = arena_.mark();
      Number* carried = state + block_offset_[block_];
      next_table_ = 0;
      if (block.stream_norm) of_token(size, x, [&] { normalize(*block.stream_norm, x, x, size); });
      Number* h = take(size);
      of_token(size, h, [&] { normalize(block.mixer_norm, x, h, size); });
      Number* y = take(size);
      std::visit([&](const auto& mixer) { carried = mix(mixer, h, carried, y); }, block.mixer);
      if (tables_use_ == TablesUse::record) return;
      add(x, y, size);
      if (block.feed_forward) {
        normalize(*block.feed_forward_norm, x, h, size);
        std::visit([&](const auto& f) { feed(f, h, carried, y); }, *block.feed_forward);
        add(x, y, size);
      }
      if (block_ > 0 || first_value_ == nullptr) arena_.rewind(mark);
    }
    if (logits == nullptr) return;
    Number* last = take(size);
    if (model_->last_norm()) {
      normalize(*model_->last_norm(), x, last, size);
    } else {
      for (std::size_t i = 0; i < size; ++i) last[i] = x[i];
    }
    multiply(model_->head(), last, logits);
  }

 private:
  // ---- memory -----------------------------------------------------------------------------------------------------

  class Arena {
   public:
    Number* take(std::size_t size) {
      if (next_ == slabs_.size()) slabs_.emplace_back();
      std::vector<Number>& slab = slabs_[next_++];
      if (slab.size() < size) slab.resize(size);
      return slab.data();
    }
    void reset() { next_ = 0; }
    std::size_t mark() const { return next_; }
    void rewind(std::size_t mark) { next_ = mark; }

   private:
    std::vector<std::vector<Number>> slabs_;
    std::size_t next_ = 0;
  };
  Number* take(std::size_t size) { return arena_.take(size); }

  // ---- what depends on the token alone ------------------------------------------------------------------------------

  /// Runs the first block's mixer on every token once, so that of_token() can keep what it computes. The recurrence
  /// does not see these values' origin: they are the same bits.
  void tabulate() {
    std::vector<Number> state(model_->state_size());
    std::vector<std::uint32_t> tokens(A::lanes);
    tables_use_ = TablesUse::record;
    for (std::size_t token = 0; token < model_->vocabulary_size(); ++token) {
      std::fill(tokens.begin(), tokens.end(), static_cast<std::uint32_t>(token));
      initial(state.data());
      recorded_token_ = token;
      step(state.data(), tokens.data(), nullptr);
    }
    tables_use_ = TablesUse::look_up;
  }

  /// y = compute(), `size` numbers. In the first block they are a function of the token: computed once, then looked up
  /// in the order in which the block asks for them.
  template <class F>
  void of_token(std::size_t size, Number* y, const F& compute) {
    if constexpr (A::tabulated_tokens > 0) {
      if (block_ == 0 && tables_use_ == TablesUse::look_up) {
        A::look_up(tables_[next_table_++].data(), size, model_->vocabulary_size(), tokens_, y);
        return;
      }
      compute();
      if (block_ == 0 && tables_use_ == TablesUse::record) {
        const std::size_t table = next_table_++;
        if (table == tables_.size()) tables_.emplace_back(A::table_size(size, model_->vocabulary_size()));
        A::record(tables_[table].data(), size, model_->vocabulary_size(), recorded_token_, y);
      }
    } else {
      compute();
    }
  }

  /// y = h W^T for the mixer's input h.
  void multiply_input(const Matrix& m, const Number* h, Number* y) {
    of_token(m.rows, y, [&] { multiply(m, h, y); });
  }

  // ---- constants of the model -------------------------------------------------------------------------------------

  /// -exp(log_rate), in the order in which the recurrence reads it.
  static Weight rate(float log_rate) {
    using numeric::exp;
    return Weight(static_cast<numeric::Scalar<Weight>>(0)) - exp(Weight(log_rate));
  }
  static void derive(const DeltaMixer& m, std::vector<Weight>& rates) {
    for (const float log_rate : m.log_rate) rates.push_back(rate(log_rate));
  }
  static void derive(const MambaMixer& m, std::vector<Weight>& rates) {
    for (std::size_t n = 0; n < m.state_size; ++n) {
      for (std::size_t e = 0; e < m.channels; ++e) rates.push_back(rate(m.log_rate[e * m.state_size + n]));
    }
  }
  static void derive(const Mamba2Mixer& m, std::vector<Weight>& rates) {
    for (const float log_rate : m.log_rate) rates.push_back(rate(log_rate));
  }
  template <class Other>
  static void derive(const Other&, std::vector<Weight>&) {}

  // ---- vectors ----------------------------------------------------------------------------------------------------

  static Number zero() { return A::constant(0.0); }
  static Number one() { return A::constant(1.0); }

  /// y[i] = f(x[i]); f is generic over Number and Wide.
  template <class F>
  static void map(std::size_t size, Number* y, const Number* x, F f) {
    std::size_t i = 0;
    if constexpr (A::width > 1) {
      for (; i + A::width <= size; i += A::width) A::store(y + i, f(A::load(x + i)));
    }
    for (; i < size; ++i) y[i] = f(x[i]);
  }
  /// y[i] = f(a[i], b[i]).
  template <class F>
  static void map(std::size_t size, Number* y, const Number* a, const Number* b, F f) {
    std::size_t i = 0;
    if constexpr (A::width > 1) {
      for (; i + A::width <= size; i += A::width) A::store(y + i, f(A::load(a + i), A::load(b + i)));
    }
    for (; i < size; ++i) y[i] = f(a[i], b[i]);
  }
  /// y[i] = f(x[i], w[i]) with weights w.
  template <class F>
  static void weigh(std::size_t size, Number* y, const Number* x, const float* w, F f) {
    std::size_t i = 0;
    if constexpr (A::width > 1) {
      for (; i + A::width <= size; i += A::width) A::store(y + i, f(A::load(x + i), A::weights(w + i)));
    }
    for (; i < size; ++i) y[i] = f(x[i], A::weight(w[i]));
  }

  static void add(Number* x, const Number* y, std::size_t size) {
    map(size, x, x, y, [](auto a, auto b) { return a + b; });
  }
  static void add_bias(const std::vector<float>& bias, Number* y) {
    weigh(bias.size(), y, y, bias.data(), [](auto a, auto b) { return a + b; });
  }

  static Number dot(const Number* a, const Number* b, std::size_t size) {
    using numeric::fused;
    Number sum = zero();
    for (std::size_t i = 0; i < size; ++i) sum = fused(a[i], b[i], sum);
    return sum;
  }

  /// `Count` vectors of outputs from `first`, each an ascending sum.
  template <int Count>
  static void multiply_block(const Matrix& m, std::size_t first, const Number* x, Number* y) {
    using numeric::fused;
    Wide sum[Count];
    for (int k = 0; k < Count; ++k) sum[k] = A::spread(zero());
    const float* w = m.entries.data() + first;
    for (std::size_t i = 0; i < m.columns; ++i, w += m.rows) {
      const Wide input = A::spread(x[i]);
#pragma GCC unroll 8
      for (int k = 0; k < Count; ++k) sum[k] = fused(A::weights(w + k * A::width), input, sum[k]);
    }
    for (int k = 0; k < Count; ++k) A::store(y + first + k * A::width, sum[k]);
  }

  /// y = x W^T: for each output, the inputs in ascending order.
  static void multiply(const Matrix& m, const Number* x, Number* y) {
    using numeric::fused;
    std::size_t first = 0;
    for (; first + 8 * A::width <= m.rows; first += 8 * A::width) multiply_block<8>(m, first, x, y);
    for (; first + 4 * A::width <= m.rows; first += 4 * A::width) multiply_block<4>(m, first, x, y);
    for (; first + A::width <= m.rows; first += A::width) multiply_block<1>(m, first, x, y);
    if constexpr (A::width > 1) {
      if (first == m.rows) return;
      const std::size_t rest = m.rows - first;
      Number sum[A::width];
      for (std::size_t k = 0; k < A::width; ++k) sum[k] = zero();
      const float* w = m.entries.data() + first;
      for (std::size_t i = 0; i < m.columns; ++i, w += m.rows) {
        for (std::size_t k = 0; k < rest; ++k) sum[k] = fused(A::weight(w[k]), x[i], sum[k]);
      }
      for (std::size_t k = 0; k < rest; ++k) y[first + k] = sum[k];
    }
  }

  /// (sum of terms) / size, a correctly rounded division.
  static Number mean(Number sum, std::size_t size) {
    using numeric::quotient;
    return quotient(sum, A::constant(static_cast<double>(size)));
  }

  /// y = norm(x) over `size` entries, weights and biases from `offset` on. y may be x.
  static void normalize(const Norm& norm, const Number* x, Number* y, std::size_t size, std::size_t offset = 0) {
    using numeric::fused;
    using numeric::rsqrt;
    if (norm.kind == Norm::Kind::layer) {
      Number sum = zero();
      for (std::size_t i = 0; i < size; ++i) sum = sum + x[i];
      const Number middle = mean(sum, size);
      const Wide wide_middle = A::spread(middle);
      map(size, y, x, [&](auto a) { return a - matching<decltype(a)>(middle, wide_middle); });
      x = y;
    }
    const Number scale = rsqrt(mean(dot(x, x, size), size) + A::constant(norm.epsilon));
    const Wide wide_scale = A::spread(scale);
    if (norm.weight.empty()) {
      map(size, y, x, [&](auto a) { return a * matching<decltype(a)>(scale, wide_scale); });
    } else if (norm.weight_is_offset) {
      weigh(size, y, x, norm.weight.data() + offset, [&](auto a, auto w) {
        return (a * matching<decltype(a)>(scale, wide_scale)) * (matching<decltype(a)>(one(), A::spread(one())) + w);
      });
    } else {
      weigh(size, y, x, norm.weight.data() + offset,
            [&](auto a, auto w) { return (a * matching<decltype(a)>(scale, wide_scale)) * w; });
    }
    if (!norm.bias.empty()) {
      weigh(size, y, y, norm.bias.data() + offset, [](auto a, auto b) { return a + b; });
    }
  }
  /// The one of a Number and its spread that has type T.
  template <class T>
  static T matching(const Number& number, const Wide& wide) {
    if constexpr (std::is_same_v<T, Number>) {
      return number;
    } else {
      return wide;
    }
  }

  static void activate(Activation activation, Number* x, std::size_t size) {
    using numeric::log_sigmoid;
    using numeric::sigmoid;
    using numeric::silu;
    switch (activation) {
      case Activation::identity:
        return;
      case Activation::silu:
        return map(size, x, x, [](auto a) { return silu(a); });
      case Activation::relu:
        return map(size, x, x, [](auto a) { return positive_part(a); });
      case Activation::sigmoid:
        return map(size, x, x, [](auto a) { return sigmoid(a); });
      case Activation::log_sigmoid:
        return map(size, x, x, [](auto a) { return log_sigmoid(a); });
      case Activation::squared_relu:
        return map(size, x, x, [](auto a) { return squared_positive_part(a); });
      case Activation::elu_plus_one:
        return map(size, x, x, [](auto a) { return elu_plus_one(a); });
    }
  }
  template <class T>
  static T small(double value) {
    return T(static_cast<numeric::Scalar<T>>(value));
  }
  template <class T>
  static T positive_part(T x) {
    using numeric::maximum;
    return maximum(x, small<T>(0));
  }
  template <class T>
  static T squared_positive_part(T x) {
    const T positive = positive_part(x);
    return positive * positive;
  }
  /// x + 1 where x > 0, else e^x.
  template <class T>
  static T elu_plus_one(T x) {
    using numeric::exp;
    using numeric::less;
    using numeric::select;
    return select(less(small<T>(0), x), x + small<T>(1), exp(x));
  }

  /// x / sqrt(sum x^2 + 1e-6): one reciprocal, then a product for each entry.
  static void l2_normalize(Number* x, std::size_t size) {
    using numeric::rsqrt;
    const Number scale = rsqrt(dot(x, x, size) + A::constant(1e-6));
    const Wide wide_scale = A::spread(scale);
    map(size, x, x, [&](auto a) { return a * matching<decltype(a)>(scale, wide_scale); });
  }
  static void sum_normalize(Number* x, std::size_t size) {
    using numeric::quotient;
    Number sum = zero();
    for (std::size_t i = 0; i < size; ++i) sum = sum + x[i];
    for (std::size_t i = 0; i < size; ++i) x[i] = quotient(x[i], sum);
  }

  /// x <- convolution(x) with the tail [width - 1, channels] that `carried` holds; returns what follows the tail.
  Number* convolve(const ShortConvolution& c, Number* x, Number* carried) {
    using numeric::fused;
    const std::size_t tail = c.width - 1;
    for (std::size_t ch = 0; ch < c.channels; ++ch) {
      Number sum = zero();
      const float* w = c.weight.data() + ch * c.width;
      Number* slot = carried + ch;
      for (std::size_t j = 0; j < tail; ++j) {
        const Number earlier = slot[j * c.channels];
        sum = fused(A::weight(w[j]), earlier, sum);
        if (j > 0) slot[(j - 1) * c.channels] = earlier;
      }
      if (tail > 0) slot[(tail - 1) * c.channels] = x[ch];
      x[ch] = fused(A::weight(w[tail]), x[ch], sum);
    }
    if (!c.bias.empty()) add_bias(c.bias, x);
    return carried + tail * c.channels;
  }

  // ---- the recurrence ---------------------------------------------------------------------------------------------

  /// A hidden state is laid out by rows, [key_size, value_size], for one word. With several words to a number a row
  /// is long, and rows a power of two apart push each other out of the cache; so blocks of so many columns are laid out
  /// one after the other, [key_size, columns] each, and the columns left over singly.
  static std::size_t block_columns(std::size_t key_size) {
    constexpr std::size_t block_bytes = 16384;
    const std::size_t columns = block_bytes / (std::max<std::size_t>(key_size, 1) * sizeof(Number));
    return columns >= 4 ? 4 : columns >= 2 ? 2 : 1;
  }
  static std::size_t place(std::size_t key_size, std::size_t value_size, std::size_t key, std::size_t column) {
    if constexpr (A::lanes == 1) return key * value_size + column;
    const std::size_t columns = block_columns(key_size);
    const std::size_t whole = value_size / columns * columns;
    return column < whole ? column / columns * columns * key_size + key * columns + column % columns
                          : column * key_size + key;
  }

  /// The columns [first, first + Count widths) of one step, whose rows begin at `state`, `stride` apart. Each pass over
  /// the keys applies what is known (the decay, then one update) and sums the next dot product, so the state is passed
  /// over once more than there are updates; the decay is applied in every pass up to the first that writes.
  template <class W, int Count>
  static void recur_columns(Number* state, std::size_t stride, std::size_t key_size, std::size_t value_size,
                            std::size_t first, const Decay<Number>& decay, std::span<const Update<Number>> updates,
                            const Number* query, Number* out) {
    using numeric::fused;
    constexpr std::size_t step = sizeof(W) / sizeof(Number);
    const auto load = [](const Number* p) {
      if constexpr (std::is_same_v<W, Number>) {
        return *p;
      } else {
        return A::load(p);
      }
    };
    const auto store = [](Number* p, W w) {
      if constexpr (std::is_same_v<W, Number>) {
        *p = w;
      } else {
        A::store(p, w);
      }
    };
    const auto spread = [](Number n) {
      if constexpr (std::is_same_v<W, Number>) {
        return n;
      } else {
        return A::spread(n);
      }
    };
    W sum[Count];
    W change[Count];
    for (int k = 0; k < Count; ++k) change[k] = spread(zero());
    bool decays = decay.kind != Decay<Number>::Kind::none;
    for (std::size_t pass = 0; pass <= updates.size(); ++pass) {
      const bool last = pass == updates.size();
      const Number* read = last ? query : updates[pass].read;
      const Number* write = pass == 0 ? nullptr : updates[pass - 1].write;
      const bool undecayed = !last && updates[pass].reads_undecayed;
      for (int k = 0; k < Count; ++k) sum[k] = spread(zero());
      if (read != nullptr || write != nullptr) {
        // A decay without a write is cheaper to compute again than to store.
        const bool stores = write != nullptr || (last && decays);
        Number* row = state;
        for (std::size_t j = 0; j < key_size; ++j, row += stride) {
          W s[Count];
#pragma GCC unroll 8
          for (int k = 0; k < Count; ++k) s[k] = load(row + k * step);
          if (undecayed) {
            const W r = spread(read[j]);
#pragma GCC unroll 8
            for (int k = 0; k < Count; ++k) sum[k] = fused(r, s[k], sum[k]);
          }
          if (decays) {
            if (decay.kind == Decay<Number>::Kind::element) {
              const Number* a = decay.values + j * value_size + first;
#pragma GCC unroll 8
              for (int k = 0; k < Count; ++k) s[k] = load(a + k * step) * s[k];
            } else {
              const W a = spread(decay.values[decay.kind == Decay<Number>::Kind::key ? j : 0]);
#pragma GCC unroll 8
              for (int k = 0; k < Count; ++k) s[k] = a * s[k];
            }
          }
          if (write != nullptr) {
            const W w = spread(write[j]);
#pragma GCC unroll 8
            for (int k = 0; k < Count; ++k) s[k] = fused(change[k], w, s[k]);
          }
          if (stores) {
#pragma GCC unroll 8
            for (int k = 0; k < Count; ++k) store(row + k * step, s[k]);
          }
          if (read != nullptr && !undecayed) {
            const W r = spread(read[j]);
#pragma GCC unroll 8
            for (int k = 0; k < Count; ++k) sum[k] = fused(r, s[k], sum[k]);
          }
        }
        if (stores) decays = false;
      }
      if (last) {
        for (int k = 0; k < Count; ++k) store(out + first + k * step, sum[k]);
      } else {
        const Update<Number>& update = updates[pass];
        for (int k = 0; k < Count; ++k) {
          W difference = update.value == nullptr ? spread(zero()) : load(update.value + first + k * step);
          if (update.read != nullptr) difference = difference - sum[k];
          change[k] = update.beta == nullptr ? difference : spread(*update.beta) * difference;
        }
      }
    }
  }

  /// One step of the recurrence on one state, and its read-out with `query`.
  void recur(std::size_t head, Number* state, std::size_t key_size, std::size_t value_size, const Decay<Number>& decay,
             std::span<const Update<Number>> updates, const Number* query, Number* out, std::size_t queries = 1) {
    if (probe_ != nullptr) {
      probe_->recurrence(block_, head, key_size, value_size, decay, updates);
      if (probe_->answer(block_, head, queries, query, out)) return;
    }
    std::size_t first = 0;
    if constexpr (A::lanes == 1) {
      for (; first + 4 * A::width <= value_size; first += 4 * A::width) {
        recur_columns<Wide, 4>(state + first, value_size, key_size, value_size, first, decay, updates, query, out);
      }
      for (; first + A::width <= value_size; first += A::width) {
        recur_columns<Wide, 1>(state + first, value_size, key_size, value_size, first, decay, updates, query, out);
      }
      if constexpr (A::width > 1) {
        for (; first < value_size; ++first) {
          recur_columns<Number, 1>(state + first, value_size, key_size, value_size, first, decay, updates, query, out);
        }
      }
    } else {
      const std::size_t columns = block_columns(key_size);
      for (; first + columns <= value_size; first += columns) {
        Number* block = state + first * key_size;
        if (columns == 4) {
          recur_columns<Number, 4>(block, 4, key_size, value_size, first, decay, updates, query, out);
        } else if (columns == 2) {
          recur_columns<Number, 2>(block, 2, key_size, value_size, first, decay, updates, query, out);
        } else {
          recur_columns<Number, 1>(block, 1, key_size, value_size, first, decay, updates, query, out);
        }
      }
      for (; first < value_size; ++first) {
        Number* column = state + first * key_size;
        recur_columns<Number, 1>(column, 1, key_size, value_size, first, decay, updates, query, out);
      }
    }
    for (std::size_t i = 1; i < queries; ++i) {
      read_out(state, key_size, value_size, query + i * key_size, out + i * value_size);
    }
  }

  // ---- the mixers: y = mixer(h); the state moves on; returned is what follows the mixer's part of it ---------------

  /// q, k and v in place, after convolution and activation.
  Number* project(const QueryKeyValue& inputs, const Number* h, Number* carried, Number* q, Number* k, Number* v) {
    const auto input = [&](const Matrix& m, const std::optional<ShortConvolution>& convolution, Activation activation,
                           Number* y) {
      of_token(m.rows, y, [&] {
        multiply(m, h, y);
        if (!convolution) activate(activation, y, m.rows);
      });
      if (!convolution) return;
      carried = convolve(*convolution, y, carried);
      activate(activation, y, m.rows);
    };
    input(inputs.query, inputs.query_convolution, inputs.query_key_activation, q);
    input(inputs.key, inputs.key_convolution, inputs.query_key_activation, k);
    input(inputs.value, inputs.value_convolution, inputs.value_activation, v);
    return carried;
  }

  void finish(const HeadOutput& output, const Number* h, Number* o, std::size_t heads, std::size_t value_size,
              Number* y) {
    for (std::size_t head = 0; head < heads; ++head) {
      normalize(output.norm, o + head * value_size, o + head * value_size, value_size);
    }
    if (output.gate) {
      const std::size_t size = heads * value_size;
      Number* g = take(size);
      of_token(size, g, [&] {
        multiply(*output.gate, h, g);
        activate(Activation::silu, g, size);
      });
      map(size, o, o, g, [](auto a, auto b) { return a * b; });
    }
    multiply(output.projection, o, y);
  }

  /// x * (1 / sqrt(size)), one rounded constant.
  static void scale_by_root(Number* x, std::size_t count, std::size_t size) {
    const Number scale = A::constant(1.0 / std::sqrt(static_cast<double>(size)));
    const Wide wide_scale = A::spread(scale);
    map(count, x, x, [&](auto a) { return a * matching<decltype(a)>(scale, wide_scale); });
  }

  Number* mix(const DeltaMixer& m, const Number* h, Number* carried, Number* y) {
    using numeric::exp;
    using numeric::fused;
    using numeric::sigmoid;
    using numeric::softplus;
    const std::size_t values = m.num_value_heads * m.value_size;
    const std::size_t betas = m.num_householder * m.num_value_heads;
    Number* q = take(m.inputs.query.rows);
    Number* k = take(m.inputs.key.rows);
    Number* v = take(m.inputs.value.rows);
    carried = project(m.inputs, h, carried, q, k, v);
    const bool l2 = m.key_norm == DeltaMixer::KeyNorm::l2;
    for (std::size_t i = 0; i < m.num_heads; ++i) {
      l2 ? l2_normalize(q + i * m.key_size, m.key_size) : sum_normalize(q + i * m.key_size, m.key_size);
    }
    for (std::size_t i = 0; i < m.num_householder * m.num_heads; ++i) {
      l2 ? l2_normalize(k + i * m.key_size, m.key_size) : sum_normalize(k + i * m.key_size, m.key_size);
    }
    Number* beta = take(betas);
    if (!m.beta) {
      for (std::size_t i = 0; i < betas; ++i) beta[i] = A::constant(m.beta_scale);
    } else {
      const Number before = A::constant(m.beta_input_scale);
      const Number scale = A::constant(m.beta_scale);
      const Number shift = A::constant(m.beta_shift);
      of_token(betas, beta, [&] {
        multiply(*m.beta, h, beta);
        for (std::size_t i = 0; i < betas; ++i) beta[i] = sigmoid(beta[i] * before) * scale + shift;
      });
    }
    Number* decay = nullptr;
    if (m.decay) {
      decay = take(m.num_value_heads);
      of_token(m.num_value_heads, decay, [&] {
        multiply(*m.decay, h, decay);
        for (std::size_t i = 0; i < m.num_value_heads; ++i) {
          const Number step = softplus(decay[i] + A::weight(m.decay_bias[i]));
          decay[i] = exp(number(rates_[block_][i]) * step);
        }
      });
    }
    Number* o = take(values);
    const std::size_t group = m.num_value_heads / m.num_heads;
    updates_.resize(m.num_householder);
    for (std::size_t head = 0; head < m.num_value_heads; ++head) {
      for (std::size_t j = 0; j < m.num_householder; ++j) {
        const Number* key = k + (j * m.num_heads + head / group) * m.key_size;
        const std::size_t index = j * m.num_value_heads + head;
        updates_[j] = {key, key, v + index * m.value_size, beta + index, false};
      }
      const Decay<Number> step{decay == nullptr ? Decay<Number>::Kind::none : Decay<Number>::Kind::scalar,
                               decay == nullptr ? nullptr : decay + head};
      recur(head, carried, m.key_size, m.value_size, step, updates_, q + head / group * m.key_size,
            o + head * m.value_size);
      carried += m.key_size * m.value_size;
    }
    scale_by_root(o, values, m.key_size);
    finish(m.output, h, o, m.num_value_heads, m.value_size, y);
    return carried;
  }

  Number* mix(const GlaMixer& m, const Number* h, Number* carried, Number* y) {
    using numeric::exp;
    using numeric::log_sigmoid;
    using numeric::maximum;
    using numeric::quotient;
    const std::size_t values = m.num_heads * m.value_size;
    const std::size_t decays = m.num_key_heads * m.key_size;
    Number* q = take(m.inputs.query.rows);
    Number* k = take(m.inputs.key.rows);
    Number* v = take(m.inputs.value.rows);
    carried = project(m.inputs, h, carried, q, k, v);
    Number* narrow = take(m.decay_down.rows);
    Number* decay = take(decays);
    const double divisor = m.decay_divisor;
    const double floor = m.decay_floor ? *m.decay_floor : -std::numeric_limits<double>::infinity();
    of_token(decays, decay, [&] {
      multiply(m.decay_down, h, narrow);
      multiply(m.decay_up, narrow, decay);
      add_bias(m.decay_bias, decay);
      map(decays, decay, decay, [&](auto g) {
        using T = decltype(g);
        return exp(maximum(quotient(log_sigmoid(g), small<T>(divisor)), small<T>(floor)));
      });
    });
    activate(m.feature_map, q, m.inputs.query.rows);
    activate(m.feature_map, k, m.inputs.key.rows);
    Number* o = take(values);
    const std::size_t group = m.num_heads / m.num_key_heads;
    updates_.resize(1);
    for (std::size_t head = 0; head < m.num_key_heads; ++head) {
      updates_[0] = {nullptr, k + head * m.key_size, v + head * m.value_size, nullptr, false};
      const Decay<Number> step{Decay<Number>::Kind::key, decay + head * m.key_size};
      const std::size_t first = head * group;
      recur(head, carried, m.key_size, m.value_size, step, updates_, q + first * m.key_size, o + first * m.value_size,
            group);
      carried += m.key_size * m.value_size;
    }
    scale_by_root(o, values, m.key_size);
    finish(m.output, h, o, m.num_heads, m.value_size, y);
    return carried;
  }

  static void read_out(const Number* state, std::size_t key_size, std::size_t value_size, const Number* query,
                       Number* out) {
    using numeric::fused;
    for (std::size_t c = 0; c < value_size; ++c) out[c] = zero();
    for (std::size_t j = 0; j < key_size; ++j) {
      for (std::size_t c = 0; c < value_size; ++c) {
        out[c] = fused(query[j], state[place(key_size, value_size, j, c)], out[c]);
      }
    }
  }

  Number* mix(const MambaMixer& m, const Number* h, Number* carried, Number* y) {
    using numeric::exp;
    using numeric::fused;
    using numeric::silu;
    using numeric::softplus;
    const std::size_t channels = m.channels;
    Number* u = take(2 * channels);
    multiply_input(m.in, h, u);
    if (!m.in_bias.empty()) add_bias(m.in_bias, u);
    Number* z = u + channels;
    carried = convolve(m.convolution, u, carried);
    activate(Activation::silu, u, channels);
    Number* selection = take(m.selection.rows);
    multiply(m.selection, u, selection);
    Number* step = take(channels);
    multiply(m.step, selection, step);
    weigh(channels, step, step, m.step_bias.data(), [](auto a, auto b) { return softplus(a + b); });
    Number* value = take(channels);
    map(channels, value, step, u, [](auto a, auto b) { return a * b; });
    Number* decay = take(channels * m.state_size);
    const bool negative = m.negative_eigenvalues;
    for (std::size_t n = 0; n < m.state_size; ++n) {
      const Weight* rates = rates_[block_].data() + n * channels;
      Number* row = decay + n * channels;
      std::size_t e = 0;
      const auto decay_of = [negative](auto dt, auto rate) {
        using T = decltype(dt);
        const T a = exp(dt * rate);
        return negative ? fused(small<T>(2), a, small<T>(-1)) : a;
      };
      for (; e + A::width <= channels; e += A::width) {
        A::store(row + e, decay_of(A::load(step + e), A::weights(rates + e)));
      }
      for (; e < channels; ++e) row[e] = decay_of(step[e], number(rates[e]));
    }
    Number* o = take(channels);
    updates_.resize(1);
    updates_[0] = {nullptr, selection + m.rank, value, nullptr, false};
    recur(0, carried, m.state_size, channels, {Decay<Number>::Kind::element, decay}, updates_,
          selection + m.rank + m.state_size, o);
    carried += m.state_size * channels;
    for (std::size_t e = 0; e < channels; ++e) o[e] = fused(A::weight(m.skip[e]), u[e], o[e]);
    map(channels, o, o, z, [](auto a, auto b) { return a * silu(b); });
    multiply(m.out, o, y);
    if (!m.out_bias.empty()) add_bias(m.out_bias, y);
    return carried;
  }

  Number* mix(const Mamba2Mixer& m, const Number* h, Number* carried, Number* y) {
    using numeric::exp;
    using numeric::fused;
    using numeric::maximum;
    using numeric::minimum;
    using numeric::silu;
    using numeric::softplus;
    const std::size_t channels = m.num_heads * m.head_size;
    const std::size_t group_state = m.num_groups * m.state_size;
    Number* z = take(m.in.rows);
    multiply_input(m.in, h, z);
    if (!m.in_bias.empty()) add_bias(m.in_bias, z);
    Number* x = z + channels;
    Number* step = x + m.convolution.channels;
    carried = convolve(m.convolution, x, carried);
    activate(Activation::silu, x, m.convolution.channels);
    const Number* b = x + channels;
    const Number* c = b + group_state;
    Number* decay = take(m.num_heads);
    Number* value = take(channels);
    Number* o = take(channels);
    updates_.resize(1);
    for (std::size_t head = 0; head < m.num_heads; ++head) {
      const Number dt = minimum(maximum(softplus(step[head] + A::weight(m.step_bias[head])), A::constant(m.step_least)),
                                A::constant(m.step_most));
      decay[head] = exp(dt * number(rates_[block_][head]));
      const std::size_t first = head * m.head_size;
      for (std::size_t i = 0; i < m.head_size; ++i) value[first + i] = dt * x[first + i];
      const std::size_t group = head / (m.num_heads / m.num_groups);
      updates_[0] = {nullptr, b + group * m.state_size, value + first, nullptr, false};
      recur(head, carried, m.state_size, m.head_size, {Decay<Number>::Kind::scalar, decay + head}, updates_,
            c + group * m.state_size, o + first);
      carried += m.state_size * m.head_size;
      for (std::size_t i = first; i < first + m.head_size; ++i) {
        o[i] = fused(A::weight(m.skip.size() == channels ? m.skip[i] : m.skip[head]), x[i], o[i]);
      }
    }
    const auto gate = [&] { map(channels, o, o, z, [](auto p, auto q) { return p * silu(q); }); };
    if (!m.norm || !m.norm_before_gate) gate();
    if (m.norm) {
      const std::size_t size = channels / m.num_groups;
      for (std::size_t g = 0; g < m.num_groups; ++g) normalize(*m.norm, o + g * size, o + g * size, size, g * size);
      if (m.norm_before_gate) gate();
    }
    multiply(m.out, o, y);
    if (!m.out_bias.empty()) add_bias(m.out_bias, y);
    return carried;
  }

  enum class Inner { identity, tanh, sigmoid };
  void low_rank(const LowRank& l, Inner inner, const Number* x, Number* y) {
    using numeric::sigmoid;
    using numeric::tanh;
    Number* narrow = take(l.down.rows);
    multiply(l.down, x, narrow);
    if (inner == Inner::tanh) map(l.down.rows, narrow, narrow, [](auto a) { return tanh(a); });
    if (inner == Inner::sigmoid) map(l.down.rows, narrow, narrow, [](auto a) { return sigmoid(a); });
    multiply(l.up, narrow, y);
    if (!l.bias.empty()) add_bias(l.bias, y);
  }

  /// y = x + dx * mix.
  static void shift_mix(const std::vector<float>& mix, const Number* x, const Number* dx, Number* y) {
    using numeric::fused;
    std::size_t i = 0;
    if constexpr (A::width > 1) {
      for (; i + A::width <= mix.size(); i += A::width) {
        A::store(y + i, fused(A::load(dx + i), A::weights(mix.data() + i), A::load(x + i)));
      }
    }
    for (; i < mix.size(); ++i) y[i] = fused(dx[i], A::weight(mix[i]), x[i]);
  }
  /// dx = previous - x; the previous input becomes x. Returns what follows it in the state.
  static Number* shift(const Number* x, Number* carried, Number* dx, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
      dx[i] = carried[i] - x[i];
      carried[i] = x[i];
    }
    return carried + size;
  }

  Number* mix(const Rwkv7Mixer& m, const Number* h, Number* carried, Number* y) {
    using numeric::exp;
    using numeric::fused;
    using numeric::maximum;
    using numeric::quotient;
    using numeric::sigmoid;
    using numeric::square_root;
    const std::size_t size = m.mix_r.size();
    const std::size_t keys = m.num_heads * m.key_size;
    const std::size_t values = m.num_heads * m.value_size;
    // First, so that it outlives the block.
    Number* v = take(values);
    Number* dx = take(size);
    Number* mixed = take(size);
    carried = shift(h, carried, dx, size);
    Number* r = take(keys);
    shift_mix(m.mix_r, h, dx, mixed);
    multiply(m.receptance, mixed, r);
    Number* w = take(keys);
    shift_mix(m.mix_w, h, dx, mixed);
    low_rank(m.decay, Inner::tanh, mixed, w);
    map(keys, w, w, [](auto a) { return exp(small<decltype(a)>(-0.6065306597126334) * sigmoid(a)); });
    Number* k = take(keys);
    shift_mix(m.mix_k, h, dx, mixed);
    multiply(m.key, mixed, k);
    shift_mix(m.mix_v, h, dx, mixed);
    multiply(m.value, mixed, v);
    if (m.value_mix) {
      Number* share = take(values);
      low_rank(*m.value_mix, Inner::identity, mixed, share);
      for (std::size_t i = 0; i < values; ++i) v[i] = fused(first_value_[i] - v[i], sigmoid(share[i]), v[i]);
    } else {
      first_value_ = v;
    }
    Number* a = take(keys);
    shift_mix(m.mix_a, h, dx, mixed);
    low_rank(m.rate, Inner::identity, mixed, a);
    map(keys, a, a, [](auto x) { return sigmoid(x); });
    Number* g = take(values);
    shift_mix(m.mix_g, h, dx, mixed);
    low_rank(m.gate, Inner::sigmoid, mixed, g);

    Number* removal = take(keys);
    weigh(keys, removal, k, m.removal_scale.data(), [](auto x, auto s) { return x * s; });
    for (std::size_t head = 0; head < m.num_heads; ++head) {
      Number* kk = removal + head * m.key_size;
      if (m.smooth_key_norm) {
        l2_normalize(kk, m.key_size);
      } else {
        const Number norm = maximum(square_root(dot(kk, kk, m.key_size)), A::constant(1e-12));
        for (std::size_t i = 0; i < m.key_size; ++i) kk[i] = quotient(kk[i], norm);
      }
    }
    for (std::size_t i = 0; i < keys; ++i) k[i] = k[i] * fused(a[i] - one(), A::weight(m.rate_scale[i]), one());
    Number* write = take(keys);
    map(keys, write, removal, a, [](auto x, auto s) { return x * s; });
    Number* o = take(values);
    updates_.resize(2);
    for (std::size_t head = 0; head < m.num_heads; ++head) {
      const std::size_t key = head * m.key_size;
      const std::size_t value = head * m.value_size;
      updates_[0] = {removal + key, write + key, nullptr, nullptr, true};
      updates_[1] = {nullptr, k + key, v + value, nullptr, false};
      recur(head, carried, m.key_size, m.value_size, {Decay<Number>::Kind::key, w + key}, updates_, r + key, o + value);
      carried += m.key_size * m.value_size;
      normalize(m.norm, o + value, o + value, m.value_size, value);
      Number bonus = zero();
      for (std::size_t i = 0; i < m.key_size; ++i) {
        bonus = fused(r[key + i] * k[key + i], A::weight(m.bonus[key + i]), bonus);
      }
      for (std::size_t i = value; i < value + m.value_size; ++i) o[i] = fused(bonus, v[i], o[i]);
    }
    map(values, o, o, g, [](auto p, auto q) { return p * q; });
    multiply(m.out, o, y);
    return carried;
  }

  static void multiply(const BlockDiagonal& b, const Number* x, Number* y) {
    using numeric::fused;
    for (std::size_t block = 0; block < b.blocks; ++block) {
      const Number* in = x + block * b.size;
      for (std::size_t o = 0; o < b.size; ++o) {
        const float* w = b.weight.data() + (block * b.size + o) * b.size;
        Number sum = zero();
        for (std::size_t i = 0; i < b.size; ++i) sum = fused(A::weight(w[i]), in[i], sum);
        y[block * b.size + o] = sum;
      }
    }
  }

  Number* mix(const MlstmMixer& m, const Number* h, Number* carried, Number* y) {
    using numeric::absolute;
    using numeric::exp;
    using numeric::fused;
    using numeric::log_sigmoid;
    using numeric::maximum;
    using numeric::quotient;
    using numeric::silu;
    const std::size_t channels = m.num_heads * m.head_size;
    const std::size_t columns = m.head_size + 1;
    Number* x = take(2 * channels);
    multiply_input(m.up, h, x);
    const Number* z = x + channels;
    Number* c = take(channels);
    for (std::size_t i = 0; i < channels; ++i) c[i] = x[i];
    carried = convolve(m.convolution, c, carried);
    activate(Activation::silu, c, channels);
    Number* qkv = take(3 * channels);
    multiply(m.query, c, qkv);
    multiply(m.key, c, qkv + channels);
    multiply(m.value, x, qkv + 2 * channels);
    Number* in = take(m.num_heads);
    Number* forget = take(m.num_heads);
    multiply(m.input_gate, qkv, in);
    multiply(m.forget_gate, qkv, forget);
    Number* k = qkv + channels;
    const Number root = A::constant(std::sqrt(static_cast<double>(m.head_size)));
    for (std::size_t i = 0; i < channels; ++i) k[i] = quotient(k[i], root);
    Number* stabilizer = carried + m.num_heads * m.head_size * columns;
    Number* value = take(columns);
    Number* read = take(columns);
    Number* o = take(channels);
    updates_.resize(1);
    for (std::size_t head = 0; head < m.num_heads; ++head) {
      const Number i = in[head] + A::weight(m.input_gate_bias[head]);
      const Number f = log_sigmoid(forget[head] + A::weight(m.forget_gate_bias[head])) + stabilizer[head];
      const Number top = maximum(f, i);
      stabilizer[head] = top;
      const Number decay = exp(f - top);
      const Number strength = exp(i - top);
      const std::size_t first = head * m.head_size;
      const Number* v = qkv + 2 * channels + first;
      for (std::size_t e = 0; e < m.head_size; ++e) value[e] = strength * v[e];
      value[m.head_size] = strength;
      updates_[0] = {nullptr, k + first, value, nullptr, false};
      recur(head, carried, m.head_size, columns, {Decay<Number>::Kind::scalar, &decay}, updates_, qkv + first, read);
      carried += m.head_size * columns;
      const Number bound = maximum(absolute(read[m.head_size]), exp(zero() - top)) + A::constant(1e-6);
      for (std::size_t e = 0; e < m.head_size; ++e) o[first + e] = quotient(read[e], bound);
      normalize(m.norm, o + first, o + first, m.head_size, first);
    }
    for (std::size_t e = 0; e < channels; ++e) o[e] = fused(A::weight(m.skip[e]), c[e], o[e]);
    map(channels, o, o, z, [](auto p, auto q) { return p * silu(q); });
    multiply(m.down, o, y);
    return stabilizer + m.num_heads;
  }

  Number* mix(const SlstmMixer& m, const Number* h, Number* carried, Number* y) {
    using numeric::exp;
    using numeric::fused;
    using numeric::less;
    using numeric::log_sigmoid;
    using numeric::maximum;
    using numeric::minimum;
    using numeric::quotient;
    using numeric::select;
    using numeric::sigmoid;
    using numeric::tanh;
    const std::size_t size = m.num_heads * m.head_size;
    const Number* convolved = h;
    if (m.convolution) {
      Number* c = take(size);
      for (std::size_t i = 0; i < size; ++i) c[i] = h[i];
      carried = convolve(*m.convolution, c, carried);
      activate(Activation::silu, c, size);
      convolved = c;
    }
    Number* output = carried;
    Number* cell = output + size;
    Number* normalizer = cell + size;
    Number* stabilizer = normalizer + size;
    Number* raw = take(4 * size);
    for (std::size_t slot = 0; slot < 4; ++slot) {
      multiply(m.slots[slot], slot < 2 ? convolved : h, raw + slot * size);
      for (std::size_t i = 0; i < size; ++i) {
        const std::size_t head = i / m.head_size;
        const float* w = m.recurrent.data() + (slot * size + i) * m.head_size;
        Number sum = zero();
        for (std::size_t e = 0; e < m.head_size; ++e) {
          sum = fused(A::weight(w[e]), output[head * m.head_size + e], sum);
        }
        Number& target = raw[slot * size + i];
        target = (target + sum) + A::weight(m.bias[slot * size + i]);
      }
    }
    for (std::size_t i = 0; i < size; ++i) {
      const Number in = raw[i];
      const Number forget = stabilizer[i] + log_sigmoid(raw[size + i]);
      const Number top = select(less(zero(), normalizer[i]), maximum(in, forget), in);
      // Before the first token there is nothing to keep; afterwards forget <= top.
      const Number keep = exp(minimum(forget - top, zero()));
      const Number take_in = exp(in - top);
      cell[i] = fused(keep, cell[i], take_in * tanh(raw[2 * size + i]));
      normalizer[i] = fused(keep, normalizer[i], take_in);
      stabilizer[i] = top;
      output[i] = quotient(sigmoid(raw[3 * size + i]) * cell[i], normalizer[i]);
    }
    for (std::size_t head = 0; head < m.num_heads; ++head) {
      const std::size_t first = head * m.head_size;
      normalize(m.norm, output + first, y + first, m.head_size, first);
    }
    return stabilizer + size;
  }

  // ---- feed-forward parts -----------------------------------------------------------------------------------------

  void feed(const GatedFeedForward& f, const Number* h, Number*, Number* y) {
    using numeric::gelu;
    using numeric::silu;
    Number* gate = take(f.gate.rows);
    Number* up = take(f.gate.rows);
    multiply(f.gate, h, gate);
    multiply(f.up, h, up);
    if (f.activation == GatedFeedForward::Gate::silu) {
      map(f.gate.rows, gate, gate, up, [](auto a, auto b) { return silu(a) * b; });
    } else {
      map(f.gate.rows, gate, gate, up, [](auto a, auto b) { return gelu(a) * b; });
    }
    multiply(f.down, gate, y);
  }

  void feed(const ShiftedFeedForward& f, const Number* h, Number* carried, Number* y) {
    const std::size_t size = f.mix.size();
    Number* dx = take(size);
    Number* mixed = take(size);
    shift(h, carried, dx, size);
    shift_mix(f.mix, h, dx, mixed);
    Number* inner = take(f.key.rows);
    multiply(f.key, mixed, inner);
    activate(Activation::squared_relu, inner, f.key.rows);
    multiply(f.value, inner, y);
  }

  static Number number(const Weight& w) { return Number(w); }

  const LearnedModel* model_;
  std::vector<std::size_t> block_offset_;
  /// Per block: -exp(log_rate), derived once.
  std::vector<std::vector<Weight>> rates_;
  std::vector<Number> stream_;
  enum class TablesUse { none, record, look_up };
  TablesUse tables_use_ = TablesUse::none;
  /// In the order in which the first block asks.
  std::vector<std::vector<float>> tables_;
  std::size_t next_table_ = 0;
  std::size_t recorded_token_ = 0;
  const std::uint32_t* tokens_ = nullptr;
  Arena arena_;
  std::vector<Update<Number>> updates_;
  Probe<Number>* probe_ = nullptr;
  std::size_t block_ = 0;
  const Number* first_value_ = nullptr;
};

}  // namespace krohn::forward
