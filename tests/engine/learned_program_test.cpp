// label: quick
// The program that the device runs is the forward pass: run operation by operation on the CPU it gives the bits of the
// streams, in logits and in every carried number, in every architecture, for ragged words cut into chunks of time and
// for branches of a tree, with tables of what depends on a few tokens too.
#include "krohn/engine/learned_program.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "engine/learned_rows.hpp"
#include "engine/random_program.hpp"
#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/engine/learned.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

bool same(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// Below a word of `length` tokens, by the program of trees: it keeps no tails of what it has tables of.
void compare_in_tree(const Program& model, std::size_t length) {
  std::vector<std::uint32_t> tokens;
  for (std::size_t i = std::min<std::size_t>(model.vocabulary_size(), 3); i-- > 0;) {
    tokens.push_back(static_cast<std::uint32_t>(i));
  }
  const auto symbols = static_cast<std::uint32_t>(tokens.size());
  const LearnedProgram program = make_tree_program(model, tokens, length + 1);
  std::uint32_t runs = 1;
  for (std::uint32_t i = 0; i < program.window; ++i) runs *= symbols;
  testing::LearnedRowsOnCpu rows(program);
  LearnedStream<float> stream(model);
  std::vector<float> expected(model.num_logits());
  std::uint32_t number = 0;
  for (std::size_t t = 0; t < length; ++t) {
    const auto digit = static_cast<std::uint32_t>((t * t + t / 2 + 1) % symbols);
    number = (number * symbols + digit) % runs;
    stream.step(tokens[digit], expected);
  }
  const std::vector<float> parent(stream.state().begin(), stream.state().end());
  for (std::uint32_t a = 0; a < symbols; ++a) {
    std::vector<float> next;
    rows.read({(number * symbols + a) % runs}, {0}, {1}, {}, parent, next);
    std::copy(parent.begin(), parent.end(), stream.state().begin());
    stream.step(tokens[a], expected);
    std::vector<float> seen;
    for (std::uint32_t i = 0; i < expected.size(); ++i) seen.push_back(rows.logit(0, i));
    CHECK(same(expected, seen));
    for (const StatePart& part : model.state_parts()) {
      if (program.window > 1 && !part.recurrent()) continue;
      CHECK(same(stream.state().subspan(part.offset, part.size), std::span(next).subspan(part.offset, part.size)));
    }
  }
}

void compare(const Program& model) {
  for (const std::size_t length : {0U, 3U, 6U}) compare_in_tree(model, length);
  const LearnedProgram program = make_learned_program(model);
  testing::LearnedRowsOnCpu rows(program);
  const std::size_t size = model.state_size();
  const auto vocabulary = static_cast<std::uint32_t>(model.vocabulary_size());
  const std::vector<std::uint32_t> lengths = {7, 0, 3, 1};
  std::vector<Tokens> words;
  std::vector<LearnedStream<float>> streams;
  std::vector<float> states;
  for (std::uint32_t w = 0; w < lengths.size(); ++w) {
    Tokens word;
    for (std::uint32_t t = 0; t < lengths[w]; ++t) word.push_back((w * 5 + t * t * 3 + 1) % vocabulary);
    words.push_back(word);
    streams.emplace_back(model);
    states.insert(states.end(), program.initial_state.begin(), program.initial_state.end());
    REQUIRE(same(streams.back().state(), program.initial_state));
  }
  std::vector<float> expected(model.num_logits());
  std::vector<float> seen(model.num_logits());
  const auto check_row = [&](std::uint32_t row) {
    for (std::uint32_t i = 0; i < seen.size(); ++i) seen[i] = rows.logit(row, i);
    CHECK(same(expected, seen));
  };
  // Chunks of 2, 1 and 4 tokens.
  std::uint32_t begin = 0;
  for (const std::uint32_t chunk : {2U, 1U, 4U}) {
    std::vector<std::uint32_t> tokens, first_row, length;
    for (const Tokens& word : words) {
      first_row.push_back(static_cast<std::uint32_t>(tokens.size()));
      for (std::uint32_t t = begin; t < std::min<std::size_t>(begin + chunk, word.size()); ++t)
        tokens.push_back(word[t]);
      length.push_back(static_cast<std::uint32_t>(tokens.size()) - first_row.back());
    }
    std::vector<float> next;
    rows.read(tokens, first_row, length, {}, states, next);
    for (std::uint32_t w = 0; w < words.size(); ++w) {
      for (std::uint32_t t = 0; t < length[w]; ++t) {
        streams[w].step(tokens[first_row[w] + t], expected);
        check_row(first_row[w] + t);
      }
      CHECK(same(streams[w].state(), std::span(next).subspan(w * size, size)));
    }
    states = next;
    begin += chunk;
  }
  // Branches: words 2 and 0 read one of two tokens each.
  std::vector<float> next;
  rows.read({0, 1, 0, 1}, {0, 1, 2, 3}, {1, 1, 1, 1}, {2, 2, 0, 0}, states, next);
  for (std::uint32_t row = 0; row < 4; ++row) {
    LearnedStream<float> stream(model);
    const std::span<const float> parent = streams[row < 2 ? 2 : 0].state();
    std::copy(parent.begin(), parent.end(), stream.state().begin());
    stream.step(row % 2, expected);
    check_row(row);
    CHECK(same(stream.state(), std::span(next).subspan(row * size, size)));
  }
}

TEST_CASE("the program gives the bits of the forward pass in every architecture") {
  std::size_t seen = 0;
  for (const char* folder : {"golden", "variants", "models"}) {
    for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(KROHN_TEST_DATA) / folder)) {
      CAPTURE(entry.path());
      const Program model = read_checkpoint(entry.path()).model;
      if (!runs_on_device(model)) continue;
      compare(model);
      ++seen;
    }
  }
  // All but a few whose operations have no form on a device.
  CHECK(seen >= 100);
}

TEST_CASE("and in random models with every option drawn") {
  for (const std::string& architecture : testing::random_architectures()) {
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
      CAPTURE(architecture);
      CAPTURE(seed);
      testing::RandomProgram random(seed);
      const testing::ProgramSizes sizes{1 + seed % 3, 4 + 3 * (seed % 4), 1 + seed % 4,
                                        static_cast<testing::Beta>(seed % 5)};
      const Program model = random.make(architecture, sizes);
      compare(model);
      compare(testing::with_random_codes(model, seed));
    }
  }
}

}  // namespace
}  // namespace krohn
