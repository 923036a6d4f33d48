// Where a checkpoint's tensors come from. Files are read whole, or mapped; views point into them.
// Tested by tests/checkpoints/torch_file_test.cpp.
#include "krohn/checkpoints/weights.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "krohn/checkpoints/torch_file.hpp"
#include "krohn/error.hpp"
#include "krohn/text/json_document.hpp"
#include "krohn/text/source_text.hpp"
#include "mapped_file.hpp"
#include "wrapped_names.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t max_weight_bytes = std::uint64_t{1} << 40U;

}  // namespace

class WeightsBuilder {
 public:
  WeightsBuilder(std::string source, bool mapped) : mapped_(mapped) { weights_.source_ = std::move(source); }

  void add_file(const fs::path& path) {
    if (mapped_) {
      const std::shared_ptr<const MappedFile> map = MappedFile::open(path);
      if (is_torch_file(map->bytes())) return add_torch_file(map->bytes(), path.string());
      const Safetensors file = Safetensors::parse(map->bytes(), path.string(), map);
      weights_.tensors_.insert(weights_.tensors_.end(), file.tensors().begin(), file.tensors().end());
      weights_.mapped_.push_back(map);
      return;
    }
    std::string bytes = read_file(path, max_weight_bytes);
    if (is_torch_file(bytes)) return add_torch_file(bytes, path.string());
    auto file = std::make_shared<Safetensors>(Safetensors::parse(std::move(bytes), path.string()));
    weights_.tensors_.insert(weights_.tensors_.end(), file->tensors().begin(), file->tensors().end());
    weights_.owners_.push_back(std::move(file));
  }

  void add_arrays(std::vector<TensorView> tensors, std::vector<std::shared_ptr<const void>> owners) {
    weights_.tensors_ = std::move(tensors);
    weights_.owners_ = std::move(owners);
  }

  Weights finish() {
    std::vector<std::string> names;
    for (const TensorView& tensor : weights_.tensors_) names.push_back(tensor.name);
    UnwrappedNames own = without_wrappers(names);
    for (std::size_t i = 0; i < names.size(); ++i) weights_.tensors_[i].name = std::move(own.names[i]);
    weights_.note_ = std::move(own.note);
    std::sort(weights_.tensors_.begin(), weights_.tensors_.end(),
              [](const TensorView& a, const TensorView& b) { return a.name < b.name; });
    std::vector<std::string> problems;
    for (std::size_t i = 1; i < weights_.tensors_.size(); ++i) {
      if (weights_.tensors_[i].name == weights_.tensors_[i - 1].name) {
        problems.push_back(weights_.source_ + ": " + weights_.tensors_[i].name + ": expected once, got twice");
      }
    }
    if (!problems.empty()) throw InputError(problems);
    return std::move(weights_);
  }

 private:
  void add_torch_file(std::string_view bytes, const std::string& source) {
    TorchFile file = parse_torch_file(bytes, source);
    weights_.owners_.insert(weights_.owners_.end(), file.owners.begin(), file.owners.end());
    weights_.tensors_.insert(weights_.tensors_.end(), file.tensors.begin(), file.tensors.end());
  }

  Weights weights_;
  bool mapped_;
};

namespace {

/// A matrix in a mapped file, whose pages are given back once it is read.
class MappedTensor final : public DeferredValues {
 public:
  MappedTensor(TensorView view, std::shared_ptr<const MappedFile> file)
      : view_(std::move(view)), file_(std::move(file)) {}
  std::size_t size() const override { return view_.num_elements(); }
  std::vector<float> read() const override {
    std::vector<float> values = to_float(view_);
    file_->release(view_.bytes);
    return values;
  }

