// What an operation reads is said once (walk): the checks, what depends on what, the parameters and the fingerprint all
// follow it, so that nothing can be left out of one of them. Cost: one pass over operations and weights.
#include "krohn/model/program.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "krohn/digest/sha256.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

constexpr std::array<std::string_view, 12> operation_names = {
    "embedding",   "product",     "elementwise",       "interleave", "normalization", "weighted_dot",
    "convolution", "token_shift", "linear_recurrence", "stabilizer", "slstm_cell",    "constants"};

// ---- walk: every field of an operation, by name ---------------------------------------------------------------------
// What was added later is named only where it is not as it always was, so that fingerprints stay.

template <class Sink>
void walk_field(Sink& sink, const std::string& name, const Operand& operand) {
  sink.slice(name, operand.slice);
  sink.number(name + ".share", operand.share);
  sink.number(name + ".run", operand.run);
  sink.number(name + ".stride", operand.stride);
}
template <class Sink>
void walk_field(Sink& sink, const std::string& name, const WeightUse& use) {
  sink.tensor(name, use.tensor);
  sink.number(name + ".share", use.share);
  sink.number(name + ".derived", static_cast<double>(use.derived));
  if (use.row != 0) sink.number(name + ".row", use.row);
}
template <class Sink>
void walk_field(Sink& sink, const std::string& name, const HeadInput& input) {
  sink.slice(name, input.slice);
  sink.number(name + ".stride", input.stride);
  sink.number(name + ".group", input.group);
}

template <class Sink>
void walk(Sink& sink, const Embedding& op) {
  sink.tensor("table", op.table);
}
template <class Sink>
void walk(Sink& sink, const Product& op) {
  sink.tensor("weight", op.weight);
  sink.tensor("bias", op.bias);
  sink.slice("in", op.in);
  sink.slice("onto", op.onto);
  if (op.copies != 1) sink.number("copies", op.copies);
  if (op.inputs != 0) {
    sink.number("first_input", op.first_input);
    sink.number("inputs", op.inputs);
  }
}
template <class Sink>
void walk(Sink& sink, const Elementwise& op) {
  sink.name(name_of(op.function));
  walk_field(sink, "a", op.a);
  walk_field(sink, "b", op.b);
  walk_field(sink, "c", op.c);
  walk_field(sink, "w", op.w);
  walk_field(sink, "v", op.v);
  sink.number("k", op.k);
  sink.number("l", op.l);
  sink.number("m", op.m);
}
template <class Sink>
void walk(Sink& sink, const Interleave& op) {
  for (const Slice& part : op.parts) sink.slice("part", part);
  sink.number("groups", op.groups);
}
template <class Sink>
void walk(Sink& sink, const Normalization& op) {
  constexpr std::array<std::string_view, 7> kinds = {"rms", "layer", "l2", "root", "sum", "absolute_sum", "softmax"};
  sink.name(kinds[static_cast<std::size_t>(op.kind)]);
  sink.slice("in", op.in);
  sink.number("groups", op.groups);
  sink.number("epsilon", op.epsilon);
  sink.tensor("weight", op.weight);
  sink.tensor("bias", op.bias);
  sink.number("weight_is_offset", op.weight_is_offset ? 1 : 0);
}
template <class Sink>
void walk(Sink& sink, const WeightedDot& op) {
  sink.slice("a", op.a);
  sink.slice("b", op.b);
  sink.number("groups", op.groups);
  sink.tensor("weight", op.weight);
}
template <class Sink>
void walk(Sink& sink, const ShortConvolution& op) {
  sink.slice("in", op.in);
  sink.tensor("weight", op.weight);
  sink.tensor("bias", op.bias);
  sink.name(name_of(op.activation));
  sink.part("tail", op.tail);
}
template <class Sink>
void walk(Sink& sink, const TokenShift& op) {
  sink.slice("in", op.in);
  sink.part("last", op.last);
  if (!op.difference) sink.name("itself");
}
template <class Sink>
void walk(Sink& sink, const Constants& op) {
  for (const double value : op.values) sink.number("value", value);
}
template <class Sink>
void walk(Sink& sink, const LinearRecurrence& op) {
  constexpr std::array<std::string_view, 6> decays = {"none", "scalar", "key", "rate", "element", "rotation"};
  sink.number("states", op.states);
  sink.number("queries", op.queries);
  sink.number("key_size", op.key_size);
  sink.number("value_size", op.value_size);
  sink.name(decays[static_cast<std::size_t>(op.decay)]);
  walk_field(sink, "decays", op.decays);
  walk_field(sink, "rates", op.rates);
  sink.number("signed_rates", op.signed_rates ? 1 : 0);
  sink.number("updates", static_cast<double>(op.updates.size()));
  for (std::size_t i = 0; i < op.updates.size(); ++i) {
    const RankOneUpdate& update = op.updates[i];
    const std::string name = "updates." + std::to_string(i);
    walk_field(sink, name + ".read", update.read);
    walk_field(sink, name + ".write", update.write);
    walk_field(sink, name + ".value", update.value);
    walk_field(sink, name + ".beta", update.beta);
    sink.number(name + ".reads_undecayed", update.reads_undecayed ? 1 : 0);
  }
  walk_field(sink, "query", op.query);
  sink.part("hidden", op.hidden);
  if (op.reads_before) sink.name("reads_before");
  if (op.ridge.present()) {
    walk_field(sink, "ridge", op.ridge);
    sink.number("solver_steps", op.solver_steps);
  }
}
template <class Sink>
void walk(Sink& sink, const Stabilizer& op) {
  sink.slice("input", op.input);
  sink.slice("forget", op.forget);
  sink.tensor("input_bias", op.input_bias);
  sink.tensor("forget_bias", op.forget_bias);
  sink.part("maximum", op.maximum);
}
template <class Sink>
void walk(Sink& sink, const SlstmCell& op) {
  sink.slice("in", op.in);
  sink.tensor("recurrent", op.recurrent);
  sink.tensor("bias", op.bias);
  sink.part("output", op.output);
  sink.part("cell", op.cell);
  sink.part("normalizer", op.normalizer);
  sink.part("stabilizer", op.stabilizer);
}
template <class Sink>
void walk(Sink& sink, const Operation& operation) {
  sink.name(name_of(operation));
  sink.number("size", operation.size);
  sink.number("layer", operation.layer);
  std::visit([&](const auto& op) { walk(sink, op); }, operation.kind);
}

