// Words read in double, one token at a time, with a probe along that looks at what every recurrence does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "krohn/engine/interpreter.hpp"
#include "krohn/engine/spectrum.hpp"
#include "krohn/numeric/splitmix64.hpp"
#include "learned_pass.hpp"

namespace krohn {

/// `Collector` is a forward::Probe<double> that is told of every word with start_word() and of every token, by its
/// place in options.tokens, with token(place) before it is read. All three are kept by reference.
template <class Collector>
class WordWalk {
 public:
  WordWalk(const Program& model, const SpectrumOptions& options, Collector& collector)
      : options_(options), collector_(collector), pass_(make_pass<double>(model)), start_(model.state_size()) {
    pass_->initial(start_.data());
    if (options.first_token) pass_->step(start_.data(), &*options.first_token, nullptr);
  }

  /// Back to the state in which every word starts.
  void start_word() {
    collector_.start_word();
    state_ = start_;
  }

  void read(std::size_t place) {
    collector_.token(place);
    pass_->step(state_.data(), options_.tokens[place], nullptr, collector_);
  }

  /// The words that the options ask for. The modulus favours no token visibly, with at most 2^12 of them.
  void read_random_words() {
    SplitMix64 random(options_.seed);
    for (std::uint64_t w = 0; w < options_.words; ++w) {
      start_word();
      for (std::uint64_t t = 0; t < options_.length; ++t) read(random.next() % options_.tokens.size());
    }
  }

 private:
  const SpectrumOptions& options_;
  Collector& collector_;
  std::unique_ptr<LearnedPass<double>> pass_;
  std::vector<double> start_;
  std::vector<double> state_;
};

}  // namespace krohn
