// label: quick
// A program whose parts do not fit is refused by operation and field; and whatever changes what a recurrence, a shift
// or a weight means changes the program's fingerprint.
#include "krohn/model/program.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <limits>
#include <set>
#include <string>

#include "krohn/error.hpp"
#include "krohn/model/program_builder.hpp"

namespace krohn {
namespace {

// One layer with a recurrence of two keys and four values on features of its own, and parts that a case changes.
struct Parts {
  LinearRecurrence recurrence = ProgramBuilder::recurrence(1, 2, 4);
  Product head;
  TokenShift shift;
  Elementwise raised;
  std::vector<double> constants{0.5, 0.25, 2.0, 1.0};
  bool twice = false;
};

Program make(const std::function<void(Parts&)>& change) {
  ProgramBuilder net("test");
  const std::uint32_t table = net.add({"table", {3, 4}, true, std::vector<float>(12, 0.5F)});
  const std::uint32_t head = net.add({"head", {3, 4}, true, std::vector<float>(12, 0.25F)});
  const std::uint32_t rows = net.add({"rows", {3, 4}, false, std::vector<float>(12, 1.0F)});
  const Slice x = net.embedding(table);
  net.begin_layer("test");
  Parts parts;
  const Slice numbers = net.constants({0.5, 0.25, 2.0, 1.0});
  RankOneUpdate update;
  update.read = ProgramBuilder::heads(numbers.part(0, 2), 2);
  update.write = ProgramBuilder::heads(x.part(0, 2), 2);
  update.value = ProgramBuilder::heads(x, 4);
  parts.recurrence.decays = ProgramBuilder::heads(numbers, 4);
  parts.recurrence.decay = LinearRecurrence::Decay::key;
  parts.recurrence.updates = {update};
  parts.recurrence.query = ProgramBuilder::heads(x.part(2, 2), 2);
  parts.shift = {x, net.state(StatePart::Kind::shift, {4}, "x")};
  parts.raised.function = Function::lower_bounded;
  parts.raised.a = {x};
  parts.raised.w = {rows, 1, WeightUse::Derived::cumulative_softmax, 1};
  parts.head = {head, no_index, {}, {}};
  change(parts);
  const Slice constants = net.constants(parts.constants);
  if (parts.twice) net.recur(parts.recurrence);
  const Slice o = net.recur(parts.recurrence);
  const Slice raised = net.map(parts.raised, 4);
  Slice y = net.add(net.push(parts.shift, 4), net.add(raised, constants));
  if (o.size == 4) y = net.add(o, y);
  net.end_layers();
  parts.head.in = y;
  net.push(parts.head, 3);
  return net.finish();
}

std::string problems(const std::function<void(Parts&)>& change) {
  try {
    make(change);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST_CASE("parts that do not fit are refused") {
  using Decay = LinearRecurrence::Decay;
  CHECK(problems([](Parts&) {}) == "accepted");
  CHECK(problems([](Parts& p) { p.recurrence.decay = Decay::rotation; }) == "accepted");
  struct Row {
    std::function<void(Parts&)> change;
    const char* problem;
  };
  const Row rows[] = {
      {[](Parts& p) { p.twice = true; }, "one linear recurrence in a layer"},
      {[](Parts& p) {
         p.recurrence.decay = Decay::rotation;
         p.recurrence.updates[0].reads_undecayed = true;
       },
       "only the first to read the undecayed state"},
      {[](Parts& p) {
         p.recurrence.decay = Decay::rotation;
         p.recurrence.key_size = 1;
       },
       "key_size: expected an even number, got 1"},
      {[](Parts& p) { p.recurrence.decay = Decay::element; }, "decays: expected 8 features for each of 1 heads, got 4"},
      {[](Parts& p) { p.recurrence.ridge = p.recurrence.query; }, "ridge: expected more values than keys"},
      {[](Parts& p) {
         p.recurrence.ridge = p.recurrence.query;
         p.recurrence.solver_steps = 3;
         p.recurrence.reads_before = true;
       },
       "ridge: expected more values than keys"},
      {[](Parts& p) { p.head.copies = 2; }, "head: expected 3 outputs of 4 inputs"},
      {[](Parts& p) { p.head.copies = 0; }, "copies: expected a number above 0"},
      {[](Parts& p) { p.head.inputs = 3; }, "head: expected 3 outputs of 4 inputs"},
      {[](Parts& p) {
         p.head.inputs = 4;
         p.head.first_input = 1;
       },
       "head: expected the inputs that are read"},
      {[](Parts& p) { p.raised.w.row = 3; }, "rows: expected more than 3 rows of 4"},
      {[](Parts& p) { p.constants[1] = std::numeric_limits<double>::infinity(); }, "values: expected finite numbers"},
  };
  for (const Row& row : rows) {
    const std::string found = problems(row.change);
    CAPTURE(found);
    CAPTURE(std::string(row.problem));
    CHECK(found.find(row.problem) != std::string::npos);
  }
}

TEST_CASE("what changes the function changes the fingerprint, and no weight's") {
  using Decay = LinearRecurrence::Decay;
  const std::vector<std::function<void(Parts&)>> changes = {
      [](Parts&) {},
      [](Parts& p) { p.recurrence.decay = Decay::rotation; },
      [](Parts& p) { p.recurrence.reads_before = true; },
      [](Parts& p) {
        p.recurrence.ridge = p.recurrence.query;
        p.recurrence.solver_steps = 3;
      },
      [](Parts& p) {
        p.recurrence.ridge = p.recurrence.query;
        p.recurrence.solver_steps = 4;
      },
      [](Parts& p) { p.shift.difference = false; },
      [](Parts& p) { p.raised.w.row = 2; },
      [](Parts& p) { p.constants[0] = 0.75; },
  };
  std::set<std::string> programs;
  std::set<std::string> weights;
  for (const auto& change : changes) {
    const Program program = make(change);
    programs.insert(program.fingerprint());
    weights.insert(program.weights_fingerprint());
  }
  CHECK(programs.size() == changes.size());
  CHECK(weights.size() == 1);
}

}  // namespace
}  // namespace krohn
