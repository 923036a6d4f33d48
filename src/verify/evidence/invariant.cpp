// Invariants of layers as evidence: the ladder's method, the lists of a certificate, and their check, which makes the
// induction of src/verify/invariant.cpp go through with lists that are only ever looked up in: a wrong list can fail a
// check and never make one succeed. Cost: one recurrence step for each hidden state and table row in use. Tested by
// tests/results/certificate_file_test.cpp and tests/verify/invariant_test.cpp.
#include "krohn/verify/evidence/invariant.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "krohn/verify/exactness.hpp"
#include "krohn/verify/invariant.hpp"
#include "krohn/verify/layer_steps.hpp"
#include "method.hpp"
#include "state_words.hpp"

namespace krohn {
namespace {

// A compiled layer has at most some thousand hidden states; a layer that is not exact would go on for ever.
constexpr std::uint64_t most_memory = std::uint64_t{256} << 20U;

// The induction of invariant.cpp with listed rows and hidden states.
class ListedInvariant {
 public:
  ListedInvariant(const InvariantEvidence& evidence, const Machine::Tables& tables, const Assertion& assertion)
      : evidence_(evidence),
        model_(tables.model),
        semantics_(tables.semantics),
        specification_(assertion.specification),
        exact_(assertion.exact) {}

  void check() {
    check_shapes();
    const std::vector<TableLayer>& layers = model_.layers();
    std::vector<std::uint32_t> symbol_class;  // the annotation of each symbol's first row
    for (const std::int32_t row : model_.symbol_row()) {
      expect(row >= 0, "a symbol leads to `?`");
      const RowContext* context = listed(0, static_cast<std::uint32_t>(row));
      expect(context != nullptr && context->old_node == evidence_.root && context->new_node == evidence_.root,
             "a symbol's row is not annotated with the root");
      symbol_class.push_back(context->symbol);
    }
    std::uint32_t start = evidence_.root;
    for (std::size_t l = 0; l < layers.size(); ++l) start = check_layer(l, start);
    expect(evidence_.node_layer[start] == InvariantHint::leaf, "the first walk ends in no leaf");
    compare(evidence_.node_state[start], symbol_class);
  }

 private:
  using Edge = std::pair<std::uint32_t, std::uint32_t>;  // symbol, leaf state

  void check_shapes() const {
    const InvariantEvidence& e = evidence_;
    const std::size_t nodes = e.node_layer.size();
    const std::size_t layers = model_.layers().size();
    expect(layers >= 1 && e.layers.size() == layers && e.slot_readout.size() == layers,
           "the invariant is of another number of layers");
    expect(e.root < nodes && e.node_state.size() == nodes && e.child_offset.size() == nodes + 1 &&
               e.child_offset.front() == 0 && e.child_offset.back() == e.child_node.size() &&
               std::is_sorted(e.child_offset.begin(), e.child_offset.end()),
           "the invariant's tree does not fit together");
    for (const std::int32_t child : e.child_node) {
      expect(child >= -1 && child < static_cast<std::int64_t>(nodes),
             "the invariant's tree has a child that is no node");
    }
    for (std::size_t l = 0; l < layers; ++l) {
      const InvariantEvidence::Layer& layer = e.layers[l];
      const TableLayer& table = model_.layers()[l];
      expect(e.slot_readout[l] < table.readouts.size(), "the invariant decodes by a readout that is not there");
      expect(layer.hidden_words == table.hidden_size() && !layer.hidden.empty() &&
                 layer.hidden.size() % layer.hidden_words == 0 && layer.contexts.size() == layer.rows.size(),
             "a layer's lists do not fit together");
      expect(std::adjacent_find(layer.rows.begin(), layer.rows.end(), std::greater_equal<>()) == layer.rows.end() &&
                 (layer.rows.empty() || layer.rows.back() < table.num_rows()),
             "a layer's rows are not ascending rows of the model");
      for (const RowContext& context : layer.contexts) {
        expect(context.old_node < nodes && context.new_node < nodes,
               "a row is annotated with a node that is not there");
      }
    }
  }

  const RowContext* listed(std::size_t l, std::uint32_t row) const {
    const InvariantEvidence::Layer& layer = evidence_.layers[l];
    const auto found = std::lower_bound(layer.rows.begin(), layer.rows.end(), row);
    if (found == layer.rows.end() || *found != row) return nullptr;
    return &layer.contexts[static_cast<std::size_t>(found - layer.rows.begin())];
  }

  // Where a walk stands after the layer, or -1.
  std::int64_t after(std::uint32_t node, std::size_t l, std::int32_t slot) const {
    if (evidence_.node_layer[node] != l) return node;
    const std::uint32_t first = evidence_.child_offset[node];
    if (slot < 0 || static_cast<std::uint32_t>(slot) >= evidence_.child_offset[node + 1] - first) return -1;
    return evidence_.child_node[first + static_cast<std::uint32_t>(slot)];
  }

