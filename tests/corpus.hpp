// Reads tests/data/corpus/languages.json for the tests: each language as an automaton with its facts and its words.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "krohn/automata/dfa.hpp"

namespace krohn::corpus {

/// One language of the corpus. Words are over `dfa.alphabet()`.
struct Language {
  std::string id;
  std::string kind;                  ///< "regex" or "dfa"
  std::optional<std::string> regex;  ///< relative to `alphabet`
  std::string alphabet;              ///< single characters, in the order of the symbols
  Dfa dfa;                           ///< minimal, an acceptor
  std::size_t min_states = 0;
  std::optional<std::size_t> monoid_order;  ///< of the syntactic monoid; none above 50,000
  bool is_group = false;                    ///< every letter of the minimal automaton is a permutation
  bool is_aperiodic = false;
  bool all_groups_solvable = false;
  std::vector<Word> accepted;
  std::vector<Word> rejected;
};

inline std::filesystem::path folder() { return std::filesystem::path(KROHN_TEST_DATA) / "corpus"; }

/// Every language, in the order of the file. Read once per process.
inline const std::vector<Language>& languages() {
  static const std::vector<Language> all = [] {
    std::ifstream file(folder() / "languages.json");
    if (!file) throw std::runtime_error("tests/data/corpus/languages.json cannot be opened");
    std::vector<Language> list;
    for (const nlohmann::json& entry : nlohmann::json::parse(file)) {
      const std::string characters = entry.at("alphabet").get<std::string>();
      const nlohmann::json& automaton = entry.at("dfa");
      const std::size_t states = automaton.at("n").get<std::size_t>();
      const auto rows = automaton.at("delta").get<std::vector<std::vector<State>>>();  // one row per letter
      std::vector<State> delta(states * rows.size());
      for (std::size_t a = 0; a < rows.size(); ++a) {
        for (std::size_t q = 0; q < states; ++q) delta[q * rows.size() + a] = rows[a].at(q);
      }
      std::vector<bool> accepting(states);
      for (const std::size_t q : automaton.at("accept").get<std::vector<std::size_t>>()) accepting.at(q) = true;
      Dfa dfa = Dfa::acceptor(Alphabet::of_characters(characters), automaton.at("start").get<State>(), std::move(delta),
                              accepting);
      const auto words = [&](const char* key) {
        std::vector<Word> result;
        for (const std::string& text : entry.at(key).get<std::vector<std::string>>()) {
          result.push_back(dfa.alphabet().parse_word(text));
        }
        return result;
      };
      std::vector<Word> accepted = words("accepted");
      std::vector<Word> rejected = words("rejected");
      const auto optional = [&]<typename T>(const char* key, std::optional<T> value) {
        if (!entry.at(key).is_null()) value = entry.at(key).get<T>();
        return value;
      };
      list.push_back({entry.at("id").get<std::string>(), entry.at("kind").get<std::string>(),
                      optional("regex", std::optional<std::string>()), characters, std::move(dfa),
                      entry.at("min_states").get<std::size_t>(), optional("monoid_order", std::optional<std::size_t>()),
                      entry.at("is_group").get<bool>(), entry.at("is_aperiodic").get<bool>(),
                      entry.at("all_groups_solvable").get<bool>(), std::move(accepted), std::move(rejected)});
    }
    return list;
  }();
  return all;
}

/// The language of that id. Throws std::out_of_range for an unknown one.
inline const Language& language(std::string_view id) {
  for (const Language& entry : languages()) {
    if (entry.id == id) return entry;
  }
  throw std::out_of_range("no language '" + std::string(id) + "' in the corpus");
}

/// The AT&T text files of tests/data/corpus/mlregtest, sorted by name.
inline std::vector<std::filesystem::path> mlregtest_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder() / "mlregtest")) {
    if (entry.path().extension() == ".att") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace krohn::corpus
