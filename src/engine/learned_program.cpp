// One device operation for one of the schedule's; an interleaving is a copy for each of its parts. What depends on the
// last tokens alone is computed here, once for each run of tokens that it depends on, by the operations that it would
// take on the device, and becomes a table.
#include "krohn/engine/learned_program.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "krohn/engine/derived_weights.hpp"
#include "krohn/engine/schedule.hpp"
#include "krohn/error.hpp"
#include "krohn/kernels/learned_elements.hpp"
#include "krohn/kernels/recurrence.hpp"
#include "krohn/numeric/transcendental.hpp"

namespace krohn {
namespace {

using Op = LearnedOperation;

/// What tables are worth, in multiply-adds: they run one by one, some 1e9 a second.
constexpr std::size_t most_table_work = std::size_t{1} << 26U;
/// The window of what depends on all tokens.
constexpr std::uint32_t all_tokens = ~std::uint32_t{0};

std::uint32_t narrow(std::size_t size) {
  if (size >= (std::size_t{1} << 31U)) {
    throw ResourceError("a model on the device: expected sizes below 2^31, got " + std::to_string(size));
  }
  return static_cast<std::uint32_t>(size);
}

class Lowering {
 public:
  /// For rows whose tokens are numbers: of the last `window` of `tokens`, in the order of words, at most `most_window`.
  /// `single`: words have one row each.
  Lowering(const Program& program, std::vector<std::uint32_t> tokens, std::uint32_t most_window, bool single)
      : program_(program), tokens_(std::move(tokens)), single_(single), window_of_(windows(program)) {
    std::vector<std::uint32_t> found;
    for (const std::uint32_t window : window_of_) {
      if (window <= most_window) found.push_back(std::max(window, 1U));
    }
    std::sort(found.rbegin(), found.rend());
    for (const std::uint32_t window : found) {
      if (window == window_ || !worth(window)) continue;
      window_ = window;
      break;
    }
  }

  LearnedProgram run() {
    result_.initial_state = program_.initial_state();
    result_.window = std::max(window_, 1U);
    std::vector<bool> given(program_.operations().size(), false);
    tables_.resize(given.size());
    schedule_ = make_schedule(program_, window_ > 0);
    for (const ScheduledOperation& scheduled : schedule_.operations) {
      if (!tabulated(scheduled.value)) continue;
      given[scheduled.value] = true;
      lower(scheduled);
      tabulate(scheduled);
      result_.operations.clear();
      result_.weights.clear();
    }
    schedule_ = make_schedule(program_, window_ > 0, given, single_);
    for (const ScheduledOperation& scheduled : schedule_.operations) {
      given[scheduled.value] ? push_table(scheduled.value) : lower(scheduled);
    }
    result_.num_features = narrow(schedule_.num_features);
    result_.num_logits = narrow(program_.num_logits());
    result_.logits = schedule_.place.back();
    return std::move(result_);
  }

 private:
  const ProgramTensor& tensor(std::uint32_t index) const { return program_.tensors()[index]; }
  std::uint64_t state(std::uint32_t part) const { return part == no_index ? 0 : program_.state_parts()[part].offset; }
  void push(const Op& op) {
    if (op.count > 0) result_.operations.push_back(op);
  }

  // ---- what depends on the last tokens alone ----------------------------------------------------------------------

  /// Per value: on how many of the last tokens it depends.
  static std::vector<std::uint32_t> windows(const Program& program) {
    std::vector<std::uint32_t> all;
    for (const Operation& operation : program.operations()) {
      std::uint32_t window = std::holds_alternative<Embedding>(operation.kind) ? 1 : 0;
      for (const Slice& slice : inputs_of(operation)) window = std::max(window, all[slice.value]);
      const bool carries = std::holds_alternative<LinearRecurrence>(operation.kind) ||
                           std::holds_alternative<Stabilizer>(operation.kind) ||
                           std::holds_alternative<SlstmCell>(operation.kind);
      if (carries) window = all_tokens;
      if (window != all_tokens) window += looks_back(program, operation);
      all.push_back(window);
    }
    return all;
  }
  static std::uint32_t looks_back(const Program& program, const Operation& operation) {
    if (const auto* convolution = std::get_if<ShortConvolution>(&operation.kind)) {
      return narrow(program.tensors()[convolution->weight].shape[2]) - 1;
    }
    return std::holds_alternative<TokenShift>(operation.kind) ? 1 : 0;
  }

