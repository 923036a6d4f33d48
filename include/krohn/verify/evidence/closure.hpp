// Evidence for PROVED and, with depths, for CERTIFIED: the pairs that words reach, and where every symbol leads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "krohn/automata/alphabet.hpp"
#include "krohn/automata/dfa.hpp"
#include "krohn/verify/evidence/assertion.hpp"
#include "krohn/verify/evidence/fields.hpp"

namespace krohn {

struct Closure;

struct ClosureEvidence {
  static constexpr std::string_view kind = "closure";
  static constexpr bool shows(VerdictKind verdict) {
    return verdict == VerdictKind::proved || verdict == VerdictKind::certified;
  }
  static constexpr std::uint32_t none = 0xFFFFFFFFU;

  /// 32-bit words of a carried state (docs/semantics.md, 5).
  std::size_t state_words = 0;
  /// [pairs * state_words]; pair 0 is the initial one.
  std::vector<std::uint32_t> states = {};
  /// [pairs] states of the automaton.
  std::vector<State> automaton_states = {};
  /// [pairs] the length of a word that reaches the pair, at most.
  std::vector<std::uint32_t> depths = {};
  /// [pairs * symbols] in the model's symbol order. `none` where the successor was compared and is not listed, allowed
  /// for a pair of depth N - 1 of a certificate up to length N.
  std::vector<std::uint32_t> successors = {};
  /// What a search found, while it is not listed: the lists above are then empty. To list it takes the search's steps
  /// and as much memory once more, which only a certificate needs.
  std::shared_ptr<const Closure> found = nullptr;

  std::size_t pairs() const noexcept { return automaton_states.size(); }

  void list(EvidenceFields& fields);
  void check(const Assertion& assertion) const;
  /// With its lists in place of what was found; nothing where they would take more than 2 GiB.
  std::optional<ClosureEvidence> listed(const Machine& machine, const Specification& specification) const;
  friend bool operator==(const ClosureEvidence&, const ClosureEvidence&) = default;
};

}  // namespace krohn
