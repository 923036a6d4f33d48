// Writing and reading model directories by the rules of the header. Reading takes every array by name from the table of
// tensors, so that what is left over is exactly what is unknown, and builds the model only from complete parts.
#include "krohn/checkpoints/model_directory.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "checkpoint_config.hpp"
#include "krohn/checkpoints/safetensors.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/format_json.hpp"
#include "krohn/model/fingerprint.hpp"
#include "krohn/text/atomic_file.hpp"
#include "krohn/text/json_document.hpp"
#include "krohn/text/problem_list.hpp"
#include "krohn/text/source_text.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view model_type = "krohn-lrnn";
constexpr std::int64_t format_version = 1;
constexpr std::int64_t max_layers = 100'000;
constexpr std::size_t max_problems = 50;
constexpr const char* config_name = "config.json";
constexpr const char* model_name = "model.safetensors";
constexpr const char* hint_name = "hint.safetensors";
constexpr const char* automaton_name = "automaton.json";

std::string config_text(const ModelDirectory& directory) {
  const LrnnModel& model = directory.model;
  const auto strings = [](const std::vector<std::string>& items) {
    std::string text = "[";
    for (const std::string& item : items) text += (text.size() > 1 ? ", " : "") + json_quoted(item);
    return text + "]";
  };
  std::string text =
      "{\"model_type\": " + json_quoted(model_type) + ",\n \"format_version\": " + std::to_string(format_version) +
      ",\n \"alphabet\": " + strings(model.alphabet().names()) +
      ",\n \"label_names\": " + strings(model.label_names()) +
      ",\n \"initial_label\": " + std::to_string(model.initial_label()) +
      ",\n \"num_layers\": " + std::to_string(model.layers().size()) +
      ",\n \"semantics\": " + json_quoted(semantics_id(directory.semantics)) +
      ",\n \"exact\": " + (directory.exact ? (*directory.exact ? "true" : "false") : "null") +
      ",\n \"horizon\": " + (directory.horizon ? std::to_string(*directory.horizon) : "null") + ",\n \"layers\": [";
  for (std::size_t i = 0; i < model.layers().size(); ++i) {
    const TableLayer& layer = model.layers()[i];
    text += std::string(i == 0 ? "" : ",") + "\n  {\"key_size\": " + std::to_string(layer.table.key_size()) +
            ", \"value_size\": " + std::to_string(layer.table.value_size()) +
            ", \"num_householder\": " + std::to_string(layer.table.num_householder()) +
            ", \"input_rows\": " + std::to_string(layer.num_rows()) +
            ", \"table_rows\": " + std::to_string(layer.table.num_rows()) +
            ", \"factors\": " + std::to_string(layer.table.num_factors()) +
            ", \"gated\": " + (layer.table.gated() ? "true" : "false") +
            ", \"reads_before\": " + (layer.reads_before ? "true" : "false") +
            (layer.codes.empty() ? "" : ", \"codes\": " + std::to_string(layer.num_codes())) + "}";
  }
  text += "]";
  if (!directory.report.empty()) {
    const JsonDocument report = parse_json(directory.report, "report");
    if (report.root.object() == nullptr) throw InputError("report: expected an object, got " + report.root.shown());
    text += ",\n \"report\": " + json_text(report.root);
  }
  return text + "}\n";
}

std::string model_text(const LrnnModel& model) {
  std::vector<Tensor> tensors;
  for (ModelArray& array : model_arrays(model)) {
    tensors.push_back(
        {std::move(array.name), parse_dtype(array.dtype).value(), std::move(array.shape), std::move(array.bytes)});
  }
  return format_safetensors(tensors);
}

std::string hint_text(const InvariantHint& hint) {
  std::vector<Tensor> tensors = {
      make_tensor("slot_readout", hint.slot_readout), make_tensor("node_layer", hint.node_layer),
      make_tensor("child_offset", hint.child_offset), make_tensor("child_node", hint.child_node),
      make_tensor("node_state", hint.node_state),     make_tensor("root", std::vector<std::uint32_t>{hint.root})};
  for (std::size_t i = 0; i < hint.row_context.size(); ++i) {
    std::vector<std::uint32_t> columns;
    for (const RowContext& row : hint.row_context[i]) {
      columns.insert(columns.end(), {row.symbol, row.old_node, row.new_node});
    }
    tensors.push_back(make_tensor("row_context." + std::to_string(i), columns, {hint.row_context[i].size(), 3}));
  }
  return format_safetensors(tensors);
}

