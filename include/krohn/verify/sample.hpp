// Independent random words: what can be said where nothing could be proved.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "krohn/engine/machine.hpp"
#include "krohn/verify/budget.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {

/// The distribution that words are drawn from, and how many; fixed before the first is drawn.
///
/// Word i has a length drawn uniformly from 1 .. max_length, then symbols drawn uniformly. Draws come from SplitMix64
/// started at seed + i * 0x9E3779B97F4A7C15 (the i-th word does not depend on the others); a draw below n is
/// (x * n) >> 64 of a 64-bit output x.
struct SampleDesign {
  std::uint64_t words = 1000;
  std::uint64_t max_length = 256;
  std::uint64_t seed = 0;
  /// One minus the probability that the bound below is wrong.
  double confidence = 0.99;
};

struct Sample {
  SampleDesign design;
  /// Fewer than design.words only if a limit ended the sampling: then there is no bound.
  std::uint64_t drawn = 0;
  /// Of these, the words with a label in the language at some position: the others cannot be wrong.
  std::uint64_t labelled = 0;
  /// A word whose label is wrong at its end or before. The sampling ends with the first.
  std::optional<Word> disagreement;
  Limit limit = Limit::none;
  /// Without a disagreement: with the design's confidence, the probability that a word of this distribution has a wrong
  /// label at some position is at most this (Clopper and Pearson 1934, one-sided, no failure among the words drawn).
  /// Nothing where no word drawn had a label.
  std::optional<double> bound;
  std::uint64_t steps = 0;
  /// What ran the last words, as Trace::device.
  std::string device;
};

/// Throws InputError for a design without words, symbols or length; NumericError and DeviceError as runs do. Many
/// words run at once; what is found, drawn and stepped is the same on every device (but where a limit ends the
/// sampling).
Sample sample(const Machine& model, const Specification& specification, const SampleDesign& design,
              const Budget& budget, Device device = Device::automatic);

/// The upper end of the one-sided Clopper-Pearson interval for a proportion with `failures` among `trials`.
double clopper_pearson_upper(std::uint64_t failures, std::uint64_t trials, double confidence);

}  // namespace krohn