/// A sink that passes over everything.
struct NullSink {
  void name(std::string_view) {}
  void number(const std::string&, double) {}
  void slice(const std::string&, const Slice&) {}
  void tensor(const std::string&, std::uint32_t) {}
  void part(const std::string&, std::uint32_t) {}
};

struct InputSink : NullSink {
  std::vector<Slice> slices;
  void slice(const std::string&, const Slice& s) {
    if (s.present()) slices.push_back(s);
  }
};

struct PartSink : NullSink {
  std::vector<std::uint32_t> parts;
  void part(const std::string&, std::uint32_t index) {
    if (index != no_index) parts.push_back(index);
  }
};

struct HashSink {
  const ProgramParts& parts;
  Sha256 hash;

  void bytes(const void* data, std::size_t size) { hash.add({static_cast<const char*>(data), size}); }
  void name(std::string_view text) {
    hash.add(text);
    bytes("", 1);
  }
  void number(std::string_view text, double value) {
    name(text);
    bytes(&value, sizeof value);
  }
  void slice(const std::string& text, const Slice& s) {
    name(text);
    for (const std::uint32_t x : {s.value, s.offset, s.size}) bytes(&x, sizeof x);
  }
  void tensor(const std::string& text, std::uint32_t index) {
    name(text);
    name(index == no_index ? std::string() : parts.tensors[index].name);
  }
  void part(const std::string& text, std::uint32_t index) {
    name(text);
    bytes(&index, sizeof index);
  }
};

// ---- checks ---------------------------------------------------------------------------------------------------------

