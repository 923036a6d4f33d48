// Regular expressions with intersection and complement.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "krohn/automata/dfa.hpp"

namespace krohn {

/// The minimal acceptor, canonically numbered, of a regular expression that matches whole words.
///
/// Grammar, loosest to tightest: `x|y` either; `x&y` both; `xy` one after the other; `~x` the words that x does not
/// match; postfix `x*`, `x+`, `x?`, `x{m}`, `x{m,}`, `x{,n}`, `x{m,n}`. So `~(x)*` is `~((x)*)`, and `~ab` is `(~a)b`.
/// A quantifier may be followed by `*` or `{`, which repeats the whole, but not by `?` or `+`, which elsewhere make it
/// lazy or possessive. An atom is a character, an escape, `.` (any symbol), a class `[a-z0_]` or its complement
/// `[^a-z]` (`]`,
/// `\`, and `-` between two characters are escaped there), or a group `( )` or `(?: )`. Empty operands are the empty
/// word: `a|`, `()`, and the empty expression.
///
/// Escapes: `\` before punctuation is the character; `\xNN` the Unicode scalar of that number; `\d` is `[0-9]`, `\w` is
/// `[0-9A-Z_a-z]`, and `\D`, `\W`, `\S` are the complements of `\d`, `\w`, `\s`. `\s`, `\n`, `\t`, `\r`, `\f`, `\v` and
/// the control characters of `\xNN` are characters that no symbol contains: within a class they change nothing (`[^\s]`
/// is any symbol), an atom or class of nothing else is an error.
///
/// A character is one Unicode scalar and stands for the symbol of that name. `.`, `[^ ]` and `~` are relative to
/// `alphabet`; without one, the alphabet is the characters that occur (those inside ranges and negated classes too),
/// ascending. With one, a character outside it is an error, but a range means those of its characters that belong.
///
/// Throws InputError with the 1-based column (in Unicode scalars) for anything else: white space, back-references,
/// look-around, anchors, lazy and possessive quantifiers, unknown escapes, `{m,n}` with m > n, unbalanced brackets, and
/// expressions whose repetitions unfold to more than max_regex_positions characters. Throws ResourceError if a
/// deterministic automaton on the way passes the cap of determinize or product. Nesting is limited by memory only.
Dfa parse_regex(std::string_view pattern, const std::optional<Alphabet>& alphabet = std::nullopt);

/// The expression of one character as itself, escaped where it means something else.
std::string regex_literal(std::string_view character);

inline constexpr std::size_t max_regex_positions = 250'000;

}  // namespace krohn
