// Cheap searches for a counterexample, run before anything is proved. They claim nothing when they find nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "krohn/engine/machine.hpp"
#include "krohn/verify/budget.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {

/// A word on which the labels differ, not yet shortened, and how it was found: "w-method", "powers" or "beam".
struct Refutation {
  Word word;
  std::string method;
};

struct FastRefutationOptions {
  Budget budget;
  /// Steps of the model for each of the three searches.
  std::uint64_t steps = std::uint64_t{1} << 20U;
  /// Pairs kept a length by the beam search.
  std::size_t beam = 64;
  /// Where the W-method's words run, many at once.
  Device device = Device::automatic;
};

/// Runs the W-method suite of the automaton (every transition, told apart by characterising words); then, up to length
/// 64, 128, .. in turn, powers of every symbol and of short loop words behind short prefixes, with Brent's cycle
/// detection on the model's bits, and a beam search that follows the smallest margins. Once a word is found, only
/// shorter ones are looked for. Steps that give NaN are passed over.
std::optional<Refutation> fast_refutation(const Machine& model, const Specification& specification,
                                          const FastRefutationOptions& options);

/// The beam search alone, for words of at most `length` symbols: it follows the runs that come closest to a tie within
/// `ahead` symbols more.
std::optional<Refutation> beam_refutation(const Machine& model, const Specification& specification, std::size_t length,
                                          int ahead, const FastRefutationOptions& options);

}  // namespace krohn
