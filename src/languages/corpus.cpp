// Reading a file of many languages by the rules of the header. Linear in the text.
#include "krohn/languages/corpus.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "krohn/automata/alphabet.hpp"
#include "krohn/error.hpp"
#include "krohn/text/json_document.hpp"

namespace krohn {
namespace {

std::optional<Dfa> read_dfa(const JsonField& field, const Alphabet& alphabet) {
  const std::optional<std::int64_t> states =
      field.at("n").integer(1, std::numeric_limits<std::int32_t>::max() / static_cast<std::int64_t>(alphabet.size()));
  if (!states) return std::nullopt;
  const auto n = static_cast<std::size_t>(*states);
  const std::optional<std::int64_t> start = field.at("start").integer(0, *states - 1);
  const JsonField accept = field.at("accept");
  const JsonField delta = field.at("delta");
  const std::vector<JsonField> rows = delta.elements();
  if (delta.exists() && rows.size() != alphabet.size()) {
    delta.report("a row for each of " + std::to_string(alphabet.size()) + " symbols", std::to_string(rows.size()));
    return std::nullopt;
  }
  bool whole = start.has_value() && accept.exists() && delta.exists();
  std::vector<std::vector<State>> images;
  for (const JsonField& row : rows) {
    std::vector<State>& letter = images.emplace_back();
    for (const JsonField& image : row.elements()) {
      if (const auto q = image.integer(0, *states - 1)) letter.push_back(static_cast<State>(*q));
    }
    if (letter.size() == n) continue;
    whole = false;
    row.report("an image for each of " + std::to_string(n) + " states");
  }
  // As large as the file's rows, not as the number it gives.
  if (!whole) return std::nullopt;
  std::vector<State> transitions(n * alphabet.size());
  for (std::size_t a = 0; a < alphabet.size(); ++a) {
    for (std::size_t q = 0; q < n; ++q) transitions[q * alphabet.size() + a] = images[a][q];
  }
  std::vector<bool> accepting(n, false);
  for (const JsonField& element : accept.elements()) {
    if (const auto q = element.integer(0, *states - 1)) accepting[static_cast<std::size_t>(*q)] = true;
  }
  return Dfa::acceptor(alphabet, static_cast<State>(*start), std::move(transitions), accepting);
}

}  // namespace

std::vector<CorpusLanguage> read_corpus(const std::filesystem::path& path) {
  const JsonDocument document = read_json(path);
  JsonProblems problems(document);
  std::vector<CorpusLanguage> languages;
  std::set<std::string> ids;
  for (const JsonField& entry : problems.root().elements()) {
    const std::optional<std::string> id = entry.at("id").string();
    if (id && !ids.insert(*id).second) entry.at("id").report("different languages", "'" + *id + "' twice");
    const JsonField characters = entry.at("alphabet");
    const std::optional<std::string> symbols = characters.string();
    const JsonField automaton = entry.at("dfa");
    if (!id || !symbols || !automaton.exists()) continue;
    try {
      if (std::optional<Dfa> dfa = read_dfa(automaton, Alphabet::of_characters(*symbols))) {
        languages.push_back({*id, std::move(*dfa)});
      }
    } catch (const InputError& error) {
      for (const std::string& problem : error.problems()) characters.report_problem(problem);
    }
  }
  problems.raise_if_any();
  return languages;
}

}  // namespace krohn
