// Words' ends behind which the readout is right. A node is a situation and a word that begins there: the functional by
// which the readout reads the situation's set through the word, and what the word's own tokens add, exactly.
#pragma once

#include <cstdint>
#include <vector>

#include "sets/enclosing.hpp"
#include "sets/readout.hpp"
#include "sets/system.hpp"

namespace krohn::sets {

struct Node {
  std::uint32_t situation = 0;
  /// Of the last token, and the automaton's state behind it.
  std::uint32_t context = 0;
  State state = 0;
  Word word;
  /// By reader.
  std::vector<double> functionals;
  std::vector<double> parts;
  std::vector<double> sizes;
  /// By reader, of every entry of the functional the sum of its sizes before each of the word's tokens was taken back.
  std::vector<double> noise;
  /// Of the functional that each reader began with, the largest entry.
  std::vector<double> largest;
};

class Endings {
 public:
  Endings(const System& system, const Enclosing& enclosing, Readout& readout)
      : system_(system), enclosing_(enclosing), readout_(readout) {}

  /// The word of one symbol that begins in a situation.
  Node root(std::uint32_t situation, Symbol last) const;
  /// The node's word with a symbol before it.
  Node before(const Node& node, const System::Predecessor& predecessor) const;
  /// Whether the readout is right on all of the situation's set behind the word: on the parallelotope around it, or on
  /// every piece when its widest side is halved, at most `halvings` times.
  bool right(const Node& node, int halvings);

  std::uint64_t evaluations() const { return evaluations_; }
  /// What the last evaluation that failed had no enclosure of; null: the margin.
  const char* lost() const { return lost_; }

 private:
  bool right(const Node& node, Box& box, int halvings, int depth);
  Box box_of(const Node& node) const;
  void add_sizes(const double* functional, double* noise) const;

  const System& system_;
  const Enclosing& enclosing_;
  Readout& readout_;
  std::uint64_t evaluations_ = 0;
  const char* lost_ = nullptr;
};

}  // namespace krohn::sets
