// The forward pass of a learned model on the CUDA device, as a list of operations on features.
//
// A batch has rows, one for each token: row first_row[w] + t is token t of word w. A feature is a number of every row;
// the features lie one after the other, each with its rows side by side, so that sums over features, which run in one
// order, are read coalesced by neighbouring rows. Operations run in turn, over all rows or a tile of them; those that
// look back in time (convolution, shift, recurrence, stabilizer, cell) begin with what the word carries and leave what
// it carries after its last token. krohn/kernels/learned_elements.hpp is what each operation does, number by number;
// krohn/engine/learned_program.hpp makes the list from a program. Bits: docs/semantics.md, section 8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "krohn/kernels/chunked.hpp"
#include "krohn/kernels/recurrence.hpp"
#include "krohn/numeric/function.hpp"

namespace krohn {

/// One operation. Features are numbered; `out`, `a`, `b`, `c` are the first of a range.
struct LearnedOperation {
  enum class Kind : std::uint32_t {
    gather,    // out[i] = weight[w0 + i * size + token], i < count
    multiply,  // out[o] = sum_i a[i] W(i, o), o < count, i < size, in `groups` blocks; (+ bias) (added to out)
    map,       // out[i] = function(a[i / a_share], b[i / b_share], c[i]; w0[i / w_share], w1[i / v_share]; k0, k1, k2)
    group,     // count groups of size features, each by itself: norms
    convolution,  // out[i] = sum_j w[i * size + j] a[i] at j - size + 1, (+ bias) (activated); out may be a where every
                  // word has one row
    shift,        // out[i] = a[i] of the token before, - a[i] with `difference`; out is not a
    constants,    // out[i] = weight[w0 + i]
    recurrence,   // recurrences[w0]
    stabilizer,   // mLSTM: decay, strength and exp(-m), each for count heads, from the gates a (input) and b (forget)
    cell,         // sLSTM: out = y from the four slots a, each of count features in heads of size
  };
  enum class Group : std::uint32_t {
    rms,  // the weights' and biases' index goes on from group to group with w_share 1, starts again with 0
    layer,
    l2,            // x rsqrt(sum x^2 + k0)
    sum,           // x / (sum x + k0)
    root,          // x / max(sqrt(sum x^2), k0)
    bonus,         // one feature a group: sum (a b) w
    absolute_sum,  // x / max(sum |x|, k0)
    softmax,       // exp(x - max x) over their sum
  };
  static constexpr std::uint64_t none = ~std::uint64_t{0};

  Kind kind = Kind::map;
  Function map = Function::copy;
  Group group = Group::rms;
  std::uint32_t out = 0;
  std::uint32_t a = 0;
  std::uint32_t b = 0;
  std::uint32_t c = 0;
  std::uint32_t a_share = 1;
  std::uint32_t b_share = 1;
  std::uint32_t w_share = 1;
  std::uint32_t v_share = 1;
  /// map, where not 0: entry i is written at i / out_run * out_stride + i % out_run, and a is read at i / a_run *
  /// a_stride + i % a_run / a_share.
  std::uint32_t out_run = 0;
  std::uint32_t out_stride = 0;
  std::uint32_t a_run = 0;
  std::uint32_t a_stride = 0;
  std::uint32_t count = 0;
  std::uint32_t size = 0;
  std::uint32_t groups = 1;
  /// multiply: the weights of input i begin at w0 + i * pitch, a multiple of 4, as w0 is.
  std::uint32_t pitch = 0;
  bool accumulate = false;        // multiply
  bool weight_is_offset = false;  // group
  bool difference = true;         // shift
  std::uint64_t w0 = none;
  std::uint64_t w1 = none;  // a bias; none for none
  float k0 = 0.0F;
  float k1 = 0.0F;
  float k2 = 0.0F;
  /// Where the carried numbers begin in a word's state.
  std::uint64_t state = 0;
};

/// An input of a recurrence: element e of head h is feature `first` + (h / group) * head + e.
struct LearnedFeatures {
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  std::uint32_t first = none;
  std::uint32_t head = 0;
  std::uint32_t group = 1;
};

/// A recurrence (krohn/kernels/recurrence.hpp) on features.
struct LearnedRecurrence {
  static constexpr std::uint32_t most_updates = 8;
  struct Update {
    LearnedFeatures read, write, value, beta;
    bool reads_undecayed = false;
  };
  std::uint32_t heads = 0;
  std::uint32_t key_size = 0;
  std::uint32_t value_size = 0;
  Recurrence::Decay decay_kind = Recurrence::Decay::none;
  LearnedFeatures decay;
  std::uint64_t rates = LearnedOperation::none;
  bool negative = false;
  std::uint32_t num_updates = 0;
  Update updates[most_updates];
  LearnedFeatures query;
  LearnedFeatures output;
  bool reads_before = false;
  LearnedFeatures ridge;
  std::uint32_t solver_steps = 0;
  /// Where the codes begin (Recurrence::codes); most_codes of each state at most.
  static constexpr std::uint32_t most_codes = 16384;
  std::uint64_t codes = LearnedOperation::none;
  std::uint32_t num_codes = 0;
  std::uint32_t state_group = 1;
  std::uint64_t state = 0;
};

/// The bytes that LearnedDevice::read_chunked takes for a row of a recurrence, beside its features and what a
/// ChunkedRecurrence owns, at most.
inline std::size_t chunked_row_bytes(const LearnedRecurrence& r) {
  const std::size_t updates = r.num_updates;
  const std::size_t keys = chunked_size(r.key_size);
  const std::size_t values = chunked_size(r.value_size);
  const std::size_t decays = r.decay_kind == Recurrence::Decay::element ? keys * values
                             : r.decay_kind == Recurrence::Decay::rate  ? values
                                                                        : 0;
  return 4 * r.heads * (keys * (3 + updates) + (values + 1) * (1 + updates) + decays);
}

/// A program on the host. Spans must outlive its use.
struct LearnedProgramView {
  std::span<const LearnedOperation> operations;
  std::span<const LearnedRecurrence> recurrences;
  std::span<const float> weights;
  std::span<const float> initial_state;
  std::uint32_t num_features = 0;
  std::uint32_t logits = 0;  // the first feature
  std::uint32_t num_logits = 0;
};

/// How a row's label is decided: the largest of these logits.
struct LearnedAnswer {
  std::uint32_t logit = 0;
  std::int32_t label = 0;
};

/// A row's label where a logit is NaN or infinite.
inline constexpr std::int32_t not_finite_label = -4;

/// An automaton that runs beside a model, for LearnedDevice::check.
struct LearnedAutomatonView {
  /// A label that is expected of a state: this one stands for any.
  static constexpr std::int32_t any_label = -2;
  /// [states * symbols of a branch], numbers of states.
  std::span<const std::uint32_t> delta;
  /// [states]
  std::span<const std::int32_t> expected;
};

/// Words that follow each other in the order of words of one length, each a branch of a state: row i reads token
/// (first_token + i) % tokens from state i / symbols of those given. Tokens are a program's: numbers of symbols, or of
/// runs of symbols. With two levels a state has a family of rows: its branches, then the branches of each in turn,
/// which read the tokens that their numbers among the words one symbol longer say.
struct LearnedBranches {
  std::uint32_t symbols = 0;
  std::uint32_t tokens = 0;
  std::uint32_t first_token = 0;
  std::uint32_t levels = 1;

