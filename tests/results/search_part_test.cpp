// label: quick
// Parts of a search survive their file, and only a whole search of one identity is joined.
#include "krohn/results/search_part.hpp"

#include <doctest/doctest.h>

#include <fstream>

#include "krohn/error.hpp"
#include "temporary_directory.hpp"

namespace krohn {
namespace {

// Of all words up to length 3 over two symbols. Several parts split the 8 words of length 3: two have 4 each, three
// have 2, 3 and 3; the first has all shorter words.
SearchPart part_of(std::uint32_t index, std::uint32_t count) {
  SearchPart part;
  part.identity = {"m", "l", "fp32-fma-v1", {"a", "\"b\""}, 3};
  part.shard = {index, count};
  part.result.agreed = 3;
  for (std::uint64_t length = 0; length < 3; ++length) {
    const std::uint64_t words = index == 0 ? std::uint64_t{1} << length : 0;
    part.result.lengths.push_back({length, words, words / 2});
  }
  const std::uint64_t longest = count == 1 ? 8 : count == 2 ? 4 : index == 0 ? 2 : 3;
  part.result.lengths.push_back({3, longest, 1});
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
  CHECK(merged.result.lengths[1] == LengthStatistics{1, 2, 1});
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

TEST_CASE("the words of the parts of a search add up to all words of a length") {
  for (const std::uint32_t symbols : {1U, 2U, 3U, 7U}) {
    for (const std::uint32_t count : {1U, 2U, 3U, 10U}) {
      for (const std::uint64_t search_length : {0U, 1U, 4U, 12U}) {
        std::uint64_t words = 1;  // symbols^length
        for (std::uint64_t length = 0; length <= search_length; ++length, words *= symbols) {
          std::uint64_t sum = 0;
          for (std::uint32_t i = 0; i < count; ++i) sum += *words_in_part(symbols, {i, count}, search_length, length);
          CHECK(sum == words);
        }
        CHECK_FALSE(words_in_part(symbols, {0, count}, search_length, search_length + 1));
      }
    }
  }
  CHECK_FALSE(words_in_part(2, {0, 1}, 63, 1));
  CHECK_FALSE(words_in_part(0, {0, 1}, 0, 0));
}

TEST_CASE("a part that claims a length without the words of that length is refused") {
  const TemporaryDirectory directory;
  const auto file = [&](const SearchPart& part) {
    write_search_part(directory.path() / "part", part);
    return directory.path() / "part";
  };
  SearchPart part = part_of(1, 2);
  part.result.lengths[3].words = 3;
  CHECK_THROWS_WITH_AS(read_search_part(file(part)), doctest::Contains("expected 4, the words of length 3"),
                       InputError);
  // Cut short after length 2, then claimed up to 3.
  part.result.lengths[3] = {3, 0, 0};
  CHECK_THROWS_AS(read_search_part(file(part)), InputError);
  part = part_of(1, 2);
  part.result.lengths[3].in_domain = 5;
  CHECK_THROWS_WITH_AS(read_search_part(file(part)), doctest::Contains("at most 4"), InputError);
  part = part_of(1, 2);
  part.shard.index = 0;  // another part's numbers
  CHECK_THROWS_AS(read_search_part(file(part)), InputError);
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
