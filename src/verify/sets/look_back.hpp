// How far a functional goes over all words, where every entry of a state decays by itself: the entries obey
// s' = a_c . s + w_c behind token c, and what is asked for is
//     sup over words of p . s.
// Bounds of every entry by itself take for each the word that is worst for it; here all share one. A step back over
// token c adds p . w_c and makes of p the functional a_c . p: what p becomes depends on how many of each token were
// passed, not on their order. So of all words that pass the same numbers of tokens, a *cell*, the one that has added
// most is kept. What lies before a cell is bounded by entries of their own; cells that can hardly exceed what others
// reach are set aside with their bound, and there is a last level. Together that bounds all words: those that begin at
// some level, from the first state, and those that go on before a cell that is set aside.
#pragma once

#include <cstddef>
#include <vector>

namespace krohn::sets {

class LookBack {
 public:
  /// Of at most 8 tokens, the decay of every entry, in [0, 1).
  explicit LookBack(std::vector<std::vector<double>> decays);

  /// What the entries add up to, for one question; by entry.
  struct Entries {
    /// By token: what it writes.
    std::vector<std::vector<double>> writes;
    /// The first state.
    std::vector<double> first;
    /// At least the entry, and at least its negative, in every state that a word leads to; the first is one.
    std::vector<double> up;
    std::vector<double> down;
  };
  /// At least functional . s behind every word.
  double far(const double* functional, const Entries& entries) const;

 private:
  struct Level;

  std::vector<std::vector<double>> decays_;
  std::size_t size_;
  /// Of every entry, 1 / (1 - decay) of each token and the largest of them.
  std::vector<std::vector<double>> sums_;
  std::vector<double> longest_;
};

}  // namespace krohn::sets
