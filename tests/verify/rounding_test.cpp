// label: slow
// What proofs by sets say of states and their rounding, of trained models and words of their own: the exact recurrence,
// in long double on the canonical form's inputs, goes no farther than the sets do, in all directions tried, and the
// canonical form's answers are no farther from it than is said, and not a thousandth of that either. Enclosed readouts
// hold the readout in double precision, of answers anywhere in a box, of any length where a norm takes that out.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "krohn/automata/minimize.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/engine/interpreter.hpp"
#include "krohn/numeric/splitmix64.hpp"
#include "sets/endings.hpp"

namespace krohn::sets {
namespace {

const std::filesystem::path zoo = std::filesystem::path(KROHN_TEST_DATA) / "zoo";

double uniform(SplitMix64& random) { return static_cast<double>(random.next() >> 11U) * 0x1p-53; }

Word random_word(SplitMix64& random, std::size_t symbols, std::size_t length) {
  Word word;
  for (std::uint64_t left = 0, a = 0; word.size() < length; --left) {
    if (left == 0) {
      left = 1 + random.next() % (std::uint64_t{1} << (random.next() % 9));
      a = random.next() % symbols;
    }
    word.push_back(static_cast<Symbol>(a));
  }
  return word;
}

using Exact = std::vector<long double>;

/// A head's state [key_size, value_size], or the state of one generator where nothing is read [generators, key_size].
struct Run {
  std::size_t keys;
  std::size_t columns;
  Exact state;
  std::vector<Exact> parts;

  Run(std::size_t keys_, std::size_t columns_, std::size_t contexts)
      : keys(keys_), columns(columns_), state(keys * columns, 0.0L), parts(contexts, Exact(keys, 0.0L)) {}

