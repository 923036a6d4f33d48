// label: quick
// A checkpoint with a task is a recogniser: both shapes of task.json, words outside the domain, labels, ties, and the
// recogniser's steps against the batch's logits. Tasks that name what the model does not have are refused.
#include "krohn/checkpoints/open_model.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "krohn/automata/domain.hpp"
#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/error.hpp"
#include "krohn/text/source_text.hpp"
#include "krohn/verify/check.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

const fs::path models = fs::path(KROHN_TEST_DATA) / "models";

const Program& parity_model() {
  static const Program model = read_checkpoint(models / "parity_delta_net_neg_noconv_1layer").model;
  return model;
}

std::string problems_of(const std::string& task) {
  try {
    parse_task(task, "task.json", parity_model());
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

bool mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const std::string parity_task = R"({"version": 1,
  "symbols": {"zero": 0, "one": 1}, "bos": null, "min_length": 2, "positions": "last",
  "outputs": {"1": "odd", "0": "even"},
  "automaton": {"format": "krohn-automaton-v1", "alphabet": ["one", "zero"], "start": 0,
                "transitions": [[1, 0], [0, 1]], "labels": ["even", "odd"]}})";

TEST_CASE("a task of version 1 says what tokens and logits mean") {
  const Task task = parse_task(parity_task, "task.json", parity_model());
  CHECK(task.answers.alphabet.names() == std::vector<std::string>{"zero", "one"});
  CHECK(task.answers.tokens == Tokens{0, 1});
  CHECK(task.answers.label_names == std::vector<std::string>{"odd", "even"});
  CHECK(task.answers.outputs == std::vector<LearnedTask::Output>{{1, 0}, {0, 1}});
  CHECK_FALSE(task.answers.first_token);
  CHECK(task.min_length == 2);
  CHECK(task.positions == Task::Positions::last);
  REQUIRE(task.automaton);
  CHECK(task.automaton->num_states() == 2);
}

TEST_CASE("the shape of training scripts is the same task") {
  const Task task = read_task(models / "s3_gated_deltaproduct_n2_neg" / "task.json",
                              read_checkpoint(models / "s3_gated_deltaproduct_n2_neg").model);
  CHECK(task.answers.alphabet.size() == 6);
  CHECK(task.answers.label_names.size() == 6);
  CHECK(task.min_length == 1);
  REQUIRE(task.automaton);
  // delta[1][2] = 3 in the file.
  CHECK(task.automaton->next(1, 2) == 3);
  REQUIRE(task.recorded.size() == 5);
  CHECK(task.recorded.back().length == 512);
}

TEST_CASE("a task that the model cannot answer is refused with every place") {
  CHECK(problems_of(parity_task) == "accepted");
  const std::string problems =
      problems_of(R"({"version": 1, "symbols": {"a": 2, "b": -1, "c": 0}, "bos": 9, "outputs": {"7": "x", "q": "y"},
                      "positions": "some", "colour": 3})");
  CHECK(mentions(problems, "/symbols/a: expected a token id from 0 to 1"));
  CHECK(mentions(problems, "/symbols/b: expected a token id from 0 to 1"));
  CHECK(mentions(problems, "/bos: expected a token id from 0 to 1"));
  CHECK(mentions(problems, "'7'"));
  CHECK(mentions(problems, "'q'"));
  CHECK(mentions(problems, "/positions: expected 'all' or 'last'"));
  CHECK(mentions(problems, "colour"));
  CHECK(mentions(problems_of(R"({"symbols": {"a": 0}, "outputs": {"0": "x"}, "min_length": 0})"), "/min_length"));
  CHECK(mentions(problems_of(R"({"symbols": {"a": 0}, "outputs": {}})"), "/outputs: expected at least one output"));
  // One logit under two keys.
  CHECK(mentions(problems_of(R"({"symbols": {"a": 0}, "outputs": {"0": "x", "00": "y"}})"), "'00'"));
  CHECK(mentions(problems_of(R"({"symbols": {"a": 0}, "outputs": {"0": "x"}, "automaton": {"format":
      "krohn-automaton-v1", "alphabet": ["b"], "start": 0, "transitions": [[0]], "accepting": []}})"),
                 "symbols of the task only"));
  CHECK(mentions(problems_of(R"({"alphabet": [0, 5], "delta": [[0, 1], [1, 0]], "n_states": 2})"), "/alphabet/1"));
  CHECK(mentions(problems_of(R"({"alphabet": [0, 1], "delta": [[0, 1], [1, 0], [2, 2]], "n_states": 3})"),
                 "at most one state for each of the model's 2 logits"));
}

TEST_CASE("short words leave the domain, and every other label stays") {
  // Words with at least two 1s, by their number modulo 3.
  const Dfa dfa(Alphabet::of_characters("01"), 1, {0, 1, 1, 2, 2, 0}, {0, 1, 2}, {"a", "b", "c"});
  for (const std::uint64_t least : {0U, 1U, 2U, 5U}) {
    const Dfa cut = without_short_words(dfa, least);
    for (std::size_t length = 0; length < 8; ++length) {
      for (std::uint32_t bits = 0; bits < (1U << length); ++bits) {
        Word word;
        for (std::size_t i = 0; i < length; ++i) word.push_back((bits >> i) & 1U);
        const LabelId label = cut.label(cut.next(cut.start(), word));
        CHECK(label == (length < least ? null_label : dfa.label(dfa.next(dfa.start(), word))));
      }
    }
  }
}