// What --force may replace: an empty directory, or a compiled model with nothing beside it.
void check_replaceable(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return;
  static const std::set<std::string> known = {config_name, model_name, hint_name, automaton_name};
  bool empty = true;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, error)) {
    empty = false;
    if (known.count(entry.path().filename().string()) == 0) {
      throw InputError(path.string() + ": expected a directory that holds a compiled model and nothing else, got " +
                       shown(entry.path().filename().string()) + " in it; it is not replaced");
    }
  }
  if (error) throw InputError(path.string() + ": expected a readable directory, got: " + error.message());
  if (!empty && read_model_type(path) != model_type) {
    throw InputError(path.string() +
                     ": expected a directory that holds a compiled model, got another model; it is not "
                     "replaced");
  }
}

// The tensors of a file, each taken once by name; problems are collected, and finish() reports what nobody took.
class TensorTable {
 public:
  TensorTable(const Safetensors& file, std::vector<std::string>& problems) : file_(file), problems_(problems) {}

  template <typename T>
  std::vector<T> take(const std::string& name) {
    return values<T>(name, find(name, dtype_of(T{}), "[n]", [](const auto& shape) { return shape.size() == 1; }));
  }
  bool has(const std::string& name) const { return file_.find(name) != nullptr; }
  /// A matrix; its shape goes to `shape`, which stays {0, 0} after a problem.
  template <typename T>
  std::vector<T> take_matrix(const std::string& name, std::array<std::uint64_t, 2>& shape) {
    const TensorView* tensor =
        find(name, dtype_of(T{}), "[m, n]", [](const auto& extents) { return extents.size() == 2; });
    if (tensor != nullptr) shape = {tensor->shape[0], tensor->shape[1]};
    return values<T>(name, tensor);
  }
  bool take_bool(const std::string& name) {
    const TensorView* tensor =
        find(name, DType::boolean, "[1]", [](const auto& shape) { return shape == std::vector<std::uint64_t>{1}; });
    if (tensor == nullptr) return false;
    const auto byte = static_cast<unsigned>(tensor->bytes[0]);
    if (byte > 1) problem(name, "the byte 0 or 1, got " + std::to_string(byte));
    return byte != 0;
  }
  std::uint32_t take_number(const std::string& name) {
    const TensorView* tensor =
        find(name, DType::u32, "[1]", [](const auto& shape) { return shape == std::vector<std::uint64_t>{1}; });
    return tensor == nullptr ? 0 : values<std::uint32_t>(name, tensor)[0];
  }
  void problem(const std::string& name, const std::string& expected) {
    if (full()) return;
    problems_.push_back(file_.source() + ": tensor " + shown(name) + ": expected " + expected);
  }
  /// A hostile file can have more problems than anyone reads.
  bool full() const { return problems_.size() >= max_problems; }
  void finish() {
    if (full()) {
      problems_.push_back(file_.source() + ": and perhaps more problems");
      return;
    }
    for (const TensorView& tensor : file_.tensors()) {
      if (taken_.count(tensor.name) == 0) problem(tensor.name, "no tensor of that name, got " + tensor.type());
    }
  }

 private:
  static DType dtype_of(float) { return DType::f32; }
  static DType dtype_of(std::uint32_t) { return DType::u32; }
  static DType dtype_of(std::int32_t) { return DType::i32; }

  template <typename Fits>
  const TensorView* find(const std::string& name, DType dtype, const std::string& shape, const Fits& fits) {
    taken_.insert(name);
    const TensorView* tensor = file_.find(name);
    const std::string expected = std::string(dtype_name(dtype)) + " " + shape;
    if (tensor == nullptr) {
      problem(name, expected + ", got none");
      return nullptr;
    }
    if (tensor->dtype != dtype || !fits(tensor->shape)) {
      problem(name, expected + ", got " + tensor->type());
      return nullptr;
    }
    return tensor;
  }
  template <typename T>
  std::vector<T> values(const std::string&, const TensorView* tensor) const {
    std::vector<T> copy;
    if (tensor == nullptr) return copy;
    copy.resize(tensor->num_elements());
    if (!copy.empty()) std::memcpy(copy.data(), tensor->bytes.data(), tensor->bytes.size());
    return copy;
  }

  const Safetensors& file_;
  std::vector<std::string>& problems_;
  std::set<std::string> taken_;
};

