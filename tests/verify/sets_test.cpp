// label: slow
// Proofs by sets. Affine forms hold what the canonical form computes, for every operation and choice of the symbols,
// and a radius that is too small is seen. Models are PROVED whose labels long words bear out; no wrong label, wherever
// it is planted in the automaton or in the weights, is proved right; what is damaged in the evidence is refused.
#include "krohn/verify/sets.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "krohn/automata/minimize.hpp"
#include "krohn/automata/regex.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/engine/affine.hpp"
#include "krohn/numeric/splitmix64.hpp"
#include "krohn/results/certificate_file.hpp"
#include "krohn/verify/certificate.hpp"
#include "krohn/verify/check.hpp"
#include "temporary_directory.hpp"
#include "tools/krohn_process.hpp"

namespace krohn {
namespace {

const std::filesystem::path zoo = std::filesystem::path(KROHN_TEST_DATA) / "zoo";

bool all() { return std::getenv("KROHN_TEST_ALL") != nullptr; }

double uniform(SplitMix64& random) { return static_cast<double>(random.next() >> 11U) * 0x1p-53; }

// ---- affine forms -------------------------------------------------------------------------------------------------

using Form = affine::Form<3>;

/// A form, and a canonical number that it holds at the symbols' values.
struct Held {
  Form form;
  float number = 0.0F;
};

Held held(SplitMix64& random, const std::vector<double>& symbols, double middle, double width) {
  Held result;
  if (random.next() % 4 == 0) {
    result.form = Form(static_cast<float>(middle));
    result.number = result.form.number();
    return result;
  }
  Form& form = result.form;
  form.exact = false;
  form.center = middle;
  double at = middle;
  for (int i = 0; i < 3; ++i) {
    form.coefficients[i] = width * (uniform(random) - 0.5);
    at += form.coefficients[i] * symbols[static_cast<std::size_t>(i)];
  }
  result.number = static_cast<float>(at + width * 0.1 * (uniform(random) - 0.5));
  form.radius = std::abs(static_cast<double>(result.number) - at) * (1.0 + 0x1p-40);
  return result;
}

/// How far the number lies outside of the form at the symbols' values, in parts of its radius; at most 1 within.
double place(const Form& form, float number, const std::vector<double>& symbols) {
  if (form.exact) return static_cast<double>(number) == form.center ? 0.0 : 1e30;
  double at = form.center;
  for (int i = 0; i < 3; ++i) at += form.coefficients[i] * symbols[static_cast<std::size_t>(i)];
  return std::abs(static_cast<double>(number) - at) / form.radius;
}

template <class T>
struct Operations {
  static T apply(int index, T a, T b, T c) {
    using namespace numeric;
    switch (index) {
      case 0:
        return a + b;
      case 1:
        return a - b;
      case 2:
        return a * b;
      case 3:
        return fused(a, b, c);
      case 4:
        return a * a;
      case 5:
        return silu(a);
      case 6:
        return sigmoid(a);
      case 7:
        return exp(a);
      case 8:
        return softplus(a);
      case 9:
        return log_sigmoid(a);
      case 10:
        return tanh(a);
      case 11:
        return maximum(a, b);
      case 12:
        return minimum(a, b);
      case 13:
        return absolute(a);
      case 14:
        return rsqrt(fused(a, a, T(0.01F)) + fused(b, b, T(1.0F)));
      case 15:
        return square_root(fused(a, a, T(0.5F)));
      case 16:
        return quotient(a, fused(b, b, T(0.75F)));
      default:
        return quotient(a, b);
    }
  }
};
constexpr int num_operations = 18;

TEST_CASE("forms hold what the canonical form computes, and not by a wide margin") {
  SplitMix64 random(11);
  std::vector<double> farthest(num_operations, 0.0);
  std::vector<int> done(num_operations, 0);
  for (int round = 0; round < (all() ? 400000 : 40000); ++round) {
    const std::vector<double> symbols = {2 * uniform(random) - 1, 2 * uniform(random) - 1, 2 * uniform(random) - 1};
    const double width = std::pow(10.0, -7.0 * uniform(random));
    const auto draw = [&] { return held(random, symbols, 8.0 * (uniform(random) - 0.5), width); };
    const Held a = draw();
    const Held b = draw();
    const Held c = draw();
    const int index = static_cast<int>(random.next() % num_operations);
    try {
      const Form form = Operations<Form>::apply(index, a.form, b.form, c.form);
      const float number = Operations<float>::apply(index, a.number, b.number, c.number);
      const double at = place(form, number, symbols);
      CAPTURE(index);
      CAPTURE(a.number);
      CAPTURE(b.number);
      CAPTURE(width);
      REQUIRE(at <= 1.0);
      if (!form.exact)
        farthest[static_cast<std::size_t>(index)] = std::max(farthest[static_cast<std::size_t>(index)], at);
      ++done[static_cast<std::size_t>(index)];
    } catch (const affine::Undecided&) {
    }
  }
  for (std::size_t i = 0; i < num_operations; ++i) {
    CAPTURE(i);
    CHECK(done[i] > 500);
    // A radius of a quarter would have been seen.
    CHECK(farthest[i] > 0.25);
  }
}

TEST_CASE("products with symbols of their own hold products, exactly up to what they do not follow") {
  using Wide = affine::Form<8>;
  SplitMix64 random(13);
  double farthest[2] = {};
  for (int round = 0; round < 20000; ++round) {
    // e_0 .. e_2; products of e_0 and e_1 are 3 to 5, and of the factor's part with e_0 and e_1 6 and 7.
    double e[8] = {};
    for (int k = 0; k < 3; ++k) e[k] = round % 2 == 0 ? 2 * uniform(random) - 1 : random.next() % 2 == 0 ? 1.0 : -1.0;
    const bool wide = random.next() % 2 == 0;
    double values[3] = {};
    Wide forms[3];
    for (int i = 0; i < 3; ++i) {
      Wide& form = forms[i];
      form.exact = false;
      form.center = values[i] = 4 * uniform(random) - 2;
      for (int k = 0; k < (wide ? 3 : 2); ++k) {
        form.coefficients[k] = uniform(random) - 0.5;
        values[i] += form.coefficients[k] * e[k];
      }
      form.radius = wide ? 0.1 * uniform(random) : 0.0;
      values[i] += form.radius * (2 * uniform(random) - 1);
    }
    const std::vector<affine::Pair> pairs = {{0, 0, 3}, {0, 1, 4}, {1, 1, 5}};
    e[3] = 2 * e[0] * e[0] - 1;
    e[4] = e[0] * e[1];
    e[5] = 2 * e[1] * e[1] - 1;
    double part = 0.0;
    for (int k = 0; k < 3; ++k) part += forms[1].coefficients[k] * e[k];
    e[6] = e[0] * part / forms[1].spread();
    e[7] = e[1] * part / forms[1].spread();
    const Wide products[] = {
        affine::product_sum(forms[0], forms[1], forms[2], std::span<const affine::Pair>(pairs)),
        affine::scaled_by(forms[0], forms[1],
                          std::span<const affine::Pair>(std::vector<affine::Pair>{{0, 0, 6}, {1, 1, 7}}))};
    for (int i = 0; i < 2; ++i) {
      double at = products[i].center;
      for (int k = 0; k < 8; ++k) at += products[i].coefficients[k] * e[k];
      const double off = std::abs(values[0] * values[1] + (i == 0 ? values[2] : 0.0) - at);
      // Of the doubles: some tens of roundings of numbers of at most 8.
      REQUIRE(off <= products[i].radius + 0x1p-44);
      // Where all symbols are followed, that is all.
      if (!wide) REQUIRE(products[i].radius <= 0x1p-44);
      if (wide) farthest[i] = std::max(farthest[i], off / products[i].radius);
    }
  }
  CHECK(farthest[0] > 0.25);
  CHECK(farthest[1] > 0.25);
}

// ---- models -------------------------------------------------------------------------------------------------------

SetsReport prove(const OpenModel& open, const Dfa& language, double seconds = 60) {
  SetsOptions options;
  options.budget.deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(static_cast<int>(1000 * seconds));
  return enclose(*open.machine, Specification(*open.machine, language), options);
}

Word random_word(SplitMix64& random, std::size_t symbols, std::size_t length) {
  Word word;
  for (std::uint64_t left = 0, a = 0; word.size() < length; --left) {
    if (left == 0) {
      left = 1 + random.next() % (std::uint64_t{1} << (random.next() % 8));
      a = random.next() % symbols;
    }
    word.push_back(static_cast<Symbol>(a));
  }
  return word;
}

/// Whether the model has the automaton's label at every position of the words.
bool right_on(const OpenModel& open, const Dfa& language, const std::vector<Word>& words) {
  const Specification specification(*open.machine, language);
  RunOptions options;
  options.all_positions = true;
  options.device = Device::cpu;
  options.threads = 1;
  const Trace trace = open.machine->run(words, options);
  for (std::size_t i = 0; i < words.size(); ++i) {
    State q = specification.automaton().start();
    for (std::size_t t = 0; t <= words[i].size(); ++t) {
      if (!specification.agrees(trace.labels_of(i)[t], q)) return false;
      if (t < words[i].size()) q = specification.automaton().next(q, words[i][t]);
    }
  }
  return true;
}

// The last has entries that hardly decay, which are kept in boxes.
const std::vector<std::string> proved = {"gdn_1l__abb", "mamba_1l__def3", "mamba_1l__aab"};

TEST_CASE("definite languages are PROVED of trained models, and long words bear it out") {
  for (const std::string name : {"gdn_1l__abb", "mamba_1l__def3", "mamba_1l__aab", "gdn_1l__endab", "gla_1l__aba"}) {
    CAPTURE(name);
    const OpenModel open = open_model(zoo / name);
    const Dfa language = minimize(*open.own_language());
    const SetsReport report = prove(open, language, 600);
    REQUIRE_MESSAGE(report.sets, report.outcome);
    CHECK(!report.sets->length);
    CHECK(!refuse_sets(*report.sets, *open.machine, Specification(*open.machine, language)));
    SplitMix64 random(3);
    std::vector<Word> words;
    for (int i = 0; i < (all() ? 2000 : 20); ++i) words.push_back(random_word(random, 2, all() ? 5000 : 500));
    CHECK(right_on(open, language, words));
    CheckOptions options;
    options.method = "sets";
    const CheckReport checked = check(*open.machine, language, options);
    CHECK(std::holds_alternative<Proved>(checked.verdict));
    CHECK(checked.method == "sets");
    CHECK(checked.rungs.size() == 1);
  }
}

TEST_CASE("hulls and boxes hold every state of the canonical form, and a box that ends sooner is refused") {
  const OpenModel open = open_model(zoo / "mamba_1l__aab");
  const Dfa language = minimize(*open.own_language());
  const Specification specification(*open.machine, language);
  const SetsReport report = prove(open, language, 600);
  REQUIRE(report.sets);
  const auto& parts = open.learned->state_parts();
  const auto part =
      std::find_if(parts.begin(), parts.end(), [](const StatePart& p) { return p.kind == StatePart::Kind::hidden; });
  REQUIRE(part != parts.end());
  const std::size_t keys = part->shape[1];
  const std::size_t columns = part->shape[2];
  // By situation, column, key: how far up and how far down.
  const std::vector<double>& supports = report.sets->supports;
  const std::size_t pitch = columns * keys * 2;
  std::vector<double> up(keys * columns, -HUGE_VAL);
  std::vector<double> down = up;
  std::vector<bool> boxed(keys * columns, true);
  for (std::size_t s = 0; s < supports.size() / pitch; ++s) {
    for (std::size_t m = 0; m < columns; ++m) {
      for (std::size_t j = 0; j < keys; ++j) {
        const double* far = supports.data() + s * pitch + (m * keys + j) * 2;
        const std::size_t entry = j * columns + m;
        boxed[entry] = boxed[entry] && (s == 0 || (far[0] == up[entry] && far[1] == down[entry]));
        up[entry] = std::max(up[entry], far[0]);
        down[entry] = std::max(down[entry], far[1]);
      }
    }
  }
  CHECK(std::count(boxed.begin(), boxed.end(), true) >= 5);
  SplitMix64 random(2);
  std::vector<std::byte> state(open.machine->state_size());
  for (const Word& loop : {Word{0}, Word{1}, Word{0, 1}, Word{0, 0, 1}, Word{0, 0, 1, 1}, Word{}}) {
    open.machine->initial(state);
    bool held = true;
    for (std::size_t t = 0; t < (all() ? 1000000U : 20000U); ++t) {
      open.machine->step(state, loop.empty() ? static_cast<Symbol>(random.next() % 2) : loop[t % loop.size()]);
      if (t > 64 && t % 97 != 0) continue;
      const std::vector<float> numbers = open.machine->hidden(state);
      for (std::size_t i = 0; i < keys * columns; ++i) {
        const double x = static_cast<double>(numbers[part->offset + i]);
        // Hulls are of the exact recurrence; its rounding is a part of 2^-23 / 2^-20 of the largest state at most.
        const double room = boxed[i] ? 0.0 : 0.125 * std::max(up[i], down[i]);
        held = held && x <= up[i] + room && -x <= down[i] + room;
      }
    }
    CHECK(held);
  }
  for (std::size_t i = 0; i < keys * columns; ++i) {
    if (!boxed[i]) continue;
    for (std::size_t u = 0; u < 2; ++u) {
      InductiveSetsEvidence bad = *report.sets;
      bool any = false;
      for (std::size_t s = 0; s < supports.size() / pitch; ++s) {
        double& end = bad.supports[s * pitch + ((i % columns) * keys + i / columns) * 2 + u];
        any = any || end > 0.0;
        end = static_cast<double>(static_cast<float>(end * 0.4));
      }
      if (any) CHECK(refuse_sets(bad, *open.machine, specification));
    }
  }
}

std::uint32_t last_situation(const InductiveSetsEvidence& sets) {
  std::uint32_t last = 0;
  for (const auto& ending : sets.endings) last = std::max(last, ending.situation);
  return last;
}

Dfa with_flipped_label(const Dfa& automaton, State flipped) {
  std::vector<State> delta;
  std::vector<LabelId> labels;
  for (State q = 0; q < automaton.num_states(); ++q) {
    for (Symbol a = 0; a < automaton.num_symbols(); ++a) delta.push_back(automaton.next(q, a));
    labels.push_back(automaton.label(q));
  }
  labels[flipped] = labels[flipped] == 0 ? LabelId{1} : LabelId{0};
  return Dfa(automaton.alphabet(), automaton.start(), delta, labels, automaton.label_names());
}

SetsReport prove_up_to(const OpenModel& open, const Dfa& language, std::uint64_t length) {
  SetsOptions options;
  options.budget.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  options.up_to = length;
  return enclose(*open.machine, Specification(*open.machine, language), options);
}

TEST_CASE(
    "a delta rule without a gate is certified up to a length, by as many steps as words have symbols, and not proved") {
  const OpenModel open = open_model(zoo / "dn01_1l__abb");
  const Dfa language = minimize(*open.own_language());
  const Specification specification(*open.machine, language);
  const SetsReport report = prove_up_to(open, language, 100);
  REQUIRE_MESSAGE(report.sets, report.outcome);
  REQUIRE(report.sets->length);
  CHECK(*report.sets->length >= 100);
  // The tables are left to whoever checks.
  CHECK(report.sets->supports.empty());
  CHECK(!refuse_sets(*report.sets, *open.machine, specification));
  SplitMix64 random(4);
  std::vector<Word> words;
  for (int i = 0; i < 200; ++i) words.push_back(random_word(random, 2, 100));
  CHECK(right_on(open, language, words));
  // The same for all lengths, or for more than is found again.
  InductiveSetsEvidence bad = *report.sets;
  bad.length = std::nullopt;
  CHECK(refuse_sets(bad, *open.machine, specification) == "the sets are not closed");
  bad.length = 5000;
  CHECK(refuse_sets(bad, *open.machine, specification) == "the sets are not closed");
  // Another label, or an ending less.
  for (State q = 1; q < language.num_states(); ++q) {
    CHECK(refuse_sets(*report.sets, *open.machine, Specification(*open.machine, with_flipped_label(language, q))));
  }
  for (std::size_t i = 0; i < report.sets->endings.size(); ++i) {
    bad = *report.sets;
    bad.endings.erase(bad.endings.begin() + static_cast<std::ptrdiff_t>(i));
    // Only finitely many words begin in the first situation and in those that no cycle leads to.
    if (report.sets->endings[i].situation == last_situation(*report.sets)) {
      CHECK(refuse_sets(bad, *open.machine, specification));
    }
  }
}

TEST_CASE("beyond the lengths whose steps are taken again, sets grow by a rate that is checked") {
  const OpenModel open = open_model(zoo / "dn01_1l__astar");
  const Dfa language = minimize(*open.own_language());
  const Specification specification(*open.machine, language);
  const SetsReport report = prove_up_to(open, language, 50000);
  REQUIRE_MESSAGE(report.sets, report.outcome);
  REQUIRE(report.sets->length);
  REQUIRE(*report.sets->length >= 50000);
  CHECK(!report.sets->supports.empty());
  CHECK(!refuse_sets(*report.sets, *open.machine, specification));
  SplitMix64 random(6);
  std::vector<Word> words = {Word(50000, 0)};
  for (int i = 0; i < 3; ++i) words.push_back(random_word(random, 2, 50000));
  CHECK(right_on(open, language, words));
  // The rate found has room for the doubles' rounding, and for none there is no room at all.
  InductiveSetsEvidence bad = *report.sets;
  for (double& x : bad.rates) x = 0.0;
  CHECK(refuse_sets(bad, *open.machine, specification) == "the sets are not closed");
  for (const double factor : {0.0, 0.5}) {
    bad = *report.sets;
    for (double& x : bad.errors) x *= factor;
    CHECK(refuse_sets(bad, *open.machine, specification) == "the sets are not closed");
    bad = *report.sets;
    for (double& x : bad.supports) x *= factor;
    CHECK(refuse_sets(bad, *open.machine, specification) == "the sets are not closed");
  }
}

TEST_CASE("what does not apply says why") {
  const auto outcome = [](const std::string& name) {
    const OpenModel open = open_model(zoo / name);
    const SetsReport report = prove(open, minimize(*open.own_language()), 5);
    CHECK(!report.sets);
    return report.outcome;
  };
  CHECK(outcome("mamba_1l__flipnop").find("only definite languages can be proved of it") != std::string::npos);
  CHECK(outcome("gdn_2l__tomita4").find("above the recurrence carries a state") != std::string::npos);
  CHECK(outcome("dn01_1lc__flipnop").find("keys") != std::string::npos);
  const OpenModel open = open_model(zoo / "gdn_1l__abb");
  CheckOptions options;
  options.method = "invariant";
  CHECK_THROWS_WITH(check(*open.machine, *open.own_language(), options),
                    "method: invariant needs a model of tables, with a hint, which is not given");
}

// ---- planted faults -----------------------------------------------------------------------------------------------

TEST_CASE("no wrong label in the automaton is proved right") {
  for (const std::string& name : proved) {
    const OpenModel open = open_model(zoo / name);
    const Dfa language = minimize(*open.own_language());
    for (State q = 0; q < language.num_states(); ++q) {
      if (language.label(q) == null_label) continue;
      CAPTURE(name);
      CAPTURE(q);
      const SetsReport report = prove(open, with_flipped_label(language, q), 3);
      CHECK(!report.sets);
    }
  }
}

TEST_CASE("damaged evidence is refused") {
  for (const std::string& name : proved) {
    const OpenModel open = open_model(zoo / name);
    const Specification specification(*open.machine, minimize(*open.own_language()));
    const SetsReport report = prove(open, minimize(*open.own_language()));
    REQUIRE(report.sets);
    const InductiveSetsEvidence& good = *report.sets;
    double top = 0.0;
    for (const double x : good.supports) top = std::max(top, std::abs(x));
    SplitMix64 random(5);
    for (int plant = 0; plant < (all() ? 5000 : 60); ++plant) {
      InductiveSetsEvidence bad = good;
      const int kind = static_cast<int>(random.next() % 8);
      const auto any = [&](std::size_t size) { return static_cast<std::size_t>(random.next() % size); };
      // One that begins in the last situation, to which more than finitely many words lead: those of others can be
      // tried by themselves.
      std::size_t ending = 0;
      do {
        ending = any(bad.endings.size());
      } while (bad.endings[ending].situation != last_situation(good));
      switch (kind) {
        case 0:  // A set that holds less than tokens make.
          bad.supports[any(bad.supports.size())] -= 0.05 * top;
          break;
        case 1:
          bad.inputs[any(bad.inputs.size())] += 0.125F;
          break;
        case 2:
          bad.endings.erase(bad.endings.begin() + static_cast<std::ptrdiff_t>(ending));
          break;
        case 3:  // An ending that says more: its first symbol is forgotten.
          bad.endings[ending].word.erase(bad.endings[ending].word.begin());
          break;
        case 4:
          bad.family = bad.family == "fans" ? "hulls" : "fans";
          break;
        case 5:
          bad.supports.pop_back();
          break;
        case 6:
          for (double& x : bad.supports) x *= 0.5;
          break;
        default:
          bad.endings[any(bad.endings.size())].word.assign(1, 7);
      }
      CAPTURE(name);
      CAPTURE(kind);
      CHECK(refuse_sets(bad, *open.machine, specification));
    }
    if (!good.errors.empty()) {
      InductiveSetsEvidence bad = good;
      for (double& x : bad.errors) x = 0.0;
      CHECK(refuse_sets(bad, *open.machine, specification));
    }
  }
}

TEST_CASE(
    "certificates by sets are accepted by krohn verify and by the independent checker, and damaged ones are not") {
  const std::string tool = std::string(KROHN_SOURCE_DIR) + "/tools/check_learned ";
  const auto run_tool = [&](const std::string& arguments) {
    const int status = std::system((tool + arguments + " > /dev/null 2>&1").c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  for (const std::string& name : proved) {
    CAPTURE(name);
    const TemporaryDirectory directory;
    const std::string model = (zoo / name).string();
    const std::string file = (directory / "certificate").string();
    const ProcessResult made = run_krohn("check " + model + " --method sets --time-limit 30 --certificate " + file);
    CHECK(made.exit_code == 0);
    CHECK(run_krohn("verify " + file).exit_code == 0);
    CHECK(run_tool(file + " " + model) == 0);
    // Of another model.
    CHECK(run_tool(file + " " + (zoo / "dn01_1l__abb").string()) == 1);
    const Certificate good = read_certificate(file);
    SplitMix64 random(9);
    for (int mutation = 0; mutation < (all() ? 40 : 5); ++mutation) {
      CAPTURE(mutation);
      Certificate bad = good;
      auto& sets = std::get<InductiveSetsEvidence>(bad.evidence);
      if (mutation % 5 == 0) {
        const std::uint32_t last = last_situation(sets);
        std::erase_if(sets.endings, [last](const auto& ending) { return ending.situation == last; });
      } else if (mutation % 5 == 1) {
        sets.supports[random.next() % sets.supports.size()] -= 0.25;
      } else if (mutation % 5 == 2) {
        float& input = sets.inputs[random.next() % sets.inputs.size()];
        input = input * 0.75F + 0.25F;
      } else if (mutation % 5 == 3) {
        for (double& x : sets.supports) x *= 0.5;
      } else {
        sets.endings.front().situation += 1;
      }
      write_certificate(directory / "damaged", bad);
      CHECK(run_krohn("verify " + (directory / "damaged").string() + " " + model).exit_code == 1);
      CHECK(run_tool((directory / "damaged").string() + " " + model) == 1);
    }
  }
}

TEST_CASE("no checker takes a model that never forgets for one that does") {
  const TemporaryDirectory directory;
  const std::string model = (zoo / "dn01_1l__abb").string();
  const std::string file = (directory / "certificate").string();
  run_krohn("check " + model + " --method sets --time-limit 1 --certificate " + file);
  Certificate certificate = read_certificate(file);
  auto& sets = std::get<InductiveSetsEvidence>(certificate.evidence);
  const std::string tool = std::string(KROHN_SOURCE_DIR) + "/tools/check_learned ";
  const auto refused = [&](const std::string& path) {
    const std::string python = tool + path + " " + model + " 2>&1 | grep -q 'inputs listed are not the model'";
    return run_krohn("verify " + path + " " + model).exit_code == 1 && std::system(python.c_str()) == 0;
  };
  // A token's decay comes first.
  REQUIRE(sets.inputs[0] == 1.0F);
  for (const float decay : {0.99994F, 1.0F - 0x1p-24F, 1.0F + 0x1p-23F}) {
    CAPTURE(decay);
    sets.inputs[0] = decay;
    write_certificate(directory / "damaged", certificate);
    CHECK(refused((directory / "damaged").string()));
  }
}

}  // namespace
}  // namespace krohn