  /// Rows of a state, and those of the last level among them.
  KROHN_HOST_DEVICE constexpr std::uint32_t family() const { return levels == 1 ? symbols : symbols * (1 + symbols); }
  KROHN_HOST_DEVICE constexpr std::uint32_t words_of_last() const { return levels == 1 ? symbols : symbols * symbols; }
};

/// Carried states of words in device memory, `capacity` words, and the states of an automaton.
class LearnedStates {
 public:
  LearnedStates(std::size_t capacity, std::size_t state_size);
  ~LearnedStates();
  LearnedStates(LearnedStates&&) noexcept;
  LearnedStates& operator=(LearnedStates&&) noexcept;
  std::size_t capacity() const noexcept;

  struct Memory;
  Memory& memory() const noexcept { return *memory_; }

 private:
  std::unique_ptr<Memory> memory_;
};

/// A model on the CUDA device with room for batches of up to max_rows rows. Every member throws DeviceError where a
/// call to the device fails.
class LearnedDevice {
 public:
  LearnedDevice(const LearnedProgramView& program, std::span<const LearnedAnswer> answers, std::size_t max_rows);
  ~LearnedDevice();
  LearnedDevice(const LearnedDevice&) = delete;
  LearnedDevice& operator=(const LearnedDevice&) = delete;

  /// The first `words` states become the initial one.
  void restart(LearnedStates& states, std::size_t words) const;
  void upload(LearnedStates& states, std::size_t first, std::span<const float> values) const;
  void download(const LearnedStates& states, std::size_t first, std::span<float> values) const;

  /// Reads length[w] tokens of word w, which begin at tokens[first_row[w]] (ascending, without gaps), from state w of
  /// `from`; leaves state w in `to`, another one.
  void read(std::span<const std::uint32_t> tokens, std::span<const std::uint32_t> first_row,
            std::span<const std::uint32_t> length, const LearnedStates& from, LearnedStates& to);
  /// The chunked form: words of `length` tokens each, one after the other in `tokens`, from the first states of `from`,
  /// but recurrences from zero; no state is left. Every recurrence is one that chunked.hpp's rules do.
  void read_chunked(std::span<const std::uint32_t> tokens, std::size_t length, const LearnedStates& from,
                    ChunkedFormat format);
  /// Branches of states begin .. begin + count - 1: count * branches.family() rows. The states of the last level's are
  /// those of `to`, unless that is null.
  void branch(const LearnedStates& from, std::size_t begin, std::size_t count, const LearnedBranches& branches,
              LearnedStates* to);
  /// Whether branch() does two levels at once.
  bool branches_twice(std::uint32_t symbols) const;

  /// The automaton of the branches to come, and the states of the first words.
  void set_automaton(const LearnedAutomatonView& automaton, LearnedStates& states,
                     std::span<const std::uint32_t> automaton_states);
  /// Of each level: words are numbered in their order, from the first one's 0 on.
  struct Checked {
    static constexpr std::uint32_t none = ~std::uint32_t{0};
    /// The first word whose label the automaton does not expect, or that is not finite.
    std::uint32_t first_wrong[2] = {none, none};
    std::int32_t last_label[2] = {0, 0};
  };
  /// Moves the automaton along the branches of the last branch(), whose arguments these are, and compares the labels of
  /// level `compared` and those below it; of the others only what is not finite is wrong.
  Checked check(const LearnedStates& from, std::size_t begin, LearnedStates* to, std::uint32_t compared);

  /// Of the rows of the last read() or branch(): labels (undefined -1, not_finite_label); logits, row by row.
  void labels(std::span<std::int32_t> out) const;
  void logits(std::span<float> out) const;

  struct Memory;

 private:
  std::unique_ptr<Memory> memory_;
};

}  // namespace krohn
