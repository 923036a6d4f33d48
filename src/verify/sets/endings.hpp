// Words' ends behind which the readout is right. A node is a situation and a word that begins there: the functional by
// which the readout reads the situation's set through the word, and what the word's own tokens add, exactly.
#pragma once

#include <cstdint>
#include <optional>
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
  /// Of the word's tokens.
  std::vector<std::uint32_t> contexts;
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
  /// The second readout, if there is one, is asked where the first fails by rounding.
  Endings(const System& system, const Enclosing& enclosing, Readout& readout, Readout* fine)
      : system_(system), enclosing_(enclosing), readout_(readout), fine_(fine) {}

  /// The word of one symbol that begins in a situation.
  Node root(std::uint32_t situation, Symbol last) const;
  /// The node's word with a symbol before it.
  Node before(const Node& node, const System::Predecessor& predecessor) const;
  /// Whether the readout is right on all of the situation's set behind the word. Where a norm takes out how large a
  /// head's answer is, and no answer is 0: on all directions of answers; otherwise on the parallelotope around the set,
  /// whose pieces are cut by how far the set goes in directions, among them those in which margins fall. Or on every
  /// piece when the widest side is halved, at most `halvings` times.
  bool right(const Node& node, int halvings);

  std::uint64_t evaluations() const { return evaluations_; }
  /// What the last evaluation that failed had no enclosure of; null: the margin.
  const char* lost() const { return lost_; }

 private:
  /// direction . t is at most `most`, of t of all readers [readers, generators].
  struct Limit {
    std::vector<double> direction;
    double most = 0.0;
  };
  struct Region {
    const Node& node;
    /// By reader and combination.
    std::vector<double> supports;
    std::vector<Limit> limits;
    /// Limits are of t itself, and say nothing of t over its scale.
    bool scaled = false;
    std::uint64_t pieces = 0;
  };
  /// A limit in a box's symbols: coefficients . e <= most.
  struct Cut {
    std::vector<double> coefficients;
    double most = 0.0;
  };

  Enclosing::Behind behind(const Node& node, std::size_t reader) const;
  Box box_of(Region& region) const;
  bool right(Region& region, Box box, int halvings, int depth);
  Limit limit_by_supports(const Region& region, std::vector<double> direction) const;
  Limit limit_of(const Region& region, std::vector<double> direction) const;
  bool take_out_scale(const Region& region, std::size_t reader, Box& box) const;
  Cut cut_of(const Limit& limit, const Box& box) const;
  bool tighten(const Region& region, Box& box) const;
  std::vector<double> fall_of(const Readout::Outcome::Margin& margin, const Box& box) const;
  bool positive(const Readout::Outcome::Margin& margin, const Cut& cut) const;
  std::optional<Box> worst_corner(const Region& region, const Readout::Outcome::Margin& margin, Box box) const;
  std::optional<std::size_t> longest_of(const Region& region, const Box& middle, double lost);
  bool is_left_out(const Region& region, const Box& point) const;
  Readout::Outcome evaluate(const Region& region, const Box& box, Readout& readout);
  void add_sizes(const double* functional, double* noise) const;

  const System& system_;
  const Enclosing& enclosing_;
  Readout& readout_;
  Readout* fine_;
  std::uint64_t evaluations_ = 0;
  const char* lost_ = nullptr;
};

}  // namespace krohn::sets