TEST_CASE("labels come from the largest logit, and a tie is no label") {
  LearnedTask task{Alphabet::of_characters("ab"), {0, 1}, std::nullopt, {"x", "y"}, {{0, 0}, {1, 1}, {3, 0}}};
  const auto observe = [&](std::vector<float> logits) { return task.observe(logits); };
  CHECK(observe({1, 0, 9, 0}).label == 0);
  CHECK(observe({1, 0, 9, 0}).margin == 1.0F);
  CHECK(observe({1, 2, 9, 4}).label == 0);
  CHECK(observe({1, 2, 9, 4}).margin == 2.0F);
  CHECK(observe({0, 2, 9, 1}).label == 1);
  // Equal logits of one label are no tie.
  CHECK(observe({4, 2, 9, 4}).label == 0);
  CHECK(observe({1, 2, 9, 2}).label == undefined_label);
  CHECK(observe({1, 2, 9, 2}).margin == 0.0F);
}

TEST_CASE("a recogniser's steps give the labels of the batch, from any state it has been in") {
  for (const fs::directory_entry& entry : fs::directory_iterator(models)) {
    CAPTURE(entry.path());
    const OpenModel open = open_model(entry.path());
    REQUIRE(open.learned);
    const LearnedTask& task = open.task->answers;
    CHECK(open.machine->semantics() == "learned-fp32-v1");
    Word word;
    for (std::uint32_t i = 0; i < 40; ++i) word.push_back((i * i + i / 3) % static_cast<Symbol>(task.alphabet.size()));
    std::vector<Observation> expected;
    run_learned(*open.learned, std::vector<Tokens>{word}, {},
                [&](auto, auto, auto logits, auto) { expected.push_back(task.observe(logits)); });
    std::vector<std::byte> state(open.machine->state_size());
    CHECK(open.machine->initial(state).label == undefined_label);
    std::vector<std::byte> kept;
    for (std::size_t t = 0; t < word.size(); ++t) {
      if (t == 20) kept = state;
      const Observation seen = open.machine->step(state, word[t]);
      CHECK(seen.label == expected[t].label);
      CHECK(seen.margin == expected[t].margin);
    }
    CHECK(open.machine->step(kept, word[20]).label == expected[20].label);
  }
}

TEST_CASE("a first token gives the empty word a label") {
  const auto model = std::make_shared<const Program>(parity_model());
  const Task task =
      parse_task(R"({"symbols": {"a": 0, "b": 1}, "bos": 1, "outputs": {"0": "x", "1": "y"}})", "t", *model);
  CHECK(task.min_length == 0);
  const auto machine = make_machine(model, task.answers);
  std::vector<std::byte> state(machine->state_size());
  LearnedStream<float> stream(*model);
  std::vector<float> logits(2);
  stream.step(1, logits);
  CHECK(machine->initial(state).label == task.answers.observe(logits).label);
}

TEST_CASE("the verdict on parity without negative eigenvalues is a short counterexample, confirmed by hand") {
  const OpenModel open = open_model(models / "parity_delta_net_pos");
  const std::optional<Dfa> language = open.own_language();
  REQUIRE(language);
  CHECK(open.domain(*language) == "all words of length at least 1");
  CheckOptions options;
  options.budget.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const CheckReport report = check(*open.machine, *language, options);
  const auto* refuted = std::get_if<Refuted>(&report.verdict);
  REQUIRE(refuted != nullptr);
  const Word& word = refuted->counterexample.word;
  CHECK(word.size() < 40);
  LearnedStream<float> stream(*open.learned);
  std::vector<float> logits(2);
  std::size_t ones = 0;
  for (const Symbol symbol : word) {
    stream.step(symbol, logits);
    ones += symbol;
  }
  CHECK((logits[1] > logits[0]) != (ones % 2 == 1));
}

TEST_CASE("languages are matched by name") {
  const OpenModel open = open_model(models / "parity_delta_net_pos");
  const Dfa other(Alphabet::of_characters("01"), 0, {0, 1, 1, 0}, {0, 1}, {"even", "odd"});
  CHECK_THROWS_AS(open.within_domain(other), InputError);
  const Dfa same(Alphabet::of_characters("10"), 0, {1, 0, 0, 1}, {0, 1}, {"0", "1"});
  const Dfa within = open.within_domain(same);
  CHECK_NOTHROW(Specification(*open.machine, within));
  CHECK(within.label(within.start()) == null_label);
  CHECK_THROWS_AS(open_model(models / "parity_delta_net_pos", Semantics::fp16_state_v1), InputError);
  CHECK_THROWS_AS(open_model(fs::path(KROHN_TEST_DATA) / "golden" / "gla_default"), InputError);
}

TEST_CASE("the fingerprint of a task depends on the model and on everything that makes its labels") {
  const Program model = read_checkpoint(fs::path(KROHN_TEST_DATA) / "golden/gated_deltaproduct_n2").model;
  const LearnedTask task{Alphabet::of_characters("ab"), {0, 1}, 1, {"0", "1"}, {{0, 0}, {1, 1}}};
  std::vector<LearnedTask> tasks(9, task);
  tasks[1].alphabet = Alphabet::of_characters("ba");
  tasks[2].tokens = {1, 0};
  tasks[3].first_token = std::nullopt;
  tasks[4].first_token = 0;
  tasks[5].label_names = {"1", "0"};
  tasks[6].outputs = {{0, 1}, {1, 0}};
  tasks[7].outputs = {{1, 0}, {0, 1}};
  tasks[8].outputs.pop_back();
  std::set<std::string> seen;
  for (const LearnedTask& each : tasks) seen.insert(fingerprint(model, each));
  CHECK(seen.size() == tasks.size());
  ProgramParts parts = model.parts();
  parts.tensors[0].values[0] += 1;
  const Program other(std::move(parts));
  CHECK(fingerprint(other, task) != fingerprint(model, task));
}

}  // namespace
}  // namespace krohn
