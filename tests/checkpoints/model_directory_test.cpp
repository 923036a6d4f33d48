// label: quick
// A model directory gives back every bit that went in, names everything that is wrong with one that was changed, and is
// never half-written; the fingerprint is that of the value.
#include "krohn/checkpoints/model_directory.hpp"

#include <doctest/doctest.h>
#include <openssl/evp.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "engine/random_model.hpp"
#include "krohn/checkpoints/safetensors.hpp"
#include "krohn/error.hpp"
#include "krohn/model/fingerprint.hpp"
#include "krohn/text/atomic_file.hpp"
#include "krohn/text/source_text.hpp"
#include "temporary_directory.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

LrnnModel draw(std::uint32_t seed, std::size_t layers) {
  testing::RandomShape shape;
  shape.layers = layers;
  shape.key_size = 1 + seed % 4;
  shape.value_size = 1 + seed % 2;
  shape.reads_before = true;
  shape.undefined_rows = true;
  return testing::RandomModel(seed).draw(shape);
}

InvariantHint some_hint(std::size_t layers) {
  InvariantHint hint;
  for (std::uint32_t i = 0; i < layers; ++i) {
    hint.slot_readout.push_back(i);
    hint.row_context.push_back({{1, 2, 3}, {4, 5, i}});
  }
  hint.node_layer = {0, InvariantHint::leaf};
  hint.child_offset = {0, 2, 2};
  hint.child_node = {1, -1};
  hint.node_state = {0, 7};
  hint.root = 0;
  return hint;
}

// One model with everything a directory can hold.
ModelDirectory full_directory() {
  ModelDirectory directory{draw(1, 2)};
  directory.hint = some_hint(2);
  directory.semantics = Semantics::bf16_state_v1;
  directory.exact = false;
  directory.horizon = 12345678901;
  directory.report = R"({"states":3,"name":"α\n","list":[null,true,0.1]})";
  directory.automaton = Dfa(Alphabet({"ab", "c"}), 1, {0, 1, 1, 0}, {0, null_label}, {"x"});
  return directory;
}

void expect_equal(const ModelDirectory& a, const ModelDirectory& b) {
  CHECK(a.model == b.model);
  CHECK(a.hint == b.hint);
  CHECK(a.semantics == b.semantics);
  CHECK(a.exact == b.exact);
  CHECK(a.horizon == b.horizon);
  CHECK(a.report == b.report);
  CHECK(a.automaton == b.automaton);
}