  // Checks the layer's lists and returns where the walk over the initial states stands after it.
  std::uint32_t check_layer(std::size_t l, std::uint32_t start) {
    const InvariantEvidence::Layer& lists = evidence_.layers[l];
    const TableLayer& layer = model_.layers()[l];
    const std::size_t words = lists.hidden_words;
    const std::size_t count = lists.hidden.size() / words;
    std::vector<Move> moves;
    std::map<Move, std::size_t> number;
    std::vector<std::size_t> move_of_row;
    for (const std::uint32_t row : lists.rows) {
      const Move move{layer.row_action[row], layer.row_readout[row]};
      if (number.emplace(move, moves.size()).second) moves.push_back(move);
      move_of_row.push_back(number.at(move));
    }
    expect(!moves.empty(), "a layer has no rows");
    const LayerSteps steps(layer, evidence_.slot_readout[l], moves, semantics_);
    std::map<std::vector<std::uint32_t>, std::uint32_t> index;
    std::vector<std::int32_t> slot;
    for (std::uint32_t x = 0; x < count; ++x) {
      const auto begin = lists.hidden.begin() + static_cast<std::ptrdiff_t>(x * words);
      std::vector<std::uint32_t> hidden(begin, begin + static_cast<std::ptrdiff_t>(words));
      slot.push_back(steps.current_slot(std::as_bytes(std::span(hidden))));
      index.emplace(std::move(hidden), x);
    }
    std::vector<std::uint32_t> hidden(words);
    steps.initial(std::as_writable_bytes(std::span(hidden)));
    expect(std::equal(hidden.begin(), hidden.end(), lists.hidden.begin()),
           "a layer's first state is not its initial one");

    struct Result {
      bool known = false;
      std::uint32_t state = 0;
      std::int32_t handed_on = -1;
    };
    std::vector<float> values(words);
    std::vector<Result> results(count * moves.size());
    const auto result = [&](std::uint32_t x, std::size_t move) -> const Result& {
      Result& memo = results[x * moves.size() + move];
      if (!memo.known) {
        std::copy_n(lists.hidden.begin() + static_cast<std::ptrdiff_t>(x * words), words, hidden.begin());
        if (exact_ != nullptr) {
          std::memcpy(values.data(), hidden.data(), words * sizeof(float));
          exact_->layer(l).add(moves[move], values);
        }
        memo.handed_on = steps.step(std::as_writable_bytes(std::span(hidden)), move);
        expect(memo.handed_on >= 0, "a decode ties");
        const auto found = index.find(hidden);
        expect(found != index.end(), "a step leaves the layer's states");
        memo.state = found->second;
        memo.known = true;
      }
      return memo;
    };
    const bool last = l + 1 == model_.layers().size();
    for (std::size_t i = 0; i < lists.rows.size(); ++i) {
      const RowContext& context = lists.contexts[i];
      for (std::uint32_t x = 0; x < count; ++x) {
        const std::int64_t u = after(context.old_node, l, slot[x]);
        if (u < 0) continue;
        const Result& step = result(x, move_of_row[i]);
        const std::int64_t v = after(context.new_node, l, slot[step.state]);
        expect(v >= 0, "a walk over new states is not defined");
        const std::int32_t next =
            layer.next[layer.row_next[lists.rows[i]] + static_cast<std::uint32_t>(step.handed_on)];
        expect(next >= 0, "a row leads to `?`");
        if (last) {
          record(context.symbol, static_cast<std::uint32_t>(u), static_cast<std::uint32_t>(v), next);
          continue;
        }
        const RowContext* following = listed(l + 1, static_cast<std::uint32_t>(next));
        expect(following != nullptr && following->symbol == context.symbol && following->old_node == u &&
                   following->new_node == v,
               "a next row does not continue the walks");
      }
    }
    const std::int64_t end = after(start, l, slot[0]);
    expect(end >= 0, "the walk over the initial states is not defined");
    return static_cast<std::uint32_t>(end);
  }

  void record(std::uint32_t symbol, std::uint32_t u, std::uint32_t v, std::int32_t label) {
    expect(evidence_.node_layer[u] == InvariantHint::leaf && evidence_.node_layer[v] == InvariantHint::leaf,
           "a walk ends in no leaf");
    const Edge edge{symbol, evidence_.node_state[u]};
    const auto [entry, fresh] = target_.emplace(edge, evidence_.node_state[v]);
    expect(fresh || entry->second == evidence_.node_state[v], "the leaf reached is not a function of leaf and symbol");
    labels_[edge].insert(label);
  }

