// label: slow
// The recorded accuracies of trained models are reproduced: on freshly drawn words each share lies within four and a
// half standard errors of the recorded one, both being estimates. Words are drawn from the domain, uniformly.
#include "krohn/verify/accuracy.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <map>
#include <tuple>

#include "engine/random_model.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/engine/chunked_form.hpp"
#include "krohn/engine/learned/learned_machine.hpp"
#include "krohn/error.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

// Words in the recorded evaluations: bounded by the memory that (T n)^2 heads take there.
double recorded_words(const std::string& name, double length) {
  const double n = name.starts_with("s3") ? 2 * length : length;
  return std::max(8.0, std::min(512.0, std::floor(2.5e8 / (n * n * 2))));
}

// The standard error of a difference of two shares of independent words; at least one word's worth.
double standard_error(double p, double a, double b) {
  const double variance = std::max(p * (1 - p), 1.0 / std::min(a, b));
  return std::sqrt(variance / a + variance / b);
}

TEST_CASE("trained models are as right as their files say") {
  for (const char* name : {"flipflop_delta_net_pos", "parity_delta_net_neg_noconv_1layer", "parity_delta_net_pos",
                           "s3_gated_deltaproduct_n2_neg"}) {
    const OpenModel open = open_model(fs::path(KROHN_TEST_DATA) / "models" / name);
    AccuracyOptions options;
    options.words = 512;
    options.seed = 1;
    // That evaluation drew the flip-flop's letters in these proportions.
    if (std::string(name).starts_with("flipflop")) options.symbol_weights = {1, 1, 6};
    std::map<std::uint64_t, Task::Recorded> recorded;
    for (const Task::Recorded& each : open.task->recorded) {
      recorded[each.length] = each;
      options.lengths.push_back(each.length);
    }
    REQUIRE(options.lengths.size() == 5);
    const Accuracy accuracy = measure_accuracy(*open.machine, *open.own_language(), options);
    REQUIRE(accuracy.lengths.size() == 5);
    for (const LengthAccuracy& ours : accuracy.lengths) {
      CAPTURE(std::string(name));
      CAPTURE(ours.length);
      const Task::Recorded& theirs = recorded.at(ours.length);
      const double words = recorded_words(name, static_cast<double>(ours.length));
      MESSAGE(std::string(name), " at ", ours.length, ": positions ", ours.position.value, " (recorded ",
              theirs.position, "), last ", ours.last.value, " (", theirs.last, "), sequences ", ours.sequence.value,
              " (", theirs.sequence, ")");
      CHECK(std::fabs(ours.last.value - theirs.last) <= 4.5 * standard_error(theirs.last, 512, words));
      CHECK(std::fabs(ours.sequence.value - theirs.sequence) <= 4.5 * standard_error(theirs.sequence, 512, words));
      // Positions: the interval over words is 1.96 standard errors of ours; theirs is larger by the words.
      const double ours_error = std::max((ours.position.high - ours.position.low) / (2 * 1.96), 1.0 / 512);
      CHECK(std::fabs(ours.position.value - theirs.position) <= 4.5 * ours_error * std::sqrt(1 + 512 / words));
    }
  }
}

