// Where a checkpoint's tensors come from. Every file is read whole; views point into it.
#include "krohn/io/weights.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "krohn/error.hpp"
#include "krohn/io/json_document.hpp"
#include "krohn/io/source_text.hpp"
#include "krohn/io/torch_file.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t max_weight_bytes = std::size_t{1} << 40U;

std::string shape_text(const std::vector<std::uint64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += shape[i] == 0 ? "any" : std::to_string(shape[i]);
  }
  return text + "]";
}

bool fits(const std::vector<std::uint64_t>& shape, const std::vector<std::uint64_t>& expected) {
  if (shape.size() != expected.size()) return false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (expected[i] != 0 && shape[i] != expected[i]) return false;
  }
  return true;
}

/// torch.compile and DataParallel put the name of the wrapped module before every name: how many bytes of each name
/// those are.
std::size_t wrapper_prefix(const std::vector<std::string_view>& names) {
  std::size_t size = 0;
  for (const std::string_view prefix : {"_orig_mod.", "module."}) {
    const auto wrapped = [&](std::string_view name) { return name.substr(size).starts_with(prefix); };
    if (!names.empty() && std::all_of(names.begin(), names.end(), wrapped)) size += prefix.size();
  }
  return size;
}

}  // namespace

class WeightsBuilder {
 public:
  explicit WeightsBuilder(std::string source) { weights_.source_ = std::move(source); }

  void add_file(const fs::path& path) {
    std::string bytes = read_file(path, max_weight_bytes);
    if (is_torch_file(bytes)) {
      TorchFile file = parse_torch_file(std::move(bytes), path.string());
      weights_.owners_.insert(weights_.owners_.end(), file.owners.begin(), file.owners.end());
      weights_.tensors_.insert(weights_.tensors_.end(), file.tensors.begin(), file.tensors.end());
      return;
    }
    auto file = std::make_shared<Safetensors>(Safetensors::parse(std::move(bytes), path.string()));
    weights_.tensors_.insert(weights_.tensors_.end(), file->tensors().begin(), file->tensors().end());
    weights_.owners_.push_back(std::move(file));
  }

  Weights finish() {
    std::vector<std::string_view> names;
    for (const TensorView& tensor : weights_.tensors_) names.push_back(tensor.name);
    const std::size_t prefix = wrapper_prefix(names);
    for (TensorView& tensor : weights_.tensors_) tensor.name.erase(0, prefix);
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
  Weights weights_;
};

namespace {

Weights read_index(const fs::path& path) {
  const JsonDocument document = read_json(path);
  JsonProblems problems(document);
  std::map<std::string, std::string> file_of;
  const auto entries = problems.root().at("weight_map").members();
  std::vector<std::string_view> names;
  for (const auto& [tensor, file] : entries) names.push_back(tensor);
  const std::size_t prefix = wrapper_prefix(names);
  for (const auto& [tensor, file] : entries) {
    const std::optional<std::string> name = file.string();
    if (!name) continue;
    if (name->empty() || name->find('/') != std::string::npos || *name == "..") {
      file.report("the name of a file in the same directory");
      continue;
    }
    file_of[tensor.substr(prefix)] = *name;
  }
  problems.raise_if_any();
  std::set<std::string> files;
  for (const auto& [tensor, file] : file_of) files.insert(file);
  WeightsBuilder builder(path.string());
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

Weights Weights::read(const fs::path& path) {
  if (path.extension() == ".json") return read_index(path);
  WeightsBuilder builder(path.string());
  builder.add_file(path);
  return builder.finish();
}

Weights Weights::read_directory(const fs::path& directory) {
  for (const char* name :
       {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"}) {
    if (fs::exists(directory / name)) return read(directory / name);
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
  if (found.size() == 1) return read(found.front());
  std::sort(found.begin(), found.end());
  std::string got = found.empty() ? "none" : "";
  for (const fs::path& path : found) got += (got.empty() ? "" : ", ") + path.filename().string();
  throw InputError(directory.string() + ": expected model.safetensors, pytorch_model.bin or one file of weights, got " +
                   got);
}

const TensorView* Weights::find(std::string_view name) const noexcept {
  const auto at = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                   [](const TensorView& tensor, std::string_view key) { return tensor.name < key; });
  return at == tensors_.end() || at->name != name ? nullptr : &*at;
}

std::vector<float> WeightTaker::tensor(const std::string& name, const std::vector<std::uint64_t>& shape) {
  const TensorView* view = weights_.find(name);
  if (view == nullptr) {
    report(name + ": expected a tensor of shape " + shape_text(shape) + ", got none");
    return {};
  }
  taken_.insert(name);
  if (!fits(view->shape, shape)) {
    report(name + ": expected shape " + shape_text(shape) + ", got " + view->type());
    return {};
  }
  if (view->dtype != DType::f32 && view->dtype != DType::f16 && view->dtype != DType::bf16) {
    report(name + ": expected F32, F16 or BF16, got " + view->type());
    return {};
  }
  std::vector<float> values = to_float(*view);
  const auto bad = std::count_if(values.begin(), values.end(), [](float x) { return !std::isfinite(x); });
  if (bad != 0) {
    report(name + ": expected finite weights, got " + std::to_string(bad) + " of " + std::to_string(values.size()) +
           " that are NaN or infinite");
    return {};
  }
  return values;
}

Matrix WeightTaker::matrix(const std::string& name, std::size_t rows, std::size_t columns) {
  const TensorView* view = weights_.find(name);
  const std::vector<float> values = tensor(name, {rows, columns});
  if (values.empty()) return {};
  return to_matrix(values, view->shape[0], view->shape[1]);
}

Matrix WeightTaker::stacked(const std::vector<std::string>& names, std::size_t rows, std::size_t columns) {
  std::vector<float> all;
  for (const std::string& name : names) {
    const std::vector<float> part = tensor(name, {rows, columns});
    all.insert(all.end(), part.begin(), part.end());
  }
  if (all.size() != names.size() * rows * columns) return {};
  return to_matrix(all, names.size() * rows, columns);
}

std::vector<float> WeightTaker::optional(const std::string& name, const std::vector<std::uint64_t>& shape) {
  return has(name) ? tensor(name, shape) : std::vector<float>{};
}

void WeightTaker::report(std::string problem) {
  if (count_++ < 50) problems_.push_back(weights_.source() + ": " + std::move(problem));
}

void WeightTaker::finish() {
  for (const TensorView& view : weights_.tensors()) {
    if (!taken_.contains(view.name)) {
      report(shown(view.name) + ": expected only tensors that the configuration calls for, got " + view.type());
    }
  }
}

std::vector<std::string> WeightTaker::problems() const {
  std::vector<std::string> all = problems_;
  if (count_ > problems_.size()) {
    all.push_back(weights_.source() + ": " + std::to_string(count_ - problems_.size()) + " more problems");
  }
  return all;
}

Matrix to_matrix(const std::vector<float>& values, std::size_t rows, std::size_t columns) {
  Matrix m{rows, columns, std::vector<float>(rows * columns)};
  // In tiles, so that neither side runs across the whole memory entry by entry.
  constexpr std::size_t tile = 32;
  for (std::size_t first = 0; first < rows; first += tile) {
    const std::size_t last = std::min(rows, first + tile);
    for (std::size_t left = 0; left < columns; left += tile) {
      for (std::size_t i = left; i < std::min(columns, left + tile); ++i) {
        for (std::size_t o = first; o < last; ++o) m.entries[i * rows + o] = values[o * columns + i];
      }
    }
  }
  return m;
}

}  // namespace krohn
