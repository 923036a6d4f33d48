// Writing a program operation by operation, as a forward pass reads:
//
//     ProgramBuilder net("example");
//     Slice x = net.embedding(table);
//     net.begin_layer("example");
//     const Slice h = net.rms_norm(x, weight, 1e-6);
//     x = net.product(out, mixer(net, h), no_index, x);
//     net.product(head, x);
//     Program program = net.finish();
//
// Nothing is checked before finish(), so that a tensor that a file lacks (its shape as expected, without values) does
// not end the writing; the caller must not call finish() then.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "krohn/model/program.hpp"

namespace krohn {

class ProgramBuilder {
 public:
  explicit ProgramBuilder(std::string architecture) { parts_.architecture = std::move(architecture); }

  const std::string& architecture() const noexcept { return parts_.architecture; }
  /// Adds a tensor and gives its index.
  std::uint32_t add(ProgramTensor tensor);
  const ProgramTensor& tensor(std::uint32_t index) const { return parts_.tensors.at(index); }

  /// What follows belongs to a new layer, whose mixer is called `mixer`; or, after end_layers(), to none.
  void begin_layer(std::string mixer);
  void end_layers() { layer_ = no_index; }

  Slice embedding(std::uint32_t table);
  Slice product(std::uint32_t weight, Slice in, std::uint32_t bias = no_index, Slice onto = {});
  /// `weight` [out, in] on each of `copies` equal parts of the input.
  Slice product_of_parts(std::uint32_t weight, Slice in, std::size_t copies, std::uint32_t bias = no_index);
  /// Two products with `inner` (copy: none) between.
  Slice low_rank(std::uint32_t down, std::uint32_t up, std::uint32_t bias, Function inner, Slice in);

  /// Functions of whole slices of one size.
  Slice map(Function function, Slice a);
  Slice map(Function function, Slice a, Slice b);
  Slice map(Function function, Slice a, Slice b, Slice c);
  /// With constants.
  Slice map_constant(Function function, Slice a, double k, double l = 0.0, double m = 0.0);
  /// With a weight for every entry.
  Slice map_weight(Function function, Slice a, std::uint32_t w);
  /// Anything; the value has `size` entries.
  Slice map(Elementwise operation, std::size_t size);
  Slice constant(double value, std::size_t size);
  Slice constants(std::vector<double> values);
  /// For each of `groups` groups, its part of every slice.
  Slice interleave(std::vector<Slice> parts, std::size_t groups = 1);
  /// Of each run of `stride` features of `a` the first `run`; with a stride of 0 the same `run`, `count` times.
  Slice runs(Slice a, std::size_t run, std::size_t stride, std::size_t count);
  Slice add(Slice a, Slice b) { return map(Function::add, a, b); }
  Slice multiply(Slice a, Slice b) { return map(Function::multiply, a, b); }

  Slice normalize(Normalization norm);
  Slice rms_norm(Slice in, std::uint32_t weight, double epsilon, std::size_t groups = 1);
  /// x / sqrt(sum x^2 + 1e-6) in each group.
  Slice l2_norm(Slice in, std::size_t groups);
  Slice weighted_dot(Slice a, Slice b, std::size_t groups, std::uint32_t weight);

  /// `input` names the state part.
  Slice convolution(std::uint32_t weight, std::uint32_t bias, Slice in, Function activation, const std::string& input);
  /// The token before's features minus these.
  Slice shift(Slice in, const std::string& input);
  /// The token before's features.
  Slice delay(Slice in, const std::string& input);
  /// a + difference * weight.
  Slice shift_mix(Slice a, Slice difference, std::uint32_t weight);

  static HeadInput heads(Slice slice, std::size_t stride, std::size_t group = 1) {
    return {slice, static_cast<std::uint32_t>(stride), static_cast<std::uint32_t>(group)};
  }
  static LinearRecurrence recurrence(std::size_t states, std::size_t key_size, std::size_t value_size);
  /// Places its state; the value is [states * queries, answer_size()].
  Slice recur(LinearRecurrence operation, StatePart::Axes axes = StatePart::Axes::key_value);

  /// A state part of the layer, laid out after those before it.
  std::uint32_t state(StatePart::Kind kind, std::vector<std::size_t> shape, const std::string& input = "",
                      float initial = 0.0F, StatePart::Axes axes = StatePart::Axes::key_value);
  /// Any other operation.
  template <class Op>
  Slice push(Op operation, std::size_t size) {
    parts_.operations.push_back({std::move(operation), static_cast<std::uint32_t>(size), layer_});
    return {static_cast<std::uint32_t>(parts_.operations.size() - 1), 0, static_cast<std::uint32_t>(size)};
  }

  /// The program, whose logits are the last product. Throws InputError as Program does.
  Program finish() { return Program(std::move(parts_)); }

 private:
  ProgramParts parts_;
  std::uint32_t layer_ = no_index;
};

}  // namespace krohn