std::string error_of(const fs::path& path) {
  try {
    read_model(path);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

bool has(const std::string& text, const std::string& part) {
  CAPTURE(text);
  CAPTURE(part);
  const bool found = text.find(part) != std::string::npos;
  CHECK(found);
  return found;
}

void replace_in(const fs::path& path, const std::string& from, const std::string& to) {
  std::string text = read_file(path);
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  write_file(path, text.replace(at, from.size(), to));
}

// Rewrites model.safetensors after `edit` changed its tensors.
template <typename Edit>
void edit_tensors(const fs::path& path, const Edit& edit) {
  const Safetensors file = Safetensors::read(path);
  std::map<std::string, Tensor> tensors;
  for (const TensorView& view : file.tensors()) {
    tensors[view.name] = {view.name, view.dtype, view.shape,
                          std::string(reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size())};
  }
  edit(tensors);
  std::vector<Tensor> list;
  for (auto& [name, tensor] : tensors) list.push_back(tensor);
  write_file(path, format_safetensors(list));
}

TEST_CASE("models of no, one and many layers survive, alone and with everything beside them") {
  const TemporaryDirectory directory;
  for (std::uint32_t seed = 0; seed < 40; ++seed) {
    const fs::path path = directory / ("m" + std::to_string(seed));
    const ModelDirectory written{draw(seed, seed % 4)};
    write_model(path, written);
    const ModelDirectory read = read_model(path);
    expect_equal(read, written);
    CHECK(fingerprint(read.model) == fingerprint(written.model));
  }
  write_model(directory / "full", full_directory());
  expect_equal(read_model(directory / "full"), full_directory());
  CHECK(read_model_type(directory / "full") == "krohn-lrnn");
}

TEST_CASE("equal values give equal files") {
  const TemporaryDirectory directory;
  write_model(directory / "a", full_directory());
  write_model(directory / "b", full_directory());
  for (const char* name : {"config.json", "model.safetensors", "hint.safetensors", "automaton.json"}) {
    CHECK(read_file(directory / "a" / name) == read_file(directory / "b" / name));
  }
}

TEST_CASE("an existing path is refused without force, and with force only a compiled model is replaced") {
  const TemporaryDirectory directory;
  const fs::path path = directory / "m";
  const ModelDirectory first{draw(1, 1)};
  const ModelDirectory second{draw(2, 2)};
  write_model(path, first);
  CHECK_THROWS_AS(write_model(path, second), InputError);
  expect_equal(read_model(path), first);
  write_model(path, second, true);
  expect_equal(read_model(path), second);
  write_file(path / "notes.txt", "mine");
  CHECK_THROWS_WITH_AS(write_model(path, first, true), doctest::Contains("'notes.txt' in it; it is not replaced"),
                       InputError);
  CHECK(read_file(path / "notes.txt") == "mine");
  fs::create_directory(directory / "learned");
  write_file(directory / "learned/config.json", "{\"model_type\": \"delta_net\", \"x\": Infinity}");
  CHECK_THROWS_AS(write_model(directory / "learned", first, true), InputError);
  write_file(directory / "file", "x");
  CHECK_THROWS_AS(write_model(directory / "file", first, true), InputError);
  CHECK_THROWS_AS(write_model(directory / "missing/m", first, true), InputError);
  fs::create_directory(directory / "empty");
  write_model(directory / "empty", first, true);
  CHECK(directory.names() == Names{"empty", "file", "learned", "m"});
}

TEST_CASE("a report that is no object leaves nothing behind") {
  const TemporaryDirectory directory;
  ModelDirectory model{draw(1, 1)};
  model.report = "[1]";
  CHECK_THROWS_AS(write_model(directory / "m", model), InputError);
  model.report = "{";
  CHECK_THROWS_AS(write_model(directory / "m", model), InputError);
  CHECK(directory.names().empty());
}

TEST_CASE("what is no model directory is refused") {
  const TemporaryDirectory directory;
  has(error_of(directory / "none"), "expected a model directory, got nothing of that name");
  write_file(directory / "file", "x");
  has(error_of(directory / "file"), "expected a model directory, got a file");
  fs::create_directory(directory / "m");
  has(error_of(directory / "m"), "config.json");
  write_file(directory / "m/config.json", "{\"model_type\": \"delta_net\", \"hidden_size\": 5}");
  has(error_of(directory / "m"),
      "config.json:1: /model_type: expected \"krohn-lrnn\" (a compiled model), got 'delta_net'");
  write_model(directory / "ok", {draw(1, 1)});
  fs::remove(directory / "ok/model.safetensors");
  has(error_of(directory / "ok"), "model.safetensors: expected a readable file");
}

TEST_CASE("every wrong, missing and unknown tensor is named at once") {
  const TemporaryDirectory directory;
  const fs::path path = directory / "m";
  write_model(path, full_directory());
  edit_tensors(path / "model.safetensors", [](std::map<std::string, Tensor>& tensors) {
    tensors.erase("symbol_row");
    tensors.erase("layers.0.next");
    tensors["layers.1.row_action"].dtype = DType::f32;
    tensors["layers.1.table.beta"].shape.push_back(1);
    tensors["layers.0.initial_hidden"].shape = {tensors["layers.0.initial_hidden"].bytes.size() / 4};
    tensors["layers.0.reads_before"].bytes = "\7";
    tensors["layers.2.next"] = make_tensor("layers.2.next", std::vector<std::int32_t>{1});
    tensors["extra"] = make_tensor("extra", std::vector<float>{});
  });
  edit_tensors(path / "hint.safetensors", [](std::map<std::string, Tensor>& tensors) {
    tensors.erase("root");
    tensors["row_context.0"].shape = {6};
  });
  replace_in(path / "automaton.json", "\"start\": 1", "\"start\": 2");
  const std::string error = error_of(path);
  has(error, "model.safetensors: tensor 'symbol_row': expected I32 [n], got none");
  has(error, "model.safetensors: tensor 'layers.0.next': expected I32 [n], got none");
  has(error, "tensor 'layers.1.row_action': expected U32 [n], got F32 [5]");
  has(error, "tensor 'layers.1.table.beta': expected F32 [n], got F32 [");
  has(error, "tensor 'layers.0.initial_hidden': expected F32 [m, n], got F32 [");
  has(error, "tensor 'layers.0.reads_before': expected the byte 0 or 1, got 7");
  has(error, "tensor 'layers.2.next': expected no tensor of that name, got I32 [1]");
  has(error, "tensor 'extra': expected no tensor of that name, got F32 [0]");
  has(error, "hint.safetensors: tensor 'root': expected U32 [1], got none");
  has(error, "hint.safetensors: tensor 'row_context.0': expected U32 [m, n], got U32 [6]");
  has(error, "automaton.json:3: /start: expected an integer from 0 to 1, got 2");
}

TEST_CASE("values that the engine would follow out of range are refused with the file's name") {
  const auto error_after = [](const auto& edit) {
    const TemporaryDirectory directory;
    write_model(directory / "m", {draw(1, 2)});
    edit_tensors(directory / "m/model.safetensors", edit);
    return error_of(directory / "m");
  };
  using Tensors = std::map<std::string, Tensor>;
  const auto poke = [](const std::string& name, std::uint32_t value) {
    return [name, value](Tensors& tensors) { std::memcpy(tensors.at(name).bytes.data(), &value, 4); };
  };
  has(error_after(poke("layers.0.next", 1000)), "model.safetensors: layers[0].next[0]: expected a row below");
  has(error_after(poke("layers.0.row_next", 1000)), "model.safetensors: layers[0].row_next[0]: expected");
  has(error_after(poke("layers.1.row_action", 1000)), "model.safetensors: layers[1].row_action[0]: expected");
  has(error_after(poke("symbol_row", 1000)), "model.safetensors: symbol_row: expected a row below");
  has(error_after(poke("layers.0.table.key_index", 1000)), "model.safetensors: layers.0.table.key");
  has(error_after(poke("layers.0.table.key_offset", 1)), "model.safetensors: layers.0.table.key_offset");
  has(error_after(poke("layers.0.initial_hidden", 0x7FC00000U)), "layers[0].initial_hidden: expected finite");
  has(error_after(poke("layers.0.readout.slot_offset", 1)),
      "tensor 'layers.0.readout.slot_offset': expected ascending");
  has(error_after(poke("layers.0.readout.weight_offset", 1)), "tensor 'layers.0.readout.weight_offset': expected");
  has(error_after(poke("layers.0.readout.weight_index", 1000)), "layers[0].readouts[0].weight[0]: expected an index");
  has(error_after([](Tensors& tensors) {
        tensors["layers.1.initial_hidden"] = make_tensor("layers.1.initial_hidden", std::vector<float>{}, {0, 1});
      }),
      "key_size: expected 1 to 2^20, got 0");
}

TEST_CASE("a config that lies is refused by line") {
  const auto error_after = [](const std::string& from, const std::string& to) {
    const TemporaryDirectory directory;
    write_model(directory / "m", full_directory());
    replace_in(directory / "m/config.json", from, to);
    return error_of(directory / "m");
  };
  has(error_after("\"format_version\": 1", "\"format_version\": 2"), "config.json:2: /format_version: expected");
  has(error_after("\"x0\"", "\"x1\""), "config.json:3: /alphabet: alphabet[1]: expected distinct symbols");
  has(error_after("\"num_layers\": 2", "\"num_layers\": 1"), "/layers: expected one object for each of 1 layers");
  has(error_after("\"num_layers\": 2", "\"num_layers\": -1"), "/num_layers: expected an integer from 0 to");
  has(error_after("bf16-state-v1", "bf17"), "/semantics: expected fp32-fma-v1");
  has(error_after("\"exact\": false", "\"exact\": 5"), "/exact: expected true or false, got 5");
  has(error_after("\"exact\"", "\"model_type\": \"krohn-lrnn\", \"exact\""), "expected distinct keys");
  has(error_after("\"exact\"", "\"more\": 1, \"exact\""), "/more: expected only the members");
  has(error_after("\"alphabet\": [", "\"alphabet\": [5, "), "/alphabet/0: expected a string, got 5");
  has(error_after("\"initial_label\": ", "\"initial_label\": 7"), "/initial_label: expected an integer from -1 to 4");
}

TEST_CASE("truncated and mutated files load as a model or throw InputError") {
  const TemporaryDirectory directory;
  const fs::path path = directory / "m";
  write_model(path, full_directory());
  std::mt19937 random(17);
  std::size_t accepted = 0;
  for (const char* name : {"config.json", "model.safetensors", "hint.safetensors", "automaton.json"}) {
    const std::string whole = read_file(path / name);
    for (int round = 0; round < 300; ++round) {
      std::string bytes = whole;
      if (round % 5 == 0) {
        bytes.resize(random() % bytes.size());
      } else {
        for (std::size_t edit = 0; edit < 1 + random() % 2; ++edit) {
          const std::size_t at = random() % bytes.size();
          bytes[at] = random() % 2 == 0 ? static_cast<char>(random() & 0xFFU) : "0123456789-\"[]{},"[random() % 17];
        }
      }
      std::ofstream(path / name, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
      try {
        read_model(path);
        ++accepted;
      } catch (const InputError& error) {
        CHECK(!error.problems().empty());
      }
    }
    std::ofstream(path / name, std::ios::binary).write(whole.data(), static_cast<std::streamsize>(whole.size()));
  }
  expect_equal(read_model(path), full_directory());
  CHECK(accepted > 50);
}

// The fingerprint computed from the two files by the definition, with nlohmann's parser.
std::string fingerprint_of_files(const fs::path& path) {
  const nlohmann::json config = nlohmann::json::parse(read_file(path / "config.json"));
  const Safetensors file = Safetensors::read(path / "model.safetensors");
  std::string bytes;
  const auto number = [&](std::int64_t value) {
    for (int i = 0; i < 8; ++i) bytes += static_cast<char>((static_cast<std::uint64_t>(value) >> (8 * i)) & 0xFFU);
  };
  const auto text = [&](const std::string& value) {
    number(static_cast<std::int64_t>(value.size()));
    bytes += value;
  };
  text("krohn-lrnn-v1");
  for (const char* list : {"alphabet", "label_names"}) {
    number(static_cast<std::int64_t>(config[list].size()));
    for (const auto& item : config[list]) text(item.get<std::string>());
  }
  number(config["initial_label"].get<std::int64_t>());
  number(static_cast<std::int64_t>(file.tensors().size()));
  for (const TensorView& tensor : file.tensors()) {
    text(tensor.name);
    text(std::string(dtype_name(tensor.dtype)));
    number(static_cast<std::int64_t>(tensor.shape.size()));
    for (const std::uint64_t extent : tensor.shape) number(static_cast<std::int64_t>(extent));
    text(std::string(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()));
  }
  unsigned char digest[32];
  unsigned int size = 0;
  REQUIRE(EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr) == 1);
  std::string hex;
  for (const unsigned char byte : digest) {
    char pair[3];
    std::snprintf(pair, sizeof pair, "%02x", byte);
    hex += pair;
  }
  return hex;
}

TEST_CASE("the fingerprint is what its definition gives on the files, and differs between values") {
  const TemporaryDirectory directory;
  std::set<std::string> seen;
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    const fs::path path = directory / ("m" + std::to_string(seed));
    const LrnnModel model = draw(seed, seed % 3);
    write_model(path, {model});
    CHECK(fingerprint(model) == fingerprint_of_files(path));
    seen.insert(fingerprint(model));
    const LrnnModel renamed(model.alphabet(), {"l0", "l1", "l2", "l3", "other"}, model.initial_label(),
                            model.symbol_row(), model.layers());
    seen.insert(fingerprint(renamed));
  }
  CHECK(seen.size() == 40);
}

TEST_CASE("the fingerprint of a small model is pinned") {
  TokenRow flip;
  flip.factors.push_back({{{0, 1.0F}}, 2.0F, {}});
  const SlotReadout sign{{{{0, 1.0F}}, {{0, -1.0F}}}, {0.0F, 0.0F}};
  const TableLayer layer{TokenTable(1, 1, {TokenRow{}, flip}), {1.0F}, {sign}, false, {0, 1}, {0, 0}, {0, 0}, {0, 1}};
  const LrnnModel parity(Alphabet::of_characters("01"), {"0", "1"}, 0, {0, 1}, {layer});
  // Computed from config.json and model.safetensors by a Python script after the definition in fingerprint.hpp.
  CHECK(fingerprint(parity) == "07ac0073fce8b1121f26bfafe34dd04692380d807599d606e4fcbfc608447637");
}

}  // namespace
}  // namespace krohn