bool offsets_fit(const std::vector<std::uint32_t>& offset, std::size_t end) {
  return !offset.empty() && offset.front() == 0 && offset.back() == end && std::is_sorted(offset.begin(), offset.end());
}

std::vector<SlotReadout> take_readouts(TensorTable& tensors, const std::string& prefix) {
  const auto slot_offset = tensors.take<std::uint32_t>(prefix + "slot_offset");
  const auto bias = tensors.take<float>(prefix + "bias");
  const auto weight_offset = tensors.take<std::uint32_t>(prefix + "weight_offset");
  const auto weight_index = tensors.take<std::uint32_t>(prefix + "weight_index");
  const auto weight_value = tensors.take<float>(prefix + "weight_value");
  const auto expect = [&](bool holds, const std::string& name, const std::string& expected) {
    if (!holds) tensors.problem(prefix + name, expected);
    return holds;
  };
  bool sound = expect(offsets_fit(slot_offset, bias.size()), "slot_offset",
                      "ascending offsets from 0 to the " + std::to_string(bias.size()) + " slots of bias, got others");
  sound = expect(weight_index.size() == weight_value.size(), "weight_index",
                 "as many entries as weight_value, " + std::to_string(weight_value.size()) + ", got " +
                     std::to_string(weight_index.size())) &&
          sound;
  sound = expect(weight_offset.size() == bias.size() + 1 && offsets_fit(weight_offset, weight_index.size()),
                 "weight_offset",
                 std::to_string(bias.size() + 1) + " ascending offsets from 0 to " +
                     std::to_string(weight_index.size()) + ", got others") &&
          sound;
  std::vector<SlotReadout> readouts;
  if (!sound) return readouts;
  for (std::size_t r = 0; r + 1 < slot_offset.size(); ++r) {
    SlotReadout readout;
    for (std::size_t slot = slot_offset[r]; slot < slot_offset[r + 1]; ++slot) {
      readout.bias.push_back(bias[slot]);
      std::vector<Entry>& row = readout.weight.emplace_back();
      for (std::size_t i = weight_offset[slot]; i < weight_offset[slot + 1]; ++i) {
        row.push_back({weight_index[i], weight_value[i]});
      }
    }
    readouts.push_back(std::move(readout));
  }
  return readouts;
}

std::optional<TableLayer> take_layer(TensorTable& tensors, const std::string& prefix,
                                     std::vector<std::string>& problems, const std::string& source) {
  const std::size_t problems_before = problems.size();
  std::array<std::uint64_t, 2> sizes = {0, 0};
  std::vector<float> initial_hidden = tensors.take_matrix<float>(prefix + "initial_hidden", sizes);
  const std::string table = prefix + "table.";
  TokenTable::Arrays arrays;
  arrays.gate_offset = tensors.take<std::uint32_t>(table + "gate_offset");
  arrays.gate = tensors.take<float>(table + "gate");
  arrays.factor_offset = tensors.take<std::uint32_t>(table + "factor_offset");
  arrays.beta = tensors.take<float>(table + "beta");
  arrays.key_offset = tensors.take<std::uint32_t>(table + "key_offset");
  arrays.key_index = tensors.take<std::uint32_t>(table + "key_index");
  arrays.key_value = tensors.take<float>(table + "key_value");
  arrays.value_offset = tensors.take<std::uint32_t>(table + "value_offset");
  arrays.value_index = tensors.take<std::uint32_t>(table + "value_index");
  arrays.value_value = tensors.take<float>(table + "value_value");
  if (tensors.has(table + "read_offset")) {
    arrays.read_offset = tensors.take<std::uint32_t>(table + "read_offset");
    arrays.read_index = tensors.take<std::uint32_t>(table + "read_index");
    arrays.read_value = tensors.take<float>(table + "read_value");
  }
  arrays.write_offset = tensors.take<std::uint32_t>(table + "write_offset");
  arrays.write_index = tensors.take<std::uint32_t>(table + "write_index");
  arrays.write_value = tensors.take<float>(table + "write_value");
  std::vector<SlotReadout> readouts = take_readouts(tensors, prefix + "readout.");
  const bool reads_before = tensors.take_bool(prefix + "reads_before");
  auto row_action = tensors.take<std::uint32_t>(prefix + "row_action");
  auto row_readout = tensors.take<std::uint32_t>(prefix + "row_readout");
  auto row_next = tensors.take<std::uint32_t>(prefix + "row_next");
  auto next = tensors.take<std::int32_t>(prefix + "next");
  std::vector<float> codes;
  if (tensors.has(prefix + "codes")) {
    std::array<std::uint64_t, 2> shape = {0, 0};
    codes = tensors.take_matrix<float>(prefix + "codes", shape);
    if (shape[0] == 0 || shape[1] != sizes[0] * sizes[1]) {
      tensors.problem(prefix + "codes", "F32 [codes, " + std::to_string(sizes[0] * sizes[1]) +
                                            "] with one code at least, got [" + std::to_string(shape[0]) + ", " +
                                            std::to_string(shape[1]) + "]");
    }
  }
  if (problems.size() != problems_before) return std::nullopt;
  try {
    return TableLayer{TokenTable(sizes[0], sizes[1], std::move(arrays)),
                      std::move(initial_hidden),
                      std::move(readouts),
                      reads_before,
                      std::move(row_action),
                      std::move(row_readout),
                      std::move(row_next),
                      std::move(next),
                      std::move(codes)};
  } catch (const InputError& error) {
    for (std::string& problem : with_prefix(source + ": " + table, error.problems())) {
      problems.push_back(std::move(problem));
    }
    return std::nullopt;
  }
}