TEST_CASE("words are drawn uniformly from those with a label") {
  // Words over {a, b} with exactly one b, by where it is: labelled "1" if the last letter is b, else "0".
  const Dfa language(Alphabet::of_characters("ab"), 0, {0, 1, 2, 3, 2, 3, 3, 3}, {null_label, 1, 0, null_label},
                     {"0", "1"});
  // A model that always answers "0": right on all but the words whose b is last, one of `length`.
  const LrnnModel always(Alphabet::of_characters("ab"), {"0", "1"}, 0, {0, 0}, {});
  AccuracyOptions options;
  options.lengths = {1, 4, 10};
  options.words = 20000;
  const Accuracy accuracy = measure_accuracy(*make_machine(always, Semantics::fp32_fma_v1), language, options);
  REQUIRE(accuracy.lengths.size() == 3);
  CHECK(accuracy.chance == 0.5);
  for (const LengthAccuracy& each : accuracy.lengths) {
    const double expected = 1 - 1.0 / static_cast<double>(each.length);
    CHECK(std::fabs(each.last.value - expected) <= 4.5 * std::sqrt(expected * (1 - expected) / 20000));
    CHECK(each.last.low <= each.last.value);
    CHECK(each.last.high >= each.last.value);
    CHECK(each.last.scaled == doctest::Approx((each.last.value - 0.5) / 0.5));
  }
  // Sequences: the position of the b is labelled "1", where the model is always wrong.
  CHECK(accuracy.lengths[2].sequence.value == 0.0);
  options.last_only = true;
  const Accuracy last = measure_accuracy(*make_machine(always, Semantics::fp32_fma_v1), language, options);
  CHECK(last.lengths[2].sequence.value == last.lengths[2].last.value);
  options.lengths = {3};
  const Dfa nothing(Alphabet::of_characters("ab"), 0, {0, 0}, {null_label}, {"0", "1"});
  CHECK(measure_accuracy(*make_machine(always, Semantics::fp32_fma_v1), nothing, options).empty_lengths ==
        std::vector<std::uint64_t>{3});
}

TEST_CASE("symbols of equal weights are drawn as those without weights are") {
  for (const std::uint32_t symbols : {2U, 3U, 61U, 255U}) {
    // The label is whether the last symbol is below the middle; the model says that it always is.
    std::vector<std::string> names;
    for (Symbol a = 0; a < symbols; ++a) names.push_back("s" + std::to_string(a));
    std::vector<State> next;
    for (int state = 0; state < 2; ++state) {
      for (Symbol a = 0; a < symbols; ++a) next.push_back(2 * a < symbols ? 0 : 1);
    }
    const Dfa language(Alphabet(names), 0, next, {0, 1}, {"0", "1"});
    const LrnnModel always(Alphabet(names), {"0", "1"}, 0, std::vector<std::int32_t>(symbols, 0), {});
    const auto machine = make_machine(always, Semantics::fp32_fma_v1);
    AccuracyOptions options;
    options.lengths = {1, 40};
    options.words = 500;
    options.seed = symbols;
    const Accuracy without = measure_accuracy(*machine, language, options);
    // Twice the weights, powers of two: every sum of the drawing is twice as large, exactly.
    options.symbol_weights.assign(symbols, 2.0);
    const Accuracy with = measure_accuracy(*machine, language, options);
    REQUIRE(without.lengths.size() == 2);
    REQUIRE(with.lengths.size() == 2);
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(without.lengths[i].position.value == with.lengths[i].position.value);
      CHECK(without.lengths[i].last.value == with.lengths[i].last.value);
      // 4.5 standard errors of a share of 500 words are 0.1 at most.
      const double share = std::ceil(symbols / 2.0) / symbols;
      CHECK(std::fabs(without.lengths[i].last.value - share) < 0.101);
    }
  }
}

TEST_CASE("lengths are read in every form, and nothing else is") {
  using Lengths = std::vector<std::uint64_t>;
  CHECK(parse_lengths("40..512") == Lengths{40, 64, 128, 256, 512});
  CHECK(parse_lengths("64..128") == Lengths{64, 128});
  CHECK(parse_lengths("40..100:25") == Lengths{40, 65, 90});
  CHECK(parse_lengths("7,3,7") == Lengths{3, 7});
  CHECK(parse_lengths("9") == Lengths{9});
  for (const char* text :
       {"", "0", "5..3", "a", "1..", "..4", "1,,2", "1..9:0", "1000001", "1..1000000:1", "-3", "4 "}) {
    CAPTURE(std::string(text));
    CHECK_THROWS_AS(parse_lengths(text), InputError);
  }
}