  void step(const HeadStep& token, std::size_t context) {
    const auto decay = [&](std::size_t j) {
      return static_cast<long double>(token.decay[token.decay.size() == 1 ? 0 : j]);
    };
    for (std::size_t j = 0; j < keys; ++j) {
      for (std::size_t m = 0; m < columns; ++m) state[j * columns + m] *= decay(j);
    }
    // y_b of the sum over b of y_b v_b^T.
    for (Exact& part : parts) {
      for (std::size_t j = 0; j < keys; ++j) part[j] *= decay(j);
      long double read = 0.0L;
      for (std::size_t j = 0; j < token.read.size(); ++j) read += static_cast<long double>(token.read[j]) * part[j];
      const long double change = -static_cast<long double>(token.beta) * read +
                                 (&part == &parts[context] ? static_cast<long double>(token.beta) : 0.0L);
      for (std::size_t j = 0; j < keys; ++j) part[j] += static_cast<long double>(token.write[j]) * change;
    }
    for (std::size_t m = 0; m < columns; ++m) {
      long double read = 0.0L;
      for (std::size_t j = 0; j < token.read.size(); ++j)
        read += static_cast<long double>(token.read[j]) * state[j * columns + m];
      const long double change =
          static_cast<long double>(token.beta) * (static_cast<long double>(token.value[m]) - read);
      for (std::size_t j = 0; j < keys; ++j)
        state[j * columns + m] += static_cast<long double>(token.write[j]) * change;
    }
  }
};

/// Every symbol is the one that takes a number of the answer farther from the exact one, or, one time in eight, any.
Word greedy_word(SplitMix64& random, const OpenModel& open, const System& system, std::size_t offset,
                 std::size_t length) {
  const std::size_t keys = system.recurrence().key_size;
  const std::size_t columns = system.recurrence().value_size;
  const std::size_t h = random.next() % system.heads();
  const std::size_t m = random.next() % columns;
  const std::vector<float>& query = system.contexts()[random.next() % system.contexts().size()].heads[h].query;
  Word word;
  std::uint32_t situation = 0;
  std::vector<std::byte> state(open.machine->state_size());
  open.machine->initial(state);
  Run run(keys, columns, system.contexts().size());
  while (word.size() < length) {
    std::optional<long double> farthest;
    Symbol best = 0;
    std::vector<std::byte> best_state;
    Run best_run = run;
    const bool any = random.next() % 8 == 0;
    for (Symbol a = 0; a < system.symbols(); ++a) {
      std::vector<std::byte> next = state;
      Run exact = run;
      open.machine->step(next, a);
      const std::uint32_t context = system.context(situation, a);
      exact.step(system.contexts()[context].heads[h], context);
      const std::vector<float> numbers = open.machine->hidden(next);
      long double off = any ? static_cast<long double>(uniform(random)) : 0.0L;
      for (std::size_t j = 0; j < keys && !any; ++j) {
        off +=
            static_cast<long double>(query[j]) *
            (static_cast<long double>(numbers[offset + (h * keys + j) * columns + m]) - exact.state[j * columns + m]);
      }
      if (farthest && off <= *farthest) continue;
      farthest = off;
      best = a;
      best_state = std::move(next);
      best_run = std::move(exact);
    }
    word.push_back(best);
    situation = system.next(situation, best);
    state = std::move(best_state);
    run = std::move(best_run);
  }
  return word;
}

void compare(const std::string& name, std::optional<std::uint64_t> length) {
  CAPTURE(name);
  const OpenModel open = open_model(zoo / name);
  const Dfa language = minimize(*open.own_language());
  const Specification specification(*open.machine, language);
  const std::optional<LearnedView> learned = learned_of(*open.machine);
  REQUIRE(learned);
  const System system(learned->program, learned->task, specification);
  const Chosen chosen = choose_family(system);
  REQUIRE(chosen.family != nullptr);
  Enclosing& family = *chosen.family;
  REQUIRE(!family.close({}));
  if (length) REQUIRE(!family.close_up_to(*length, {}));
  REQUIRE(family.bound_rounding(length));
  const std::unique_ptr<Readout> readout = make_readout(system, family);
  const Endings tree(system, family, *readout, nullptr);
  const auto& state_parts = open.learned->state_parts();
  const auto hidden = std::find_if(state_parts.begin(), state_parts.end(),
                                   [](const StatePart& p) { return p.kind == StatePart::Kind::hidden; });
  REQUIRE(hidden != state_parts.end());
  const std::size_t keys = system.recurrence().key_size;
  const std::size_t columns = system.recurrence().value_size;
  const std::size_t n = family.generators();
  SplitMix64 random(7);
  double nearest = 0.0;
  for (int round = 0; round < 40; ++round) {
    const std::size_t limit = length ? static_cast<std::size_t>(*length) : 3000;
    const Word word = round % 4 == 3 ? greedy_word(random, open, system, hidden->offset, limit)
                                     : random_word(random, system.symbols(), 2 + random.next() % (limit - 2));
    const std::size_t tail = 1 + random.next() % std::min<std::size_t>(word.size() - 1, 40);
    std::vector<std::byte> state(open.machine->state_size());
    open.machine->initial(state);
    std::vector<Run> runs(system.heads(), Run(keys, columns, system.contexts().size()));
    std::vector<Run> before = runs;
    std::vector<std::uint32_t> path = {0};
    for (std::size_t i = 0; i < word.size(); ++i) {
      if (i + tail == word.size()) before = runs;
      const std::uint32_t context = system.context(path.back(), word[i]);
      open.machine->step(state, word[i]);
      for (std::size_t h = 0; h < runs.size(); ++h) runs[h].step(system.contexts()[context].heads[h], context);
      path.push_back(system.next(path.back(), word[i]));
    }
    Node node = tree.root(path[word.size() - 1], word.back());
    for (std::size_t i = word.size() - 1; i-- > word.size() - tail;) node = tree.before(node, {path[i], word[i]});
    const std::vector<float> numbers = open.machine->hidden(state);
    std::vector<double> t(runs.size() * n, 0.0);
    for (std::size_t h = 0; h < runs.size(); ++h) {
      const double* functional = node.functionals.data() + h * family.size();
      std::vector<float> on_entries;
      // t of the set: for fans the functional is given by its values on the keys, so the query is taken through the
      // word.
      std::vector<long double> query(system.contexts()[node.context].heads[h].query.begin(),
                                     system.contexts()[node.context].heads[h].query.end());
      for (std::size_t i = node.contexts.size(); i-- > 0;) {
        const HeadStep& token = system.contexts()[node.contexts[i]].heads[h];
        long double along = 0.0L;
        for (std::size_t j = 0; j < token.read.size(); ++j)
          along += query[j] * static_cast<long double>(token.write[j]);
        for (std::size_t j = 0; j < keys; ++j) {
          if (!token.read.empty())
            query[j] -= along * static_cast<long double>(token.beta) * static_cast<long double>(token.read[j]);
          query[j] *= static_cast<long double>(token.decay[token.decay.size() == 1 ? 0 : j]);
        }
      }
      for (std::size_t b = 0; b < n; ++b) {
        long double sum = 0.0L;
        for (std::size_t j = 0; j < keys; ++j) sum += query[j] * before[h].parts[b][j];
        t[h * n + b] = static_cast<double>(sum);
      }
      std::vector<double> far(family.combinations().size());
      family.supports(node.situation, h, functional, far.data());
      for (std::size_t u = 0; u < far.size(); ++u) {
        double along = 0.0;
        for (std::size_t b = 0; b < n; ++b) along += family.combinations().direction(u)[b] * t[h * n + b];
        REQUIRE(along <= far[u] + 1e-9 * (1.0 + std::abs(far[u])));
      }
      const Enclosing::Rounding rounding =
          family.rounding(h, {node.contexts, functional, node.largest[h], node.noise.data() + h * family.size(),
                              node.parts.data() + h * n, node.sizes.data() + h * n});
      for (std::size_t m = 0; m < columns; ++m) {
        float canonical = 0.0F;
        long double exact = 0.0L;
        for (std::size_t j = 0; j < keys; ++j) {
          const float q = system.contexts()[node.context].heads[h].query[j];
          canonical = std::fma(q, numbers[hidden->offset + (h * keys + j) * columns + m], canonical);
          exact += static_cast<long double>(q) * runs[h].state[j * columns + m];
        }
        double said = rounding.numbers[m];
        for (std::size_t b = 0; b < n; ++b) {
          said +=
              std::abs(family.value(h, b, m)) * std::max(0.0, rounding.shares[b] * t[h * n + b] + rounding.rests[b]);
        }
        const double off = std::abs(static_cast<double>(static_cast<long double>(canonical) - exact));
        REQUIRE(off <= said);
        nearest = std::max(nearest, off / said);
      }
    }
    for (int i = 0; i < 4; ++i) {
      std::vector<double> direction;
      double along = 0.0;
      for (const double x : t) {
        direction.push_back(2.0 * uniform(random) - 1.0);
        along += direction.back() * x;
      }
      const double far = family.far(node.functionals.data(), direction.data());
      REQUIRE(along <= far + 1e-9 * (1.0 + std::abs(far)));
    }
  }
  MESSAGE(name << ": at most " << nearest << " of what is said");
  CHECK(nearest > 1e-3);
}

TEST_CASE("states are within the sets, and answers within their rounding: entries that decay by themselves") {
  compare("gla_1l__aba", std::nullopt);
}
TEST_CASE("states are within the sets, and answers within their rounding: the delta rule") {
  compare("gdn_1l__abb", std::nullopt);
  compare("gdn_1l__endab", std::nullopt);
  compare("dn01_1l__astar", 1000);
  compare("dn01_1l__astar", 20000);
  compare("dn01_1l__abb", 300);
}

// ---- readouts -----------------------------------------------------------------------------------------------------

/// Answers with given numbers, by head.
class Given final : public forward::Probe<double> {
 public:
  std::vector<std::vector<double>> answers;
  void recurrence(std::size_t, std::size_t, std::size_t, std::size_t, const forward::Decay<double>&,
                  std::span<const forward::Update<double>>) override {}
  bool answer(std::size_t, std::size_t head, std::size_t queries, const double*, double* out) override {
    for (std::size_t i = 0; i < queries * (answers.empty() ? size : answers[head].size()); ++i) {
      out[i] = answers.empty() ? 0.0 : answers[head][i];
    }
    return true;
  }
  std::size_t size = 0;
};

/// The difference of two logits before the last norm's factor, in double precision.
class Reference {
 public:
  explicit Reference(const System& system)
      : system_(system),
        pass_(system.program()),
        features_(pass_.schedule().num_features),
        state_(system.program().state_size()) {
    const auto& operations = pass_.schedule().operations;
    head_ = std::get_if<Product>(&operations.back().operation.kind);
    norm_ = std::get_if<Normalization>(&operations[operations.size() - 2].operation.kind);
    REQUIRE(head_ != nullptr);
    REQUIRE(norm_ != nullptr);
  }
  double difference(std::uint32_t context, const std::vector<std::vector<double>>& answers, std::uint32_t winner,
                    std::uint32_t other) {
    const Tokens& tokens = system_.contexts()[context].tokens;
    Given given;
    given.size = system_.recurrence().answer_size();
    std::vector<double> logits(system_.program().num_logits());
    pass_.initial(state_.data());
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) pass_.step(state_.data(), &tokens[i], logits.data(), &given);
    given.answers = answers;
    for (std::size_t i = 0; i + 2 < pass_.schedule().operations.size(); ++i) {
      pass_.run_operation(i, features_.data(), state_.data(), &tokens.back(), &given);
    }
    const auto& tensors = system_.program().tensors();
    const double* x = features_.data() + pass_.schedule().at(norm_->in);
    const std::size_t rows = tensors[head_->weight].shape[0];
    double sum = 0.0;
    for (std::size_t i = 0; i < norm_->in.size; ++i) {
      const double w = norm_->weight == no_index ? 1.0 : static_cast<double>(tensors[norm_->weight].values[i]);
      sum += x[i] * w *
             (static_cast<double>(tensors[head_->weight].values[i * rows + winner]) -
              static_cast<double>(tensors[head_->weight].values[i * rows + other]));
    }
    return sum;
  }

