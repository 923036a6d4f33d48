// Boolean combinations of acceptors, and the difference of two languages shown on a shortest word.
#pragma once

#include <cstddef>
#include <optional>

#include "krohn/automata/dfa.hpp"

namespace krohn {

enum class BooleanOperation { conjunction, disjunction, difference, symmetric_difference };

/// Accepts what `dfa` rejects. Same states and numbering. Throws InputError unless dfa.is_acceptor().
Dfa complement(const Dfa& dfa);

/// The acceptor of the words w with op(a accepts w, b accepts w): the reachable pairs, numbered breadth first, not
/// minimised. Throws InputError unless both are acceptors over one alphabet, ResourceError past `max_states` pairs.
Dfa product(const Dfa& a, const Dfa& b, BooleanOperation operation, std::size_t max_states = std::size_t{1} << 24);

/// The first word in shortlex order (hence a shortest one) whose label, by name, differs in a and b; none if there is
/// no such word. Null differs from every name. Time nearly linear in the states of a plus those of b times the symbols,
/// whether or not the languages are equal. Throws InputError if the alphabets differ.
std::optional<Word> separating_word(const Dfa& a, const Dfa& b);

}  // namespace krohn
