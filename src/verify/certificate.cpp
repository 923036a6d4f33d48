// Makes certificates from what check() established, and checks them without searching. The checks are those that
// docs/certificates.md lists, in its order; each of them makes the induction of closure.cpp or invariant.cpp go through
// with lists that the certificate supplies: the lists are only ever looked up in, so that a wrong list can fail a check
// and never make one succeed. Cost: linear in the certificate, one recurrence step for each pair and symbol, or for
// each hidden state and table row in use.
#include "krohn/verify/certificate.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>

#include "krohn/automata/minimize.hpp"
#include "krohn/error.hpp"
#include "krohn/verify/counterexample.hpp"
#include "krohn/verify/exactness.hpp"
#include "krohn/verify/layer_steps.hpp"
#include "krohn/verify/specification.hpp"

namespace krohn {
namespace {

/// Lassos beyond are not replayed.
constexpr std::uint64_t max_replay = std::uint64_t{1} << 32U;
constexpr std::size_t max_evidence_bytes = std::size_t{2} << 30U;

std::vector<std::uint32_t> words_of(std::span<const std::byte> bytes) {
  std::vector<std::uint32_t> words(bytes.size() / sizeof(std::uint32_t));
  if (!words.empty()) std::memcpy(words.data(), bytes.data(), bytes.size());
  return words;
}

std::vector<Symbol> symbols_by_name(const Alphabet& model, const Alphabet& automaton) {
  std::vector<Symbol> map;
  for (const std::string& name : model.names()) map.push_back(automaton.find(name).value());
  return map;
}

// The closure's pairs with the number of the pair behind every edge, or `none` where that pair was not kept.
std::optional<ClosureEvidence> closure_evidence(const Closure& closure, const Machine& model,
                                                const Specification& specification) {
  const PairSet& pairs = closure.pairs;
  const auto symbols = static_cast<Symbol>(model.alphabet().size());
  const bool bounded = !closure.closed;
  ClosureEvidence evidence;
  evidence.state_words = model.state_size() / sizeof(std::uint32_t);
  std::uint32_t kept = pairs.size();
  std::vector<std::uint32_t> depth(pairs.size(), 0);
  for (std::uint32_t i = 1; i < pairs.size(); ++i) depth[i] = depth[pairs.parent(i)] + 1;
  // Pairs at the full length were compared as ends of edges and need not be listed.
  if (bounded) {
    while (kept > 1 && depth[kept - 1] >= *closure.length) --kept;
  }
  if (kept * (model.state_size() + (2 + std::size_t{symbols}) * sizeof(std::uint32_t)) > max_evidence_bytes) {
    return std::nullopt;
  }
  CollapsedStates* const collapsed = closure.collapsed.get();
  std::vector<std::byte> pair(pairs.state_size() + sizeof(State));
  std::vector<std::byte> carried(model.state_size());
  for (std::uint32_t i = 0; i < kept; ++i) {
    if (collapsed != nullptr) collapsed->expand(pairs.state(i), carried);
    const std::vector<std::uint32_t> state = words_of(collapsed != nullptr ? carried : pairs.state(i));
    evidence.states.insert(evidence.states.end(), state.begin(), state.end());
    evidence.automaton_states.push_back(pairs.automaton_state(i));
    evidence.depths.push_back(depth[i]);
    for (Symbol a = 0; a < symbols; ++a) {
      // A claim up to length 0 lists the initial pair and asks for none of its edges.
      if (bounded && depth[i] >= *closure.length) {
        evidence.successors.push_back(ClosureEvidence::none);
        continue;
      }
      std::memcpy(pair.data(), pairs.pair(i), pairs.state_size());
      const std::span<std::byte> to = std::span(pair).first(pairs.state_size());
      if (collapsed != nullptr) {
        collapsed->step(to, a);
      } else {
        model.step(to, a);
      }
      const State q = specification.automaton().next(pairs.automaton_state(i), a);
      std::memcpy(pair.data() + pairs.state_size(), &q, sizeof(q));
      const std::uint32_t found = pairs.find(pair.data());
      evidence.successors.push_back(found < kept ? found : ClosureEvidence::none);
    }
  }
  return evidence;
}

// Symbols in annotations are replaced by the first symbol that acts alike, so that a row chain names one symbol.
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

// Thrown inside this file only.
struct Refusal {
  Rejection rejection;
};

[[noreturn]] void refuse(std::string reason) { throw Refusal{{false, std::move(reason)}}; }

void expect(bool holds, const char* reason) {
  if (!holds) refuse(reason);
}

// Every word has the same label in both automata, or refuses. Breadth first over the pairs of states.
void expect_same_language(const Dfa& claimed, const Dfa& language) {
  expect(claimed.alphabet().size() == language.alphabet().size(), "the automaton has another alphabet");
  std::vector<Symbol> symbol;
  for (const std::string& name : claimed.alphabet().names()) {
    const auto found = language.alphabet().find(name);
    expect(found.has_value(), "the automaton has another alphabet");
    symbol.push_back(*found);
  }
  std::set<std::pair<State, State>> seen = {{claimed.start(), language.start()}};
  std::vector<std::pair<State, State>> stack(seen.begin(), seen.end());
  while (!stack.empty()) {
    const auto [p, q] = stack.back();
    stack.pop_back();
    const bool same = (claimed.label(p) == null_label) == (language.label(q) == null_label) &&
                      (claimed.label(p) == null_label ||
                       claimed.label_name(claimed.label(p)) == language.label_name(language.label(q)));
    expect(same, "the automaton is of another language");
    for (Symbol a = 0; a < symbol.size(); ++a) {
      const std::pair<State, State> next = {claimed.next(p, a), language.next(q, symbol[a])};
      if (seen.insert(next).second) stack.push_back(next);
    }
  }
}

// `exact`, if given, sees every step.
void check_closure(const ClosureEvidence& evidence, const Certificate& certificate, const Machine& model,
                   const Specification& specification, ExactModel* exact) {
  const Dfa& automaton = specification.automaton();
  const std::size_t pairs = evidence.pairs();
  const std::size_t words = evidence.state_words;
  const std::size_t symbols = automaton.num_symbols();
  const bool bounded = certificate.verdict == "CERTIFIED";
  expect(bounded == certificate.length.has_value(), "the claim and its length do not fit");
  expect(words * sizeof(std::uint32_t) == model.state_size(), "the carried states are of another size");
  expect(pairs >= 1 && evidence.states.size() == pairs * words && evidence.depths.size() == pairs &&
             evidence.successors.size() == pairs * symbols,
         "the closure's lists do not fit together");
  std::vector<std::uint32_t> state(words);
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(state));
  const auto listed = [&](std::size_t pair) {
    return evidence.states.begin() + static_cast<std::ptrdiff_t>(pair * words);
  };
  const Observation first = model.initial(bytes);
  expect(specification.agrees(first.label, automaton.start()), "the label of the empty word is wrong");
  expect(evidence.automaton_states[0] == automaton.start() && evidence.depths[0] == 0 &&
             std::equal(state.begin(), state.end(), listed(0)),
         "pair 0 is not the initial one");
  for (std::size_t i = 0; i < pairs; ++i) {
    const State q = evidence.automaton_states[i];
    expect(q < automaton.num_states(), "a pair names a state that is not there");
    if (bounded && evidence.depths[i] >= *certificate.length) continue;
    for (Symbol a = 0; a < symbols; ++a) {
      std::copy_n(listed(i), words, state.begin());
      if (exact != nullptr) exact->add(bytes, a);
      const Observation observation = model.step(bytes, a);
      const State successor = automaton.next(q, a);
      expect(specification.agrees(observation.label, successor), "a label on an edge is wrong");
      const std::uint32_t target = evidence.successors[i * symbols + a];
      if (bounded && target == ClosureEvidence::none) {
        expect(std::uint64_t{evidence.depths[i]} + 1 == *certificate.length, "an edge leads nowhere");
        continue;
      }
      expect(target < pairs, "an edge leads nowhere");
      expect(evidence.automaton_states[target] == successor && std::equal(state.begin(), state.end(), listed(target)),
             "an edge leads to another pair");
      expect(!bounded || evidence.depths[target] <= evidence.depths[i] + 1, "a depth is too large");
    }
  }
}

void check_word(const WordEvidence& evidence, const Certificate& certificate, const Machine& model,
                const Specification& specification) {
  expect(certificate.length == evidence.word.size(), "the claim's length is not the word's");
  for (const Symbol a : evidence.word) expect(a < model.alphabet().size(), "the word has a symbol that is not there");
  const std::optional<Counterexample> found = confirm(model, specification, evidence.word);
  expect(found.has_value(), "model and automaton agree on the word");
  expect(found->word.size() == evidence.word.size(), "model and automaton part before the end of the word");
  expect(found->expected == evidence.expected, "the automaton gives another label");
  expect(found->observed == evidence.observed, "the model gives another label");
  expect(std::bit_cast<std::uint32_t>(found->margin) == evidence.margin_bits, "the margin is another");
  std::vector<std::byte> state(model.state_size());
  model.initial(state);
  for (const Symbol a : evidence.word) model.step(state, a);
  expect(words_of(state) == evidence.state, "the model ends in other bits");
}

void check_lasso(const LassoEvidence& evidence, const Certificate& certificate, const Machine& machine,
                 const Specification& specification) {
  const Dfa& automaton = specification.automaton();
  expect(!evidence.loop.empty(), "the lasso has no loop");
  for (const Word* word : {&evidence.prefix_a, &evidence.prefix_b, &evidence.loop, &evidence.suffix}) {
    for (const Symbol a : *word) expect(a < machine.alphabet().size(), "a word has a symbol that is not there");
  }
  const std::uint64_t most = max_replay / evidence.loop.size();
  if (evidence.exponent_a > most || evidence.exponent_b > most) {
    throw Refusal{{true, "a lasso of words of more than 2^32 symbols"}};
  }
  const std::uint64_t length_a = evidence.prefix_a.size() + evidence.exponent_a * evidence.loop.size();
  const std::uint64_t length_b = evidence.prefix_b.size() + evidence.exponent_b * evidence.loop.size();
  expect(certificate.length == std::max(length_a, length_b) + evidence.suffix.size(),
         "the claim's length is not that of the longer word");

  const auto behind = [&](const Word& prefix, std::uint64_t exponent, const std::string& expected) {
    std::vector<std::byte> state(machine.state_size());
    Observation observation = machine.initial(state);
    State q = automaton.start();
    const auto read = [&](const Word& word) {
      for (const Symbol a : word) observation = machine.step(state, a);
      q = automaton.next(q, word);
    };
    read(prefix);
    for (std::uint64_t k = 0; k < exponent; ++k) read(evidence.loop);
    expect(words_of(state) == evidence.state, "a word leaves the model in other bits");
    read(evidence.suffix);
    expect(automaton.label(q) != null_label && specification.expected(q) == expected,
           "the automaton gives another label");
    expect(specification.observed(observation.label) == evidence.observed, "the model gives another label");
  };
  expect(evidence.expected_a != evidence.expected_b, "the automaton asks for one label only");
  // An undefined run is where a readout's tie led: another readout might not have tied.
  expect(!machine.tables() || (!evidence.state.empty() && evidence.state.back() == 0), "the runs are undefined");
  behind(evidence.prefix_a, evidence.exponent_a, evidence.expected_a);
  behind(evidence.prefix_b, evidence.exponent_b, evidence.expected_b);
}

// The induction of invariant.cpp with listed rows and hidden states.
class ListedInvariant {
 public:
  /// `exact`, if given, sees every step.
  ListedInvariant(const InvariantEvidence& evidence, const LrnnModel& model, Semantics semantics,
                  const Specification& specification, ExactModel* exact)
      : evidence_(evidence), model_(model), semantics_(semantics), specification_(specification), exact_(exact) {}

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

std::string certificate_claim(const Certificate& certificate) {
  const std::string& semantics = certificate.semantics;
  const std::string agree = "the model's label in " + semantics + " is the automaton's";
  const std::string length = certificate.length ? std::to_string(*certificate.length) : "";
  if (certificate.verdict == "PROVED") {
    return "on every word " + agree + (certificate.exact_bits ? ", for every order of operations" : "");
  }
  if (certificate.verdict == "CERTIFIED") return "on every word of length at most " + length + " " + agree;
  if (certificate.verdict == "REFUTED" && std::holds_alternative<LassoEvidence>(certificate.evidence)) {
    return "behind two words the model carries the same bits in " + semantics +
           ", and with one suffix, the longer then of length " + length + ", the automaton asks for different labels";
  }
  if (certificate.verdict == "REFUTED") {
    return "on the word of length " + length + " the model's label in " + semantics + " is not the automaton's";
  }
  return length.empty() ? "nothing"
                        : "no certificate: a search says that on every word of length at most " + length + " " + agree;
}

namespace {

// Of UNKNOWN, with everything filled in but what was found.
Certificate blank(const Machine& machine, const Dfa& automaton, const CertificateSubject& subject) {
  return {.tool = subject.tool,
          .model_name = subject.model_name,
          .language_name = subject.language_name,
          .verdict = "UNKNOWN",
          .length = std::nullopt,
          .exact_bits = std::nullopt,
          .semantics = std::string(machine.semantics()),
          .model_fingerprint = machine.fingerprint(),
          .automaton = automaton,
          .symbol_map = symbols_by_name(machine.alphabet(), automaton.alphabet()),
          .evidence = NoEvidence{"nothing was established"}};
}

}  // namespace

Certificate make_certificate(const CheckReport& report, const Machine& machine, const Dfa& language,
                             const CertificateSubject& subject, const InvariantHint* hint) {
  const Specification specification(machine, minimize(language));
  Certificate certificate = blank(machine, specification.automaton(), subject);
  if (const auto* refuted = std::get_if<Refuted>(&report.verdict)) {
    const Counterexample& found = refuted->counterexample;
    std::vector<std::byte> state(machine.state_size());
    machine.initial(state);
    for (const Symbol a : found.word) machine.step(state, a);
    certificate.verdict = "REFUTED";
    certificate.length = found.word.size();
    certificate.evidence = WordEvidence{found.word, found.expected, found.observed,
                                        std::bit_cast<std::uint32_t>(found.margin), words_of(state)};
    return certificate;
  }
  if (const auto* unknown = std::get_if<Unknown>(&report.verdict)) {
    certificate.length = unknown->length;
    certificate.evidence = NoEvidence{unknown->reason};
    return certificate;
  }
  const auto* certified = std::get_if<CertifiedUpTo>(&report.verdict);
  certificate.verdict = certified != nullptr ? "CERTIFIED" : "PROVED";
  if (certified != nullptr) {
    certificate.length = certified->length;
  } else {
    certificate.exact_bits = std::get<Proved>(report.verdict).exact_bits;
  }
  certificate.evidence = NoEvidence{"established by the method \"" + report.method + "\"; the search can be run again"};
  if (report.invariant && report.invariant->proved && hint != nullptr) {
    certificate.evidence = invariant_evidence(*report.invariant, *hint, specification.automaton());
  } else if (report.closure && (certified == nullptr || report.closure->length == certified->length)) {
    if (auto evidence = closure_evidence(*report.closure, machine, specification)) {
      certificate.evidence = *std::move(evidence);
    }
  } else if (certified != nullptr && report.horizon && report.horizon->length) {
    certificate.length = std::min(certified->length, *report.horizon->length);
    certificate.evidence = HorizonEvidence{report.horizon->reference};
  }
  return certificate;
}

Certificate make_certificate(TheoremReport& report, const Machine& machine, const Dfa& language,
                             const CertificateSubject& subject) {
  const Specification specification(machine, minimize(language));
  if (report.pair) {
    const IndistinguishablePair& pair = *report.pair;
    Certificate certificate = blank(machine, specification.automaton(), subject);
    std::vector<std::byte> state(machine.state_size());
    machine.initial(state);
    for (const Symbol a : pair.word_a.prefix) machine.step(state, a);
    for (std::uint64_t k = 0; k < pair.word_a.exponent; ++k) {
      for (const Symbol a : pair.word_a.loop) machine.step(state, a);
    }
    certificate.verdict = "REFUTED";
    certificate.length = std::max(pair.word_a.length(), pair.word_b.length()) + pair.suffix.size();
    certificate.evidence = LassoEvidence{
        pair.word_a.prefix, pair.word_b.prefix, pair.word_a.loop, pair.word_a.exponent, pair.word_b.exponent,
        pair.suffix,        pair.expected_a,    pair.expected_b,  pair.observed,        words_of(state)};
    return certificate;
  }
  CheckReport found;
  if (report.wrong_word) {
    std::optional<Counterexample> counterexample = confirm(machine, specification, *report.wrong_word);
    if (!counterexample) throw InternalError("certificate: a word that does not refute");
    found.verdict = Refuted{*std::move(counterexample)};
  } else if (report.conclusion == Conclusion::recognised) {
    found.verdict = Proved{};
    found.method = "closure";
    found.closure = std::move(report.closure);
  } else {
    found.verdict = Unknown{std::nullopt, report.reason};
  }
  return make_certificate(found, machine, language, subject);
}

std::optional<Rejection> reject(const Certificate& certificate, const Machine& machine, const Dfa& language) {
  try {
    expect(certificate.semantics == machine.semantics(), "the certificate is about another semantics");
    expect(certificate.model_fingerprint == machine.fingerprint(), "the certificate is of another model");
    expect_same_language(certificate.automaton, language);
    const Alphabet& symbols = machine.alphabet();
    const Alphabet& alphabet = certificate.automaton.alphabet();
    expect(certificate.symbol_map.size() == symbols.size() && alphabet.size() == symbols.size(),
           "the symbol map is of another size");
    for (Symbol a = 0; a < certificate.symbol_map.size(); ++a) {
      expect(certificate.symbol_map[a] < alphabet.size() && alphabet.name(certificate.symbol_map[a]) == symbols.name(a),
             "the symbol map does not follow the names");
    }
    const Specification specification(machine, certificate.automaton);
    const std::optional<Machine::Tables> tables = machine.tables();
    std::optional<ExactModel> exact;
    if (certificate.exact_bits) {
      expect(tables.has_value(), "exactness is claimed of a model without tables");
      exact.emplace(tables->model, tables->semantics);
    }
    ExactModel* const steps = exact ? &*exact : nullptr;
    if (const auto* closure = std::get_if<ClosureEvidence>(&certificate.evidence)) {
      expect(certificate.verdict == "PROVED" || certificate.verdict == "CERTIFIED",
             "a closure shows PROVED or CERTIFIED only");
      check_closure(*closure, certificate, machine, specification, steps);
    } else if (const auto* invariant = std::get_if<InvariantEvidence>(&certificate.evidence)) {
      expect(certificate.verdict == "PROVED" && !certificate.length, "an invariant shows PROVED only");
      expect(tables.has_value(), "an invariant is about a model of tables");
      ListedInvariant(*invariant, tables->model, tables->semantics, specification, steps).check();
    } else if (const auto* word = std::get_if<WordEvidence>(&certificate.evidence)) {
      expect(certificate.verdict == "REFUTED", "a word shows REFUTED only");
      check_word(*word, certificate, machine, specification);
    } else if (const auto* lasso = std::get_if<LassoEvidence>(&certificate.evidence)) {
      expect(certificate.verdict == "REFUTED", "a lasso shows REFUTED only");
      check_lasso(*lasso, certificate, machine, specification);
    } else if (const auto* horizon = std::get_if<HorizonEvidence>(&certificate.evidence)) {
      expect(certificate.verdict == "CERTIFIED" && certificate.length && *certificate.length > 0,
             "a horizon shows CERTIFIED only, of length 1 or more");
      expect(tables.has_value(), "a horizon is about a model of tables");
      const HorizonCheck check = check_horizon(tables->model, tables->semantics, specification, horizon->reference);
      expect(check.length && *check.length >= *certificate.length, "the reference states do not give that horizon");
    } else {
      return Rejection{true, "a report without evidence: " + std::get<NoEvidence>(certificate.evidence).statement};
    }
    if (exact) {
      expect(certificate.verdict == "PROVED", "exactness is claimed of another verdict than PROVED");
      const std::optional<unsigned> bits = exact->bits();
      expect(bits && *bits <= *certificate.exact_bits, "an intermediate value is not exact in so many bits");
    }
  } catch (const Refusal& refusal) {
    return refusal.rejection;
  } catch (const NumericError& error) {
    return Rejection{false, error.what()};
  }
  return std::nullopt;
}

}  // namespace krohn