TEST_CASE("a stop flag ends a measurement with the words that were run") {
  const OpenModel open = open_model(fs::path(KROHN_TEST_DATA) / "models" / "parity_delta_net_pos");
  AccuracyOptions options;
  options.lengths = {8, 16, 32};
  options.words = 40;
  const Accuracy whole = measure_accuracy(*open.machine, *open.own_language(), options);
  CHECK_FALSE(whole.stopped);
  std::atomic<bool> stop = false;
  options.stop = &stop;
  options.progress = [&](std::uint64_t length, double done, double total) {
    CHECK(done <= total);
    if (length == 16) stop = true;
  };
  const Accuracy part = measure_accuracy(*open.machine, *open.own_language(), options);
  CHECK(part.stopped);
  REQUIRE(part.lengths.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(part.lengths[i].words == 40);
    CHECK(part.lengths[i].position.value == whole.lengths[i].position.value);
  }
  // A run that is asked to stop has no result.
  CHECK_THROWS_AS(open.machine->run(std::vector<Word>(40, Word(100, 0)), {.stop = &stop}), StoppedError);
}

TEST_CASE("whole sequences are scaled by the chance of guessing all of their labels") {
  const OpenModel open = open_model(fs::path(KROHN_TEST_DATA) / "models" / "parity_delta_net_pos");
  AccuracyOptions options;
  options.lengths = {3};
  options.words = 64;
  const Accuracy accuracy = measure_accuracy(*open.machine, *open.own_language(), options);
  REQUIRE(accuracy.lengths.size() == 1);
  // Two labels, three of them a word.
  CHECK(accuracy.lengths[0].sequence_chance == 0.125);
  const double value = accuracy.lengths[0].sequence.value;
  CHECK(accuracy.lengths[0].sequence.scaled == doctest::Approx((value - 0.125) / 0.875).epsilon(1e-12));
}

TEST_CASE("a chunked form answers with its own labels, and is named; where there is none it is refused") {
  const OpenModel open = open_model(fs::path(KROHN_TEST_DATA) / "models" / "parity_delta_net_pos");
  const Dfa language = *open.own_language();
  AccuracyOptions options;
  options.lengths = {100};
  options.words = 3;
  options.device = Device::cpu;
  // Every word is that of the second symbol alone, so that its labels can be made here.
  options.symbol_weights = {1e-300, 1};
  const LearnedView learned = *learned_of(*open.machine);
  const Specification specification(*open.machine, language);
  const Word word(100, 1);
  for (const auto& [form, format, name] :
       {std::tuple{AnsweringForm::chunked_bf16, ChunkedFormat::bf16, "chunked, bf16"},
        std::tuple{AnsweringForm::chunked_fp32, ChunkedFormat::fp32, "chunked, fp32"}}) {
    options.form = form;
    CHECK(form_name(form, *open.machine) == name);
    const Tokens tokens = tokens_of(learned.task, word);
    const ChunkedLogits seen = run_chunked_form(learned.program, std::span(&tokens, 1), {format, Device::cpu});
    const std::size_t size = learned.program.num_logits();
    const std::size_t lead = tokens.size() - word.size();
    double right = 0;
    State q = specification.automaton().start();
    for (std::size_t t = 0; t < word.size(); ++t) {
      q = specification.automaton().next(q, word[t]);
      const auto row = std::span<const float>(seen.logits).subspan((t + lead) * size, size);
      right += specification.agrees(learned.task.observe(row).label, q) ? 1 : 0;
    }
    const Accuracy accuracy = measure_accuracy(*open.machine, language, options);
    REQUIRE(accuracy.lengths.size() == 1);
    CHECK(accuracy.lengths[0].words == 3);
    CHECK(accuracy.lengths[0].position.value == right / 100);
  }
  CHECK(form_name(AnsweringForm::canonical, *open.machine) == "learned-fp32-v1");
  const auto compiled = make_machine(testing::swaps(2, 2, 1, false), Semantics::fp32_fma_v1);
  const Dfa any(compiled->alphabet(), 0, {0, 0}, {0}, compiled->label_names());
  options.symbol_weights = {};
  CHECK_THROWS_WITH_AS(measure_accuracy(*compiled, any, options), doctest::Contains("got a compiled model"),
                       InputError);
}

}  // namespace
}  // namespace krohn