std::vector<TableLayer> read_layers(const fs::path& path, std::size_t count, std::vector<std::int32_t>& symbol_row,
                                    std::vector<std::string>& problems) {
  const Safetensors file = Safetensors::read(path);
  TensorTable tensors(file, problems);
  symbol_row = tensors.take<std::int32_t>("symbol_row");
  std::vector<TableLayer> layers;
  for (std::size_t i = 0; i < count && !tensors.full(); ++i) {
    std::optional<TableLayer> layer = take_layer(tensors, "layers." + std::to_string(i) + ".", problems, file.source());
    if (layer) layers.push_back(std::move(*layer));
  }
  tensors.finish();
  return layers;
}

InvariantHint read_hint(const fs::path& path, std::size_t layers, std::vector<std::string>& problems) {
  const Safetensors file = Safetensors::read(path);
  TensorTable tensors(file, problems);
  InvariantHint hint;
  hint.slot_readout = tensors.take<std::uint32_t>("slot_readout");
  hint.node_layer = tensors.take<std::uint32_t>("node_layer");
  hint.child_offset = tensors.take<std::uint32_t>("child_offset");
  hint.child_node = tensors.take<std::int32_t>("child_node");
  hint.node_state = tensors.take<std::uint32_t>("node_state");
  hint.root = tensors.take_number("root");
  for (std::size_t i = 0; i < layers && !tensors.full(); ++i) {
    const std::string name = "row_context." + std::to_string(i);
    std::array<std::uint64_t, 2> shape = {0, 3};
    const auto columns = tensors.take_matrix<std::uint32_t>(name, shape);
    if (shape[1] != 3) tensors.problem(name, "U32 [rows, 3], got " + std::to_string(shape[1]) + " columns");
    std::vector<RowContext>& rows = hint.row_context.emplace_back();
    for (std::size_t row = 0; shape[1] == 3 && row < shape[0]; ++row) {
      rows.push_back({columns[3 * row], columns[3 * row + 1], columns[3 * row + 2]});
    }
  }
  tensors.finish();
  return hint;
}

struct Config {
  std::optional<Alphabet> alphabet;
  std::vector<std::string> label_names;
  std::int32_t initial_label = undefined_label;
  std::size_t num_layers = 0;
  Semantics semantics = Semantics::fp32_fma_v1;
  std::optional<bool> exact;
  std::optional<std::uint64_t> horizon;
  std::string report;
};

