// Active learning of a minimal automaton (L#).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "extract/observation_tree.hpp"

namespace krohn {

class Learner {
 public:
  Learner(const Target& target, const ExtractOptions& options, std::size_t memory);

  /// The next hypothesis: minimal, and right on every word that was asked. Nothing where it would have more than
  /// max_states. Throws as ObservationTree::ask.
  std::optional<Dfa> hypothesis();
  /// A word on which the last hypothesis is wrong (or, no harm, right).
  void differs_on(const Word& word);

  const ObservationTree& tree() const noexcept { return tree_; }

 private:
  using Node = ObservationTree::Node;
  /// A word of a basis state and a symbol, and the basis states from which nothing tells it apart.
  struct Frontier {
    Node node;
    std::uint32_t from;
    Symbol symbol;
    std::vector<std::uint32_t> candidates;
  };

  void promote(Node node);
  void drop_candidates();
  bool separate();
  Dfa build() const;
  State state_of(const Dfa& hypothesis, std::span<const Symbol> word) const;
  void process(const Dfa& hypothesis, Word word);
  const Word& separating(std::uint32_t p, std::uint32_t q);

  const Target& target_;
  const ExtractOptions& options_;
  ObservationTree tree_;
  std::vector<Node> basis_;
  std::vector<Word> access_;
  /// [basis][symbols]: the index of the frontier or, from basis.size() of then on, nothing: see `to_basis_`.
  std::vector<std::vector<std::uint32_t>> to_basis_;
  std::vector<Frontier> frontier_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, Word> separating_;
};

}  // namespace krohn
