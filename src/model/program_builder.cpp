// Sizes follow from tensors and operands; everything else is noted as it is said.
// Tested by tests/model/program_test.cpp.
#include "krohn/model/program_builder.hpp"

#include <utility>

namespace krohn {

std::uint32_t ProgramBuilder::add(ProgramTensor tensor) {
  parts_.tensors.push_back(std::move(tensor));
  return static_cast<std::uint32_t>(parts_.tensors.size() - 1);
}

void ProgramBuilder::begin_layer(std::string mixer) {
  layer_ = static_cast<std::uint32_t>(parts_.layers.size());
  parts_.layers.push_back(std::move(mixer));
}

Slice ProgramBuilder::embedding(std::uint32_t table) { return push(Embedding{table}, tensor(table).extent(1)); }

Slice ProgramBuilder::product(std::uint32_t weight, Slice in, std::uint32_t bias, Slice onto) {
  const std::vector<std::size_t>& shape = tensor(weight).shape;
  const std::size_t size = shape.size() == 3 ? shape[0] * shape[1] : shape.front();
  return push(Product{weight, bias, in, onto}, size);
}

Slice ProgramBuilder::product_of_parts(std::uint32_t weight, Slice in, std::size_t copies, std::uint32_t bias) {
  Product op{weight, bias, in, {}};
  op.copies = static_cast<std::uint32_t>(copies);
  return push(op, copies * tensor(weight).shape.front());
}

Slice ProgramBuilder::low_rank(std::uint32_t down, std::uint32_t up, std::uint32_t bias, Function inner, Slice in) {
  Slice narrow = product(down, in);
  if (inner != Function::copy) narrow = map(inner, narrow);
  return product(up, narrow, bias);
}

Slice ProgramBuilder::map(Elementwise operation, std::size_t size) { return push(std::move(operation), size); }
Slice ProgramBuilder::map(Function function, Slice a) { return map({function, {a}, {}, {}, {}, {}}, a.size); }
Slice ProgramBuilder::map(Function function, Slice a, Slice b) { return map({function, {a}, {b}, {}, {}, {}}, a.size); }
Slice ProgramBuilder::map(Function function, Slice a, Slice b, Slice c) {
  return map({function, {a}, {b}, {c}, {}, {}}, a.size);
}
Slice ProgramBuilder::map_constant(Function function, Slice a, double k, double l, double m) {
  return map({function, {a}, {}, {}, {}, {}, k, l, m}, a.size);
}
Slice ProgramBuilder::map_weight(Function function, Slice a, std::uint32_t w) {
  return map({function, {a}, {}, {}, {w}, {}}, a.size);
}
Slice ProgramBuilder::constant(double value, std::size_t size) {
  return map({Function::constant, {}, {}, {}, {}, {}, value}, size);
}

Slice ProgramBuilder::constants(std::vector<double> values) {
  const std::size_t size = values.size();
  return push(Constants{std::move(values)}, size);
}
Slice ProgramBuilder::interleave(std::vector<Slice> parts, std::size_t groups) {
  std::size_t size = 0;
  for (const Slice& part : parts) size += part.size;
  return push(Interleave{std::move(parts), static_cast<std::uint32_t>(groups)}, size);
}
Slice ProgramBuilder::runs(Slice a, std::size_t run, std::size_t stride, std::size_t count) {
  Elementwise copy;
  copy.a = {a, 1, static_cast<std::uint32_t>(run), static_cast<std::uint32_t>(stride)};
  return push(copy, run * count);
}

Slice ProgramBuilder::normalize(Normalization norm) { return push(norm, norm.in.size); }
Slice ProgramBuilder::rms_norm(Slice in, std::uint32_t weight, double epsilon, std::size_t groups) {
  return normalize({Normalization::Kind::rms, in, static_cast<std::uint32_t>(groups), epsilon, weight});
}
Slice ProgramBuilder::l2_norm(Slice in, std::size_t groups) {
  return normalize({Normalization::Kind::l2, in, static_cast<std::uint32_t>(groups), 1e-6});
}
Slice ProgramBuilder::weighted_dot(Slice a, Slice b, std::size_t groups, std::uint32_t weight) {
  return push(WeightedDot{a, b, static_cast<std::uint32_t>(groups), weight}, groups);
}

Slice ProgramBuilder::convolution(std::uint32_t weight, std::uint32_t bias, Slice in, Function activation,
                                  const std::string& input) {
  const std::size_t width = tensor(weight).extent(2);
  std::uint32_t tail = no_index;
  if (width > 1) tail = state(StatePart::Kind::convolution, {width - 1, in.size}, input);
  return push(ShortConvolution{in, weight, bias, activation, tail}, in.size);
}

Slice ProgramBuilder::shift(Slice in, const std::string& input) {
  return push(TokenShift{in, state(StatePart::Kind::shift, {in.size}, input)}, in.size);
}

Slice ProgramBuilder::delay(Slice in, const std::string& input) {
  return push(TokenShift{in, state(StatePart::Kind::shift, {in.size}, input), false}, in.size);
}

Slice ProgramBuilder::shift_mix(Slice a, Slice difference, std::uint32_t weight) {
  return map({Function::add_weighted, {a}, {difference}, {}, {weight}, {}}, a.size);
}

LinearRecurrence ProgramBuilder::recurrence(std::size_t states, std::size_t key_size, std::size_t value_size) {
  LinearRecurrence r;
  r.states = static_cast<std::uint32_t>(states);
  r.key_size = static_cast<std::uint32_t>(key_size);
  r.value_size = static_cast<std::uint32_t>(value_size);
  return r;
}

Slice ProgramBuilder::recur(LinearRecurrence operation, StatePart::Axes axes) {
  if (operation.hidden == no_index) {
    operation.hidden =
        state(StatePart::Kind::hidden, {operation.states, operation.key_size, operation.value_size}, "", 0.0F, axes);
  }
  const std::size_t size = std::size_t{operation.states} * operation.queries * operation.answer_size();
  return push(std::move(operation), size);
}

std::uint32_t ProgramBuilder::state(StatePart::Kind kind, std::vector<std::size_t> shape, const std::string& input,
                                    float initial, StatePart::Axes axes) {
  StatePart part;
  part.kind = kind;
  part.layer = layer_;
  part.input = input;
  part.shape = std::move(shape);
  part.initial = initial;
  part.axes = axes;
  parts_.state_parts.push_back(std::move(part));
  return static_cast<std::uint32_t>(parts_.state_parts.size() - 1);
}

}  // namespace krohn