  /// Runs of so many tokens; a number that is too large where there are too many.
  std::size_t runs(std::uint32_t window) const {
    std::size_t count = 1;
    for (std::uint32_t i = 0; i < window && count <= most_table_work; ++i) count *= tokens_.size();
    return count;
  }
  bool worth(std::uint32_t window) const {
    std::size_t work = 0;
    for (std::size_t i = 0; i < window_of_.size() && work <= most_table_work; ++i) {
      if (window_of_[i] > window) continue;
      const Operation& operation = program_.operations()[i];
      const auto* product = std::get_if<Product>(&operation.kind);
      // A function takes as long as some multiply-adds.
      const std::size_t each =
          product == nullptr ? std::size_t{16} * operation.size : program_.tensors()[product->weight].values.size();
      if (each > most_table_work) return false;
      work += each * runs(window_of_[i]);
    }
    return work <= most_table_work && runs(window) * window_of_.size() <= most_table_work;
  }

  /// Tokens are their own numbers.
  bool plain_tokens() const {
    for (std::uint32_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i] != i) return false;
    }
    return true;
  }
  bool tabulated(std::uint32_t value) const {
    if (window_ > 0) return window_of_[value] <= window_;
    return !plain_tokens() && std::holds_alternative<Embedding>(program_.operations()[value].kind);
  }

  /// Runs the operations there are, which make a value, once for each run of tokens that it depends on: a word a run,
  /// with as many rows as are looked at, of which the last is computed.
  void tabulate(const ScheduledOperation& scheduled) {
    const std::uint32_t back = looks_back(program_, scheduled.operation);
    const std::size_t words = runs(window_of_[scheduled.value]);
    const std::size_t rows = words * (back + 1);
    std::vector<float> features(schedule_.num_features * rows);
    for (const Slice& slice : inputs_of(scheduled.operation)) {
      const std::vector<float>& table = tables_[slice.value];
      const std::size_t size = program_.operations()[slice.value].size;
      if (size == 0) continue;
      const std::size_t known = table.size() / size;
      for (std::size_t i = 0; i < size; ++i) {
        float* feature = features.data() + (schedule_.place[slice.value] + i) * rows;
        for (std::size_t w = 0; w < words; ++w) {
          std::size_t run = w;
          for (std::size_t t = back + 1; t-- > 0; run /= tokens_.size()) {
            feature[w * (back + 1) + t] = table[i * known + run % known];
          }
        }
      }
    }
    std::vector<std::uint32_t> word(rows), first_row(words), token(rows);
    for (std::size_t row = 0; row < rows; ++row) word[row] = narrow(row / (back + 1));
    for (std::size_t w = 0; w < words; ++w) {
      first_row[w] = narrow(w * (back + 1));
      // Of an embedding, where words are runs of one token.
      token[first_row[w]] = tokens_[w % tokens_.size()];
    }
    LearnedRows x;
    x.features = features.data();
    x.pitch = rows;
    x.rows = narrow(rows);
    x.words = narrow(words);
    x.weights = result_.weights.data();
    x.token = token.data();
    x.word = word.data();
    x.first_row = first_row.data();
    x.state_in = features.data();  // which nothing reads: no row computed is so near to its word's beginning
    for (const Op& op : result_.operations) {
      for (std::uint32_t w = 0; w < x.words; ++w) run_on_row(op, x, first_row[w] + back);
    }
    std::vector<float>& table = tables_[scheduled.value];
    for (std::size_t i = 0; i < scheduled.operation.size; ++i) {
      const float* feature = features.data() + (schedule_.place[scheduled.value] + i) * rows;
      for (std::size_t w = 0; w < words; ++w) table.push_back(feature[w * (back + 1) + back]);
    }
  }

  static void run_on_row(const Op& op, const LearnedRows& x, std::uint32_t row) {
    using namespace learned_elements;
    for (std::uint32_t i = 0; i < op.count; ++i) {
      switch (op.kind) {
        case Op::Kind::gather:
          gather(op, x, i, row);
          break;
        case Op::Kind::multiply:
          for (std::uint32_t block = 0; block < op.groups; ++block) multiply(op, x, block, i, row);
          break;
        case Op::Kind::map:
          map(op, x, i, row);
          break;
        case Op::Kind::group:
          group(op, x, i, row);
          break;
        case Op::Kind::constants:
          constants(op, x, i, row);
          break;
        case Op::Kind::convolution:
          convolution(op, x, i, row);
          break;
        case Op::Kind::shift:
          shift(op, x, i, row);
          break;
        default:
          throw InternalError("a program for the device: expected nothing but tails carried by the last tokens");
      }
    }
  }

