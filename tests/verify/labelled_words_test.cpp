// label: quick
// Drawing and trying a learned model's words in batches finds what stepping them one by one finds: the same first wrong
// prefix, after the same number of words and steps.
#include <doctest/doctest.h>

#include <filesystem>

#include "krohn/checkpoints/open_model.hpp"
#include "krohn/error.hpp"
#include "krohn/verify/fast_refutation.hpp"
#include "krohn/verify/sample.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

// A machine of which nothing but its steps is used.
class Stepped final : public Machine {
 public:
  explicit Stepped(const Machine& inner) : inner_(inner) {}
  const Alphabet& alphabet() const override { return inner_.alphabet(); }
  const std::vector<std::string>& label_names() const override { return inner_.label_names(); }
  std::string_view semantics() const override { return inner_.semantics(); }
  std::size_t state_size() const override { return inner_.state_size(); }
  Observation initial(std::span<std::byte> state) const override { return inner_.initial(state); }
  Observation step(std::span<std::byte> state, Symbol symbol) const override { return inner_.step(state, symbol); }

 private:
  const Machine& inner_;
};

TEST_CASE("labels and margins of many words are those of the steps") {
  for (const char* name : {"flipflop_delta_net_pos", "parity_delta_net_neg_noconv_1layer"}) {
    const OpenModel open = open_model(fs::path(KROHN_TEST_DATA) / "models" / name);
    const Stepped stepped(*open.machine);
    std::vector<Word> words = {{}};
    for (std::size_t i = 0; i < 60; ++i) {
      Word word(i % 9, 0);
      for (std::size_t t = 0; t < word.size(); ++t) word[t] = static_cast<Symbol>((i >> t) % 2);
      words.push_back(std::move(word));
    }
    for (const bool all_positions : {false, true}) {
      const RunOptions options{Device::cpu, all_positions, true, 2, 0};
      const Trace seen = open.machine->run(words, options);
      const Trace expected = stepped.run(words, options);
      CHECK(seen.offset == expected.offset);
      CHECK(seen.labels == expected.labels);
      CHECK(seen.margins == expected.margins);
      CHECK(open.machine->run(words, {Device::cpu, all_positions}).labels == expected.labels);
      CHECK_THROWS_AS(stepped.run(words, {Device::cuda}), DeviceError);
    }
  }
}

TEST_CASE("batches and steps agree") {
  for (const char* name : {"flipflop_delta_net_pos", "parity_delta_net_neg_noconv_1layer", "parity_delta_net_pos"}) {
    CAPTURE(std::string(name));
    const OpenModel open = open_model(fs::path(KROHN_TEST_DATA) / "models" / name);
    const Machine& model = *open.machine;
    const Stepped stepped(model);
    const Specification specification(model, *open.own_language());
    for (const SampleDesign& design : {SampleDesign{100, 6, 1, 0.99}, SampleDesign{90, 60, 2, 0.99}}) {
      const Sample batched = sample(model, specification, design, {}, Device::cpu);
      const Sample one_by_one = sample(stepped, specification, design, {}, Device::cpu);
      CHECK(batched.disagreement == one_by_one.disagreement);
      CHECK(batched.drawn == one_by_one.drawn);
      CHECK(batched.steps == one_by_one.steps);
      CHECK(batched.bound == one_by_one.bound);
    }
    FastRefutationOptions options;
    options.device = Device::cpu;
    options.steps = 300;
    options.beam = 4;
    const auto batched = fast_refutation(model, specification, options);
    const auto one_by_one = fast_refutation(stepped, specification, options);
    REQUIRE(batched.has_value() == one_by_one.has_value());
    if (batched) {
      CHECK(batched->word == one_by_one->word);
      CHECK(batched->method == one_by_one->method);
    }
  }
}

}  // namespace
}  // namespace krohn
