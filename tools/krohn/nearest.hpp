// What a misspelt word was perhaps meant to be.
#pragma once

#include <string>
#include <vector>

namespace krohn::cli {

/// The name of the least edit distance (a swap of neighbours counts as one), the first of several; empty where all are
/// further than a third of the word's length, and at least two.
std::string nearest(const std::string& word, const std::vector<std::string>& names);

}  // namespace krohn::cli
