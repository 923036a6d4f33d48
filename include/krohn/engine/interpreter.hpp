// A program over a number type: double is the reference, float the canonical form "learned-fp32-v1", a vector of floats
// many words at once with the same bits, an interval an enclosure. docs/semantics.md, "Learned models", is the
// definition that this file follows line by line.
//
// What matters for speed is the recurrence on S [key_size, value_size], column by column:
//     S = decay . S;   for each update in order: S = S + w (beta (v - r^T S))^T;   o = S^T q,
// and products with weights. Sums run in ascending order, one fused multiply-add a term, from +0.
//
// An Arithmetic gives the number type and how several of them that lie side by side are handled at once:
//     Number; Weight (a number of the model); Wide, `width` Numbers side by side; lanes: words a Number
//     Weight weight(float); Number constant(double); Wide load(const Number*); void store(Number*, Wide);
//     Wide spread(Number); Wide weights(const float*); Wide weights(const Weight*); Number gather(const float*, const
//     std::uint32_t* tokens, stride)
//     tabulated_tokens: the largest vocabulary for which what depends on the token alone is computed once a token, by
//     the same operations, and looked up afterwards; 0: never. If not 0: void record(float* table, size, vocabulary,
//     token, const Number*), void look_up(const float* table, size, vocabulary, const std::uint32_t* tokens, Number*),
//     table_size(size, vocabulary) in floats.
//     NearestCode<Number> nearest_code(Number* unit, size, const float* entries, pitch, count): optional, for one lane;
//     says itself which of the codes is the nearest.
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
#include <type_traits>
#include <variant>
#include <vector>

#include "krohn/engine/derived_weights.hpp"
#include "krohn/engine/schedule.hpp"
#include "krohn/error.hpp"
#include "krohn/model/program.hpp"
#include "krohn/numeric/elementwise.hpp"
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
  static Weight weight(float x) { return T(x); }
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
  /// rotation: for keys 2j and 2j + 1 the real and the imaginary part.
  enum class Kind { none, scalar, key, element, rotation };
  Kind kind = Kind::none;
  /// 1, key_size, or key_size * value_size numbers; rotation: key_size.
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

/// The code that a unit becomes: squares of the distances to it and to the next nearest, infinite where there is none.
template <class Number>
struct NearestCode {
  std::size_t code = 0;
  Number nearest;
  Number second;
};

/// Sees the inputs of every recurrence step; `head` counts the block's states.
template <class Number>
class Probe {
 public:
  virtual ~Probe() = default;
  virtual void recurrence(std::size_t layer, std::size_t head, std::size_t key_size, std::size_t value_size,
                          const Decay<Number>& decay, std::span<const Update<Number>> updates) = 0;
  /// May answer the step's `queries` queries [key_size] itself, with as many outputs [answer_size()] to `out`; if it
  /// returns true, the step is not run and the state stays as it is. Called after recurrence().
  virtual bool answer(std::size_t /*layer*/, std::size_t /*head*/, std::size_t /*queries*/, const Number* /*query*/,
                      Number* /*out*/) {
    return false;
  }
  /// A unit of a state part was found nearest to a code: squares of the distances to it and to the next
  /// nearest (infinite where there is none), seen before it becomes that code. Passes of one lane only.
  virtual void snapped(std::size_t /*part*/, std::size_t /*unit*/, const Number* /*state*/, std::size_t /*code*/,
                       Number /*nearest*/, Number /*second*/) {}
};

/// The forward pass of one program. Holds scratch memory: one instance a thread. The program must outlive it.
template <class Arithmetic>
class Interpreter {
 public:
  using A = Arithmetic;
  using Number = typename A::Number;
  using Wide = typename A::Wide;
  using Weight = typename A::Weight;

