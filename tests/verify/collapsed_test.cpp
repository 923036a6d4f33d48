// label: slow
// Collapsed states against the machine that they belong to: on models of every architecture labels, margins and states
// along words are the machine's own bits, and closures of them are closures of the machine.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "corpus.hpp"
#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/engine/collapsed_states.hpp"
#include "krohn/engine/learned/learned_machine.hpp"
#include "krohn/error.hpp"
#include "krohn/export/fla.hpp"
#include "krohn/languages/language.hpp"
#include "krohn/results/certificate_file.hpp"
#include "krohn/verify/certificate.hpp"
#include "krohn/verify/closure.hpp"
#include "temporary_directory.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

/// A machine without collapsed states, else the same.
class Plain final : public Machine {
 public:
  explicit Plain(const Machine& machine) : machine_(machine) {}
  const Alphabet& alphabet() const override { return machine_.alphabet(); }
  const std::vector<std::string>& label_names() const override { return machine_.label_names(); }
  std::string_view semantics() const override { return machine_.semantics(); }
  std::string fingerprint() const override { return machine_.fingerprint(); }
  std::size_t state_size() const override { return machine_.state_size(); }
  Observation initial(std::span<std::byte> state) const override { return machine_.initial(state); }
  Observation step(std::span<std::byte> state, Symbol symbol) const override { return machine_.step(state, symbol); }

 private:
  const Machine& machine_;
};

/// Some tokens as symbols, the first logits as labels.
std::unique_ptr<Machine> some_task(std::shared_ptr<const Program> program) {
  const std::size_t symbols = std::min<std::size_t>(program->vocabulary_size(), 3);
  const std::size_t labels = std::min<std::size_t>(program->num_logits(), 4);
  std::vector<std::string> names;
  LearnedTask task{Alphabet({"x"}), {}, std::nullopt, {}, {}};
  for (std::uint32_t i = 0; i < symbols; ++i) {
    names.push_back(std::to_string(i));
    task.tokens.push_back(i);
  }
  task.alphabet = Alphabet(names);
  if (program->vocabulary_size() > 3) task.first_token = 3;
  for (std::uint32_t i = 0; i < labels; ++i) {
    task.label_names.push_back(std::to_string(i));
    task.outputs.push_back({i, static_cast<std::int32_t>(i)});
  }
  return make_machine(std::move(program), std::move(task));
}

void same(const Observation& a, const Observation& b) {
  CHECK(a.label == b.label);
  CHECK(std::bit_cast<std::uint32_t>(a.margin) == std::bit_cast<std::uint32_t>(b.margin));
}