 private:
  TensorView view_;
  std::shared_ptr<const MappedFile> file_;
};

/// Tensors with fewer rows or columns stay in memory: they are small, and convolutions, decays of a state and other
/// tensors that no product multiplies with are among them.
constexpr std::size_t least_deferred = 32;

Weights read_index(const fs::path& path, bool mapped) {
  const JsonDocument document = read_json(path);
  JsonProblems problems(document);
  std::map<std::string, std::string> file_of;
  const auto entries = problems.root().at("weight_map").members();
  std::vector<std::string> names;
  for (const auto& [tensor, file] : entries) names.push_back(tensor);
  const std::vector<std::string> own_names = without_wrappers(names).names;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const JsonField& file = entries[i].second;
    const std::optional<std::string> name = file.string();
    if (!name) continue;
    if (name->empty() || name->find('/') != std::string::npos || *name == "..") {
      file.report("the name of a file in the same directory");
      continue;
    }
    file_of[own_names[i]] = *name;
  }
  problems.raise_if_any();
  std::set<std::string> files;
  for (const auto& [tensor, file] : file_of) files.insert(file);
  WeightsBuilder builder(path.string(), mapped);
  for (const std::string& file : files) builder.add_file(path.parent_path() / file);
  Weights weights = builder.finish();
  std::vector<std::string> wrong;
  for (const auto& [tensor, file] : file_of) {
    if (weights.find(tensor) == nullptr) {
      wrong.push_back(path.string() + ": " + shown(tensor) + ": expected in " + file + ", got no such tensor there");
    }
  }
  for (const TensorView& tensor : weights.tensors()) {
    if (!file_of.contains(tensor.name)) {
      wrong.push_back(path.string() + ": " + shown(tensor.name) + ": expected every tensor of the shards in the index");
    }
  }
  if (!wrong.empty()) throw InputError(wrong);
  return weights;
}

}  // namespace

Weights Weights::read(const fs::path& path, bool mapped) {
  if (path.extension() == ".json") return read_index(path, mapped);
  WeightsBuilder builder(path.string(), mapped);
  builder.add_file(path);
  return builder.finish();
}

Weights Weights::read_directory(const fs::path& directory, bool mapped) {
  for (const char* name :
       {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"}) {
    if (fs::exists(directory / name)) return read(directory / name, mapped);
  }
  // Safetensors beside a PyTorch file hold something else, as inputs or reference values.
  std::vector<fs::path> torch_files;
  std::vector<fs::path> others;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    const fs::path extension = entry.path().extension();
    if (extension == ".bin" || extension == ".pth" || extension == ".pt") torch_files.push_back(entry.path());
    if (extension == ".safetensors") others.push_back(entry.path());
  }
  std::vector<fs::path>& found = torch_files.empty() ? others : torch_files;
  if (found.size() == 1) return read(found.front(), mapped);
  std::sort(found.begin(), found.end());
  std::string got = found.empty() ? "none" : "";
  for (const fs::path& path : found) got += (got.empty() ? "" : ", ") + path.filename().string();
  throw InputError(directory.string() + ": expected model.safetensors, pytorch_model.bin or one file of weights, got " +
                   got);
}

Weights Weights::of_arrays(std::string source, std::vector<TensorView> tensors,
                           std::vector<std::shared_ptr<const void>> owners) {
  WeightsBuilder builder(std::move(source), false);
  builder.add_arrays(std::move(tensors), std::move(owners));
  return builder.finish();
}

const TensorView* Weights::find(std::string_view name) const noexcept {
  const auto at = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                   [](const TensorView& tensor, std::string_view key) { return tensor.name < key; });
  return at == tensors_.end() || at->name != name ? nullptr : &*at;
}

std::vector<std::string> Weights::tensor_names() const {
  std::vector<std::string> names;
  for (const TensorView& tensor : tensors_) names.push_back(tensor.name);
  return names;
}

const std::vector<std::uint64_t>* Weights::shape(const std::string& tensor) const {
  const TensorView* view = find(tensor);
  return view == nullptr ? nullptr : &view->shape;
}

std::string Weights::type(const std::string& tensor) const { return find(tensor)->type(); }

std::optional<std::vector<float>> Weights::values(const std::string& tensor) const {
  const TensorView* view = find(tensor);
  if (view->dtype != DType::f32 && view->dtype != DType::f16 && view->dtype != DType::bf16) return std::nullopt;
  return to_float(*view);
}

std::shared_ptr<const DeferredValues> Weights::deferred(const std::string& tensor) const {
  const TensorView* view = find(tensor);
  if (view->dtype != DType::f32 && view->dtype != DType::f16 && view->dtype != DType::bf16) return nullptr;
  if (view->shape.size() != 2 || std::min(view->shape[0], view->shape[1]) < least_deferred) return nullptr;
  for (const auto& file : mapped_) {
    if (file->holds(view->bytes)) return std::make_shared<MappedTensor>(*view, file);
  }
  return nullptr;
}

}  // namespace krohn
