// An LrnnModel in one semantics as the plain arrays that the engine and the kernels run.
#pragma once

#include <cstdint>
#include <vector>

#include "krohn/kernels/flat_model.hpp"
#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/semantics.hpp"

namespace krohn {

/// Immutable. Throws InputError where codes and semantics do not fit, NumericError if an initial hidden state overflows
/// the state format, ResourceError if the arrays need 2^32 words or more.
class FlatModel {
 public:
  FlatModel(const LrnnModel& model, Semantics semantics);

  /// Valid while this object lives and is not assigned to.
  FlatModelView view() const noexcept;
  const std::vector<std::uint32_t>& words() const noexcept { return words_; }
  const std::vector<FlatLayer>& layers() const noexcept { return layers_; }
  /// Every layer's initial hidden state in stored form, concatenated.
  std::vector<float> initial_hidden() const;

 private:
  std::vector<std::uint32_t> words_;
  std::vector<FlatLayer> layers_;
  FlatModelView shape_;
};

}  // namespace krohn
