// codes.safetensors: the codes of a hardened model's units, beside its weights. Tested by tests/verify/harden_test.cpp.
#include "codes_file.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/checkpoints/safetensors.hpp"
#include "krohn/error.hpp"
#include "krohn/text/source_text.hpp"

namespace krohn {
namespace {

constexpr const char* codes_format = "krohn-codes-v1";

}  // namespace

Program with_codes(const Program& program, const std::filesystem::path& path) {
  const Safetensors file = Safetensors::read(path);
  std::vector<std::string> problems;
  const auto report = [&](const std::string& problem) { problems.push_back(path.string() + ": " + problem); };
  const auto metadata = [&](const std::string& key) {
    const auto at = file.metadata().find(key);
    return at == file.metadata().end() ? std::string("none") : at->second;
  };
  if (metadata("format") != codes_format) {
    report("format: expected " + std::string(codes_format) + ", got " + shown(metadata("format")));
  }
  if (metadata("weights_fingerprint") != program.weights_fingerprint()) {
    report("weights_fingerprint: expected that of the weights beside it, " + program.weights_fingerprint() + ", got " +
           shown(metadata("weights_fingerprint")) + ": the codes were made for other weights");
  }
  ProgramParts parts = program.parts();
  std::set<std::string> wanted;
  for (StatePart& part : parts.state_parts) {
    if (!part.recurrent()) continue;
    for (std::size_t unit = 0; unit < part.units(); ++unit) {
      const std::string name = codes_name(part, unit);
      wanted.insert(name);
      const TensorView* view = file.find(name);
      if (view == nullptr) {
        report(name + ": expected codes of this unit, got none");
        continue;
      }
      if (view->dtype != DType::f32) {
        report(name + ": expected F32, got " + view->type());
        continue;
      }
      ProgramTensor tensor{name, {view->shape.begin(), view->shape.end()}, false, to_float(*view)};
      part.codes.push_back(static_cast<std::uint32_t>(parts.tensors.size()));
      parts.tensors.push_back(std::move(tensor));
    }
  }
  for (const TensorView& tensor : file.tensors()) {
    if (!wanted.contains(tensor.name)) report(shown(tensor.name) + ": expected only codes of the model's units");
  }
  if (!problems.empty()) throw InputError(problems);
  try {
    return Program(std::move(parts));
  } catch (const InputError& error) {
    for (const std::string& problem : error.problems()) report(problem);
    throw InputError(problems);
  }
}

std::string format_codes(const Program& program) {
  ProgramParts parts = program.parts();
  std::vector<Tensor> tensors;
  std::size_t first = parts.tensors.size();
  for (StatePart& part : parts.state_parts) {
    for (const std::uint32_t index : part.codes) {
      const ProgramTensor& tensor = parts.tensors[index];
      tensors.push_back(
          make_tensor(tensor.name, std::span<const float>(tensor.values), {tensor.shape.begin(), tensor.shape.end()}));
      first = std::min<std::size_t>(first, index);
    }
    part.codes.clear();
  }
  // Codes were added behind the model's own tensors.
  parts.tensors.resize(first);
  const std::string fingerprint = Program(std::move(parts)).weights_fingerprint();
  return format_safetensors(tensors, {{"format", codes_format}, {"weights_fingerprint", fingerprint}});
}

}  // namespace krohn
