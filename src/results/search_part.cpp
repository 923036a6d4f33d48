// Reading, writing and joining the parts of a search. The join trusts what a part says of its words, but
// not which they are: identity, number of parts and part numbers are all compared before anything is joined, and the
// words of every length are as many as the part has. Linear in the files.
#include "krohn/results/search_part.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "krohn/automata/fingerprint.hpp"
#include "krohn/error.hpp"
#include "krohn/text/atomic_file.hpp"
#include "krohn/text/json_document.hpp"
#include "krohn/text/source_text.hpp"
#include "krohn/verify/specification.hpp"
#include "result_json.hpp"

namespace krohn {
namespace {

constexpr const char* format_name = "krohn-search-part-v1";

std::string quoted_list(const std::vector<std::string>& names) {
  std::string text = "[";
  for (std::size_t i = 0; i < names.size(); ++i) text += (i == 0 ? "" : ", ") + json_quoted(names[i]);
  return text + "]";
}

/// The first member in which two searches differ, or nothing.
std::optional<std::string> difference(const SearchIdentity& a, const SearchIdentity& b) {
  if (a.model != b.model) return "model";
  if (a.language != b.language) return "language";
  if (a.semantics != b.semantics) return "semantics";
  if (a.alphabet != b.alphabet) return "alphabet";
  if (a.max_length != b.max_length) return "max_length";
  return std::nullopt;
}

}  // namespace

SearchIdentity search_identity(const OpenModel& model, const Dfa& language, std::uint64_t max_length) {
  return {model.identity(), fingerprint(Specification(*model.machine, language).automaton()),
          std::string(model.machine->semantics()), model.machine->alphabet().names(), max_length};
}

SearchPart search_part(const OpenModel& model, const Dfa& language, const EnumerateOptions& options) {
  SearchPart part;
  part.shard = options.shard;
  part.identity = search_identity(model, language, options.max_length);
  part.result = enumerate(*model.machine, Specification(*model.machine, language).labelled_automaton(), options);
  return part;
}

std::string format_search_part(const SearchPart& part) {
  std::string text = "{\n  \"format\": " + json_quoted(format_name);
  text += ",\n  \"model\": " + json_quoted(part.identity.model);
  text += ",\n  \"language\": " + json_quoted(part.identity.language);
  text += ",\n  \"semantics\": " + json_quoted(part.identity.semantics);
  text += ",\n  \"alphabet\": " + quoted_list(part.identity.alphabet);
  text += ",\n  \"max_length\": " + std::to_string(part.identity.max_length);
  text += ",\n  \"part\": " + std::to_string(part.shard.index + 1);
  text += ",\n  \"parts\": " + std::to_string(part.shard.count);
  text += ",\n  \"agreed\": " + (part.result.agreed ? std::to_string(*part.result.agreed) : "null");
  text += ",\n  \"disagreement\": ";
  if (part.result.disagreement) {
    std::vector<std::string> symbols;
    for (const Symbol a : *part.result.disagreement) symbols.push_back(part.identity.alphabet.at(a));
    text += quoted_list(symbols);
  } else {
    text += "null";
  }
  text += ",\n  \"lengths\": [";
  for (std::size_t i = 0; i < part.result.lengths.size(); ++i) {
    const LengthStatistics& line = part.result.lengths[i];
    text += (i == 0 ? "[" : ", [") + std::to_string(line.words) + ", " + std::to_string(line.in_domain) + "]";
  }
  return text + "]\n}\n";
}

void write_search_part(const std::filesystem::path& path, const SearchPart& part) {
  write_file(path, format_search_part(part));
}

SearchPart read_search_part(const std::filesystem::path& path) {
  return parse_search_part(read_file(path), path.string());
}

SearchPart parse_search_part(std::string_view text, const std::string& source) {
  const JsonDocument document = parse_json(text, source);
  JsonProblems problems(document);
  const JsonField root = problems.root();
  root.only({"format", "model", "language", "semantics", "alphabet", "max_length", "part", "parts", "agreed",
             "disagreement", "lengths"});
  SearchPart part;
  const JsonField format = root.at("format");
  if (const auto name = format.string(); name && *name != format_name)
    format.report(std::string("'") + format_name + "'");
  part.identity.model = root.at("model").string().value_or("");
  part.identity.language = root.at("language").string().value_or("");
  part.identity.semantics = root.at("semantics").string().value_or("");
  part.identity.alphabet = root.at("alphabet").strings();
  part.identity.max_length = root.at("max_length").natural().value_or(0);
  const std::int64_t parts = root.at("parts").integer(1, std::numeric_limits<std::uint32_t>::max()).value_or(1);
  const std::int64_t number = root.at("part").integer(1, parts).value_or(1);
  part.shard = {static_cast<std::uint32_t>(number - 1), static_cast<std::uint32_t>(parts)};
  const JsonField agreed = root.at("agreed");
  if (agreed.exists() && !agreed.is_null()) part.result.agreed = agreed.natural();
  const JsonField disagreement = root.at("disagreement");
  if (disagreement.exists() && !disagreement.is_null()) {
    Word word;
    for (const JsonField& element : disagreement.elements()) {
      const auto name = element.string();
      const auto at = std::find(part.identity.alphabet.begin(), part.identity.alphabet.end(), name.value_or(""));
      if (name && at == part.identity.alphabet.end()) element.report("a symbol of the alphabet");
      word.push_back(static_cast<Symbol>(at - part.identity.alphabet.begin()));
    }
    const std::optional<std::uint64_t> before =
        word.empty() ? std::nullopt : std::optional<std::uint64_t>(word.size() - 1);
    if (part.result.agreed != before) agreed.report("one less than the disagreement's length");
    part.result.disagreement = std::move(word);
  }
  const JsonField lengths = root.at("lengths");
  for (const JsonField& element : lengths.elements()) {
    const std::vector<JsonField> pair = element.elements();
    if (pair.size() != 2) {
      element.report("[words, words in the domain]");
      continue;
    }
    const LengthStatistics line{part.result.lengths.size(), pair[0].natural().value_or(0),
                                pair[1].natural().value_or(0)};
    const auto words = words_in_part(static_cast<std::uint32_t>(part.identity.alphabet.size()), part.shard,
                                     part.identity.max_length, line.length);
    if (!words) {
      element.report("no words of length " + std::to_string(line.length) + " in this search");
    } else if (line.words != *words) {
      pair[0].report(std::to_string(*words) + ", the words of length " + std::to_string(line.length) + " of this part");
    } else if (line.in_domain > line.words) {
      pair[1].report("at most " + std::to_string(line.words));
    }
    part.result.lengths.push_back(line);
  }
  const std::size_t expected = part.result.disagreement ? part.result.disagreement->size() + 1
                               : part.result.agreed     ? static_cast<std::size_t>(*part.result.agreed) + 1
                                                        : 0;
  if (part.result.lengths.size() != expected) lengths.report(std::to_string(expected) + " entries");
  if (part.result.agreed && *part.result.agreed > part.identity.max_length) agreed.report("at most max_length");
  problems.raise_if_any();
  return part;
}

MergedSearch merge_search_parts(const std::vector<std::filesystem::path>& files) {
  std::vector<SearchPart> parts;
  std::vector<std::string> names;
  for (const std::filesystem::path& file : files) {
    parts.push_back(read_search_part(file));
    names.push_back(file.string());
  }
  return merge_search_parts(parts, names);
}

MergedSearch merge_search_parts(const std::vector<SearchPart>& parts, const std::vector<std::string>& names) {
  if (parts.empty()) throw InputError("merge: expected the files of a search's parts, got none");
  std::vector<std::string> problems;
  const SearchPart& first = parts.front();
  std::vector<std::optional<std::size_t>> place(first.shard.count);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string name = names[i];
    if (const auto member = difference(first.identity, parts[i].identity)) {
      problems.push_back(name + ": " + *member + ": expected the search of " + names[0] + ", got another");
      continue;
    }
    if (parts[i].shard.count != first.shard.count) {
      problems.push_back(name + ": parts: expected " + std::to_string(first.shard.count) + ", got " +
                         std::to_string(parts[i].shard.count));
      continue;
    }
    std::optional<std::size_t>& at = place[parts[i].shard.index];
    if (at) {
      problems.push_back(name + ": part: expected each part once, got part " +
                         std::to_string(parts[i].shard.index + 1) + " of " + names[*at] + " again");
    }
    at = i;
  }
  std::vector<EnumerateResult> results;
  for (std::size_t i = 0; i < place.size(); ++i) {
    if (!place[i]) {
      problems.push_back("merge: expected part " + std::to_string(i + 1) + " of " + std::to_string(place.size()) +
                         ", got no file of it");
      if (problems.size() > 20) break;
      continue;
    }
    results.push_back(parts[*place[i]].result);
  }
  if (!problems.empty()) throw InputError(std::move(problems));
  return {first.identity, merge(results)};
}

std::string merged_verdict(const MergedSearch& merged) {
  if (merged.result.disagreement) return "REFUTED";
  return merged.result.agreed && *merged.result.agreed >= merged.identity.max_length ? "CERTIFIED" : "UNKNOWN";
}

std::string merged_search_json(const MergedSearch& merged) {
  const MergedEnumeration& result = merged.result;
  Json object;
  object["verdict"] = merged_verdict(merged);
  object["length"] = nullptr;
  if (result.disagreement) {
    object["length"] = result.disagreement->size();
  } else if (result.agreed) {
    object["length"] = *result.agreed;
  }
  object["word"] = result.disagreement ? word_json(*result.disagreement, Alphabet(merged.identity.alphabet)) : Json();
  object["shortest"] = result.first;
  object["semantics"] = merged.identity.semantics;
  object["method"] = "exhaustive";
  object["lengths"] = Json::array();
  for (const LengthStatistics& line : result.lengths) object["lengths"].push_back({line.words, line.in_domain});
  return json_lines(object);
}

}  // namespace krohn
