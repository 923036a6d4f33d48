// The report of one part of an exhaustive search (engine/enumerate.hpp, Shard), and the join of all parts.
//
// Format krohn-search-part-v1, one JSON object:
//  1. "format": "krohn-search-part-v1".
//  2. "model", "language": the fingerprints of the two, of a learned model together with its task
//  (checkpoints/task.hpp);
//     "semantics": the arithmetic's id; "alphabet": the model's symbols in the order of shortlex comparison;
//     "max_length": of the whole search. Parts of one search agree in all of these.
//  3. "part", "parts": this is part `part` (from 1) of `parts`.
//  4. "agreed": every word of the part up to this length agrees, or null; "disagreement": the first word of the part
//     that does not, as an array of symbols, or null; "agreed" is then one less than its length (null for the empty
//     word).
//  5. "lengths": for every length from 0 up to "agreed", or of the disagreement, [words, words in the domain] of the
//     part. The words are as many as words_in_part (engine/enumerate.hpp) says.
// Anything else is refused.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "krohn/checkpoints/open_model.hpp"
#include "krohn/engine/enumerate.hpp"

namespace krohn {

/// Which search: parts with another identity do not belong together.
struct SearchIdentity {
  std::string model;
  std::string language;
  std::string semantics;
  std::vector<std::string> alphabet;
  std::uint64_t max_length = 0;
  friend bool operator==(const SearchIdentity&, const SearchIdentity&) = default;
};

struct SearchPart {
  SearchIdentity identity;
  Shard shard;
  /// Of `result`: disagreement, agreed and lengths.
  EnumerateResult result;
};

/// Which search it is to try every word up to `max_length` of `model` against `language`, as OpenModel::within_domain
/// gave it.
SearchIdentity search_identity(const OpenModel& model, const Dfa& language, std::uint64_t max_length);

/// Does a part of the search of `model` against `language`, as OpenModel::within_domain gave it. `options` name the
/// part, the search's length and what is known of it.
SearchPart search_part(const OpenModel& model, const Dfa& language, const EnumerateOptions& options);

/// The text of the file.
std::string format_search_part(const SearchPart& part);

/// Written aside, then renamed. Throws as write_file.
void write_search_part(const std::filesystem::path& path, const SearchPart& part);

/// Throws InputError with every problem; `source` names the text.
SearchPart parse_search_part(std::string_view text, const std::string& source);
SearchPart read_search_part(const std::filesystem::path& path);

struct MergedSearch {
  SearchIdentity identity;
  MergedEnumeration result;
};

/// Reads and joins the parts of one search, in any order. Throws InputError naming every missing and doubled part and
/// every file of another search.
MergedSearch merge_search_parts(const std::vector<std::filesystem::path>& files);
/// The same of parts that were read; `names` are theirs, for messages.
MergedSearch merge_search_parts(const std::vector<SearchPart>& parts, const std::vector<std::string>& names);

/// "REFUTED", "CERTIFIED" (every word of the whole search agrees) or "UNKNOWN".
std::string merged_verdict(const MergedSearch& merged);
/// One object over several lines, with a final line feed: docs/schemas/v1/merge.json.
std::string merged_search_json(const MergedSearch& merged);

}  // namespace krohn
