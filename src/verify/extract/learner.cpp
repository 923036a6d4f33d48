// L# (Vaandrager, Garhewal, Rot and Wissmann 2022). The basis is a set of words that are pairwise apart: some suffix
// that was asked tells any two. The frontier is a symbol further. A frontier word apart from all of the basis joins it;
// one that two basis states could stand for is asked the suffix that tells these, after which it is apart from one of
// them; where one candidate each is left, that is a hypothesis. It is held against all that was asked, and a word on
// which it is wrong is cut in halves until a frontier word loses its candidate: every such word gives a state. The
// hypothesis has as many states as words that are pairwise apart, so it is minimal. Queries: k n^2 + n log m for n
// states, k symbols and words of length m that differ; on automata of this kind some 30 % fewer than a
// discrimination tree's. Tested by tests/verify/extract_test.cpp.
#include "extract/learner.hpp"

#include <algorithm>
#include <optional>

#include "krohn/error.hpp"

namespace krohn {

Learner::Learner(const Target& target, const ExtractOptions& options, std::size_t memory)
    : target_(target), options_(options), tree_(target, options, memory) {
  promote(ObservationTree::root);
}

void Learner::promote(Node node) {
  const auto number = static_cast<std::uint32_t>(basis_.size());
  basis_.push_back(node);
  access_.push_back(tree_.word(node));
  to_basis_.emplace_back(target_.num_symbols(), ObservationTree::none);
  for (Frontier& one : frontier_) {
    if (!tree_.apart(one.node, node)) one.candidates.push_back(number);
  }
  std::vector<Word> words;
  for (Symbol a = 0; a < target_.num_symbols(); ++a) {
    words.push_back(access_[number]);
    words.back().push_back(a);
  }
  tree_.ask(words);
  for (Symbol a = 0; a < target_.num_symbols(); ++a) {
    Frontier one{tree_.child(node, a), number, a, {}};
    for (std::uint32_t b = 0; b < basis_.size(); ++b) {
      if (!tree_.apart(one.node, basis_[b])) one.candidates.push_back(b);
    }
    frontier_.push_back(std::move(one));
  }
}

// Looks again at who can be whom; what is apart from the whole basis joins it, one after the other.
void Learner::drop_candidates() {
  for (Frontier& one : frontier_) {
    std::erase_if(one.candidates, [&](std::uint32_t b) { return tree_.apart(one.node, basis_[b]).has_value(); });
  }
  while (basis_.size() <= options_.max_states) {
    const auto alone =
        std::find_if(frontier_.begin(), frontier_.end(), [](const Frontier& one) { return one.candidates.empty(); });
    if (alone == frontier_.end()) return;
    const Frontier one = *alone;
    frontier_.erase(alone);
    to_basis_[one.from][one.symbol] = static_cast<std::uint32_t>(basis_.size());
    promote(one.node);
  }
}

const Word& Learner::separating(std::uint32_t p, std::uint32_t q) {
  const auto [entry, added] = separating_.try_emplace({std::min(p, q), std::max(p, q)});
  if (added) entry->second = tree_.apart(basis_[p], basis_[q]).value();
  return entry->second;
}

// Asks what tells the candidates of frontier words. False if every word has one.
bool Learner::separate() {
  std::vector<Word> words;
  for (const Frontier& one : frontier_) {
    if (one.candidates.size() < 2) continue;
    Word word = access_[one.from];
    word.push_back(one.symbol);
    const Word& suffix = separating(one.candidates[0], one.candidates[1]);
    word.insert(word.end(), suffix.begin(), suffix.end());
    words.push_back(std::move(word));
  }
  tree_.ask(words);
  return !words.empty();
}

Dfa Learner::build() const {
  const std::size_t k = target_.num_symbols();
  std::vector<State> delta(basis_.size() * k);
  for (std::size_t b = 0; b < basis_.size(); ++b) {
    for (Symbol a = 0; a < k; ++a) delta[b * k + a] = to_basis_[b][a];
  }
  for (const Frontier& one : frontier_) delta[one.from * k + one.symbol] = one.candidates.front();
  std::vector<LabelId> labels;
  for (const Node node : basis_) labels.push_back(tree_.label(node));
  return target_.automaton(std::move(delta), std::move(labels));
}

// `word` was asked, and its label is not the hypothesis's. Asks until a frontier word is apart from its candidate.
void Learner::process(const Dfa& hypothesis, Word word) {
  // The word as u v: u the longest beginning whose basis state's word is not u itself; halving keeps the difference.
  for (;;) {
    const Node node = tree_.find(ObservationTree::root, word);
    const State state = hypothesis.next(hypothesis.start(), word);
    // The frontier word on the way: one symbol beyond the basis.
    std::size_t at = 0;
    Node on_the_way = ObservationTree::root;
    std::uint32_t b = 0;
    while (at < word.size()) {
      on_the_way = tree_.child(on_the_way, word[at]);
      const std::uint32_t next = to_basis_[b][word[at]];
      ++at;
      if (next == ObservationTree::none) break;
      b = next;
    }
    // In the basis or on the frontier: what was asked now tells it from its state.
    if (at >= word.size()) return;
    const std::optional<Word> witness = tree_.apart(node, basis_[state]);
    if (!witness) throw InternalError("extract: a word that differs, but is apart from nothing");
    const std::size_t half = (at + word.size()) / 2;
    const State middle = hypothesis.next(hypothesis.start(), std::span(word).first(half));
    Word other = access_[middle];
    other.insert(other.end(), word.begin() + static_cast<std::ptrdiff_t>(half), word.end());
    Word asked = other;
    asked.insert(asked.end(), witness->begin(), witness->end());
    tree_.ask(asked);
    Word first(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(half));
    if (tree_.apart(tree_.find(ObservationTree::root, first), basis_[middle])) {
      word = std::move(first);
    } else {
      word = std::move(other);
    }
  }
}

std::optional<Dfa> Learner::hypothesis() {
  for (;;) {
    drop_candidates();
    if (basis_.size() > options_.max_states) return std::nullopt;
    if (separate()) continue;
    Dfa hypothesis = build();
    // Held against all that was asked.
    struct Item {
      Node node;
      State state;
    };
    std::vector<Item> items{{ObservationTree::root, hypothesis.start()}};
    std::optional<Node> wrong;
    for (std::size_t i = 0; i < items.size() && !wrong; ++i) {
      const auto [node, state] = items[i];
      if (tree_.label(node) != hypothesis.label(state)) wrong = node;
      for (Symbol a = 0; a < target_.num_symbols(); ++a) {
        const Node next = tree_.child(node, a);
        if (next != ObservationTree::none) items.push_back({next, hypothesis.next(state, a)});
      }
    }
    if (!wrong) return hypothesis;
    process(hypothesis, tree_.word(*wrong));
  }
}

void Learner::differs_on(const Word& word) { tree_.ask(word); }

}  // namespace krohn
