// The words that count: those whose label is not null.
#pragma once

#include <cstdint>
#include <string>

#include "krohn/automata/dfa.hpp"

namespace krohn {

/// The words of length at least `min_length` whose label is not null, in words: "all words" where no state that they
/// reach is null.
std::string domain_in_words(const Dfa& language, std::uint64_t min_length = 0);

/// The language with the label null for every word shorter than `min_length`: those words leave the domain.
/// Throws ResourceError beyond 10 million states.
Dfa without_short_words(const Dfa& language, std::uint64_t min_length);

}  // namespace krohn
