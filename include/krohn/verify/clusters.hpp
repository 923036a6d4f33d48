// What a model carries behind the words that lead to each state of an automaton: clusters of hidden states, how far
// they are apart as words grow, and where along a word a layer's or head's state leaves its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "krohn/automata/dfa.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/program.hpp"

namespace krohn {

/// Numbers of the carried state that belong together: one head's hidden state, or one part of a layer.
struct StateUnit {
  std::size_t layer = 0;
  std::size_t head = 0;
  /// Of Machine::hidden().
  std::size_t offset = 0;
  std::size_t size = 0;
};

/// What recurrences carry; short convolutions and token shifts, which hold the last inputs, are left out.
std::vector<StateUnit> state_units(const Program& model);
std::vector<StateUnit> state_units(const LrnnModel& model);

/// A state met behind a word, by its first two principal directions.
struct ClusterPoint {
  State state = 0;
  std::uint64_t length = 0;
  double x = 0.0;
  double y = 0.0;
};

/// How clusters lie at words of one length: the least distance between two states of the model that belong to different
/// states of the automaton, and the largest of a state from its cluster's mean.
struct ClusterGap {
  std::uint64_t length = 0;
  double least_between = 0.0;
  double most_within = 0.0;
};

/// A unit's state is nearer to another cluster's mean than to its own's (or, `nearer` absent, farther than twice as far
/// from its own's as any of the short words was).
struct Departure {
  std::size_t layer = 0;
  std::size_t head = 0;
  /// After so many symbols.
  std::uint64_t position = 0;
  State state = 0;
  std::optional<State> nearer;
};

struct Clusters {
  /// The words that made them: all of at most this length.
  std::uint64_t length = 0;
  std::vector<ClusterPoint> points;
  /// The share of the spread that the two directions show.
  double shown = 0.0;
  std::vector<ClusterGap> gaps;
  /// Units whose every short word lies nearest to its own cluster (of at least three words).
  std::size_t telling_units = 0;
  std::size_t units = 0;
  /// Along `word`, the first in time (the lowest layer and head of those at one time).
  std::optional<Departure> departure;
};

struct ClusterOptions {
  /// Words that make the clusters, at most; and random ones of each longer length.
  std::size_t words = 256;
  std::size_t long_words = 24;
  /// Gaps are measured at lengths that double, up to this.
  std::uint64_t longest = 256;
  std::uint64_t seed = 0;
};

/// `automaton` has the model's symbols in the model's order. Runs that are not finite are left out. The same result on
/// every machine but for the last bits of the projection.
Clusters find_clusters(const Machine& model, const std::vector<StateUnit>& units, const Dfa& automaton,
                       const std::optional<Word>& word, const ClusterOptions& options = {});

}  // namespace krohn
