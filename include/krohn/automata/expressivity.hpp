// Which family of linear RNNs can recognise a language at all lengths: the decision table of the syntactic monoid.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "krohn/automata/language.hpp"
#include "krohn/automata/monoid_flags.hpp"
#include "krohn/automata/reflection_layer.hpp"

namespace krohn {

/// What the table is decided from. Each flag may be unknown; then so is what depends on it.
struct LanguageFacts {
  /// Every letter permutes the states of the minimal automaton.
  bool is_group = false;
  std::optional<bool> is_aperiodic;
  std::optional<bool> only_2_groups;
  std::optional<bool> all_groups_solvable;
  /// The transition monoid is an abelian group; elementary abelian of exponent 2.
  std::optional<bool> abelian_group;
  std::optional<bool> elementary_2_group;
  /// Where two states lie on one cycle of a word, some suffix tells them apart by two labels that are not null. Then a
  /// recogniser has to count as the automaton does; with null labels it may not have to, and nothing is beyond a family
  /// that this was not shown for.
  bool cycles_matter = true;
  /// The largest number p of the least (i, p) with a^i = a^{i+p} over the letters a of the minimal automaton.
  std::uint64_t largest_letter_period = 1;
  /// The letter with that period.
  std::string letter;
  std::size_t states = 0;
  bool has_null_labels = false;
  /// All words of some length reset: the state is a function of the last so many symbols. None for automata of more
  /// than 4096 states.
  std::optional<bool> is_definite;
  /// Every symbol resets: the label is a function of the last symbol.
  bool last_symbol_decides = false;
  /// The transition monoid is J-trivial (Simon: the language is piecewise testable). None beyond 4096 states.
  std::optional<bool> is_piecewise_testable;
  /// Every letter permutes the states or resets; swaps two states at most or resets; moves one state at most, swaps two
  /// or resets.
  bool permutes_or_resets = false;
  bool swaps_or_resets = false;
  bool moves_or_resets = false;
  /// How one layer of signed gates and a reflection does the letters that permute; where `permutes_or_resets`.
  std::optional<ReflectionLayer> reflection_layer;
  /// For groups, of the action of low degree that the compiler uses, or of that on the states where such an action is
  /// too large to be made: its degree and the largest number of reflections that a letter needs in it (degree - cycles,
  /// the least possible there: Scherk).
  std::optional<std::size_t> degree;
  std::optional<std::size_t> reflections;
  /// Hidden sizes of the compiled model's layers, and level widths of a cascade of resets where there is one.
  std::optional<std::vector<std::size_t>> cascade_widths;
  std::optional<std::vector<std::size_t>> reset_widths;
  /// The largest number of factors that a row of the compiled model takes.
  std::optional<std::size_t> compiled_householder;
};

/// Fills in what the automaton itself shows: is_group, the letters' periods, degree and reflections of the group
/// action, abelian_group, elementary_2_group, what its letters do singly, and cycles_matter (left false for an
/// automaton with null labels of more than 4096 states or 2^26 edges between pairs of them).
LanguageFacts letter_facts(const Language& language);

/// What the transition monoid of the minimal automaton shows.
void add_monoid_flags(LanguageFacts& facts, const MonoidFlags& flags);

enum class Answer { yes, no, unknown };

/// What a row's statement rests on: a proof in this project (docs/families.md), a theorem of textbooks, or a paper's
/// statement for which there is no proof here.
enum class Basis { proved, textbook, paper };

/// One row of the table.
struct FamilyDecision {
  /// A short name, as columns of tables have it: "diag+", "KDA+-", ..
  std::string id;
  /// "diagonal or triangular, [0,1]".
  std::string family;
  /// Published models of the family.
  std::string models;
  Answer answer = Answer::unknown;
  /// yes: layers and sizes where they are known. no: why. One line.
  std::string reason;
  /// The statement's name.
  std::string theorem;
  /// Where it is: "arXiv:2411.12537", or a section of docs/families.md. Empty where nothing is stated.
  std::string source;
  Basis basis = Basis::proved;
  /// In which arithmetic the answer holds. Empty where there is none.
  std::string arithmetic;
  /// yes: the numbers that are known: layers, the factors n_h of a token's product (of families that have them), and
  /// the sum of the layers' hidden sizes.
  std::optional<std::size_t> layers;
  std::optional<std::size_t> householder;
  std::optional<std::size_t> size;
};

/// The table, one entry a family, always all of them in the same order.
std::vector<FamilyDecision> decide_expressivity(const LanguageFacts& facts);

/// "yes", "no", "unknown".
std::string answer_name(Answer answer);
/// "proved", "textbook", "paper".
std::string basis_name(Basis basis);

}  // namespace krohn