std::string shape_text(const std::vector<std::size_t>& shape) {
  std::string text = "[";
  for (const std::size_t extent : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  return text + "]";
}

std::size_t product_of(const std::vector<std::size_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
}

class ProgramCheck {
 public:
  explicit ProgramCheck(const ProgramParts& parts) : parts_(parts) {}

  std::vector<std::string> run() {
    for (const ProgramTensor& tensor : parts_.tensors) check_tensor(tensor);
    for (const StatePart& part : parts_.state_parts) check_codes(part);
    if (parts_.operations.empty() || !std::holds_alternative<Embedding>(parts_.operations.front().kind)) {
      report("operations: expected an embedding first");
      return std::move(problems_);
    }
    if (!std::holds_alternative<Product>(parts_.operations.back().kind)) {
      report("operations: expected a product, whose value is the logits, last");
    }
    std::vector<bool> recurs(parts_.layers.size(), false);
    for (at_ = 0; at_ < parts_.operations.size(); ++at_) {
      const Operation& operation = parts_.operations[at_];
      expect(operation.size > 0, "size", "a number above 0", "0");
      expect(operation.layer == no_index || operation.layer < parts_.layers.size(), "layer",
             "one of " + std::to_string(parts_.layers.size()), std::to_string(operation.layer));
      if (std::holds_alternative<LinearRecurrence>(operation.kind) && operation.layer < recurs.size()) {
        expect(!recurs[operation.layer], "layer", "one linear recurrence in a layer", "two");
        recurs[operation.layer] = true;
      }
      FieldCheck fields{{}, *this};
      walk(fields, operation);
      if (fields.good) std::visit([&](const auto& op) { check(op, operation.size); }, operation.kind);
    }
    return std::move(problems_);
  }

 private:
  struct FieldCheck : NullSink {
    ProgramCheck& owner;
    bool good = true;
    void slice(const std::string& name, const Slice& s) {
      if (!s.present()) return;
      const bool fits =
          s.value < owner.at_ && s.size > 0 && std::size_t{s.offset} + s.size <= owner.parts_.operations[s.value].size;
      owner.expect(fits, name, "features of an earlier value", "others");
      good = good && fits;
    }
    void tensor(const std::string& name, std::uint32_t index) {
      if (index == no_index) return;
      const bool there = index < owner.parts_.tensors.size();
      owner.expect(there, name, "a tensor of the program", "none");
      good = good && there;
    }
    void part(const std::string& name, std::uint32_t index) {
      if (index == no_index) return;
      const bool there = index < owner.parts_.state_parts.size();
      owner.expect(there, name, "a state part of the program", "none");
      good = good && there;
    }
  };

  void report(std::string problem) { problems_.push_back(std::move(problem)); }
  void expect(bool fits, const std::string& field, const std::string& expected, const std::string& got) {
    if (fits) return;
    const Operation& operation = parts_.operations[at_];
    report((operation.layer == no_index ? "" : "layer " + std::to_string(operation.layer) + ", ") + "operation " +
           std::to_string(at_) + " (" + std::string(name_of(operation)) + "): " + field + ": expected " + expected +
           ", got " + got);
  }
  void expect_size(const std::string& field, std::size_t got, std::size_t expected) {
    expect(got == expected, field, std::to_string(expected) + " features", std::to_string(got));
  }

  void check_tensor(const ProgramTensor& tensor) {
    if (tensor.num_values() != product_of(tensor.shape)) {
      report(tensor.name + ": expected shape " + shape_text(tensor.shape) + ", got [" +
             std::to_string(tensor.num_values()) + "]");
    }
    const auto count = [](const std::vector<float>& values) {
      return std::count_if(values.begin(), values.end(), [](float x) { return !std::isfinite(x); });
    };
    const auto bad = tensor.deferred ? count(tensor.deferred->read()) : count(tensor.values);
    if (bad != 0) {
      report(tensor.name + ": expected finite weights, got " + std::to_string(bad) + " that are NaN or infinite");
    }
  }

  void check_codes(const StatePart& part) {
    if (part.codes.empty()) return;
    const std::size_t units = part.kind == StatePart::Kind::hidden ? part.shape[0] : 1;
    if (part.codes.size() != units || !part.recurrent()) {
      report("codes of layer " + std::to_string(part.layer) + ": expected a tensor for each of " +
             std::to_string(part.recurrent() ? units : 0) + " units, got " + std::to_string(part.codes.size()));
      return;
    }
    for (const std::uint32_t index : part.codes) {
      if (index >= parts_.tensors.size()) {
        report("codes of layer " + std::to_string(part.layer) + ": expected a tensor of the program, got none");
        continue;
      }
      const ProgramTensor& tensor = parts_.tensors[index];
      std::vector<std::size_t> unit(part.shape.begin() + (part.kind == StatePart::Kind::hidden ? 1 : 0),
                                    part.shape.end());
      const bool fits = tensor.shape.size() == unit.size() + 1 && tensor.shape[0] > 0 &&
                        std::equal(unit.begin(), unit.end(), tensor.shape.begin() + 1);
      unit.insert(unit.begin(), tensor.shape.empty() ? 0 : tensor.shape[0]);
      if (!fits) report(tensor.name + ": expected shape " + shape_text(unit) + ", got " + shape_text(tensor.shape));
      const std::size_t size =
          tensor.shape.empty() ? 0 : tensor.values.size() / std::max<std::size_t>(tensor.shape[0], 1);
      std::map<std::vector<float>, std::size_t> seen;
      for (std::size_t i = 0; fits && i < tensor.shape[0]; ++i) {
        const auto first = tensor.values.begin() + static_cast<std::ptrdiff_t>(i * size);
        const auto [at, fresh] = seen.emplace(std::vector<float>(first, first + static_cast<std::ptrdiff_t>(size)), i);
        if (fresh) continue;
        report(tensor.name + ": expected every code once, got code " + std::to_string(i) + " equal to code " +
               std::to_string(at->second));
      }
    }
  }

  /// A tensor that must be there, of that shape; a shape whose product is 0 stands for any of the rank.
  const ProgramTensor* tensor(const std::string& field, std::uint32_t index, const std::vector<std::size_t>& shape,
                              bool major = false) {
    if (index == no_index) {
      expect(false, field, "a tensor", "none");
      return nullptr;
    }
    const ProgramTensor& t = parts_.tensors[index];
    const bool any = product_of(shape) == 0;
    const bool fits = any ? t.shape.size() == shape.size() : t.shape == shape;
    expect(fits, t.name, "shape " + shape_text(shape), shape_text(t.shape));
    expect(t.input_major == major, t.name, major ? "outputs side by side" : "the order of its shape", "another order");
    return fits ? &t : nullptr;
  }
  /// Any shape of that many entries.
  void entries(const std::string& field, std::uint32_t index, std::size_t count, bool optional) {
    if (index == no_index) {
      expect(optional, field, "a tensor", "none");
      return;
    }
    const ProgramTensor& t = parts_.tensors[index];
    expect(product_of(t.shape) == count, t.name, "shape [" + std::to_string(count) + "]", shape_text(t.shape));
  }
  void part(const std::string& field, std::uint32_t index, StatePart::Kind kind,
            const std::vector<std::size_t>& shape) {
    if (index == no_index) {
      expect(false, field, "a state part", "none");
      return;
    }
    const StatePart& p = parts_.state_parts[index];
    expect(p.kind == kind && p.shape == shape, field, "a state part of shape " + shape_text(shape),
           shape_text(p.shape));
  }

  void check(const Embedding& op, std::size_t size) {
    if (const ProgramTensor* t = tensor("table", op.table, {0, 0}, true)) {
      expect(t->extent(0) > 0 && t->extent(1) == size, t->name, "rows of " + std::to_string(size),
             shape_text(t->shape));
    }
  }
  void check(const Product& op, std::size_t size) {
    const bool blocks = op.weight != no_index && parts_.tensors[op.weight].shape.size() == 3;
    const ProgramTensor* t =
        tensor("weight", op.weight, blocks ? std::vector<std::size_t>{0, 0, 0} : std::vector<std::size_t>{0, 0}, true);
    if (t != nullptr) {
      const std::size_t groups = blocks ? t->extent(0) : op.copies;
      const std::size_t inputs = op.inputs != 0 ? op.inputs : t->extent(blocks ? 2 : 1);
      expect(groups * t->extent(blocks ? 1 : 0) == size && groups * inputs == op.in.size, t->name,
             std::to_string(size) + " outputs of " + std::to_string(op.in.size) + " inputs", shape_text(t->shape));
      const bool within = std::size_t{op.first_input} + inputs <= t->extent(blocks ? 2 : 1);
      expect(within && (!blocks || (op.copies == 1 && op.inputs == 0)), t->name, "the inputs that are read",
             shape_text(t->shape));
    }
    expect(op.copies > 0, "copies", "a number above 0", "0");
    entries("bias", op.bias, op.copies == 0 ? 0 : size / op.copies, true);
    if (op.onto.present()) expect_size("onto", op.onto.size, size);
  }
  void check(const Elementwise& op, std::size_t size) {
    const std::string_view operands = operands_of(op.function);
    const auto shared = [&](std::size_t share) { return share == 0 ? 0 : (size + share - 1) / share; };
    const auto feature = [&](char letter, const Operand& operand) {
      const bool wanted = operands.find(letter) != std::string_view::npos;
      const bool fits = !wanted ? !operand.slice.present()
                                : operand.slice.present() && operand.share > 0 && size > 0 &&
                                      operand.entry(size - 1) < std::size_t{operand.slice.offset} + operand.slice.size;
      expect(fits, std::string(1, letter), wanted ? "features for " + std::to_string(size) + " entries" : "none",
             std::to_string(operand.slice.present() ? operand.slice.size : 0));
    };
    feature('a', op.a);
    feature('b', op.b);
    feature('c', op.c);
    const auto weight = [&](char letter, const WeightUse& use) {
      if (operands.find(letter) == std::string_view::npos) {
        return expect(!use.present(), std::string(1, letter), "none", "one");
      }
      if (use.derived != WeightUse::Derived::cumulative_softmax || use.tensor == no_index) {
        return entries(std::string(1, letter), use.tensor, shared(use.share), false);
      }
      const ProgramTensor& t = parts_.tensors[use.tensor];
      expect(t.shape.size() == 2 && !t.input_major && use.row < t.extent(0) && t.extent(1) == shared(use.share), t.name,
             "more than " + std::to_string(use.row) + " rows of " + std::to_string(shared(use.share)),
             shape_text(t.shape));
    };
    weight('w', op.w);
    weight('v', op.v);
    expect(!std::isnan(op.k) && !std::isnan(op.l) && !std::isnan(op.m), "constants", "numbers", "NaN");
  }
  void check(const Interleave& op, std::size_t size) {
    std::size_t sum = 0;
    for (const Slice& part : op.parts) {
      sum += part.size;
      expect(op.groups > 0 && part.size % op.groups == 0, "part", "a multiple of the groups",
             std::to_string(part.size));
    }
    expect_size("parts", sum, size);
  }
  void check(const Normalization& op, std::size_t size) {
    expect_size("in", op.in.size, size);
    expect(op.groups > 0 && size % op.groups == 0, "groups", "a divisor of " + std::to_string(size),
           std::to_string(op.groups));
    if (op.groups == 0) return;
    expect(std::isfinite(op.epsilon) && op.epsilon >= 0, "epsilon", "a number of at least 0",
           std::to_string(op.epsilon));
    for (const std::uint32_t index : {op.weight, op.bias}) {
      const bool running = index != no_index && parts_.tensors[index].values.size() != size / op.groups;
      entries("weight", index, running ? size : size / op.groups, true);
    }
  }
  void check(const WeightedDot& op, std::size_t size) {
    expect_size("value", op.groups, size);
    expect_size("b", op.b.size, op.a.size);
    expect(op.groups > 0 && op.a.size % op.groups == 0, "groups", "a divisor of " + std::to_string(op.a.size),
           std::to_string(op.groups));
    entries("weight", op.weight, op.a.size, false);
  }
  void check(const ShortConvolution& op, std::size_t size) {
    expect_size("in", op.in.size, size);
    if (const ProgramTensor* t = tensor("weight", op.weight, {0, 0, 0})) {
      const std::size_t width = t->extent(2);
      expect(t->extent(0) == size && t->extent(1) == 1 && width > 0, t->name,
             "shape [" + std::to_string(size) + ", 1, width]", shape_text(t->shape));
      if (width > 1) part("tail", op.tail, StatePart::Kind::convolution, {width - 1, size});
    }
    entries("bias", op.bias, size, true);
    expect(operands_of(op.activation) == "a", "activation", "a function of one number",
           std::string(name_of(op.activation)));
  }
  void check(const TokenShift& op, std::size_t size) {
    expect_size("in", op.in.size, size);
    part("last", op.last, StatePart::Kind::shift, {size});
  }
  void check(const Constants& op, std::size_t size) {
    expect_size("values", op.values.size(), size);
    expect(std::all_of(op.values.begin(), op.values.end(), [](double x) { return std::isfinite(x); }), "values",
           "finite numbers", "others");
  }
  void head(const std::string& field, const HeadInput& input, std::size_t heads, std::size_t extent, bool optional) {
    if (!input.present()) return expect(optional, field, "features", "none");
    const bool fits =
        input.group > 0 && input.first(heads - 1) + extent <= std::size_t{input.slice.offset} + input.slice.size;
    expect(fits, field, std::to_string(extent) + " features for each of " + std::to_string(heads) + " heads",
           std::to_string(input.slice.size));
  }
  void check(const LinearRecurrence& op, std::size_t size) {
    const bool sizes = op.states > 0 && op.queries > 0 && op.key_size > 0 && op.value_size > 0;
    expect(sizes, "sizes", "numbers above 0", "0");
    if (!sizes) return;
    expect(!op.ridge.present() || (op.value_size > op.key_size && op.solver_steps > 0 && !op.reads_before), "ridge",
           "more values than keys, and steps of the solver", std::to_string(op.value_size));
    if (op.ridge.present() && op.value_size <= op.key_size) return;
    expect_size("value", std::size_t{op.states} * op.queries * op.answer_size(), size);
    using Decay = LinearRecurrence::Decay;
    const std::size_t decays = op.decay == Decay::key || op.decay == Decay::rotation ? op.key_size
                               : op.decay == Decay::rate                             ? op.value_size
                               : op.decay == Decay::element ? std::size_t{op.key_size} * op.value_size
                                                            : 1;
    expect(op.decay != Decay::rotation || op.key_size % 2 == 0, "key_size", "an even number",
           std::to_string(op.key_size));
    head("decays", op.decays, op.states, decays, op.decay == Decay::none);
    if (op.decay == Decay::rate) entries("rates", op.rates.tensor, std::size_t{op.key_size} * op.value_size, false);
    expect(!op.updates.empty(), "updates", "at least one", "none");
    for (std::size_t i = 0; i < op.updates.size(); ++i) {
      const RankOneUpdate& update = op.updates[i];
      const std::string name = "updates." + std::to_string(i);
      head(name + ".read", update.read, op.states, op.key_size, true);
      head(name + ".write", update.write, op.states, op.key_size, false);
      head(name + ".value", update.value, op.states, op.value_size, true);
      head(name + ".beta", update.beta, op.states, 1, true);
      expect(!update.reads_undecayed || (i == 0 && update.read.present() && op.decay != Decay::rotation), name,
             "only the first to read the undecayed state", "another");
    }
    head("query", op.query, std::size_t{op.states} * op.queries, op.key_size, false);
    head("ridge", op.ridge, op.states, op.key_size, true);
    part("hidden", op.hidden, StatePart::Kind::hidden, {op.states, op.key_size, op.value_size});
  }
  void check(const Stabilizer& op, std::size_t size) {
    expect(size % 3 == 0, "value", "three numbers a head", std::to_string(size));
    expect_size("input", op.input.size, size / 3);
    expect_size("forget", op.forget.size, size / 3);
    entries("input_bias", op.input_bias, size / 3, false);
    entries("forget_bias", op.forget_bias, size / 3, false);
    part("maximum", op.maximum, StatePart::Kind::stabilizer, {size / 3});
  }
  void check(const SlstmCell& op, std::size_t size) {
    expect_size("in", op.in.size, 4 * size);
    if (const ProgramTensor* t = tensor("recurrent", op.recurrent, {0, 0, 0, 0}, true)) {
      expect(t->extent(0) == 4 && t->extent(1) * t->extent(2) == size && t->extent(2) == t->extent(3), t->name,
             "shape [4, heads, size, size]", shape_text(t->shape));
    }
    entries("bias", op.bias, 4 * size, false);
    part("output", op.output, StatePart::Kind::output, {size});
    part("cell", op.cell, StatePart::Kind::cell, {size});
    part("normalizer", op.normalizer, StatePart::Kind::normalizer, {size});
    part("stabilizer", op.stabilizer, StatePart::Kind::stabilizer, {size});
  }

  const ProgramParts& parts_;
  std::vector<std::string> problems_;
  std::size_t at_ = 0;
};

Dependence own_dependence(const Operation& operation) {
  return std::visit(
      [](const auto& op) {
        using Op = std::decay_t<decltype(op)>;
        if constexpr (std::is_same_v<Op, Embedding>) return Dependence::token;
        if constexpr (std::is_same_v<Op, ShortConvolution>) {
          return op.tail == no_index ? Dependence::nothing : Dependence::history;
        }
        return std::is_same_v<Op, TokenShift> || std::is_same_v<Op, LinearRecurrence> ||
                       std::is_same_v<Op, Stabilizer> || std::is_same_v<Op, SlstmCell>
                   ? Dependence::history
                   : Dependence::nothing;
      },
      operation.kind);
}

void hash_tensors(HashSink& sink) {
  std::vector<const ProgramTensor*> order;
  for (const ProgramTensor& tensor : sink.parts.tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
  for (const ProgramTensor* tensor : order) {
    sink.name(tensor->name);
    sink.name(shape_text(tensor->shape));
    if (tensor->deferred) {
      const std::vector<float> values = tensor->deferred->read();
      sink.bytes(values.data(), values.size() * sizeof(float));
      continue;
    }
    if (!tensor->input_major) {
      sink.bytes(tensor->values.data(), tensor->values.size() * sizeof(float));
      continue;
    }
    // As in the file: input_major is its own inverse with the axes exchanged.
    std::vector<std::size_t> stored = tensor->shape;
    std::swap(stored[stored.size() - 1], stored[stored.size() - 2]);
    const std::vector<float> values = input_major(tensor->values, stored);
    sink.bytes(values.data(), values.size() * sizeof(float));
  }
}

}  // namespace

TensorValues::TensorValues(const ProgramTensor& tensor) : values_(tensor.deferred ? read_ : tensor.values) {
  if (!tensor.deferred) return;
  read_ = tensor.deferred->read();
  if (tensor.input_major) read_ = input_major(read_, tensor.shape);
}

std::vector<float> input_major(const std::vector<float>& values, const std::vector<std::size_t>& shape) {
  const std::size_t rows = shape[shape.size() - 2];
  const std::size_t columns = shape[shape.size() - 1];
  std::vector<float> result(values.size());
  // In tiles, so that neither side runs across the whole memory entry by entry.
  constexpr std::size_t tile = 32;
  for (std::size_t block = 0; block + rows * columns <= values.size() && rows * columns > 0; block += rows * columns) {
    for (std::size_t first = 0; first < rows; first += tile) {
      const std::size_t last = std::min(rows, first + tile);
      for (std::size_t left = 0; left < columns; left += tile) {
        for (std::size_t i = left; i < std::min(columns, left + tile); ++i) {
          for (std::size_t o = first; o < last; ++o) result[block + i * rows + o] = values[block + o * columns + i];
        }
      }
    }
  }
  return result;
}

std::string codes_name(const StatePart& part, std::size_t unit) {
  constexpr std::array<std::string_view, 7> kinds = {"hidden", "convolution", "shift", "stabilizer",
                                                     "cell",   "normalizer",  "output"};
  std::string name =
      "codes." + std::to_string(part.layer) + "." + std::string(kinds[static_cast<std::size_t>(part.kind)]);
  if (part.kind == StatePart::Kind::hidden) name += "." + std::to_string(unit);
  return name;
}

std::string_view name_of(const Operation& operation) { return operation_names[operation.kind.index()]; }

std::vector<Slice> inputs_of(const Operation& operation) {
  InputSink sink;
  walk(sink, operation);
  return std::move(sink.slices);
}

std::vector<std::uint32_t> state_parts_of(const Operation& operation) {
  PartSink sink;
  walk(sink, operation);
  return std::move(sink.parts);
}

Program::Program(ProgramParts parts) : parts_(std::move(parts)) {
  std::vector<std::string> problems = ProgramCheck(parts_).run();
  std::map<std::string_view, std::size_t> names;
  for (const ProgramTensor& tensor : parts_.tensors) {
    if (++names[tensor.name] == 2) problems.push_back(tensor.name + ": expected once, got twice");
  }
  if (!problems.empty()) throw InputError(problems);
  vocabulary_ = parts_.tensors[std::get<Embedding>(parts_.operations.front().kind).table].extent(0);
  for (StatePart& part : parts_.state_parts) {
    part.size = product_of(part.shape);
    part.offset = state_size_;
    state_size_ += part.size;
  }
  for (const Operation& operation : parts_.operations) {
    Dependence own = own_dependence(operation);
    for (const Slice& slice : inputs_of(operation)) own = std::max(own, dependence_[slice.value]);
    dependence_.push_back(own);
  }
}

bool Program::tied() const noexcept {
  return std::get<Product>(parts_.operations.back().kind).weight ==
         std::get<Embedding>(parts_.operations.front().kind).table;
}

std::size_t Program::num_parameters() const noexcept {
  std::size_t count = 0;
  for (const ProgramTensor& tensor : parts_.tensors) count += tensor.num_values();
  return count;
}

std::vector<float> Program::initial_state() const {
  std::vector<float> state;
  for (const StatePart& part : parts_.state_parts) state.insert(state.end(), part.size, part.initial);
  return state;
}

bool Program::snapped() const noexcept {
  return std::any_of(parts_.state_parts.begin(), parts_.state_parts.end(),
                     [](const StatePart& part) { return !part.codes.empty(); });
}

bool Program::deferred() const noexcept {
  return std::any_of(parts_.tensors.begin(), parts_.tensors.end(),
                     [](const ProgramTensor& tensor) { return tensor.deferred != nullptr; });
}

const LinearRecurrence* Program::recurrence(std::size_t layer) const noexcept {
  for (const Operation& operation : parts_.operations) {
    if (operation.layer != layer) continue;
    if (const auto* op = std::get_if<LinearRecurrence>(&operation.kind)) return op;
  }
  return nullptr;
}

std::string Program::weights_fingerprint() const {
  HashSink sink{parts_, {}};
  sink.name("krohn-weights-v1");
  sink.name(parts_.architecture);
  hash_tensors(sink);
  return hexadecimal(sink.hash.digest());
}

std::string Program::fingerprint() const {
  HashSink sink{parts_, {}};
  sink.name("krohn-program-v1");
  sink.name(weights_fingerprint());
  for (const Operation& operation : parts_.operations) walk(sink, operation);
  for (const StatePart& part : parts_.state_parts) {
    sink.name("state");
    sink.number("kind", static_cast<double>(part.kind));
    for (const std::size_t extent : part.shape) sink.number("extent", static_cast<double>(extent));
    sink.number("initial", static_cast<double>(part.initial));
    for (const std::uint32_t index : part.codes) sink.tensor("codes", index);
  }
  return hexadecimal(sink.hash.digest());
}

}  // namespace krohn
