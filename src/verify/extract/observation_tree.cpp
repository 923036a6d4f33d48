// One node a word. Carried states lie beside the nodes that were stepped to, as many as memory allows; a node from a
// batch has none, and going on from there begins at the nearest node before it that has one.
// Tested by tests/verify/extract_test.cpp.
#include "extract/observation_tree.hpp"

#include <algorithm>
#include <utility>

#include "krohn/error.hpp"

namespace krohn {
namespace {

// From so many words on the batched engine, which shares beginnings among them, beats single steps.
constexpr std::size_t batch_from = 64;

}  // namespace

ObservationTree::ObservationTree(const Target& target, const ExtractOptions& options, std::size_t memory)
    : target_(target),
      options_(options),
      symbols_(target.num_symbols()),
      most_states_(memory / std::max<std::size_t>(1, target.model().state_size())) {
  std::vector<std::byte> state(target_.model().state_size());
  const Observation first = target_.model().initial(state);
  const State inside = target_.domain().start();
  nodes_.push_back({none, 0, target_.label(first.label, inside), inside, none});
  states_ = std::move(state);
  kept_.push_back(0);
  num_states_ = 1;
  ++queries_;
}

ObservationTree::Node ObservationTree::find(Node from, std::span<const Symbol> word) const {
  for (const Symbol symbol : word) {
    if (from == none) return none;
    from = child(from, symbol);
  }
  return from;
}

Word ObservationTree::word(Node node) const {
  Word word;
  for (; node != root; node = nodes_[node].parent) word.push_back(nodes_[node].symbol);
  std::reverse(word.begin(), word.end());
  return word;
}

void ObservationTree::look_at_budget() const {
  if (options_.budget.interrupted() || options_.budget.out_of_time()) throw StoppedError();
}

ObservationTree::Node ObservationTree::add(Node parent, Symbol symbol, std::int32_t label) {
  if (nodes_[parent].row == none) {
    nodes_[parent].row = static_cast<std::uint32_t>(children_.size() / symbols_);
    children_.resize(children_.size() + symbols_, none);
  }
  Node& place = children_[std::size_t{nodes_[parent].row} * symbols_ + symbol];
  if (place != none) return place;
  if (nodes_.size() >= none) throw ResourceError("extract: more than 2^32 words were asked");
  place = static_cast<Node>(nodes_.size());
  const State inside = target_.domain().next(nodes_[parent].domain, symbol);
  nodes_.push_back({parent, symbol, target_.label(label, inside), inside, none});
  kept_.push_back(none);
  return static_cast<Node>(nodes_.size() - 1);
}

void ObservationTree::step_along(const Word& word) {
  const std::size_t size = target_.model().state_size();
  Node node = root;
  std::size_t at = 0;
  while (at < word.size() && child(node, word[at]) != none) node = child(node, word[at++]);
  if (at == word.size()) return;
  // Back to where a state is kept.
  Node from = node;
  std::size_t start = at;
  while (kept_[from] == none) {
    from = nodes_[from].parent;
    --start;
  }
  std::vector<std::byte> state(states_.begin() + static_cast<std::ptrdiff_t>(kept_[from] * size),
                               states_.begin() + static_cast<std::ptrdiff_t>((kept_[from] + 1) * size));
  for (std::size_t i = start; i < word.size(); ++i) {
    Observation observation;
    try {
      observation = target_.model().step(state, word[i]);
    } catch (const NumericError& error) {
      throw NumericError("word " + target_.model().alphabet().format_word(std::span(word).first(i + 1)) + ": " +
                         error.what());
    }
    if (++steps_ % 256 == 0) look_at_budget();
    from = add(from, word[i], observation.label);
    if (kept_[from] == none && num_states_ < most_states_) {
      kept_[from] = static_cast<std::uint32_t>(num_states_++);
      states_.insert(states_.end(), state.begin(), state.end());
    }
  }
}

void ObservationTree::run_batch(const std::vector<Word>& words) {
  look_at_budget();
  RunOptions how;
  how.device = options_.device;
  how.threads = options_.threads;
  how.all_positions = true;
  how.stop = options_.budget.stop;
  const Trace trace = target_.model().run(words, how);
  const Word* before = nullptr;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::span<const std::int32_t> labels = trace.labels_of(i);
    Node node = root;
    for (std::size_t t = 0; t < words[i].size(); ++t) node = add(node, words[i][t], labels[t + 1]);
    std::size_t shared = 0;
    if (before != nullptr) {
      shared = static_cast<std::size_t>(std::ranges::mismatch(words[i], *before).in1 - words[i].begin());
    }
    steps_ += words[i].size() - shared;
    before = &words[i];
  }
}

void ObservationTree::ask(std::span<const Word> words) {
  std::vector<Word> open;
  for (const Word& word : words) {
    if (find(root, word) == none) open.push_back(word);
  }
  if (open.size() >= batch_from) {
    std::sort(open.begin(), open.end());
    open.erase(std::unique(open.begin(), open.end()), open.end());
  }
  if (open.size() >= batch_from) {
    queries_ += open.size();
    run_batch(open);
    return;
  }
  for (const Word& word : open) {
    if (find(root, word) != none) continue;
    ++queries_;
    step_along(word);
  }
}

std::optional<Word> ObservationTree::apart(Node x, Node y) const {
  struct Pair {
    Node x;
    Node y;
    std::uint32_t from;
    Symbol symbol;
  };
  std::vector<Pair> pairs{{x, y, 0, 0}};
  for (std::uint32_t i = 0; i < pairs.size(); ++i) {
    const Pair pair = pairs[i];
    if (nodes_[pair.x].label != nodes_[pair.y].label) {
      Word word;
      for (std::uint32_t j = i; j != 0; j = pairs[j].from) word.push_back(pairs[j].symbol);
      std::reverse(word.begin(), word.end());
      return word;
    }
    if (nodes_[pair.x].row == none || nodes_[pair.y].row == none) continue;
    for (Symbol a = 0; a < symbols_; ++a) {
      const Node u = child(pair.x, a);
      const Node v = child(pair.y, a);
      if (u != none && v != none) pairs.push_back({u, v, i, a});
    }
  }
  return std::nullopt;
}

}  // namespace krohn
