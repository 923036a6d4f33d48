// How often a model is right on random words of given lengths: the measurement that papers report. It proves nothing
// about words that were not drawn; krohn check does.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "krohn/automata/dfa.hpp"
#include "krohn/engine/machine.hpp"

namespace krohn {

/// A proportion with its 95 % confidence interval, and (p - chance) / (1 - chance), with the chance of what is counted:
/// of a label for positions and last labels, of all labels of a word for sequences.
struct Proportion {
  double value = 0.0;
  double low = 0.0;
  double high = 1.0;
  double scaled = 0.0;
};

/// On words of one length: positions whose label is right, words whose last label is, words right at every position.
/// Positions and sequences count the labels that are not null; with `last_only` the three are the last label's.
struct LengthAccuracy {
  std::uint64_t length = 0;
  std::uint64_t words = 0;
  Proportion position;
  Proportion last;
  Proportion sequence;
  /// What guessing every label reaches on whole words: the mean over the words of chance^(labels counted).
  double sequence_chance = 0.0;
};

/// Which function of the weights answers: the machine's, or the chunked form of a learned model that fast kernels run,
/// in one of its formats (docs/semantics.md, section 9: what is deployed, and no semantics).
enum class AnsweringForm { canonical, chunked_bf16, chunked_fp32 };
/// "learned-fp32-v1" or whatever the machine's is; "chunked, bf16"; "chunked, fp32".
std::string form_name(AnsweringForm form, const Machine& machine);

struct AccuracyOptions {
  std::vector<std::uint64_t> lengths;
  std::uint64_t words = 512;
  std::uint64_t seed = 0;
  bool last_only = false;
  /// How often each symbol of the model's alphabet is drawn, relative to the others; empty: all alike.
  std::vector<double> symbol_weights = {};
  unsigned threads = 0;
  Device device = Device::automatic;
  AnsweringForm form = AnsweringForm::canonical;
  /// Polled; once true, the measurement ends with the words run so far. Null for none.
  const std::atomic<bool>* stop = nullptr;
  /// Called as words are done: the length, symbols so far and in all.
  std::function<void(std::uint64_t length, double done, double total)> progress = {};
};

struct Accuracy {
  std::vector<LengthAccuracy> lengths;
  /// The lengths of which the language has no word with a label.
  std::vector<std::uint64_t> empty_lengths;
  /// One over the number of labels that the language gives: what guessing reaches.
  double chance = 0.0;
  /// What ran the last length, as Trace::device.
  std::string device;
  /// True if the stop flag ended it: `lengths` has what was run, the last one perhaps fewer words.
  bool stopped = false;
};

/// Draws words among those of the length whose last label is not null, each with a probability proportional to the
/// product of its symbols' weights, from krohn's own generator: the same
/// seed gives the same words everywhere. The intervals: Wilson's for words, which are independent; for positions,
/// which are not, the normal interval of the mean over words, and Wilson's where all words agree.
/// Throws InputError where symbols do not match or weights are not one positive number a symbol, and for a chunked form
/// that the machine does not have; NumericError and DeviceError where a run does. Labels, and so the result, are the
/// same on every device; those of a chunked form are not, since no bits are promised of it.
Accuracy measure_accuracy(const Machine& machine, const Dfa& language, const AccuracyOptions& options);

/// "40..512": both ends and the powers of two between them; "40..512:100": from 40 in steps of 100; "40,64,100"; "40".
/// Throws InputError for anything else, for length 0 and beyond a million, and for more than 10000 lengths.
std::vector<std::uint64_t> parse_lengths(const std::string& text);

}  // namespace krohn
