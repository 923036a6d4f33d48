// Does this model recognise this language? A ladder of methods, ordered by cost, each handing on what it found.
//
//     const CheckReport report = check(*make_machine(model, Semantics::fp32_fma_v1), language, {}, &hint);
//     if (std::holds_alternative<Proved>(report.verdict)) ...
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "krohn/automata/language.hpp"
#include "krohn/engine/enumerate.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/model/hint.hpp"
#include "krohn/verify/budget.hpp"
#include "krohn/verify/sample.hpp"
#include "krohn/verify/specification.hpp"
#include "krohn/verify/verdict.hpp"

namespace krohn {

struct CheckOptions {
  Budget budget;
  /// The claim asked for: all words up to this length. All lengths if absent.
  std::optional<std::uint64_t> up_to = std::nullopt;
  /// Try every word up to this length where nothing cheaper settles the claim.
  std::optional<std::uint64_t> exhaustive = std::nullopt;
  /// Where those words, and those of searches and samples, run.
  Device device = Device::automatic;
  /// The one method to use, as ladder() names it; empty for all.
  std::string method = {};
  /// Called about twice a second while it does.
  std::function<void(const EnumerateProgress&)> progress;
  /// Called as a method begins, with its name.
  std::function<void(const std::string&)> begins = {};
  /// The sample drawn where nothing settles the claim; no words for none.
  SampleDesign sample;
};

/// One method tried: its name, what came of it in a few words, and how long it took.
struct Rung {
  std::string method;
  std::string outcome;
  double seconds = 0.0;
};

/// A verdict with its evidence, and how it was come by.
struct CheckReport {
  Verdict verdict;
  /// "closure", "invariant", "horizon", "exhaustive", "w-method", "powers", "beam", "sample"; "none" for an UNKNOWN
  /// without any bound.
  std::string method = "none";
  std::string semantics;
  /// The words that the verdict ranges over.
  std::string domain;
  /// Pairs of a closure, or hidden states of an invariant; steps of the model in all.
  std::uint64_t pairs = 0;
  std::uint64_t steps = 0;
  std::vector<Rung> rungs;
  /// Present if words were drawn.
  std::optional<Sample> sample;
  /// True if an interrupt, rather than the work, ended the check.
  bool interrupted = false;
};

/// A row of the ladder: a method, what it needs, and what it may conclude (nothing else is taken from it).
struct LadderRow {
  std::string_view method;
  /// In words; empty for a method that takes any model.
  std::string_view needs;
  bool may_prove = false;
  bool may_certify = false;
  bool may_refute = false;
};

/// The rows in the order in which they are climbed.
std::vector<LadderRow> ladder();

/// Checks any machine, one of tables by its tables too and, where it has one, by its untrusted hint. Throws InputError
/// where the alphabets differ, NumericError where a reachable step gives NaN or infinity. Limits and interrupts give
/// the best verdict so far.
CheckReport check(const Machine& model, const Language& language, const CheckOptions& options,
                  const InvariantHint* hint = nullptr);

}  // namespace krohn
