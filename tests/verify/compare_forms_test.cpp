// label: quick
// A comparison of forms counts what plain loops count, and its witness is a word on which the labels really differ and
// do not without any one of its tokens.
#include "krohn/verify/compare_forms.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>

#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/checkpoints/task.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

const std::filesystem::path models = std::filesystem::path(KROHN_TEST_DATA) / "models";

std::vector<float> canonical(const Program& model, const Tokens& word) {
  LearnedStream<float> stream(model);
  std::vector<float> logits(model.num_logits());
  for (const std::uint32_t token : word) stream.step(token, logits);
  return logits;
}

std::string label(const LearnedTask& task, std::span<const float> logits) {
  const Observation seen = task.observe(logits);
  return seen.label < 0 ? "?" : task.label_names[static_cast<std::size_t>(seen.label)];
}

/// The labels of the canonical and of the chunked form after the word.
std::pair<std::string, std::string> labels(const Program& model, const LearnedTask& task, Tokens word) {
  if (task.first_token) word.insert(word.begin(), *task.first_token);
  if (word.empty()) return {"?", "?"};
  const ChunkedLogits chunked = run_chunked_form(model, std::span(&word, 1), {ChunkedFormat::bf16, Device::cpu});
  return {label(task, canonical(model, word)), label(task, std::span(chunked.logits).last(model.num_logits()))};
}

TEST_CASE("a witness parts the forms, and none of its tokens can be left out") {
  const Program model = read_checkpoint(models / "parity_delta_net_pos").model;
  const Task task = read_task(models / "parity_delta_net_pos" / "task.json", model);
  CompareFormsOptions options;
  options.form = {ChunkedFormat::bf16, Device::cpu};
  options.words = 8;
  options.length = 100;
  const FormComparison found = compare_forms(model, &task.answers, options);
  CHECK(found.words == 8);
  REQUIRE(found.witness.has_value());
  CHECK(found.witness->minimised);
  const auto [mine, other] = labels(model, task.answers, found.witness->word);
  CHECK(mine == found.witness->canonical);
  CHECK(other == found.witness->other);
  CHECK(mine != other);
  for (std::size_t i = 0; i < found.witness->word.size(); ++i) {
    Tokens shorter = found.witness->word;
    shorter.erase(shorter.begin() + static_cast<std::ptrdiff_t>(i));
    const auto [a, b] = labels(model, task.answers, shorter);
    CHECK(a == b);
  }
  std::uint64_t positions = 0;
  for (const FormDifference& d : found.by_length) positions += d.positions;
  CHECK(positions == 800);
}

TEST_CASE("recorded logits with one planted change are found at its place") {
  const Program model = read_checkpoint(models / "flipflop_delta_net_pos").model;
  const Task task = read_task(models / "flipflop_delta_net_pos" / "task.json", model);
  Tokens word;
  for (std::size_t i = 0; i < 20; ++i) word.push_back(task.answers.tokens[(i * i) % task.answers.tokens.size()]);
  if (task.answers.first_token) word.insert(word.begin(), *task.answers.first_token);
  std::vector<double> logits;
  LearnedStream<float> stream(model);
  std::vector<float> row(model.num_logits());
  for (const std::uint32_t token : word) {
    stream.step(token, row);
    logits.insert(logits.end(), row.begin(), row.end());
  }
  const std::span<const Tokens> words(&word, 1);
  const FormComparison same = compare_with_logits(model, &task.answers, words, logits);
  CHECK_FALSE(same.witness.has_value());
  for (const FormDifference& d : same.by_length) CHECK(d.largest == 0.0);

  // After the 9th symbol the label's logit falls below every other.
  const std::size_t skipped = task.answers.first_token ? 1 : 0;
  const std::size_t place = (skipped + 8) * row.size();
  const Observation seen =
      task.answers.observe(std::vector<float>(logits.begin() + static_cast<std::ptrdiff_t>(place),
                                              logits.begin() + static_cast<std::ptrdiff_t>(place + row.size())));
  for (const LearnedTask::Output& output : task.answers.outputs) {
    if (output.label == seen.label) logits[place + output.logit] -= 1000.0;
  }
  const FormComparison changed = compare_with_logits(model, &task.answers, words, logits);
  REQUIRE(changed.witness.has_value());
  CHECK(changed.witness->word.size() == 9);
  CHECK_FALSE(changed.witness->minimised);
  REQUIRE(changed.by_length.size() == 6);
  // Lengths 9 to 16; the changed logit was rounded to fp32, by half a unit in the last place of numbers below 2048.
  CHECK(std::abs(changed.by_length[4].largest - 1000.0) <= 0x1p-14);
  CHECK(changed.by_length[3].largest == 0.0);

  logits[place] = std::nan("");
  CHECK_THROWS_AS(compare_with_logits(model, &task.answers, words, logits), InputError);
  logits.pop_back();
  CHECK_THROWS_AS(compare_with_logits(model, &task.answers, words, logits), InputError);
}

}  // namespace
}  // namespace krohn