/// Along random words, the second time through what is known already.
void follow(const Machine& machine) {
  const std::shared_ptr<CollapsedStates> states = machine.collapsed();
  REQUIRE(states);
  std::vector<std::byte> carried(machine.state_size());
  std::vector<std::byte> expanded(machine.state_size());
  std::vector<std::byte> state(states->size());
  const auto text = [](const std::vector<std::byte>& bytes) {
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  std::map<std::string, std::string> number_of;
  for (int pass = 0; pass < 2; ++pass) {
    std::mt19937 random(7);
    const double computed = states->computed();
    for (int word = 0; word < 6; ++word) {
      same(states->initial(state), machine.initial(carried));
      for (int t = 0; t < 12; ++t) {
        const auto symbol = static_cast<Symbol>(random() % machine.alphabet().size());
        same(states->step(state, symbol), machine.step(carried, symbol));
        states->expand(state, expanded);
        REQUIRE(expanded == carried);
        // Equal exactly if the carried states are.
        CHECK(number_of.emplace(text(carried), text(state)).first->second == text(state));
      }
    }
    if (pass == 1) CHECK(states->computed() == computed);
  }
  std::set<std::string> numbers;
  for (const auto& [bytes, collapsed] : number_of) numbers.insert(collapsed);
  CHECK(numbers.size() == number_of.size());
}

TEST_CASE("a collapsed state is stepped as the state that it stands for, in every architecture") {
  std::size_t followed = 0;
  for (const char* folder : {"golden", "variants", "models", "zoo"}) {
    const fs::path path = fs::path(KROHN_TEST_DATA) / folder;
    if (!fs::exists(path)) continue;
    for (const auto& entry : fs::directory_iterator(path)) {
      if (!fs::exists(entry.path() / "config.json")) continue;
      CAPTURE(entry.path().string());
      const std::unique_ptr<Machine> machine =
          some_task(std::make_shared<const Program>(read_checkpoint(entry.path()).model));
      if (!machine->collapsed()) continue;
      follow(*machine);
      ++followed;
    }
  }
  CHECK(followed > 40);
}

/// Both closures, and that the collapsed one is the other in numbers.
void compare_closures(const Machine& machine, const Dfa& language, const ClosureOptions& options,
                      bool stays_collapsed) {
  const Plain plain(machine);
  const Closure expected = joint_closure(plain, Specification(plain, language), options);
  const Closure found = joint_closure(machine, Specification(machine, language), options);
  CHECK(found.closed == expected.closed);
  CHECK(found.disagreement == expected.disagreement);
  CHECK(found.limit == expected.limit);
  CHECK(found.length == expected.length);
  CHECK(found.successors == expected.successors);
  CHECK((found.collapsed != nullptr) == stays_collapsed);
  REQUIRE(found.pairs.size() == expected.pairs.size());
  std::vector<std::byte> state(machine.state_size());
  for (std::uint32_t i = 0; i < found.pairs.size(); ++i) {
    std::ranges::copy(found.pairs.state(i).first(std::min(found.pairs.state_size(), state.size())), state.begin());
    if (found.collapsed) found.collapsed->expand(found.pairs.state(i), state);
    REQUIRE(std::ranges::equal(state, expected.pairs.state(i)));
    CHECK(found.pairs.automaton_state(i) == expected.pairs.automaton_state(i));
    CHECK(found.pairs.word(i) == expected.pairs.word(i));
  }
}

TEST_CASE("closures on collapsed states are those of the machine, pair by pair") {
  const TemporaryDirectory directory;
  for (const char* name : {"re:(a|b)*abb", "tomita:3", "modarith:3", "modarith-answer:2", "re:(aaa)*(bb)*"}) {
    CAPTURE(name);
    const Dfa language = read_language(name, name[0] == 'r' ? std::optional<std::string>("ab") : std::nullopt).dfa;
    write_fla_export(directory / "model", export_to_fla(language, name), true);
    const OpenModel open = open_model(directory / "model");
    if (!open.machine->collapsed()) continue;
    compare_closures(*open.machine, open.within_domain(language), {}, true);
    // Up to a length, and to a number of pairs.
    compare_closures(*open.machine, open.within_domain(language), {.budget = {}, .up_to = 3}, true);
  }
  // Trained models come back to no state, and are expanded again.
  const OpenModel trained = open_model(fs::path(KROHN_TEST_DATA) / "zoo" / "gdn_2l__tomita4");
  REQUIRE(trained.machine->collapsed());
  compare_closures(*trained.machine, *trained.own_language(), {.budget = {}, .up_to = 12}, false);
}

TEST_CASE("certificates from collapsed closures are the machine's, byte for byte") {
  const TemporaryDirectory directory;
  for (const char* name : {"tomita:3", "modarith:3"}) {
    const Dfa language = read_language(name).dfa;
    write_fla_export(directory / "model", export_to_fla(language, name), true);
    const OpenModel open = open_model(directory / "model");
    const Plain plain(*open.machine);
    const Dfa asked = open.within_domain(language);
    const auto certificate = [&](const Machine& machine) {
      return make_certificate(check(machine, asked, {}), machine, asked, {"test", "model", name});
    };
    const Certificate made = certificate(*open.machine);
    CHECK(certificate_bytes(made) == certificate_bytes(certificate(plain)));
    CHECK(std::holds_alternative<ClosureEvidence>(made.evidence));
    CHECK(!reject(made, plain, asked));
  }
}

TEST_CASE("200,000 states of 66 kB in 13 layers are closed in 256 MiB") {
  const TemporaryDirectory directory;
  for (const corpus::Language& language : corpus::languages()) {
    if (language.id != "rand_near1_8") continue;
    write_fla_export(directory / "model", export_to_fla(language.dfa, language.id));
    const OpenModel open = open_model(directory / "model");
    ClosureOptions options;
    options.budget.memory = std::size_t{256} << 20U;
    const Dfa asked = open.within_domain(language.dfa);
    const Closure closure = joint_closure(*open.machine, Specification(*open.machine, asked), options);
    CHECK(closure.closed);
    CHECK(closure.collapsed != nullptr);
    CHECK(open.machine->state_size() > 60'000);
    CHECK(closure.pairs.size() > 200'000);
    // Along the words by which pairs were met, the machine itself carries what is listed.
    std::vector<std::byte> state(open.machine->state_size());
    std::vector<std::byte> listed(state.size());
    for (std::uint32_t i = 0; i < closure.pairs.size(); i += closure.pairs.size() / 20) {
      open.machine->initial(state);
      for (const Symbol a : closure.pairs.word(i)) open.machine->step(state, a);
      closure.collapsed->expand(closure.pairs.state(i), listed);
      CHECK(listed == state);
    }
  }
}

}  // namespace
}  // namespace krohn
