// label: quick
// A compiled group layer, stepped by a reference written here from docs/semantics.md, labels every word as the
// automaton does, its hidden vectors are in bijection with the states, and the hint names them.
#include "krohn/compile/group.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <set>
#include <string>

#include "corpus.hpp"
#include "krohn/automata/group_action.hpp"
#include "krohn/automata/transformation.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/error.hpp"
#include "krohn/model/horizon.hpp"

namespace krohn {
namespace {

using Hidden = std::vector<float>;

/// One step of an ungated layer with value size 1: h <- (I - beta k k^T) h, factor by factor, every operation rounded.
Hidden step(const TableLayer& layer, const Hidden& before, std::size_t input_row) {
  Hidden h = before;
  for (const GeneralizedHouseholder& factor : layer.table.row(layer.row_action[input_row]).factors) {
    float dot = 0.0F;
    for (const Entry& e : factor.key) dot = std::fma(e.value, h[e.index], dot);
    const float c = factor.beta * (0.0F - dot);
    for (const Entry& e : factor.key) h[e.index] = std::fma(c, e.value, h[e.index]);
  }
  return h;
}

/// The unique slot of largest score, or -1.
int decode(const SlotReadout& readout, const Hidden& h) {
  int best = -1;
  float best_score = 0.0F;
  bool tie = false;
  for (std::size_t slot = 0; slot < readout.num_slots(); ++slot) {
    float score = readout.bias[slot];
    for (const Entry& e : readout.weight[slot]) score = std::fma(e.value, h[e.index], score);
    if (best < 0 || score > best_score) {
      best = static_cast<int>(slot), best_score = score, tie = false;
    } else if (score == best_score) {
      tie = true;
    }
  }
  return tie ? -1 : best;
}

Dfa counter(std::size_t m) {
  std::vector<State> delta;
  std::vector<bool> accepting(m, false);
  for (State q = 0; q < m; ++q) {
    delta.push_back(q);
    delta.push_back(static_cast<State>((q + 1) % m));
  }
  accepting[0] = true;
  return Dfa::acceptor(Alphabet::of_characters("01"), 0, std::move(delta), accepting);
}

/// Breadth first over (hidden vector, state): the vectors are finitely many, one for each state, decoded to it.
void check_closure(const Dfa& dfa, const CompiledGroup& compiled) {
  REQUIRE(compiled.model.layers().size() == 1);
  const TableLayer& layer = compiled.model.layers()[0];
  CHECK(compiled.model.initial_label() == dfa.label(dfa.start()));
  std::map<Hidden, State> state_of = {{layer.initial_hidden, dfa.start()}};
  std::vector<Hidden> queue = {layer.initial_hidden};
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < queue.size() && queue.size() <= dfa.num_states(); ++i) {
    const State q = state_of.at(queue[i]);
    for (Symbol a = 0; a < dfa.num_symbols(); ++a) {
      const auto row = static_cast<std::size_t>(compiled.model.symbol_row()[a]);
      Hidden after = step(layer, queue[i], row);
      for (float& x : after) x += 0.0F;  // -0 and 0 compare equal; make them print equal too
      const State expected = dfa.next(q, a);
      const auto [at, is_new] = state_of.try_emplace(after, expected);
      if (is_new) queue.push_back(after);
      wrong += at->second != expected ? 1 : 0;
      const int slot = decode(layer.readouts[layer.row_readout[row]], after);
      wrong += slot != static_cast<int>(expected) ? 1 : 0;
      if (slot >= 0) {
        wrong += layer.next[layer.row_next[row] + static_cast<std::size_t>(slot)] != dfa.label(expected) ? 1 : 0;
      }
    }
  }
  CHECK(wrong == 0);
  CHECK(queue.size() == dfa.num_states());
  const InvariantHint& hint = compiled.hint;
  REQUIRE(hint.num_nodes() == dfa.num_states() + 1);
  CHECK(hint.node_layer[hint.root] == 0);
  for (State q = 0; q < dfa.num_states(); ++q) {
    const auto child = static_cast<std::size_t>(hint.child_node.at(hint.child_offset[hint.root] + q));
    CHECK(hint.node_layer[child] == InvariantHint::leaf);
    CHECK(hint.node_state[child] == q);
  }
  REQUIRE(hint.row_context.size() == 1);
  for (std::size_t row = 0; row < layer.num_rows(); ++row) {
    CHECK(compiled.model.symbol_row()[hint.row_context[0][row].symbol] == static_cast<std::int32_t>(row));
  }
}

std::int32_t label_after(const CompiledGroup& compiled, const Word& word) {
  const LrnnModel& model = compiled.model;
  std::int32_t label = model.initial_label();
  if (model.layers().empty()) return word.empty() ? label : model.symbol_row()[word.back()];
  Hidden h = model.layers()[0].initial_hidden;
  for (const Symbol a : word) {
    const TableLayer& layer = model.layers()[0];
    const auto row = static_cast<std::size_t>(model.symbol_row()[a]);
    h = step(layer, h, row);
    const int slot = decode(layer.readouts[0], h);
    label = slot < 0 ? undefined_label : layer.next[layer.row_next[row] + static_cast<std::size_t>(slot)];
  }
  return label;
}

TEST_CASE("every group language of the corpus, integer and dyadic keys: closure and the listed words") {
  std::size_t groups = 0;
  for (const corpus::Language& language : corpus::languages()) {
    CAPTURE(language.id);
    CHECK(distinct_letters(language.dfa).permute == language.is_group);
    if (!language.is_group) {
      CHECK_THROWS_AS(compile_group(language.dfa), InputError);
      continue;
    }
    ++groups;
    for (const KeyForm keys : {KeyForm::integer, KeyForm::dyadic}) {
      const CompiledGroup compiled = compile_group(language.dfa, {keys, GroupRepresentation::permutation});
      CHECK(compiled.exact);
      if (language.dfa.num_states() > 1) check_closure(language.dfa, compiled);
      std::size_t wrong = 0;
      for (const Word& word : language.accepted) wrong += label_after(compiled, word) != 1 ? 1 : 0;
      for (const Word& word : language.rejected) wrong += label_after(compiled, word) != 0 ? 1 : 0;
      CHECK(wrong == 0);
    }
  }
  CHECK(groups == 27);
}

TEST_CASE("dyadic keys have norm exactly one and beta two") {
  const CompiledGroup compiled = compile_group(corpus::language("S5_nat").dfa, {KeyForm::dyadic, {}});
  const TokenTable& table = compiled.model.layers()[0].table;
  CHECK(table.key_size() == 10);
  for (std::size_t r = 0; r < table.num_rows(); ++r) {
    for (const GeneralizedHouseholder& factor : table.row(r).factors) {
      float square = 0.0F;
      for (const Entry& e : factor.key) square += e.value * e.value;
      CHECK(square == 1.0F);
      CHECK(factor.beta == 2.0F);
    }
  }
}

TEST_CASE("parity as a scalar: A = -1") {
  const Dfa parity = counter(2);
  const CompiledGroup compiled = compile_group(parity, {KeyForm::integer, GroupRepresentation::scalar});
  CHECK(compiled.model.hidden_size() == 1);
  CHECK(compiled.exact);
  check_closure(parity, compiled);
  CHECK_THROWS_AS(compile_group(counter(3), {KeyForm::integer, GroupRepresentation::scalar}), InputError);
}

TEST_CASE("quarter turns are exact rotations") {
  for (const std::size_t m : {2U, 4U}) {
    const CompiledGroup compiled = compile_group(counter(m), {KeyForm::integer, GroupRepresentation::rotation});
    CHECK(compiled.exact);
    CHECK(compiled.model.hidden_size() == 2);
    check_closure(counter(m), compiled);
  }
}

TEST_CASE("rotations decode right up to their certified horizon, and their drift obeys the bound") {
  for (const std::size_t m : {3U, 5U, 6U, 7U, 12U, 60U}) {
    CAPTURE(m);
    const Dfa dfa = counter(m);
    const CompiledGroup compiled = compile_group(dfa, {KeyForm::integer, GroupRepresentation::rotation});
    CHECK_FALSE(compiled.exact);
    REQUIRE(compiled.horizon.has_value());
    // Drift per token is at most some 13 units of 2^-24 and the margin about pi / m: at least 2^24 / (8 m) tokens.
    CHECK(*compiled.horizon > (1U << 24U) / (8 * m));
    const TableLayer& layer = compiled.model.layers()[0];
    CHECK(layer.table.num_householder() == 2);
    Hidden h = layer.initial_hidden;
    State q = dfa.start();
    std::size_t wrong = 0;
    const std::uint64_t steps = std::min<std::uint64_t>(*compiled.horizon, 20000);
    for (std::uint64_t t = 0; t < steps; ++t) {
      const Symbol a = (t * 2654435761U >> 7U) % 5 == 0 ? 0 : 1;
      h = step(layer, h, static_cast<std::size_t>(compiled.model.symbol_row()[a]));
      q = dfa.next(q, a);
      wrong += decode(layer.readouts[0], h) != static_cast<int>(q) ? 1 : 0;
    }
    CHECK(wrong == 0);
  }
  CHECK_THROWS_AS(compile_group(corpus::language("A4_nat").dfa, {KeyForm::integer, GroupRepresentation::rotation}),
                  InputError);
  CHECK_THROWS_AS(compile_group(corpus::language("tomita5").dfa, {KeyForm::integer, GroupRepresentation::rotation}),
                  InputError);
}

TEST_CASE("a sign gate in place of the reflection in an axis: half the factors, the same bits and the same horizon") {
  for (const std::size_t m : {3U, 4U, 7U, 60U}) {
    CAPTURE(m);
    const Dfa dfa = counter(m);
    const CompiledGroup two = compile_group(dfa, {KeyForm::integer, GroupRepresentation::rotation});
    const CompiledGroup one = compile_group(dfa, {KeyForm::integer, GroupRepresentation::rotation, true});
    CHECK(one.model.layers()[0].table.num_householder() == 1);
    CHECK(2 * one.model.layers()[0].table.num_factors() == two.model.layers()[0].table.num_factors());
    CHECK(one.exact == two.exact);
    CHECK(one.horizon == two.horizon);
    const auto machine = make_machine(one.model, Semantics::fp32_fma_v1);
    const auto reference = make_machine(two.model, Semantics::fp32_fma_v1);
    std::vector<std::byte> here(machine->state_size());
    std::vector<std::byte> there(reference->state_size());
    machine->initial(here);
    reference->initial(there);
    for (std::uint32_t t = 0; t < 5000; ++t) {
      const Symbol a = (t * 2654435761U >> 7U) % 5 == 0 ? 0 : 1;
      REQUIRE(machine->step(here, a).label == reference->step(there, a).label);
      REQUIRE(here == there);
    }
  }
}

TEST_CASE("null labels become some label, one state needs no layer") {
  const Dfa dfa(Alphabet::of_characters("a"), 0, {1, 2, 0}, {0, null_label, 1}, {"x", "y"});
  const CompiledGroup compiled = compile_group(dfa);
  CHECK(compiled.model.layers()[0].next == std::vector<std::int32_t>{0, 0, 1});
  const CompiledGroup constant = compile_group(Dfa::acceptor(Alphabet::of_characters("ab"), 0, {0, 0}, {true}));
  CHECK(constant.model.layers().empty());
  CHECK(constant.model.symbol_row() == std::vector<std::int32_t>{1, 1});
  CHECK(constant.hint.node_layer[constant.hint.root] == InvariantHint::leaf);
}

}  // namespace
}  // namespace krohn