 private:
  const System& system_;
  forward::Interpreter<forward::OneByOne<double>> pass_;
  std::vector<double> features_;
  std::vector<double> state_;
  const Product* head_ = nullptr;
  const Normalization* norm_ = nullptr;
};

TEST_CASE("enclosed readouts hold the readout of every answer in a box, of every length, and not by a wide margin") {
  for (const std::string name : {"gdn_1l__abb", "gdn_1l__endab", "dn01_1l__astar", "gla_1l__aba", "mamba_1l__aab"}) {
    CAPTURE(name);
    const OpenModel open = open_model(zoo / name);
    const Specification specification(*open.machine, minimize(*open.own_language()));
    const std::optional<LearnedView> learned = learned_of(*open.machine);
    const System system(learned->program, learned->task, specification);
    const Chosen chosen = choose_family(system);
    const Enclosing& family = *chosen.family;
    const std::size_t readers = family.readers().size();
    const std::size_t n = family.generators();
    const std::size_t base = readers * n;
    Reference reference(system);
    const std::unique_ptr<Readout> readouts[] = {make_readout(system, family), make_fine_readout(system, family)};
    SplitMix64 random(12);
    double nearest = 0.0;
    int compared = 0;
    for (int round = 0; round < 400; ++round) {
      Readout* readout = readouts[round % 2].get();
      if (readout == nullptr) continue;
      const bool scaled = readout->forgets_scales() && random.next() % 2 == 0;
      Box box{.centers = std::vector<double>(base, 0.0),
              .coefficients = std::vector<double>(base * n, 0.0),
              .radii = std::vector<double>(base, 0.0),
              .roundings = {},
              .own = std::vector<double>(base, 0.0),
              .shares = std::vector<double>(base, 0.0),
              .rests = std::vector<double>(base, 0.0),
              .scales = std::vector<double>(readers, 1.0)};
      const double wide = std::pow(10.0, -4.0 * uniform(random));
      const double rounding = round % 3 == 0 ? 0.0 : 0.01 * wide;
      for (std::size_t t = 0; t < base; ++t) {
        box.centers[t] = 0.4 * (uniform(random) - 0.5);
        for (std::size_t i = 0; i < n; ++i) box.coefficients[t * n + i] = 0.1 * wide * (uniform(random) - 0.5);
      }
      for (std::size_t r = 0; r < readers; ++r) {
        if (scaled) box.scales[r] = std::pow(30.0, uniform(random)) * 1.001;
        for (std::size_t m = 0; m < family.readers()[r].count; ++m) box.roundings.push_back(rounding);
      }
      const auto context = static_cast<std::uint32_t>(random.next() % system.contexts().size());
      const State state = system.situations()[random.next() % system.situations().size()].state;
      if (specification.automaton().label(state) == null_label) continue;
      const Readout::Outcome outcome = readout->evaluate(context, state, box);
      if (outcome.lost != nullptr) continue;
      std::uint32_t winner = 0;
      std::uint32_t other = 0;
      for (const LearnedTask::Output& output : system.task().outputs) {
        (specification.agrees(output.label, state) ? winner : other) = output.logit;
      }
      for (int sample = 0; sample < 6; ++sample) {
        std::vector<double> symbols;
        for (std::size_t k = 0; k < base; ++k) {
          symbols.push_back(sample < 3 ? 2.0 * uniform(random) - 1.0 : random.next() % 2 == 0 ? 1.0 : -1.0);
        }
        std::vector<std::vector<double>> answers(system.heads());
        for (std::size_t r = 0; r < readers; ++r) {
          const Enclosing::Reader& reader = family.readers()[r];
          answers[reader.head].resize(std::max(answers[reader.head].size(), reader.first + reader.count));
          const double length = scaled ? 1.0 + (box.scales[r] - 1.0) * uniform(random) : 1.0;
          for (std::size_t m = 0; m < reader.count; ++m) {
            double x = rounding * (2.0 * uniform(random) - 1.0);
            for (std::size_t b = 0; b < n; ++b) {
              double t = box.centers[r * n + b];
              for (std::size_t i = 0; i < n; ++i) t += box.coefficients[(r * n + b) * n + i] * symbols[r * n + i];
              x += family.value(r, b, m) * t;
            }
            answers[reader.head][reader.first + m] = length * x;
          }
        }
        const double exact = reference.difference(context, answers, winner, other);
        if (outcome.right) {
          REQUIRE(exact > 0.0);
          continue;
        }
        REQUIRE(outcome.margins.size() == 1);
        const Readout::Outcome::Margin& margin = outcome.margins.front();
        double at = margin.center;
        double room = margin.radius;
        for (std::size_t k = 0; k < margin.coefficients.size(); ++k) {
          if (k < base) {
            at += margin.coefficients[k] * symbols[k];
          } else {
            room += std::abs(margin.coefficients[k]);
          }
        }
        REQUIRE(std::abs(exact - at) <= room);
        nearest = std::max(nearest, std::abs(exact - at) / room);
        ++compared;
      }
    }
    MESSAGE(name << ": " << compared << " answers, at most " << nearest << " of what is said");
    CHECK(compared > 100);
    CHECK(nearest > 0.02);
  }
}

}  // namespace
}  // namespace krohn::sets