Config read_config(const fs::path& path) {
  const JsonDocument document = read_json(path);
  JsonProblems problems(document);
  const JsonField root = problems.root();
  Config config;
  const JsonField type = root.at("model_type");
  const std::optional<std::string> type_text = type.string();
  if (type_text && *type_text != model_type) {
    // Another kind of model: what else is missing in it would only bury the reason.
    type.report(json_quoted(model_type) + " (a compiled model)");
    problems.raise_if_any();
  }
  root.only({"model_type", "format_version", "alphabet", "label_names", "initial_label", "num_layers", "semantics",
             "exact", "horizon", "layers", "report"});
  root.at("format_version").integer(format_version, format_version);
  const JsonField alphabet = root.at("alphabet");
  const std::vector<std::string> names = alphabet.strings();
  if (problems.empty()) {
    try {
      config.alphabet.emplace(names);
    } catch (const InputError& error) {
      for (const std::string& problem : error.problems()) alphabet.report_problem(problem);
    }
  }
  config.label_names = root.at("label_names").strings();
  const auto labels = static_cast<std::int64_t>(config.label_names.size());
  config.initial_label =
      static_cast<std::int32_t>(root.at("initial_label").integer(undefined_label, labels - 1).value_or(0));
  config.num_layers = static_cast<std::size_t>(root.at("num_layers").integer(0, max_layers).value_or(0));
  const JsonField semantics = root.at("semantics");
  if (const std::optional<std::string> id = semantics.string()) {
    const std::optional<Semantics> known = parse_semantics(*id);
    if (!known) semantics.report("fp32-fma-v1 or another semantics of docs/semantics.md");
    config.semantics = known.value_or(Semantics::fp32_fma_v1);
  }
  const JsonField exact = root.find("exact");
  if (!exact.is_null()) config.exact = exact.boolean();
  const JsonField horizon = root.find("horizon");
  if (!horizon.is_null()) config.horizon = horizon.natural();
  const JsonField layers = root.find("layers");
  if (layers.exists() && layers.elements().size() != config.num_layers) {
    layers.report("one object for each of " + std::to_string(config.num_layers) + " layers");
  }
  const JsonField report = root.find("report");
  if (report.exists()) {
    report.members();
    config.report = json_text(*report.value());
  }
  problems.raise_if_any();
  return config;
}

template <typename Action>
void collect(std::vector<std::string>& problems, const Action& action) {
  try {
    action();
  } catch (const InputError& error) {
    problems.insert(problems.end(), error.problems().begin(), error.problems().end());
  }
}

void require_directory(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::is_directory(status)) {
    throw InputError(path.string() + ": expected a model directory, got " +
                     (fs::exists(status) ? "a file" : "nothing of that name"));
  }
}

}  // namespace

void write_model(const fs::path& path, const ModelDirectory& directory, bool force) {
  if (force) check_replaceable(path);
  PendingDirectory pending(path, force);
  pending.write(config_name, config_text(directory));
  pending.write(model_name, model_text(directory.model));
  if (directory.hint) pending.write(hint_name, hint_text(*directory.hint));
  if (directory.automaton) pending.write(automaton_name, format_json(*directory.automaton));
  pending.commit();
}

void require_writable_model(const fs::path& path, bool force) {
  if (force) check_replaceable(path);
  const PendingDirectory removed_again(path, force);
}

ModelDirectory read_model(const fs::path& path) {
  require_directory(path);
  std::vector<std::string> problems;
  std::optional<Config> config;
  collect(problems, [&] { config = read_config(path / config_name); });
  // Without the number of layers, nothing can be said about the tensors.
  if (!config) throw InputError(std::move(problems));
  std::vector<std::int32_t> symbol_row;
  std::vector<TableLayer> layers;
  collect(problems, [&] { layers = read_layers(path / model_name, config->num_layers, symbol_row, problems); });
  std::error_code ignored;
  std::optional<InvariantHint> hint;
  if (fs::exists(path / hint_name, ignored)) {
    collect(problems, [&] { hint = read_hint(path / hint_name, config->num_layers, problems); });
  }
  std::optional<Dfa> automaton;
  if (fs::exists(path / automaton_name, ignored)) {
    collect(problems, [&] { automaton = read_format_json(path / automaton_name).dfa; });
  }
  if (!problems.empty()) throw InputError(std::move(problems));
  try {
    LrnnModel model(std::move(*config->alphabet), std::move(config->label_names), config->initial_label,
                    std::move(symbol_row), std::move(layers));
    return {std::move(model), std::move(hint),           config->semantics,   config->exact,
            config->horizon,  std::move(config->report), std::move(automaton)};
  } catch (const InputError& error) {
    throw InputError(with_prefix((path / model_name).string() + ": ", error.problems()));
  }
}

std::string read_model_type(const fs::path& path) {
  require_directory(path);
  const JsonDocument document = read_checkpoint_config(path);
  JsonProblems problems(document);
  const std::optional<std::string> type = problems.root().at("model_type").string();
  problems.raise_if_any();
  return *type;
}

}  // namespace krohn
