// Words read in double, layer by layer: every layer's weights are read once for many tokens, so that a model may be
// larger than memory; with a probe along that looks at what every recurrence does. The numbers are those of words read
// token by token, bit by bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "krohn/engine/interpreter.hpp"
#include "krohn/engine/spectrum.hpp"
#include "krohn/model/program.hpp"

namespace krohn {

/// A token of a word.
struct ReadToken {
  /// Its place in SpectrumOptions::tokens.
  std::size_t place = 0;
  /// Of a random word, not the one token of a word of its own.
  bool random = false;
  /// In its word, from 0; whether it is the word's last.
  std::uint64_t index = 0;
  bool last = true;
  /// Among all tokens read, from 0.
  std::uint64_t number = 0;
};

class TokenProbe : public forward::Probe<double> {
 public:
  /// Called before the recurrences of a token, of every layer anew: layers come one after the other, in each of them
  /// the tokens of a word in their order.
  virtual void token(const ReadToken& token) = 0;
};

/// Every token of the options as a word, then the random words that they ask for, on as many threads as there are
/// probes, each with words of its own. `progress` is told what part is done. Operations behind the last recurrence are
/// not run.
void walk_layers(const Program& program, const SpectrumOptions& options, std::span<TokenProbe* const> probes,
                 const std::function<void(double)>& progress);

}  // namespace krohn
