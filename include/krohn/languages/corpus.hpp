// A file of many languages: a JSON array of objects
//
//     {"id": "A4_nat", "alphabet": "ab", "dfa": {"n": 4, "start": 0, "accept": [0], "delta": [[1, 2, 0, 3], ..]}, ..}
//
// `delta` has a row for each character of the alphabet and in it an image for each state. Other members are passed
// over: collections carry words and facts of their own.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "krohn/automata/dfa.hpp"

namespace krohn {

struct CorpusLanguage {
  std::string id;
  Dfa dfa;
};

/// Throws InputError that names every field that is wrong.
std::vector<CorpusLanguage> read_corpus(const std::filesystem::path& path);

}  // namespace krohn