  /// A value as a table of all runs of tokens.
  void push_table(std::uint32_t value) {
    Op op;
    op.kind = Op::Kind::gather;
    op.out = schedule_.place[value];
    op.count = program_.operations()[value].size;
    if (op.count == 0) return;
    const std::size_t all = runs(result_.window);
    op.size = narrow(all);
    const std::vector<float>& table = tables_[value];
    const std::size_t known = table.size() / op.count;
    std::vector<float> values;
    for (std::size_t i = 0; i < op.count; ++i) {
      for (std::size_t run = 0; run < all; ++run) values.push_back(table[i * known + run % known]);
    }
    op.w0 = store(values);
    push(op);
  }

  // ---- weights: begin at multiples of 4, so that they can be read four at a time ---------------------------------

  std::uint64_t store(const std::vector<float>& values) {
    std::vector<float>& weights = result_.weights;
    weights.resize((weights.size() + 3) / 4 * 4, 0.0F);
    const std::uint64_t at = weights.size();
    weights.insert(weights.end(), values.begin(), values.end());
    return at;
  }
  std::uint64_t store(std::uint32_t index) { return index == no_index ? Op::none : store(tensor(index).values); }
  std::uint64_t store(const WeightUse& use) {
    if (!use.present()) return Op::none;
    return store(derived_weights<float>(program_.tensors(), use, [](float x) { return x; }));
  }
  /// Rows of inputs, each padded to a multiple of 4 outputs.
  std::uint64_t store_padded(const std::vector<float>& values, std::size_t rows, std::size_t pitch) {
    if (rows == pitch) return store(values);
    std::vector<float> padded(values.size() / rows * pitch, 0.0F);
    for (std::size_t i = 0; i * rows < values.size(); ++i) {
      std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(i * rows), rows,
                  padded.begin() + static_cast<std::ptrdiff_t>(i * pitch));
    }
    return store(padded);
  }

  // ---- operations ---------------------------------------------------------------------------------------------------

  void lower(const ScheduledOperation& scheduled) {
    Op op;
    op.out = schedule_.place[scheduled.value];
    op.count = narrow(scheduled.operation.size);
    std::visit([&](const auto& kind) { lower(kind, op); }, scheduled.operation.kind);
  }

  void lower(const Embedding& from, Op op) {
    op.kind = Op::Kind::gather;
    op.size = narrow(program_.vocabulary_size());
    op.w0 = store(from.table);
    push(op);
  }

  void lower(const Product& from, Op op) {
    const std::vector<std::size_t>& shape = tensor(from.weight).shape;
    const std::size_t rows = shape[shape.size() - 2];
    op.kind = Op::Kind::multiply;
    const std::size_t blocks = shape.size() == 3 ? shape[0] : 1;
    if (blocks > 1 && from.bias != no_index) {
      throw InternalError("a program for the device: expected no bias of a product of blocks");
    }
    op.groups = narrow(blocks * from.copies);
    op.count = narrow(rows);
    op.size = narrow(from.inputs != 0 ? from.inputs : shape.back());
    op.a = schedule_.at(from.in);
    op.pitch = narrow((rows + 3) / 4 * 4);
    // The weights that are read, once for each copy; a copy's bias is the same.
    const std::vector<float>& stored = tensor(from.weight).values;
    if (from.copies == 1 && from.inputs == 0) {
      op.w0 = store_padded(stored, rows, op.pitch);
    } else {
      const auto first = stored.begin() + static_cast<std::ptrdiff_t>(from.first_input * rows);
      std::vector<float> copied;
      for (std::uint32_t i = 0; i < from.copies; ++i) {
        copied.insert(copied.end(), first, first + static_cast<std::ptrdiff_t>(op.size * rows));
      }
      op.w0 = store_padded(copied, rows, op.pitch);
    }
    op.w1 = store(from.bias);
    op.accumulate = from.onto.present();
    if (op.accumulate && schedule_.at(from.onto) != op.out) copy(schedule_.at(from.onto), op.out, from.onto.size);
    push(op);
  }

  void lower(const Constants& from, Op op) {
    op.kind = Op::Kind::constants;
    op.w0 = store(std::vector<float>(from.values.begin(), from.values.end()));
    push(op);
  }

  void copy(std::uint32_t from, std::uint32_t to, std::size_t count) {
    Op op;
    op.kind = Op::Kind::map;
    op.out = to;
    op.a = from;
    op.count = narrow(count);
    push(op);
  }

  void lower(const Elementwise& from, Op op) {
    op.kind = Op::Kind::map;
    op.map = from.function;
    op.w0 = store(from.w);
    op.w1 = store(from.v);
    op.w_share = from.w.share;
    op.v_share = from.v.share;
    op.k0 = static_cast<float>(from.k);
    op.k1 = static_cast<float>(from.l);
    op.k2 = static_cast<float>(from.m);
    if (from.b.run != 0 || from.c.run != 0 || from.c.share != 1) {
      throw InternalError(
          "a program for the device: expected only a function's first operand in runs, and no shared third");
    }
    const auto place = [&](const Operand& operand) {
      return operand.slice.present() ? schedule_.at(operand.slice) : 0U;
    };
    op.a = place(from.a);
    op.a_share = from.a.share;
    op.a_run = from.a.run;
    op.a_stride = from.a.stride;
    op.b = place(from.b);
    op.b_share = from.b.share;
    op.c = place(from.c);
    push(op);
  }

  void lower(const Interleave& from, const Op& op) {
    const std::uint32_t group = op.count / from.groups;
    std::uint32_t first = op.out;
    for (const Slice& part : from.parts) {
      Op copied;
      copied.kind = Op::Kind::map;
      copied.out = first;
      copied.a = schedule_.at(part);
      copied.count = part.size;
      if (from.groups > 1) {
        copied.out_run = part.size / from.groups;
        copied.out_stride = group;
      }
      push(copied);
      first += part.size / from.groups;
    }
  }

  void lower(const Normalization& from, Op op) {
    using Group = Op::Group;
    constexpr Group kinds[] = {Group::rms, Group::layer,        Group::l2,     Group::root,
                               Group::sum, Group::absolute_sum, Group::softmax};
    op.kind = Op::Kind::group;
    op.group = kinds[static_cast<std::size_t>(from.kind)];
    op.a = schedule_.at(from.in);
    op.count = from.groups;
    op.size = from.in.size / from.groups;
    // Weights and biases of all groups, where either runs on.
    const auto running = [&](std::uint32_t index) {
      return index != no_index && from.groups > 1 && tensor(index).values.size() == from.in.size;
    };
    op.w_share = running(from.weight) || running(from.bias) ? 1 : 0;
    const auto stored = [&](std::uint32_t index) {
      if (index == no_index || op.w_share == 0 || running(index)) return store(index);
      std::vector<float> repeated;
      for (std::uint32_t g = 0; g < from.groups; ++g) {
        repeated.insert(repeated.end(), tensor(index).values.begin(), tensor(index).values.end());
      }
      return store(repeated);
    };
    op.w0 = stored(from.weight);
    op.w1 = stored(from.bias);
    op.weight_is_offset = from.weight_is_offset;
    op.k0 = static_cast<float>(from.epsilon);
    push(op);
  }

  void lower(const WeightedDot& from, Op op) {
    op.kind = Op::Kind::group;
    op.group = Op::Group::bonus;
    op.a = schedule_.at(from.a);
    op.b = schedule_.at(from.b);
    op.size = from.a.size / from.groups;
    op.w0 = store(from.weight);
    push(op);
  }

  void lower(const ShortConvolution& from, Op op) {
    op.kind = Op::Kind::convolution;
    op.a = schedule_.at(from.in);
    op.size = narrow(tensor(from.weight).shape[2]);
    op.w0 = store(from.weight);
    op.w1 = store(from.bias);
    op.map = from.activation;
    op.state = state(from.tail);
    push(op);
  }

  void lower(const TokenShift& from, Op op) {
    op.kind = Op::Kind::shift;
    op.a = schedule_.at(from.in);
    op.difference = from.difference;
    op.state = state(from.last);
    push(op);
  }

  LearnedFeatures features(const HeadInput& input, std::uint32_t heads_a_state) const {
    if (!input.present()) return {};
    return {schedule_.at(input.slice), input.stride, input.group * heads_a_state};
  }

  /// [states, entries of a state, most codes of any], infinite where a state has fewer.
  void store_codes(const StatePart& part, LearnedRecurrence& r) {
    if (part.codes.empty()) return;
    for (const std::uint32_t index : part.codes) r.num_codes = std::max(r.num_codes, narrow(tensor(index).shape[0]));
    const std::size_t size = part.unit_size();
    std::vector<float> codes(part.units() * size * r.num_codes, std::numeric_limits<float>::infinity());
    for (std::size_t s = 0; s < part.codes.size(); ++s) {
      const ProgramTensor& book = tensor(part.codes[s]);
      for (std::size_t k = 0; k < book.shape[0]; ++k) {
        for (std::size_t i = 0; i < size; ++i) {
          codes[(s * size + i) * r.num_codes + k] = book.values[k * size + i];
        }
      }
    }
    r.codes = store(codes);
  }

  void lower(const LinearRecurrence& from, Op op) {
    constexpr Recurrence::Decay decays[] = {Recurrence::Decay::none,    Recurrence::Decay::scalar,
                                            Recurrence::Decay::key,     Recurrence::Decay::rate,
                                            Recurrence::Decay::element, Recurrence::Decay::rotation};
    LearnedRecurrence r;
    // Queries that share a state each have it to themselves, with the same bits.
    r.heads = from.states * from.queries;
    r.state_group = from.queries;
    r.key_size = from.key_size;
    r.value_size = from.value_size;
    r.decay_kind = decays[static_cast<std::size_t>(from.decay)];
    r.decay = features(from.decays, from.queries);
    r.rates = store(from.rates);
    r.negative = from.signed_rates;
    r.num_updates = narrow(from.updates.size());
    for (std::size_t u = 0; u < from.updates.size(); ++u) {
      const RankOneUpdate& update = from.updates[u];
      r.updates[u] = {features(update.read, from.queries), features(update.write, from.queries),
                      features(update.value, from.queries), features(update.beta, from.queries),
                      update.reads_undecayed};
    }
    r.query = features(from.query, 1);
    r.output = {op.out, narrow(from.answer_size()), 1};
    r.reads_before = from.reads_before;
    r.ridge = features(from.ridge, from.queries);
    r.solver_steps = from.solver_steps;
    r.state = state(from.hidden);
    store_codes(program_.state_parts()[from.hidden], r);
    op.kind = Op::Kind::recurrence;
    op.count = 1;
    op.w0 = result_.recurrences.size();
    result_.recurrences.push_back(r);
    push(op);
  }

  void lower(const Stabilizer& from, Op op) {
    op.kind = Op::Kind::stabilizer;
    op.count /= 3;
    op.a = schedule_.at(from.input);
    op.b = schedule_.at(from.forget);
    op.w0 = store(from.input_bias);
    op.w1 = store(from.forget_bias);
    op.state = state(from.maximum);
    push(op);
  }

  void lower(const SlstmCell& from, Op op) {
    op.kind = Op::Kind::cell;
    op.a = schedule_.at(from.in);
    op.size = narrow(tensor(from.recurrent).shape[2]);
    op.w0 = store(from.recurrent);
    op.w1 = store(from.bias);
    op.state = state(from.output);
    push(op);
  }

  const Program& program_;
  std::vector<std::uint32_t> tokens_;
  bool single_;
  std::vector<std::uint32_t> window_of_;
  /// Of what is tabulated; 0: nothing but what tokens are called by.
  std::uint32_t window_ = 0;
  Schedule schedule_;
  /// Per value that is tabulated: [features, runs of tokens].
  std::vector<std::vector<float>> tables_;
  LearnedProgram result_;
};

}  // namespace

