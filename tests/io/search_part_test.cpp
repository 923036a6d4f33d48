// label: quick
// Parts of a search survive their file, and only a whole search of one identity is joined.
#include "krohn/io/search_part.hpp"

#include <doctest/doctest.h>

#include <fstream>

#include "krohn/error.hpp"
#include "temporary_directory.hpp"

namespace krohn {
namespace {

SearchPart part_of(std::uint32_t index, std::uint32_t count) {
  SearchPart part;
  part.identity = {"m", "l", "fp32-fma-v1", {"a", "\"b\""}, 3};
  part.shard = {index, count};
  part.result.agreed = 3;
  for (std::uint64_t length = 0; length <= 3; ++length) part.result.lengths.push_back({length, 1U << length, length});
  return part;
}

TEST_CASE("parts are read as they were written; joined in any order; counted together") {
  const TemporaryDirectory directory;
  std::vector<std::filesystem::path> files;
  for (const std::uint32_t i : {2U, 0U, 1U}) {
    files.push_back(directory.path() / std::to_string(i));
    SearchPart part = part_of(i, 3);
    if (i == 1) {
      part.result.disagreement = Word{1, 0};
      part.result.agreed = 1;
      part.result.lengths.pop_back();
    }
    write_search_part(files.back(), part);
    const SearchPart read = read_search_part(files.back());
    CHECK(read.identity == part.identity);
    CHECK(read.shard.index == i);
    CHECK(read.result.disagreement == part.result.disagreement);
    CHECK(read.result.agreed == part.result.agreed);
    CHECK(read.result.lengths == part.result.lengths);
  }
  const MergedSearch merged = merge_search_parts(files);
  CHECK(merged.result.disagreement == Word{1, 0});
  CHECK(merged.result.first);
  CHECK(merged.result.agreed == 1);
  CHECK(merged.result.lengths[1] == LengthStatistics{1, 6, 3});
}

TEST_CASE("missing, doubled and foreign parts are named") {
  const TemporaryDirectory directory;
  const auto file = [&](const std::string& name, const SearchPart& part) {
    write_search_part(directory.path() / name, part);
    return directory.path() / name;
  };
  const auto one = file("one", part_of(0, 2));
  const auto two = file("two", part_of(1, 2));
  CHECK(merge_search_parts({two, one}).result.agreed == 3);
  CHECK_THROWS_WITH_AS(merge_search_parts({one}), doctest::Contains("expected part 2 of 2"), InputError);
  CHECK_THROWS_WITH_AS(merge_search_parts({one, two, one}), doctest::Contains("got part 1"), InputError);
  SearchPart foreign = part_of(1, 2);
  foreign.identity.model = "other";
  CHECK_THROWS_WITH_AS(merge_search_parts({one, file("foreign", foreign)}), doctest::Contains("model: expected"),
                       InputError);
  CHECK_THROWS_WITH_AS(merge_search_parts({one, file("three", part_of(1, 3))}), doctest::Contains("parts: expected 2"),
                       InputError);
  CHECK_THROWS_AS(merge_search_parts({}), InputError);
}

TEST_CASE("a part that contradicts itself is refused") {
  const TemporaryDirectory directory;
  const auto refused = [&](SearchPart part) {
    write_search_part(directory.path() / "part", part);
    CHECK_THROWS_AS(read_search_part(directory.path() / "part"), InputError);
  };
  SearchPart part = part_of(0, 1);
  part.result.lengths.pop_back();
  refused(part);
  part = part_of(0, 1);
  part.result.disagreement = Word{0};
  refused(part);
  part = part_of(0, 1);
  part.identity.max_length = 2;
  refused(part);
  std::ofstream(directory.path() / "part") << R"({"format": "krohn-search-part-v2", "unknown": 1})";
  CHECK_THROWS_AS(read_search_part(directory.path() / "part"), InputError);
}

}  // namespace
}  // namespace krohn
