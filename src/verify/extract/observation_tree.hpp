// Words asked of a model, as a tree: what two words have in common is run once, and a word one symbol longer than one
// that was asked costs one step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "extract/target.hpp"
#include "krohn/verify/extract.hpp"

namespace krohn {

class ObservationTree {
 public:
  using Node = std::uint32_t;
  static constexpr Node none = 0xFFFFFFFFU;
  static constexpr Node root = 0;

  /// Asks the empty word. Keeps carried states within `memory` bytes; where there are no more, what lies before a word
  /// is run again.
  ObservationTree(const Target& target, const ExtractOptions& options, std::size_t memory);

  /// Asks every word, with its prefixes; those that share a beginning share its steps. Many at once run as a batch.
  /// Throws NumericError, StoppedError at the budget's end.
  void ask(std::span<const Word> words);
  Node ask(const Word& word) {
    ask(std::span(&word, 1));
    return find(root, word);
  }

  Node child(Node node, Symbol symbol) const noexcept {
    const std::uint32_t row = nodes_[node].row;
    return row == none ? none : children_[std::size_t{row} * symbols_ + symbol];
  }
  /// The node behind a word that was asked, or none.
  Node find(Node from, std::span<const Symbol> word) const;
  LabelId label(Node node) const noexcept { return nodes_[node].label; }
  Word word(Node node) const;
  std::size_t size() const noexcept { return nodes_.size(); }

  /// A shortest suffix behind which both were asked and have different labels.
  std::optional<Word> apart(Node x, Node y) const;

  std::uint64_t queries() const noexcept { return queries_; }
  std::uint64_t steps() const noexcept { return steps_; }

 private:
  struct Entry {
    Node parent;
    Symbol symbol;
    LabelId label;
    State domain;
    std::uint32_t row;
  };

  Node add(Node parent, Symbol symbol, std::int32_t label);
  void step_along(const Word& word);
  void run_batch(const std::vector<Word>& words);
  void look_at_budget() const;

  const Target& target_;
  const ExtractOptions& options_;
  const std::size_t symbols_;
  const std::size_t most_states_;
  std::vector<Entry> nodes_;
  std::vector<Node> children_;
  /// Of the first nodes that were stepped to: what is carried there.
  std::vector<std::uint32_t> kept_;
  std::vector<std::byte> states_;
  std::size_t num_states_ = 0;
  std::uint64_t queries_ = 0;
  std::uint64_t steps_ = 0;
};

}  // namespace krohn