  explicit Interpreter(const Program& program)
      : program_(&program),
        schedule_(make_schedule(program, A::tabulated_tokens > 0)),
        features_(schedule_.num_features) {
    const bool tabulates = program.vocabulary_size() <= A::tabulated_tokens;
    std::vector<bool> read_later(program.operations().size(), false);
    for (const ScheduledOperation& scheduled : schedule_.operations) {
      const bool later = program.dependence()[scheduled.value] == Dependence::history;
      for (const Slice& slice : inputs_of(scheduled.operation))
        read_later[slice.value] = read_later[slice.value] || later;
    }
    read_later.back() = true;
    for (const ScheduledOperation& scheduled : schedule_.operations) {
      Step step;
      step.operation = &scheduled.operation;
      step.place = schedule_.place[scheduled.value];
      step.size = scheduled.operation.size;
      step.of_token = tabulates && program.dependence()[scheduled.value] != Dependence::history;
      step.keeps = step.of_token && read_later[scheduled.value];
      step.logits = scheduled.value + 1 == program.operations().size();
      prepare(step);
      steps_.push_back(std::move(step));
    }
    for (std::size_t p = 0; p < program.state_parts().size(); ++p) {
      const StatePart& part = program.state_parts()[p];
      books_.emplace_back(part.codes.size());
      for (std::size_t u = 0; u < part.codes.size(); ++u) set_codes(p, u, tensor(part.codes[u]).values);
    }
    if constexpr (A::tabulated_tokens > 0) {
      if (tabulates) tabulate();
    }
  }
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  /// The codes [codes, unit_size()] of a unit from now on; none: it stays as it is.
  void set_codes(std::size_t part, std::size_t unit, std::span<const float> codes) {
    const StatePart& p = program_->state_parts()[part];
    books_[part].resize(p.units());
    Book& book = books_[part][unit];
    const std::size_t size = p.unit_size();
    book.count = codes.size() / size;
    book.pitch = (book.count + A::width - 1) / A::width * A::width;
    book.entries.assign(size * book.pitch, 0.0F);
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t k = 0; k < book.count; ++k) book.entries[i * book.pitch + k] = codes[k * size + i];
    }
    book.places.resize(size);
    for (std::size_t i = 0; i < size; ++i) book.places[i] = unit_entry(p, i);
    distances_.resize(std::max(distances_.size(), book.pitch));
  }

  /// Writes the state before the first token, state_size() numbers.
  void initial(Number* state) const {
    for (const StatePart& part : program_->state_parts()) {
      const Number value = A::constant(static_cast<double>(part.initial));
      for (std::size_t i = 0; i < part.size; ++i) state[part.offset + i] = value;
    }
  }

  /// Writes the state of the word in `lane`, state_size() numbers as Program::state_parts() lays them out.
  template <class T>
  void read_state(const Number* state, std::size_t lane, T* out) const {
    const T* values = reinterpret_cast<const T*>(state) + lane;
    for (std::size_t i = 0; i < program_->state_size(); ++i) out[i] = values[i * A::lanes];
    if constexpr (A::lanes > 1) {
      for (const StatePart& part : program_->state_parts()) {
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
    if (program_->deferred()) throw InternalError("a step of a program whose weights are not in memory");
    probe_ = probe;
    tokens_ = tokens;
    state_ = state;
    base_ = features_.data();
    for (Step& step : steps_) {
      if constexpr (A::tabulated_tokens > 0) {
        if (step.of_token) {
          Number* out = step.logits ? logits : base_ + step.place;
          if (step.keeps && out != nullptr) {
            A::look_up(step.table.data(), step.size, program_->vocabulary_size(), tokens, out);
          }
          continue;
        }
      }
      if (!step.logits) {
        run(step, base_ + step.place);
      } else if (logits != nullptr) {
        run(step, logits);
      }
    }
  }

  const Schedule& schedule() const { return schedule_; }
  /// Runs operation `index` of the schedule alone, on a token whose features, schedule().num_features numbers, are
  /// elsewhere: for programs that go through the tokens operation by operation. Not for operations whose tensors are
  /// deferred.
  void run_operation(std::size_t index, Number* features, Number* state, const std::uint32_t* tokens,
                     Probe<Number>* probe) {
    probe_ = probe;
    tokens_ = tokens;
    state_ = state;
    base_ = features;
    run(steps_[index], base_ + steps_[index].place);
  }

 private:
  /// An operation, what it needs of the weights, and where its value goes.
  struct Step {
    const Operation* operation = nullptr;
    std::size_t place = 0;
    std::size_t size = 0;
    bool of_token = false;  // looked up if keeps, else not needed
    bool keeps = false;
    bool logits = false;
    std::vector<float> table;
    std::vector<Weight> w, v;
    std::size_t block = 0;
    std::vector<Update<Number>> updates;
    std::vector<Number> scratch;
    std::vector<Multiplication> multiplications;
  };

  /// Codes entry by entry, [unit_size, pitch], so that those of one entry lie side by side.
  struct Book {
    std::size_t count = 0;
    std::size_t pitch = 0;
    std::vector<float> entries;
    /// Where entry i of the unit lies in a pass of many lanes.
    std::vector<std::size_t> places;
  };

  // ---- weights --------------------------------------------------------------------------------------------------

  const ProgramTensor& tensor(std::uint32_t index) const { return program_->tensors()[index]; }
  const float* values(std::uint32_t index) const { return index == no_index ? nullptr : tensor(index).values.data(); }

  std::vector<Weight> derived(const WeightUse& use) const {
    return derived_weights<Weight>(program_->tensors(), use, [](float x) { return A::weight(x); });
  }

  void prepare(Step& step) const {
    if (const auto* op = std::get_if<Product>(&step.operation->kind)) {
      step.multiplications = multiplications(*program_, *op);
    }
    if (const auto* op = std::get_if<Elementwise>(&step.operation->kind)) {
      step.w = derived(op->w);
      step.v = derived(op->v);
      step.block = block_size(*op, step.size);
    }
    if (const auto* op = std::get_if<LinearRecurrence>(&step.operation->kind)) {
      step.w = derived(op->rates);
      step.updates.resize(op->updates.size());
      if (op->decay == LinearRecurrence::Decay::rate) {
        step.scratch.resize(std::size_t{op->key_size} * op->value_size);
      }
      if (op->ridge.present()) step.scratch.resize(std::size_t{4} * op->key_size);
    }
    if (std::holds_alternative<SlstmCell>(step.operation->kind)) step.scratch.resize(4 * step.size);
  }

  /// Runs what depends on the token alone on every token once, and keeps what others read. The rest of the program does
  /// not see the origin of these values: they are the same bits.
  void tabulate() {
    std::vector<std::uint32_t> tokens(A::lanes);
    tokens_ = tokens.data();
    base_ = features_.data();
    std::vector<Number> logits(program_->num_logits());
    const std::size_t vocabulary = program_->vocabulary_size();
    for (std::size_t token = 0; token < vocabulary; ++token) {
      std::fill(tokens.begin(), tokens.end(), static_cast<std::uint32_t>(token));
      for (Step& step : steps_) {
        if (!step.of_token) continue;
        Number* out = step.logits ? logits.data() : base_ + step.place;
        run(step, out);
        if (!step.keeps) continue;
        if (step.table.empty()) step.table.resize(A::table_size(step.size, vocabulary));
        A::record(step.table.data(), step.size, vocabulary, token, out);
      }
    }
  }

  // ---- operations -------------------------------------------------------------------------------------------------

  const Number* at(const Slice& slice) const { return base_ + schedule_.at(slice); }
  const Number* at(const HeadInput& input, std::size_t head) const {
    return base_ + schedule_.place[input.slice.value] + input.first(head);
  }
  Number* carried(std::uint32_t part) const {
    return part == no_index ? nullptr : state_ + program_->state_parts()[part].offset;
  }

  void run(Step& step, Number* out) {
    std::visit([&](const auto& op) { run(op, step, out); }, step.operation->kind);
  }

  void run(const Embedding& op, Step& step, Number* out) {
    const std::size_t vocabulary = program_->vocabulary_size();
    const float* table = values(op.table);
    for (std::size_t i = 0; i < step.size; ++i) out[i] = A::gather(table + i * vocabulary, tokens_, vocabulary);
  }

  void run(const Product& op, Step& step, Number* out) {
    const float* weight = values(op.weight);
    const Number* in = at(op.in);
    const float* bias = values(op.bias);
    const Number* onto = op.onto.present() ? at(op.onto) : nullptr;
    for (const Multiplication& m : step.multiplications) {
      multiply(weight + m.weight, m.rows, m.columns, in + m.in, bias == nullptr ? nullptr : bias + m.bias,
               onto == nullptr ? nullptr : onto + m.out, out + m.out);
    }
  }

  void run(const Constants& op, Step& step, Number* out) {
    (void)step;
    for (std::size_t i = 0; i < op.values.size(); ++i) out[i] = A::constant(op.values[i]);
  }

  template <class T>
  static FunctionConstants<T> constants(const Elementwise& op) {
    return {small<T>(op.k), small<T>(op.l), small<T>(op.m)};
  }
  template <class T>
  static T small(double value) {
    return T(static_cast<numeric::Scalar<T>>(value));
  }

  /// Blocks in which every operand either goes along entry by entry or stays; 1 where there are none longer.
  static std::size_t block_size(const Elementwise& op, std::size_t size) {
    std::size_t block = size;
    for (const Operand* operand : {&op.a, &op.b, &op.c}) {
      if (operand->share > 1) block = std::min<std::size_t>(block, operand->share);
      if (operand->run > 0) block = std::min<std::size_t>(block, operand->run);
    }
    for (const WeightUse* use : {&op.w, &op.v}) {
      if (use->share > 1) block = std::min<std::size_t>(block, use->share);
    }
    const auto whole = [&](std::size_t share, std::size_t run) {
      return (share == 1 || share % block == 0) && (run == 0 || run % block == 0);
    };
    const bool fits = whole(op.a.share, op.a.run) && whole(op.b.share, op.b.run) && whole(op.c.share, op.c.run) &&
                      whole(op.w.share, 0) && whole(op.v.share, 0);
    return fits ? block : 1;
  }

  void run(const Elementwise& op, Step& step, Number* out) {
    with_function(op.function, [&](auto f) { map<f()>(op, step, out); });
  }

  template <Function F>
  void map(const Elementwise& op, const Step& step, Number* out) const {
    const auto from = [&](const Operand& operand) {
      return operand.slice.present() ? base_ + schedule_.place[operand.slice.value] : nullptr;
    };
    const Number* a = from(op.a);
    const Number* b = from(op.b);
    const Number* c = from(op.c);
    const FunctionConstants<Number> k = constants<Number>(op);
    const FunctionConstants<Wide> wide_k = constants<Wide>(op);
    for (std::size_t begin = 0; begin < step.size; begin += step.block) {
      const std::size_t count = std::min(step.block, step.size - begin);
      const Entries<Number> ea{a, op.a.entry(begin), op.a.share == 1};
      const Entries<Number> eb{b, op.b.entry(begin), op.b.share == 1};
      const Entries<Number> ec{c, op.c.entry(begin), op.c.share == 1};
      const Entries<Weight> ew{step.w.data(), begin / op.w.share, op.w.share == 1};
      const Entries<Weight> ev{step.v.data(), begin / op.v.share, op.v.share == 1};
      map_entries<F>(count, out + begin, ea, eb, ec, ew, ev, k, wide_k);
    }
  }

  /// Entries that go along, or one that stays.
  template <class T>
  struct Entries {
    const T* data;
    std::size_t first;
    bool along;
    const T& operator[](std::size_t i) const { return data[first + (along ? i : 0)]; }
  };
  static Wide wide(const Entries<Number>& e, std::size_t i) { return e.along ? A::load(&e[i]) : A::spread(e[0]); }
  template <class W>
  static Wide wide_weights(const Entries<W>& e, std::size_t i) {
    return e.along ? A::weights(&e[i]) : A::spread(Number(e[0]));
  }

  template <Function F>
  static void map_entries(std::size_t count, Number* out, const Entries<Number>& a, const Entries<Number>& b,
                          const Entries<Number>& c, const Entries<Weight>& w, const Entries<Weight>& v,
                          const FunctionConstants<Number>& k, const FunctionConstants<Wide>& wide_k) {
    std::size_t i = 0;
    if constexpr (A::width > 1) {
      for (; i + A::width <= count; i += A::width) {
        A::store(out + i,
                 elementwise<Wide>(
                     F, wide_k, [&] { return wide(a, i); }, [&] { return wide(b, i); }, [&] { return wide(c, i); },
                     [&] { return wide_weights(w, i); }, [&] { return wide_weights(v, i); }));
      }
    }
    for (; i < count; ++i) {
      out[i] = elementwise<Number>(
          F, k, [&] { return a[i]; }, [&] { return b[i]; }, [&] { return c[i]; }, [&] { return Number(w[i]); },
          [&] { return Number(v[i]); });
    }
  }

  void run(const Interleave& op, Step& step, Number* out) {
    (void)step;
    for (std::size_t g = 0; g < op.groups; ++g) {
      for (const Slice& part : op.parts) {
        const std::size_t count = part.size / op.groups;
        out = std::copy_n(at(part) + g * count, count, out);
      }
    }
  }

  void run(const Normalization& op, Step& step, Number* out) {
    using Kind = Normalization::Kind;
    const Number* in = at(op.in);
    const std::size_t size = step.size / op.groups;
    const float* weight = values(op.weight);
    const float* bias = values(op.bias);
    const bool running = weight != nullptr && tensor(op.weight).values.size() != size;
    const bool running_bias = bias != nullptr && tensor(op.bias).values.size() != size;
    for (std::size_t g = 0; g < op.groups; ++g, in += size, out += size) {
      if (op.kind == Kind::rms || op.kind == Kind::layer) {
        normalize(op, in, out, size, running ? weight + g * size : weight, running_bias ? bias + g * size : bias);
      } else {
        normalize_plain(op, in, out, size);
      }
    }
  }

  void run(const WeightedDot& op, Step& step, Number* out) {
    using numeric::fused;
    (void)step;
    const Number* a = at(op.a);
    const Number* b = at(op.b);
    const float* w = values(op.weight);
    const std::size_t size = op.a.size / op.groups;
    for (std::size_t g = 0, i = 0; g < op.groups; ++g) {
      Number sum = zero();
      for (const std::size_t end = i + size; i < end; ++i) sum = fused(a[i] * b[i], Number(A::weight(w[i])), sum);
      out[g] = sum;
    }
  }

  void run(const ShortConvolution& op, Step& step, Number* out) {
    using numeric::fused;
    const std::size_t channels = step.size;
    const std::size_t width = tensor(op.weight).shape[2];
    const std::size_t tail = width - 1;
    const Number* in = at(op.in);
    Number* kept = carried(op.tail);
    const float* weight = values(op.weight);
    for (std::size_t ch = 0; ch < channels; ++ch) {
      Number sum = zero();
      const float* w = weight + ch * width;
      Number* slot = tail > 0 ? kept + ch : nullptr;
      for (std::size_t j = 0; j < tail; ++j) {
        const Number earlier = slot[j * channels];
        sum = fused(Number(A::weight(w[j])), earlier, sum);
        if (j > 0) slot[(j - 1) * channels] = earlier;
      }
      if (tail > 0) slot[(tail - 1) * channels] = in[ch];
      out[ch] = fused(Number(A::weight(w[tail])), in[ch], sum);
    }
    if (op.bias != no_index) add_weights(values(op.bias), channels, out);
    if (op.activation == Function::copy) return;
    with_function(op.activation, [&](auto f) {
      if constexpr (operands_of(f()) == "a") {
        const Entries<Number> x{out, 0, true};
        const Entries<Weight> none{nullptr, 0, true};
        map_entries<f()>(channels, out, x, x, x, none, none, {}, {});
      }
    });
  }

  void run(const TokenShift& op, Step& step, Number* out) {
    const Number* in = at(op.in);
    Number* last = carried(op.last);
    for (std::size_t i = 0; i < step.size; ++i) {
      out[i] = op.difference ? last[i] - in[i] : last[i];
      last[i] = in[i];
    }
  }

  void run(const LinearRecurrence& op, Step& step, Number* out) {
    using Kind = LinearRecurrence::Decay;
    const std::size_t state = std::size_t{op.key_size} * op.value_size;
    const std::size_t answer = op.answer_size();
    Number* hidden = carried(op.hidden);
    const auto input = [&](const HeadInput& in, std::size_t head) { return in.present() ? at(in, head) : nullptr; };
    for (std::size_t s = 0; s < op.states; ++s, hidden += state) {
      for (std::size_t u = 0; u < op.updates.size(); ++u) {
        const RankOneUpdate& update = op.updates[u];
        step.updates[u] = {input(update.read, s), input(update.write, s), input(update.value, s), input(update.beta, s),
                           update.reads_undecayed};
      }
      Decay<Number> decay;
      if (op.decay == Kind::scalar) decay.kind = Decay<Number>::Kind::scalar;
      if (op.decay == Kind::key) decay.kind = Decay<Number>::Kind::key;
      if (op.decay == Kind::element) decay.kind = Decay<Number>::Kind::element;
      if (op.decay == Kind::rotation) decay.kind = Decay<Number>::Kind::rotation;
      decay.values = input(op.decays, s);
      if (op.decay == Kind::rate) {
        decay_by_rates(op, step, decay.values);
        decay = {Decay<Number>::Kind::element, step.scratch.data()};
      }
      Number* const answers = out + s * op.queries * answer;
      if (probe_ != nullptr) {
        probe_->recurrence(step.operation->layer, s, op.key_size, op.value_size, decay, step.updates);
        if (probe_->answer(step.operation->layer, s, op.queries, at(op.query, s * op.queries), answers)) continue;
      }
      const auto read = [&](std::size_t first) {
        for (std::size_t i = first; i < op.queries; ++i) {
          const Number* query = at(op.query, s * op.queries + i);
          if (op.ridge.present()) {
            solve(op, hidden, at(op.ridge, s), query, step.scratch.data(), answers + i * answer);
          } else {
            read_out(hidden, op.key_size, op.value_size, query, answers + i * answer);
          }
        }
      };
      if (op.reads_before) read(0);
      // The first query is answered in the last pass over the state.
      const bool joined = !op.reads_before && !op.ridge.present();
      recur(hidden, op.key_size, op.value_size, decay, step.updates, joined ? at(op.query, s * op.queries) : nullptr,
            answers);
      const bool snapped = snap(op.hidden, s, hidden);
      if (!op.reads_before) read(joined && !snapped ? 1 : 0);
    }
  }

  void decay_by_rates(const LinearRecurrence& op, Step& step, const Number* x) {
    using numeric::exp;
    using numeric::fused;
    const bool negative = op.signed_rates;
    const auto decay_of = [negative](auto dt, auto rate) {
      using T = decltype(dt);
      const T a = exp(dt * rate);
      return negative ? fused(small<T>(2), a, small<T>(-1)) : a;
    };
    const std::size_t columns = op.value_size;
    for (std::size_t j = 0; j < op.key_size; ++j) {
      const Weight* rates = step.w.data() + j * columns;
      Number* row = step.scratch.data() + j * columns;
      std::size_t c = 0;
      for (; c + A::width <= columns; c += A::width) {
        A::store(row + c, decay_of(A::load(x + c), A::weights(rates + c)));
      }
      for (; c < columns; ++c) row[c] = decay_of(x[c], Number(rates[c]));
    }
  }

  void run(const Stabilizer& op, Step& step, Number* out) {
    using numeric::exp;
    using numeric::log_sigmoid;
    using numeric::maximum;
    const std::size_t heads = step.size / 3;
    const Number* input = at(op.input);
    const Number* forget = at(op.forget);
    Number* top = carried(op.maximum);
    for (std::size_t h = 0; h < heads; ++h) {
      const Number i = input[h] + Number(A::weight(values(op.input_bias)[h]));
      const Number f = log_sigmoid(forget[h] + Number(A::weight(values(op.forget_bias)[h]))) + top[h];
      top[h] = maximum(f, i);
      out[h] = exp(f - top[h]);
      out[heads + h] = exp(i - top[h]);
      out[2 * heads + h] = exp(zero() - top[h]);
    }
    snap(op.maximum, 0, top);
  }

  void run(const SlstmCell& op, Step& step, Number* out) {
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
    const std::size_t size = step.size;
    const ProgramTensor& recurrent = tensor(op.recurrent);
    const std::size_t d = recurrent.shape[2];
    const Number* in = at(op.in);
    Number* output = carried(op.output);
    Number* cell = carried(op.cell);
    Number* normalizer = carried(op.normalizer);
    Number* stabilizer = carried(op.stabilizer);
    Number* raw = step.scratch.data();
    for (std::size_t i = 0; i < 4 * size; ++i) {
      const float* w = recurrent.values.data() + i / d * d * d + i % d;
      const Number* before = output + i % size / d * d;
      Number sum = zero();
      for (std::size_t e = 0; e < d; ++e) sum = fused(Number(A::weight(w[e * d])), before[e], sum);
      raw[i] = (in[i] + sum) + Number(A::weight(values(op.bias)[i]));
    }
    for (std::size_t i = 0; i < size; ++i) {
      const Number forget = stabilizer[i] + log_sigmoid(raw[size + i]);
      const Number top = select(less(zero(), normalizer[i]), maximum(raw[i], forget), raw[i]);
      // Before the first token there is nothing to keep; afterwards forget <= top.
      const Number keep = exp(minimum(forget - top, zero()));
      const Number take_in = exp(raw[i] - top);
      cell[i] = fused(keep, cell[i], take_in * tanh(raw[2 * size + i]));
      normalizer[i] = fused(keep, normalizer[i], take_in);
      stabilizer[i] = top;
      output[i] = quotient(sigmoid(raw[3 * size + i]) * cell[i], normalizer[i]);
    }
    for (const std::uint32_t part : {op.output, op.cell, op.normalizer, op.stabilizer}) snap(part, 0, carried(part));
    std::copy_n(output, size, out);
  }

  // ---- snapping ---------------------------------------------------------------------------------------------------

  /// Entry i of a unit, in the order of Program's layout.
  std::size_t unit_entry(const StatePart& part, std::size_t i) const {
    if constexpr (A::lanes == 1) return i;
    return part.kind == StatePart::Kind::hidden
               ? place(part.shape[1], part.shape[2], i / part.shape[2], i % part.shape[2])
               : i;
  }

  /// The unit becomes the nearest of its codes, if it has any: d = sum of (s_i - c_i)^2, ascending, one fma a term; the
  /// first of the least; where no distance is finite the unit stays. True where there are codes.
  bool snap(std::uint32_t index, std::size_t unit, Number* state) {
    using numeric::fused;
    using numeric::less;
    using numeric::select;
    if (books_[index].empty() || books_[index][unit].count == 0) return false;
    const StatePart& part = program_->state_parts()[index];
    const Book& book = books_[index][unit];
    const std::size_t size = part.unit_size();
    if constexpr (requires { A::nearest_code(state, size, book.entries.data(), book.pitch, book.count); }) {
      const NearestCode<Number> found = A::nearest_code(state, size, book.entries.data(), book.pitch, book.count);
      if (probe_ != nullptr) probe_->snapped(index, unit, state, found.code, found.nearest, found.second);
      for (std::size_t i = 0; i < size; ++i) state[i] = Number(A::weight(book.entries[i * book.pitch + found.code]));
      return true;
    }
    const Number never = A::constant(std::numeric_limits<double>::infinity());
    if constexpr (A::lanes == 1) {
      for (std::size_t k = 0; k < book.pitch; k += A::width) {
        Wide sum = A::spread(zero());
        const float* codes = book.entries.data() + k;
        for (std::size_t i = 0; i < size; ++i, codes += book.pitch) {
          const Wide difference = A::spread(state[i]) - A::weights(codes);
          sum = fused(difference, difference, sum);
        }
        A::store(distances_.data() + k, sum);
      }
      std::size_t best = book.count;
      Number nearest = never;
      Number second = never;
      for (std::size_t k = 0; k < book.count; ++k) {
        if (less(distances_[k], nearest)) {
          second = nearest;
          nearest = distances_[k];
          best = k;
        } else if (less(distances_[k], second)) {
          second = distances_[k];
        }
      }
      if (best == book.count) return true;
      if (probe_ != nullptr) probe_->snapped(index, unit, state, best, nearest, second);
      for (std::size_t i = 0; i < size; ++i)
        state[i] = A::constant(static_cast<double>(book.entries[i * book.pitch + best]));
    } else {
      Number nearest = never;
      Number best = A::constant(-1.0);
      for (std::size_t k = 0; k < book.count; ++k) {
        Number sum = zero();
        for (std::size_t i = 0; i < size; ++i) {
          const Number difference = state[book.places[i]] - Number(A::weight(book.entries[i * book.pitch + k]));
          sum = fused(difference, difference, sum);
        }
        best = select(less(sum, nearest), A::constant(static_cast<double>(k)), best);
        nearest = select(less(sum, nearest), sum, nearest);
      }
      float* const numbers = reinterpret_cast<float*>(state);
      const float* chosen = reinterpret_cast<const float*>(&best);
      std::uint32_t codes[A::lanes];
      bool all = true;
      for (std::size_t lane = 0; lane < A::lanes; ++lane) {
        codes[lane] = chosen[lane] < 0.0F ? 0 : static_cast<std::uint32_t>(chosen[lane]);
        all = all && chosen[lane] >= 0.0F;
      }
      for (std::size_t i = 0; i < size; ++i) {
        float* const entry = numbers + book.places[i] * A::lanes;
        const float* const values = book.entries.data() + i * book.pitch;
        if (all) {
          for (std::size_t lane = 0; lane < A::lanes; ++lane) entry[lane] = values[codes[lane]];
          continue;
        }
        for (std::size_t lane = 0; lane < A::lanes; ++lane) {
          if (chosen[lane] >= 0.0F) entry[lane] = values[codes[lane]];
        }
      }
    }
    return true;
  }

  // ---- vectors ----------------------------------------------------------------------------------------------------

  static Number zero() { return A::constant(0.0); }
  static Number one() { return A::constant(1.0); }

  /// y[i] = f(x[i]); f is generic over Number and Wide.
  template <class F>
  static void apply(std::size_t size, Number* y, const Number* x, F f) {
    std::size_t i = 0;
    if constexpr (A::width > 1) {
      for (; i + A::width <= size; i += A::width) A::store(y + i, f(A::load(x + i)));
    }
    for (; i < size; ++i) y[i] = f(x[i]);
  }
  /// y[i] = f(x[i], w[i]) with weights w.
  template <class F>
  static void weigh(std::size_t size, Number* y, const Number* x, const float* w, F f) {
    std::size_t i = 0;
    if constexpr (A::width > 1) {
      for (; i + A::width <= size; i += A::width) A::store(y + i, f(A::load(x + i), A::weights(w + i)));
    }
    for (; i < size; ++i) y[i] = f(x[i], Number(A::weight(w[i])));
  }
  static void add_weights(const float* bias, std::size_t size, Number* y) {
    weigh(size, y, y, bias, [](auto a, auto b) { return a + b; });
  }

  static Number dot(const Number* a, const Number* b, std::size_t size) {
    using numeric::fused;
    Number sum = zero();
    for (std::size_t i = 0; i < size; ++i) sum = fused(a[i], b[i], sum);
    return sum;
  }

  /// `Count` vectors of outputs from `first`, each an ascending sum; then plus a bias, then added to `onto`.
  template <int Count>
  static void multiply_block(const float* weight, std::size_t rows, std::size_t columns, std::size_t first,
                             const Number* x, const float* bias, const Number* onto, Number* y) {
    using numeric::fused;
    Wide sum[Count];
#pragma GCC unroll 8
    for (int k = 0; k < Count; ++k) sum[k] = A::spread(zero());
    const float* w = weight + first;
    for (std::size_t i = 0; i < columns; ++i, w += rows) {
      const Wide input = A::spread(x[i]);
#pragma GCC unroll 8
      for (int k = 0; k < Count; ++k) sum[k] = fused(A::weights(w + k * A::width), input, sum[k]);
    }
    if (bias != nullptr) {
#pragma GCC unroll 8
      for (int k = 0; k < Count; ++k) sum[k] = sum[k] + A::weights(bias + first + k * A::width);
    }
    if (onto != nullptr) {
#pragma GCC unroll 8
      for (int k = 0; k < Count; ++k) sum[k] = A::load(onto + first + k * A::width) + sum[k];
    }
#pragma GCC unroll 8
    for (int k = 0; k < Count; ++k) A::store(y + first + k * A::width, sum[k]);
  }

  /// y = (onto +) (x W^T (+ bias)): for each output, the inputs in ascending order.
  static void multiply(const float* weight, std::size_t rows, std::size_t columns, const Number* x, const float* bias,
                       const Number* onto, Number* y) {
    std::size_t first = 0;
    const auto blocks = [&]<int Count>(std::integral_constant<int, Count>) {
      for (; first + Count * A::width <= rows; first += Count * A::width) {
        multiply_block<Count>(weight, rows, columns, first, x, bias, onto, y);
      }
    };
    blocks(std::integral_constant<int, 8>());
    blocks(std::integral_constant<int, 4>());
    blocks(std::integral_constant<int, 1>());
    if constexpr (A::width > 1) {
      multiply_rest<static_cast<int>(A::width) - 1>(weight, rows, columns, first, x, bias, onto, y);
    }
  }

  /// The outputs from `first` on, fewer than a vector: at most `Most`.
  template <int Most>
  static void multiply_rest(const float* weight, std::size_t rows, std::size_t columns, std::size_t first,
                            const Number* x, const float* bias, const Number* onto, Number* y) {
    using numeric::fused;
    if constexpr (Most > 0) {
      if (rows - first < Most) return multiply_rest<Most - 1>(weight, rows, columns, first, x, bias, onto, y);
      Number sum[Most];
#pragma GCC unroll 8
      for (int k = 0; k < Most; ++k) sum[k] = zero();
      const float* w = weight + first;
      for (std::size_t i = 0; i < columns; ++i, w += rows) {
        const Number input = x[i];
#pragma GCC unroll 8
        for (int k = 0; k < Most; ++k) sum[k] = fused(Number(A::weight(w[k])), input, sum[k]);
      }
#pragma GCC unroll 8
      for (int k = 0; k < Most; ++k) {
        const std::size_t o = first + static_cast<std::size_t>(k);
        if (bias != nullptr) sum[k] = sum[k] + Number(A::weight(bias[o]));
        y[o] = onto == nullptr ? sum[k] : onto[o] + sum[k];
      }
    }
  }

  /// (sum of terms) / size, a correctly rounded division.
  static Number mean(Number sum, std::size_t size) {
    using numeric::quotient;
    return quotient(sum, A::constant(static_cast<double>(size)));
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
  static void scale(const Number* x, Number* y, std::size_t size, Number by) {
    const Wide wide = A::spread(by);
    apply(size, y, x, [&](auto a) { return a * matching<decltype(a)>(by, wide); });
  }

  /// rms and layer over `size` entries. y may be x.
  static void normalize(const Normalization& norm, const Number* x, Number* y, std::size_t size, const float* weight,
                        const float* bias) {
    using numeric::rsqrt;
    if (norm.kind == Normalization::Kind::layer) {
      Number sum = zero();
      for (std::size_t i = 0; i < size; ++i) sum = sum + x[i];
      const Number middle = mean(sum, size);
      const Wide wide_middle = A::spread(middle);
      apply(size, y, x, [&](auto a) { return a - matching<decltype(a)>(middle, wide_middle); });
      x = y;
    }
    const Number by = rsqrt(mean(dot(x, x, size), size) + A::constant(norm.epsilon));
    const Wide wide_by = A::spread(by);
    if (weight == nullptr) {
      scale(x, y, size, by);
    } else if (norm.weight_is_offset) {
      weigh(size, y, x, weight, [&](auto a, auto w) {
        return (a * matching<decltype(a)>(by, wide_by)) * (matching<decltype(a)>(one(), A::spread(one())) + w);
      });
    } else {
      weigh(size, y, x, weight, [&](auto a, auto w) { return (a * matching<decltype(a)>(by, wide_by)) * w; });
    }
    if (bias != nullptr) add_weights(bias, size, y);
  }

  /// l2: one reciprocal, then a product for each entry; root and sum: a division for each.
  static void normalize_plain(const Normalization& norm, const Number* x, Number* y, std::size_t size) {
    using numeric::absolute;
    using numeric::exp;
    using numeric::maximum;
    using numeric::quotient;
    using numeric::rsqrt;
    using numeric::square_root;
    using Kind = Normalization::Kind;
    if (norm.kind == Kind::l2) return scale(x, y, size, rsqrt(dot(x, x, size) + A::constant(norm.epsilon)));
    Number divisor = zero();
    if (norm.kind == Kind::root) {
      divisor = maximum(square_root(dot(x, x, size)), A::constant(norm.epsilon));
    } else if (norm.kind == Kind::absolute_sum) {
      for (std::size_t i = 0; i < size; ++i) divisor = divisor + absolute(x[i]);
      divisor = maximum(divisor, A::constant(norm.epsilon));
    } else if (norm.kind == Kind::softmax) {
      Number most = x[0];
      for (std::size_t i = 1; i < size; ++i) most = maximum(most, x[i]);
      for (std::size_t i = 0; i < size; ++i) {
        y[i] = exp(x[i] - most);
        divisor = divisor + y[i];
      }
      x = y;
    } else {
      for (std::size_t i = 0; i < size; ++i) divisor = divisor + x[i];
      divisor = divisor + A::constant(norm.epsilon);
    }
    for (std::size_t i = 0; i < size; ++i) y[i] = quotient(x[i], divisor);
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
        if (query == nullptr) return;
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

  /// One step of the recurrence on one state, and its read-out with `query`, unless that is null.
  static void recur(Number* state, std::size_t key_size, std::size_t value_size, const Decay<Number>& decays,
                    std::span<const Update<Number>> updates, const Number* query, Number* out) {
    Decay<Number> decay = decays;
    if (decay.kind == Decay<Number>::Kind::rotation) {
      rotate(state, key_size, value_size, decay.values);
      decay = {};
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
  }

  /// Rows 2j and 2j + 1, u and w, by a + i b: u' = fma(a, u, -(b w)), w' = fma(a, w, b u).
  static void rotate(Number* state, std::size_t key_size, std::size_t value_size, const Number* by) {
    using numeric::fused;
    for (std::size_t j = 0; j < key_size; j += 2) {
      for (std::size_t c = 0; c < value_size; ++c) {
        Number& u = state[place(key_size, value_size, j, c)];
        Number& w = state[place(key_size, value_size, j + 1, c)];
        const Number before = u;
        u = fused(by[j], before, zero() - by[j + 1] * w);
        w = fused(by[j], w, by[j + 1] * before);
      }
    }
  }

  /// The sums over the keys j of vector[j] S[j, c] for the columns c from `first` to `last`.
  static void read_columns(const Number* state, std::size_t key_size, std::size_t value_size, std::size_t first,
                           std::size_t last, const Number* vector, Number* out) {
    using numeric::fused;
    std::size_t c = first;
    if constexpr (A::lanes == 1 && A::width > 1) {
      for (; c + A::width <= last; c += A::width) {
        Wide sum = A::spread(zero());
        const Number* row = state + c;
        for (std::size_t j = 0; j < key_size; ++j, row += value_size) {
          sum = fused(A::spread(vector[j]), A::load(row), sum);
        }
        A::store(out + (c - first), sum);
      }
    }
    for (; c < last; ++c) {
      Number sum = zero();
      for (std::size_t j = 0; j < key_size; ++j) {
        sum = fused(vector[j], state[place(key_size, value_size, j, c)], sum);
      }
      out[c - first] = sum;
    }
  }

  /// The answer by conjugate gradients; `scratch` has four vectors of keys.
  static void solve(const LinearRecurrence& op, const Number* state, const Number* ridge, const Number* query,
                    Number* scratch, Number* out) {
    using numeric::fused;
    using numeric::quotient;
    const std::size_t n = op.key_size;
    Number* const x = scratch;
    Number* const r = scratch + n;
    Number* const p = scratch + 2 * n;
    Number* const image = scratch + 3 * n;
    const Number guard = A::constant(solver_guard);
    for (std::size_t i = 0; i < n; ++i) {
      x[i] = zero();
      r[i] = p[i] = query[i];
    }
    Number d = dot(r, r, n);
    for (std::uint32_t step = 0; step < op.solver_steps; ++step) {
      read_columns(state, n, op.value_size, 0, n, p, image);
      for (std::size_t i = 0; i < n; ++i) image[i] = fused(ridge[i], p[i], image[i]);
      const Number a = quotient(d, dot(p, image, n) + guard);
      const Number minus_a = zero() - a;
      for (std::size_t i = 0; i < n; ++i) {
        x[i] = fused(a, p[i], x[i]);
        r[i] = fused(minus_a, image[i], r[i]);
      }
      const Number next = dot(r, r, n);
      const Number b = quotient(next, d + guard);
      for (std::size_t i = 0; i < n; ++i) p[i] = fused(b, p[i], r[i]);
      d = next;
    }
    read_columns(state, n, op.value_size, n, op.value_size, x, out);
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

  const Program* program_;
  Schedule schedule_;
  std::vector<Step> steps_;
  std::vector<Number> features_;
  /// Per state part and unit.
  std::vector<std::vector<Book>> books_;
  std::vector<Number> distances_;
  const std::uint32_t* tokens_ = nullptr;
  Number* state_ = nullptr;
  /// The features of the token at hand.
  Number* base_ = nullptr;
  Probe<Number>* probe_ = nullptr;
};

}  // namespace krohn::forward
