// label: quick
// States of every position are those after each prefix run by itself, token by token and word by word; labels are the
// run's; of compiled models too.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "krohn/automata/catalog.hpp"
#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/error.hpp"
#include "krohn/results/token_run.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

const Tensor& tensor(const std::vector<Tensor>& tensors, const std::string& name) {
  const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const Tensor& t) { return t.name == name; });
  REQUIRE_MESSAGE(found != tensors.end(), name);
  return *found;
}

/// Row `row` of the first `axes` axes, as bytes.
std::string row_of(const Tensor& tensor, std::size_t axes, std::size_t row) {
  std::size_t rows = 1;
  for (std::size_t i = 0; i < axes; ++i) rows *= tensor.shape[i];
  const std::size_t size = tensor.bytes.size() / rows;
  return tensor.bytes.substr(row * size, size);
}

TEST_CASE("the states of every position are those after the words cut there") {
  for (const char* name :
       {"models/flipflop_delta_net_pos", "zoo/mamba_1l__flipnop", "zoo/gdn_2l__tomita4", "golden/kda_default",
        "golden/rwkv7_default", "golden/xlstm01_slstm", "golden/xlstm10_mlstm"}) {
    CAPTURE(name);
    const Checkpoint checkpoint = read_checkpoint(fs::path(KROHN_TEST_DATA) / name);
    const std::vector<Tokens> words = {{0, 1, 1, 0, 1}, {1, 1, 1, 0, 0}};
    const std::vector<Tensor> every = run_tokens(checkpoint.model, {words, 5}, TokenStates::every);
    CHECK(tensor(every, "logits").bytes ==
          tensor(run_tokens(checkpoint.model, {words, 5}, TokenStates::last), "logits").bytes);
    for (std::size_t length = 1; length <= 5; ++length) {
      std::vector<Tokens> cut = words;
      for (Tokens& word : cut) word.resize(length);
      for (const Tensor& last : run_tokens(checkpoint.model, {cut, length}, TokenStates::last)) {
        if (last.name == "logits") continue;
        CAPTURE(last.name);
        const Tensor& all = tensor(every, last.name);
        CHECK(all.shape[0] == 2);
        CHECK(all.shape[1] == 5);
        CHECK(std::equal(all.shape.begin() + 2, all.shape.end(), last.shape.begin() + 1, last.shape.end()));
        for (std::size_t w = 0; w < 2; ++w) CHECK(row_of(all, 2, w * 5 + length - 1) == row_of(last, 1, w));
      }
    }
  }
}

TEST_CASE("words have the states of their tokens, and the labels of a run") {
  const OpenModel open = open_model(fs::path(KROHN_TEST_DATA) / "zoo/gdn_2l__tomita4");
  const std::vector<Word> words = {{}, {0, 1, 1}, {1, 0}};
  const std::atomic<bool> stop = false;
  const std::vector<Tensor> tensors = run_word_states(open, words, stop);
  const Trace trace = open.machine->run(words, {.device = Device::cpu, .all_positions = true});
  const Tensor& labels = tensor(tensors, "labels");
  REQUIRE(labels.shape[0] == trace.labels.size());
  for (std::size_t i = 0; i < trace.labels.size(); ++i) {
    std::int64_t label = 0;
    std::memcpy(&label, labels.bytes.data() + 8 * i, 8);
    CHECK(label == trace.labels[i]);
  }
  CHECK(tensor(tensors, "offset").shape == std::vector<std::uint64_t>{4});
  // Word 1 begins at row 1, before any symbol; its last symbol is row 4.
  const Tokens tokens = tokens_of(open.task->answers, words[1]);
  for (const Tensor& last : run_tokens(*open.learned, {{tokens}, tokens.size()}, TokenStates::last)) {
    if (last.name != "logits") CHECK(row_of(tensor(tensors, last.name), 1, 4) == last.bytes);
  }
}

TEST_CASE("a compiled model's layers, at every position") {
  const CompileResult compiled = compile(catalog_language("mod:3"));
  OpenModel open;
  open.machine = make_machine(compiled.model, Semantics::fp16_state_v1);
  const std::vector<Word> words = {{1, 1, 0, 1}};
  const std::atomic<bool> stop = false;
  const std::vector<Tensor> tensors = run_word_states(open, words, stop);
  std::vector<std::byte> state(open.machine->state_size());
  open.machine->initial(state);
  const Tensor& layer = tensor(tensors, "S.0");
  const TokenTable& table = compiled.model.layers()[0].table;
  CHECK(layer.shape == std::vector<std::uint64_t>{5, 1, table.key_size(), table.value_size()});
  for (std::size_t t = 0; t <= 4; ++t) {
    if (t > 0) open.machine->step(state, words[0][t - 1]);
    CHECK(std::memcmp(row_of(layer, 1, t).data(), state.data(), 4 * table.key_size() * table.value_size()) == 0);
  }
  // Three ones: back where it began.
  CHECK(row_of(layer, 1, 4) == row_of(layer, 1, 0));
}

TEST_CASE("what cannot be run is refused") {
  const Checkpoint checkpoint = read_checkpoint(fs::path(KROHN_TEST_DATA) / "zoo/gdn_2l__tomita4");
  LearnedRunOptions cuda;
  cuda.device = Device::cuda;
  CHECK_THROWS_AS(run_tokens(checkpoint.model, {{{0}}, 1}, TokenStates::every, cuda), InputError);
}

}  // namespace
}  // namespace krohn