  // The automaton of the leaves against the language.
  void compare(std::uint32_t start, const std::vector<std::uint32_t>& symbol_class) {
    const Dfa& automaton = specification_.automaton();
    expect(specification_.agrees(model_.initial_label(), automaton.start()), "the label of the empty word is wrong");
    std::set<std::pair<std::uint32_t, State>> seen = {{start, automaton.start()}};
    std::vector<std::pair<std::uint32_t, State>> stack(seen.begin(), seen.end());
    while (!stack.empty()) {
      const auto [leaf, q] = stack.back();
      stack.pop_back();
      for (Symbol a = 0; a < automaton.num_symbols(); ++a) {
        const Edge edge{symbol_class[a], leaf};
        const auto found = target_.find(edge);
        expect(found != target_.end(), "a leaf has no transition");
        const State successor = automaton.next(q, a);
        for (const std::int32_t label : labels_.at(edge)) {
          expect(specification_.agrees(label, successor), "a label is wrong");
        }
        if (seen.insert({found->second, successor}).second) stack.emplace_back(found->second, successor);
      }
    }
  }

  const InvariantEvidence& evidence_;
  const LrnnModel& model_;
  Semantics semantics_;
  const Specification& specification_;
  ExactModel* exact_;
  std::map<Edge, std::uint32_t> target_;
  std::map<Edge, std::set<std::int32_t>> labels_;
};

}  // namespace

InvariantEvidence invariant_evidence(const InvariantCheck& check, const InvariantHint& hint, const Dfa& automaton) {
  std::map<std::vector<State>, Symbol> first;
  std::vector<Symbol> representative;
  for (Symbol a = 0; a < automaton.num_symbols(); ++a) {
    representative.push_back(first.emplace(automaton.letter(a), a).first->second);
  }
  InvariantEvidence evidence{.slot_readout = hint.slot_readout,
                             .node_layer = hint.node_layer,
                             .child_offset = hint.child_offset,
                             .child_node = hint.child_node,
                             .node_state = hint.node_state,
                             .root = hint.root,
                             .layers = {}};
  for (std::size_t l = 0; l < check.layers.size(); ++l) {
    const LayerInvariant& from = check.layers[l];
    InvariantEvidence::Layer layer;
    layer.hidden_words = from.hidden_size / sizeof(std::uint32_t);
    layer.hidden = words_of(from.hidden);
    layer.rows = from.rows;
    for (const std::uint32_t row : from.rows) {
      layer.contexts.push_back(hint.row_context[l][row]);
      layer.contexts.back().symbol = representative[layer.contexts.back().symbol];
    }
    evidence.layers.push_back(std::move(layer));
  }
  return evidence;
}

Finding induct(const Question& question) {
  const Machine::Tables tables = question.machine.tables().value();
  Budget budget = question.budget;
  budget.memory = std::min(budget.memory, most_memory);
  const InvariantCheck check =
      check_invariant(tables.model, tables.semantics, *question.hint, question.specification, budget);
  Finding finding;
  finding.steps = check.steps;
  if (!check.proved) {
    finding.outcome = "not proved: " + check.reason;
    if (check.disagreement) finding.disagreement = Disagreement{.word = *check.disagreement, .shortest = true};
    return finding;
  }
  std::uint64_t states = 0;
  for (const LayerInvariant& layer : check.layers) states += layer.count();
  finding.outcome = "holds on " + std::to_string(states) + " hidden states of " + std::to_string(check.layers.size()) +
                    " layers" + exactness_text(check.exact_bits);
  finding.pairs = states;
  finding.proved =
      Proved{check.exact_bits, invariant_evidence(check, *question.hint, question.specification.automaton())};
  return finding;
}

void InvariantEvidence::list(EvidenceFields& fields) {
  fields.number("root", root);
  const std::uint64_t nodes = fields.size("nodes", node_layer.size());
  const std::uint64_t children = fields.size("children", child_node.size());
  struct Sizes {
    std::uint64_t hidden = 0;
    std::uint64_t rows = 0;
  };
  std::vector<Sizes> sizes;
  const std::uint64_t count = fields.objects("layers", layers.size(), [&](std::size_t l, EvidenceFields& object) {
    if (l == layers.size()) layers.emplace_back();
    Layer& layer = layers[l];
    layer.hidden_words = object.size("hidden_words", layer.hidden_words);
    object.require(layer.hidden_words > 0);
    const std::uint64_t hidden =
        object.size("hidden", layer.hidden_words == 0 ? 0 : layer.hidden.size() / layer.hidden_words);
    sizes.push_back({hidden, object.size("rows", layer.rows.size())});
  });
  fields.words(slot_readout, count);
  fields.words(node_layer, nodes);
  fields.words(child_offset, nodes + 1);
  fields.words(child_node, children);
  fields.words(node_state, nodes);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    fields.words(layers[l].hidden, sizes[l].hidden, layers[l].hidden_words);
    fields.words(layers[l].rows, sizes[l].rows);
    fields.words(layers[l].contexts, sizes[l].rows);
  }
}

void InvariantEvidence::check(const Assertion& assertion) const {
  expect(!assertion.claim.length, "an invariant shows words of all lengths");
  const std::optional<Machine::Tables> tables = assertion.machine.tables();
  expect(tables.has_value(), "an invariant is about a model of tables");
  ListedInvariant(*this, *tables, assertion).check();
}

}  // namespace krohn
