// label: quick
// The bits of every recorded case do not change: SHA-256 over the logits at every position and the final states, in the
// canonical fp32 form and in double, of words that the case's vocabulary spells. The record in tests/data/bits.json was
// made once; a change of it is a change of what the verdicts are about.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/digest/sha256.hpp"
#include "krohn/engine/learned.hpp"
#include "krohn/text/json_document.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

template <class Model, class T>
void add_runs(const Model& model, Sha256& hash, T) {
  std::vector<T> logits(model.num_logits());
  const auto bytes = [](const auto& values) {
    return std::string_view(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  };
  for (std::uint32_t w = 0; w < 3; ++w) {
    LearnedStream<T> stream(model);
    for (std::uint32_t t = 0; t < 24; ++t) {
      stream.step((t * t + w * t + 3 * w + 1) % static_cast<std::uint32_t>(model.vocabulary_size()), logits);
      hash.add(bytes(logits));
    }
    hash.add(bytes(stream.state()));
  }
}

std::string bits(const fs::path& directory) {
  const auto model = read_checkpoint(directory).model;
  Sha256 hash;
  add_runs(model, hash, float{});
  add_runs(model, hash, double{});
  return hexadecimal(hash.digest());
}

TEST_CASE("every recorded case has the recorded bits") {
  const fs::path data = KROHN_TEST_DATA;
  const JsonDocument document = read_json(data / "bits.json");
  JsonProblems problems(document);
  std::size_t seen = 0;
  for (const auto& [name, field] : problems.root().members()) {
    CAPTURE(name);
    CHECK(bits(data / name) == field.string().value_or(""));
    ++seen;
  }
  problems.raise_if_any();
  // Nothing that lies there is left out.
  std::size_t there = 0;
  for (const char* folder : {"golden", "variants", "models"}) {
    there += static_cast<std::size_t>(std::distance(fs::directory_iterator(data / folder), fs::directory_iterator()));
  }
  CHECK(seen == there);
}

}  // namespace
}  // namespace krohn
