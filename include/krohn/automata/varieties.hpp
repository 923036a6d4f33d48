// Where the syntactic monoid stands among the varieties of finite monoids, and the language among circuit classes.
#pragma once

#include <optional>
#include <string_view>

#include "krohn/automata/dfa.hpp"
#include "krohn/automata/green.hpp"
#include "krohn/automata/monoid_flags.hpp"

namespace krohn {

/// The least of these that is known to have the language. AC0: decided by circuits of constant depth and polynomial
/// size with AND, OR and NOT. ACC0: with counting modulo constants too, and not in AC0. NC1: complete for it (under
/// reductions in AC0), outside ACC0 unless ACC0 = NC1. Barrington, J. Comput. Syst. Sci. 38 (1989); Barrington,
/// Compton, Straubing and Therien, J. Comput. Syst. Sci. 44 (1992).
enum class CircuitClass { ac0, acc0, nc1 };

/// "AC0", "ACC0", "NC1".
std::string_view circuit_class_name(CircuitClass circuit_class);

/// Each is empty where the caps of what it is read off leave it open.
struct MonoidVarieties {
  /// Elements that generate the same right, left, two-sided ideal are equal.
  std::optional<bool> is_r_trivial;
  std::optional<bool> is_l_trivial;
  /// Of acceptors: piecewise testable languages (Simon 1975).
  std::optional<bool> is_j_trivial;
  /// DA: every regular element is idempotent. Of acceptors: the languages of first-order logic with two variables.
  std::optional<bool> is_da;
  /// No set of all words of one length (at least 1) has a non-trivial group among its elements.
  std::optional<bool> is_quasi_aperiodic;
  std::optional<CircuitClass> circuit_class;
};

/// Of the transition monoid of `dfa` (for the syntactic monoid: of a minimal automaton), of which `facts` are the flags
/// and `green`, where known, Green's relations. An automaton with more labels than two stands in the class of the
/// hardest of its labels; one with null labels for the completion that it is, not for the easiest.
MonoidVarieties find_varieties(const Dfa& dfa, const MonoidFacts& facts, const std::optional<GreenRelations>& green);

}  // namespace krohn
