// The named tensors of a checkpoint, from whichever files hold them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "krohn/architectures/draft.hpp"
#include "krohn/checkpoints/safetensors.hpp"

namespace krohn {

class MappedFile;

/// Tensors by name and the memory that they view. Copies share the memory.
class Weights final : public TensorSource {
 public:
  /// Reads a safetensors file, a PyTorch file (torch_file.hpp), or a shard index
  /// ({"weight_map": {tensor: file}}), told apart by their first bytes. Throws InputError, for an index also where a
  /// shard lacks a tensor that the index names, or holds one that it does not.
  ///
  /// `mapped` leaves safetensors files on the disk: large matrices of two axes are `deferred`.
  static Weights read(const std::filesystem::path& path, bool mapped = false);
  /// The weights of a model directory: model.safetensors, model.safetensors.index.json, pytorch_model.bin,
  /// pytorch_model.bin.index.json, else the only file *.bin, *.pth or *.pt in it, else the only *.safetensors. Throws
  /// InputError where there is none, or more than one of the kind that decides.
  static Weights read_directory(const std::filesystem::path& directory, bool mapped = false);

  /// Arrays that are in memory already, such as those of a live model; `owners` keep what the views show. Names are
  /// freed of wrappers as those of files are. Throws InputError for a name that is there twice.
  static Weights of_arrays(std::string source, std::vector<TensorView> tensors,
                           std::vector<std::shared_ptr<const void>> owners);

  const std::string& source() const noexcept { return source_; }
  /// What of the files' names was left out as a wrapper's; empty where nothing was.
  const std::string& note() const noexcept { return note_; }
  /// Sorted by name.
  const std::vector<TensorView>& tensors() const noexcept { return tensors_; }
  const TensorView* find(std::string_view name) const noexcept;

  std::string name() const override { return source_; }
  std::vector<std::string> tensor_names() const override;
  const std::vector<std::uint64_t>* shape(const std::string& tensor) const override;
  std::string type(const std::string& tensor) const override;
  std::optional<std::vector<float>> values(const std::string& tensor) const override;
  std::shared_ptr<const DeferredValues> deferred(const std::string& tensor) const override;

 private:
  friend class WeightsBuilder;
  std::string source_;
  std::string note_;
  std::vector<TensorView> tensors_;
  std::vector<std::shared_ptr<const void>> owners_;
  std::vector<std::shared_ptr<const MappedFile>> mapped_;
};

}  // namespace krohn
