// The named tensors of a checkpoint, from whichever files hold them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "krohn/io/safetensors.hpp"
#include "krohn/model/learned_model.hpp"

namespace krohn {

/// Tensors by name and the memory that they view. Copies share the memory.
class Weights {
 public:
  /// Reads a safetensors file, a PyTorch file (torch_file.hpp), or a shard index
  /// ({"weight_map": {tensor: file}}), told apart by their first bytes. Throws InputError, for an index also where a
  /// shard lacks a tensor that the index names, or holds one that it does not.
  static Weights read(const std::filesystem::path& path);
  /// The weights of a model directory: model.safetensors, model.safetensors.index.json, pytorch_model.bin,
  /// pytorch_model.bin.index.json, else the only file *.bin, *.pth or *.pt in it, else the only *.safetensors. Throws
  /// InputError where there is none, or more than one of the kind that decides.
  static Weights read_directory(const std::filesystem::path& directory);

  const std::string& source() const noexcept { return source_; }
  /// Sorted by name.
  const std::vector<TensorView>& tensors() const noexcept { return tensors_; }
  const TensorView* find(std::string_view name) const noexcept;

 private:
  friend class WeightsBuilder;
  std::string source_;
  std::vector<TensorView> tensors_;
  std::vector<std::shared_ptr<const void>> owners_;
};

/// Takes tensors out of Weights one by one, collecting every problem: a tensor that is missing, has another shape, is
/// not F32, F16 or BF16, or holds NaN or infinity; in the end, one that nobody took.
class WeightTaker {
 public:
  explicit WeightTaker(const Weights& weights) : weights_(weights) {}

  bool has(const std::string& name) const { return weights_.find(name) != nullptr; }
  const TensorView* find(const std::string& name) const { return weights_.find(name); }

  /// The values in the file's order; empty after a report. A shape of 0 stands for any extent.
  std::vector<float> tensor(const std::string& name, const std::vector<std::uint64_t>& shape);
  /// nn.Linear's weight [rows, columns].
  Matrix matrix(const std::string& name, std::size_t rows, std::size_t columns);
  /// The weights of several nn.Linear of equal shape, one under the other.
  Matrix stacked(const std::vector<std::string>& names, std::size_t rows, std::size_t columns);
  /// Takes a tensor only if it is there, else returns nothing.
  std::vector<float> optional(const std::string& name, const std::vector<std::uint64_t>& shape);
  /// A tensor of the format that takes no part in inference.
  void leave_out(const std::string& name) { taken_.insert(name); }

  /// Adds a problem; beyond 50 only their number is kept.
  void report(std::string problem);
  /// True once so many problems are known that looking for more tells nothing.
  bool hopeless() const noexcept { return count_ > 200; }
  /// Reports every tensor that nobody took.
  void finish();
  std::vector<std::string> problems() const;

 private:
  const Weights& weights_;
  std::set<std::string, std::less<>> taken_;
  std::vector<std::string> problems_;
  std::size_t count_ = 0;
};

/// Row-major [rows, columns] values as a Matrix.
Matrix to_matrix(const std::vector<float>& values, std::size_t rows, std::size_t columns);

}  // namespace krohn
