// label: quick
// The hint's invariant: it proves compiled models, tells them apart from other languages by a shortest word, and never
// proves a model that the closure does not prove, whatever is changed in hint or model.
#include "krohn/verify/invariant.hpp"

#include <doctest/doctest.h>

#include <random>

#include "krohn/automata/catalog.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/automata/product.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/error.hpp"
#include "krohn/verify/closure.hpp"
#include "krohn/verify/counterexample.hpp"

namespace {

using namespace krohn;

constexpr Semantics all_semantics[] = {Semantics::fp32_fma_v1, Semantics::fp16_state_v1, Semantics::bf16_state_v1};

class Random {
 public:
  explicit Random(std::uint32_t seed) : generator_(seed) {}
  std::uint32_t below(std::size_t n) { return static_cast<std::uint32_t>(generator_() % n); }
  template <typename T>
  T& pick(std::vector<T>& items) {
    return items[below(items.size())];
  }

 private:
  std::mt19937 generator_;
};

Dfa random_acceptor(Random& random, std::size_t states, std::size_t symbols) {
  std::vector<std::string> names;
  for (std::size_t a = 0; a < symbols; ++a) names.push_back(std::string(1, static_cast<char>('a' + a)));
  std::vector<State> delta(states * symbols);
  for (State& target : delta) target = random.below(states);
  std::vector<bool> accepting(states);
  for (std::size_t q = 0; q < states; ++q) accepting[q] = random.below(2) == 0;
  return Dfa::acceptor(Alphabet(names), 0, delta, accepting);
}

CompileOptions some_options(Random& random) {
  CompileOptions options;
  options.delay = random.below(2) == 0 ? Delay::read_before : Delay::block;
  options.resets = std::vector{Resets::automatic, Resets::householder, Resets::hybrid}[random.below(3)];
  options.keys = random.below(3) == 0 ? KeyForm::dyadic : KeyForm::integer;
  return options;
}

InvariantCheck prove(const CompileResult& compiled, const Dfa& language, Semantics semantics) {
  const Specification specification(compiled.model.alphabet(), compiled.model.label_names(), language);
  return check_invariant(compiled.model, semantics, compiled.hint, specification, {});
}

Closure closure_of(const LrnnModel& model, const Dfa& language, Semantics semantics) {
  const auto machine = make_machine(model, semantics);
  ClosureOptions options;
  options.budget.memory = std::size_t{32} << 20U;
  return joint_closure(*machine, Specification(*machine, language), options);
}

TEST_CASE("compiled models of random automata are proved in every format, and the closure agrees where it closes") {
  Random random(7);
  std::size_t deep = 0;
  std::size_t closed = 0;
  for (int round = 0; round < 60; ++round) {
    const Dfa dfa = random_acceptor(random, 2 + random.below(5), 1 + random.below(3));
    const CompileResult compiled = compile(dfa, some_options(random));
    if (compiled.model.layers().empty()) continue;
    deep += compiled.model.layers().size() > 1 ? 1 : 0;
    for (const Semantics semantics : all_semantics) {
      const InvariantCheck check = prove(compiled, dfa, semantics);
      CHECK_MESSAGE(check.proved, check.reason);
      CHECK(!check.disagreement);
      CHECK(check.layers.size() == compiled.model.layers().size());
    }
    const Closure closure = closure_of(compiled.model, dfa, Semantics::bf16_state_v1);
    CHECK(!closure.disagreement);
    closed += closure.closed ? 1 : 0;
  }
  CHECK(deep > 20);
  CHECK(closed > 20);
}

TEST_CASE("against another language the invariant names the first word in shortlex order that tells them apart") {
  Random random(8);
  std::size_t refuted = 0;
  for (int round = 0; round < 60; ++round) {
    const Dfa dfa = random_acceptor(random, 3 + random.below(4), 2);
    const CompileResult compiled = compile(dfa, some_options(random));
    if (compiled.model.layers().empty()) continue;
    std::vector<State> delta(dfa.delta().begin(), dfa.delta().end());
    std::vector<bool> accepting(dfa.num_states());
    for (State q = 0; q < dfa.num_states(); ++q) accepting[q] = dfa.accepts_at(q);
    if (random.below(2) == 0) {
      random.pick(delta) = random.below(dfa.num_states());
    } else {
      const std::size_t q = random.below(dfa.num_states());
      accepting[q] = !accepting[q];
    }
    const Dfa twin = Dfa::acceptor(dfa.alphabet(), 0, delta, accepting);
    const std::optional<Word> word = separating_word(dfa, twin);
    const InvariantCheck check = prove(compiled, twin, Semantics::fp32_fma_v1);
    CHECK(check.proved == !word.has_value());
    CHECK(check.disagreement == word);
    if (!word) continue;
    ++refuted;
    const auto machine = make_machine(compiled.model, Semantics::fp32_fma_v1);
    const auto confirmed = confirm(*machine, Specification(*machine, twin), *word);
    REQUIRE(confirmed.has_value());
    CHECK(confirmed->word == *word);
  }
  CHECK(refuted > 20);
}

// One random change of the hint.
void mutate(InvariantHint& hint, std::size_t layers, Random& random) {
  const auto change = [&](std::uint32_t& value, std::size_t bound) {
    value = random.below(4) == 0 ? random.below(bound + 2) : random.below(bound + 1);
  };
  switch (random.below(7)) {
    case 0:
      change(random.pick(hint.slot_readout), 2);
      break;
    case 1:
      random.pick(hint.node_layer) = random.below(3) == 0 ? InvariantHint::leaf : random.below(layers + 1);
      break;
    case 2:
      if (!hint.child_node.empty()) {
        random.pick(hint.child_node) = static_cast<std::int32_t>(random.below(hint.num_nodes() + 2)) - 1;
      }
      break;
    case 3:
      change(random.pick(hint.node_state), hint.num_nodes());
      break;
    case 4:
      change(hint.root, hint.num_nodes());
      break;
    case 5:
      change(random.pick(hint.child_offset), hint.child_node.size());
      break;
    default: {
      std::vector<RowContext>& contexts = random.pick(hint.row_context);
      if (contexts.empty()) break;
      RowContext& context = random.pick(contexts);
      const std::uint32_t field = random.below(3);
      if (field == 0) change(context.symbol, 2);
      if (field == 1) change(context.old_node, hint.num_nodes());
      if (field == 2) change(context.new_node, hint.num_nodes());
    }
  }
}

// The model with one random change, where that is a valid model.
std::optional<LrnnModel> mutated(const LrnnModel& model, Random& random) {
  std::vector<TableLayer> layers = model.layers();
  std::vector<std::int32_t> symbol_row = model.symbol_row();
  std::int32_t initial_label = model.initial_label();
  TableLayer& layer = random.pick(layers);
  TokenTable::Arrays arrays = layer.table.arrays();
  const auto nudge = [&](float& value) {
    value = std::vector<float>{0.0F, 1.0F, 2.0F, -1.0F, value / 2, std::nextafter(value, 4.0F)}[random.below(6)];
  };
  const auto nudge_one = [&](std::vector<float>& values) {
    if (!values.empty()) nudge(random.pick(values));
  };
  switch (random.below(13)) {
    case 0:
      nudge_one(arrays.beta);
      break;
    case 1:
      nudge_one(arrays.key_value);
      break;
    case 2:
      nudge_one(arrays.value_value);
      break;
    case 3:
      nudge_one(arrays.write_value);
      break;
    case 4:
      nudge_one(arrays.gate);
      break;
    case 5:
      nudge_one(layer.initial_hidden);
      break;
    case 6:
      random.pick(symbol_row) = random.pick(symbol_row);
      break;
    case 7:
      initial_label = 1 - initial_label;
      break;
    case 8:
      random.pick(layer.next) = random.pick(layer.next);
      break;
    case 9:
      random.pick(layer.row_action) = random.pick(layer.row_action);
      break;
    case 10:
      random.pick(layer.row_next) = random.pick(layer.row_next);
      break;
    case 11: {
      SlotReadout& readout = random.pick(layer.readouts);
      nudge_one(readout.bias);
      break;
    }
    default:
      layer.reads_before = !layer.reads_before;
  }
  try {
    layer.table = TokenTable(layer.table.key_size(), layer.table.value_size(), std::move(arrays));
    return LrnnModel(model.alphabet(), model.label_names(), initial_label, std::move(symbol_row), std::move(layers));
  } catch (const InputError&) {
    return std::nullopt;
  }
}

TEST_CASE("no change of hint or model makes the invariant prove what the closure refutes") {
  Random random(9);
  std::size_t proved = 0;
  std::size_t rejected = 0;
  std::size_t wrong_models = 0;
  for (int round = 0; round < 40; ++round) {
    const Dfa dfa = minimize(random_acceptor(random, 3 + random.below(2), 2));
    CompileResult compiled = compile(dfa, some_options(random));
    if (compiled.model.layers().empty()) continue;
    for (int change = 0; change < 60; ++change) {
      InvariantHint hint = compiled.hint;
      LrnnModel model = compiled.model;
      if (change % 2 == 0) mutate(hint, model.layers().size(), random);
      if (change % 2 == 1 || change % 8 == 0) {
        std::optional<LrnnModel> other = mutated(model, random);
        if (!other) continue;
        model = *std::move(other);
      }
      const Specification specification(model.alphabet(), model.label_names(), dfa);
      const InvariantCheck check =
          check_invariant(model, Semantics::fp16_state_v1, hint, specification, {.memory = std::size_t{16} << 20U});
      Closure closure = [&] {
        try {
          return closure_of(model, dfa, Semantics::fp16_state_v1);
        } catch (const NumericError&) {
          Closure none{false, Word{}, Limit::none, std::nullopt, 0, PairSet(4)};
          return none;
        }
      }();
      if (closure.disagreement) ++wrong_models;
      if (check.proved) {
        CHECK(!closure.disagreement);
        ++proved;
      } else {
        ++rejected;
      }
      if (check.disagreement) CHECK(closure.disagreement == check.disagreement);
    }
  }
  // All three kinds occur often, or the test says little.
  CHECK(proved > 200);
  CHECK(rejected > 500);
  CHECK(wrong_models > 200);
}

TEST_CASE("labels that are null may be anything but `?`, which would stay") {
  // Words over a, b; the label counts b modulo 2, but is null behind an a.
  const Dfa dfa(Alphabet::of_characters("ab"), 0, {2, 1, 3, 0, 2, 1, 3, 0}, {0, 1, null_label, null_label}, {"x", "y"});
  const CompileResult compiled = compile(dfa);
  REQUIRE(!compiled.model.layers().empty());
  CHECK(prove(compiled, dfa, Semantics::fp32_fma_v1).proved);
  std::vector<TableLayer> layers = compiled.model.layers();
  std::vector<std::int32_t>& labels = layers.back().next;
  std::size_t broken = 0;
  for (std::int32_t& label : labels) {
    const std::int32_t before = label;
    label = undefined_label;
    const LrnnModel model(compiled.model.alphabet(), compiled.model.label_names(), compiled.model.initial_label(),
                          compiled.model.symbol_row(), layers);
    label = before;
    const Specification specification(model.alphabet(), model.label_names(), dfa);
    const InvariantCheck check = check_invariant(model, Semantics::fp32_fma_v1, compiled.hint, specification, {});
    if (check.proved) CHECK(closure_of(model, dfa, Semantics::fp32_fma_v1).closed);
    broken += check.proved ? 0 : 1;
  }
  CHECK(broken > 0);
}

}  // namespace
