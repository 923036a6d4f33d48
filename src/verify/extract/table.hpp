// Every word up to a length, run.
#pragma once

#include <cstdint>
#include <optional>

#include "extract/target.hpp"
#include "krohn/verify/extract.hpp"

namespace krohn {

/// The words of at most `length` symbols; nothing above 2^62.
std::optional<std::uint64_t> words_up_to(std::size_t symbols, std::uint64_t length);

/// Runs every word of `length` symbols, with its prefixes, and gives an automaton with the labels seen on all of them;
/// longer words lead anywhere. Throws StoppedError at the budget's end. Memory: 8 bytes a word.
Dfa tabulate(const Target& target, std::uint64_t length, const ExtractOptions& options);

}  // namespace krohn