std::optional<std::string> missing_on_device(const Program& program) {
  for (const Operation& operation : program.operations()) {
    const auto* recurrence = std::get_if<LinearRecurrence>(&operation.kind);
    if (recurrence != nullptr && recurrence->updates.size() > LearnedRecurrence::most_updates) {
      return "at most " + std::to_string(LearnedRecurrence::most_updates) + " updates a token, got " +
             std::to_string(recurrence->updates.size());
    }
  }
  for (const StatePart& part : program.state_parts()) {
    if (part.codes.empty()) continue;
    if (part.kind != StatePart::Kind::hidden) return "codes of the states of linear recurrences alone, got others";
    for (const std::uint32_t index : part.codes) {
      const std::size_t codes = program.tensors()[index].shape[0];
      if (codes > LearnedRecurrence::most_codes) {
        return "at most " + std::to_string(LearnedRecurrence::most_codes) + " codes of a state, got " +
               std::to_string(codes);
      }
    }
  }
  return std::nullopt;
}

bool runs_on_device(const Program& program) { return !missing_on_device(program); }

namespace {
LearnedProgram lowered(const Program& program, std::vector<std::uint32_t> tokens, std::uint32_t most_window,
                       bool single) {
  if (const std::optional<std::string> missing = missing_on_device(program)) {
    throw ResourceError("a model on a device: expected " + *missing + "; run it on the CPU");
  }
  return Lowering(program, std::move(tokens), most_window, single).run();
}
}  // namespace

LearnedProgram make_learned_program(const Program& program) {
  std::vector<std::uint32_t> tokens(program.vocabulary_size());
  std::iota(tokens.begin(), tokens.end(), 0U);
  return lowered(program, std::move(tokens), 1, false);
}

LearnedProgram make_tree_program(const Program& program, std::span<const std::uint32_t> tokens, std::size_t length) {
  return lowered(program, {tokens.begin(), tokens.end()}, narrow(length), true);
}

}  // namespace krohn
