// label: slow
// Hardened models: their states are codes after every token and the nearest ones by plain loops; codes of own runs are
// states of the model itself; the closure's verdict is the ladder's, and random long words bear it out; vectors of
// words have the bits of one; a codes file of other weights, or with a fault, is refused by name.
#include "krohn/verify/harden.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "krohn/automata/regex.hpp"
#include "krohn/checkpoints/checkpoint.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/checkpoints/safetensors.hpp"
#include "krohn/engine/learned/carried_words.hpp"
#include "krohn/engine/learned/snapping_run.hpp"
#include "krohn/error.hpp"
#include "krohn/numeric/splitmix64.hpp"
#include "krohn/verify/check.hpp"
#include "temporary_directory.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;

const fs::path zoo = fs::path(KROHN_TEST_DATA) / "zoo";

struct Hardened {
  OpenModel open;
  Dfa language;
  Hardening hardening;
};

Hardened harden_model(const std::string& name) {
  OpenModel open = open_model(zoo / name);
  Dfa language = *open.own_language();
  Hardening hardening = harden(*open.learned, open.task->answers, language, {});
  return {std::move(open), std::move(language), std::move(hardening)};
}

/// 20 plants a model and 4 long words; 1,500 and 500 when KROHN_TEST_ALL is set.
bool all() { return std::getenv("KROHN_TEST_ALL") != nullptr; }

// Trained models that are right on all words below 40 symbols.
const std::vector<std::string> healthy = {"dn01_1l__abb",      "dn01_1lc__flipnop", "gdn_2l__tomita4",
                                          "mamba_1l__flipnop", "gla_1l__flipnop",   "dn11_2l__parity"};

TEST_CASE("models that are right on short words close, are PROVED, and stay right on long ones") {
  for (const std::string& name : healthy) {
    CAPTURE(name);
    const Hardened h = harden_model(name);
    REQUIRE(h.hardening.program);
    CHECK(h.hardening.closed);
    CHECK(h.hardening.gap > 0.0);
    CHECK(h.hardening.margin > 0.0);
    const auto machine = make_machine(std::make_shared<const Program>(*h.hardening.program), h.open.task->answers);
    CHECK(machine->semantics() == "learned-fp32-snap-v1");
    CheckOptions options;
    options.sample.words = 0;
    const CheckReport report = check(*machine, h.language, options);
    CHECK(std::holds_alternative<Proved>(report.verdict));
    // The same number of configurations, by another closure.
    CHECK(report.pairs == h.hardening.configurations);
    const Specification specification(*machine, h.language);
    SplitMix64 random(7);
    std::vector<Word> words(all() ? 500 : 4);
    for (Word& word : words) {
      // Runs of one symbol are what contracting models forget behind.
      for (std::uint64_t left = 0, a = 0; word.size() < (all() ? 100000U : 20000U); --left) {
        if (left == 0) {
          left = 1 + random.next() % (std::uint64_t{1} << (random.next() % 10));
          a = random.next() % machine->alphabet().size();
        }
        word.push_back(static_cast<Symbol>(a));
      }
    }
    const Trace trace = machine->run(words, {.device = Device::cpu, .all_positions = true});
    std::size_t wrong = 0;
    for (std::size_t w = 0; w < words.size(); ++w) {
      State q = specification.automaton().start();
      const auto labels = trace.labels_of(w);
      for (std::size_t t = 0; t < words[w].size(); ++t) {
        q = specification.automaton().next(q, words[w][t]);
        wrong += specification.agrees(labels[t + 1], q) ? 0U : 1U;
      }
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("codes of own runs are the model's own states; every state is the nearest code, by plain loops") {
  for (const std::string& name : healthy) {
    CAPTURE(name);
    const Hardened h = harden_model(name);
    REQUIRE(h.hardening.program);
    const Program& program = *h.open.learned;
    const Tokens& symbols = h.open.task->answers.tokens;
    std::vector<float> logits(program.num_logits());
    std::size_t own = 0;
    for (const UnitCodes& u : h.hardening.codes) {
      const StatePart& part = program.state_parts()[u.part];
      for (std::size_t k = 0; k < u.codes.size(); ++k) {
        if (u.origins[k] != CodeOrigin::own_run) continue;
        ++own;
        LearnedStream<float> stream(program);
        for (const std::uint32_t token : tokens_of(h.open.task->answers, u.words[k])) stream.step(token, logits);
        const float* state = stream.state().data() + part.offset + u.unit * part.unit_size();
        CHECK(std::memcmp(state, u.codes[k].data(), part.unit_size() * sizeof(float)) == 0);
      }
    }
    CHECK(own > 0);
    // The snapped run against the same step without snapping, where the first unit is the only one with codes: what it
    // was before is then what the step makes of it.
    SnappingRun run(*h.hardening.program);
    std::vector<float> state(program.state_size());
    run.initial(state);
    std::vector<Snap> snaps;
    SplitMix64 random(3);
    for (int t = 0; t < 50; ++t) {
      run.step(state, symbols[random.next() % symbols.size()], logits, &snaps, true);
      CHECK(snaps.size() == h.hardening.codes.size());
      for (const Snap& snap : snaps) {
        const auto u = std::find_if(h.hardening.codes.begin(), h.hardening.codes.end(),
                                    [&](const UnitCodes& c) { return c.part == snap.part && c.unit == snap.unit; });
        REQUIRE(u != h.hardening.codes.end());
        std::size_t best = 0;
        std::vector<float> distance;
        for (const std::vector<float>& code : u->codes) {
          float sum = 0.0F;
          for (std::size_t i = 0; i < code.size(); ++i) {
            const float d = snap.before[i] - code[i];
            sum = std::fma(d, d, sum);
          }
          distance.push_back(sum);
          if (sum < distance[best]) best = distance.size() - 1;
        }
        CHECK(snap.code == best);
        CHECK(snap.nearest == distance[best]);
        const StatePart& part = program.state_parts()[snap.part];
        CHECK(std::memcmp(state.data() + part.offset + snap.unit * part.unit_size(), u->codes[best].data(),
                          part.unit_size() * sizeof(float)) == 0);
      }
    }
  }
}

TEST_CASE("carried words stand for the very state, and name codes and tokens that exist") {
  for (const std::string name : {"dn01_1lc__flipnop", "gdn_2l__tomita4", "mamba_1l__flipnop"}) {
    CAPTURE(name);
    const Hardened h = harden_model(name);
    REQUIRE(h.hardening.program);
    const Program& program = *h.hardening.program;
    const Tokens read = read_tokens(h.open.task->answers);
    const CarriedWords carried(program, read);
    CHECK(carried.size() < program.state_size());
    std::vector<std::uint32_t> words(carried.size());
    carried.initial(words);
    LearnedStream<float> stream(program);
    std::vector<float> state(program.state_size());
    std::vector<float> logits(program.num_logits());
    SplitMix64 random(5);
    for (int t = 0; t < 300; ++t) {
      carried.expand(words, state);
      CHECK(std::memcmp(state.data(), stream.state().data(), state.size() * sizeof(float)) == 0);
      const std::uint32_t token = read[random.next() % read.size()];
      stream.step(token, logits);
      carried.advance(words, token, stream.state());
    }
    // Every small number that is no code and no token.
    for (std::uint32_t& word : words) {
      const std::uint32_t good = word;
      word = 100000;
      if (&word - words.data() < 3) CHECK_THROWS_AS(carried.expand(words, state), InputError);
      word = good;
    }
    std::fill(state.begin(), state.end(), 0.125F);
    CHECK_THROWS_AS(carried.advance(words, read[0], state), NumericError);
  }
}

TEST_CASE("a model that is wrong at 56 symbols closes from means of its own states") {
  const Hardened tsl = harden_model("dn01_1l__tsl");
  REQUIRE(tsl.hardening.program);
  const auto is_mean = [](const UnitCodes& u) {
    return std::count(u.origins.begin(), u.origins.end(), CodeOrigin::mean) > 0;
  };
  CHECK(std::any_of(tsl.hardening.codes.begin(), tsl.hardening.codes.end(), is_mean));
}

TEST_CASE("stabilizers, which are infinite before the first token, are hardened with the rest") {
  const std::filesystem::path models = std::filesystem::path(KROHN_SOURCE_DIR) / "models";
  CHECK(harden_model(models / "parity-slstm").hardening.closed);
  const Hardened wrong = harden_model(models / "parity-mlstm");
  CHECK_FALSE(wrong.hardening.closed);
  REQUIRE(wrong.hardening.original_wrong);
  CHECK(wrong.hardening.original_wrong->size() <= 40);
}

TEST_CASE("vectors of words are snapped with the bits of one word at a time") {
  for (const std::string& name : healthy) {
    CAPTURE(name);
    const Hardened h = harden_model(name);
    REQUIRE(h.hardening.program);
    const Program& program = *h.hardening.program;
    for (const std::uint32_t count : {2U, 9U, 20U, 33U}) {
      std::vector<Tokens> words(count);
      SplitMix64 random(count);
      for (std::uint32_t i = 0; i < count; ++i) {
        for (std::uint32_t t = 0; t < 3 + i % 7; ++t) {
          words[i].push_back(h.open.task->answers.tokens[random.next() % h.open.task->answers.tokens.size()]);
        }
      }
      std::mutex mutex;
      std::size_t ended = 0;
      run_learned(program, words, {1, Device::cpu}, [&](std::size_t w, std::size_t t, auto logits, auto final_state) {
        if (t + 1 < words[w].size()) return;
        LearnedStream<float> stream(program);
        std::vector<float> expected(program.num_logits());
        for (const std::uint32_t token : words[w]) stream.step(token, expected);
        const std::lock_guard lock(mutex);
        CHECK(std::memcmp(expected.data(), logits.data(), expected.size() * sizeof(float)) == 0);
        CHECK(std::memcmp(stream.state().data(), final_state.data(), final_state.size() * sizeof(float)) == 0);
        ++ended;
      });
      CHECK(ended == count);
    }
  }
}

TEST_CASE("equally near codes: the first; no finite distance: the state stays, and the run ends with it") {
  const Program program = read_checkpoint(zoo / "dn01_1l__abb").model;
  SnappingRun run(program);
  std::size_t part = 0;
  while (!program.state_parts()[part].recurrent()) ++part;
  const std::size_t size = program.state_parts()[part].unit_size();
  std::vector<float> state(program.state_size());
  std::vector<float> logits(program.num_logits());
  std::vector<Snap> snaps;
  // Far codes, mirror images of each other in the first entry, the state's own first entry aside: not equal codes.
  std::vector<float> codes(3 * size, 0.0F);
  std::fill_n(codes.begin(), size, 1e30F);
  std::fill_n(codes.begin() + static_cast<std::ptrdiff_t>(size), 2 * size, 0.0F);
  codes[2 * size] = -0.0F;
  run.set_codes(part, 0, codes);
  run.initial(state);
  run.step(state, 0, logits, &snaps);
  REQUIRE(snaps.size() == 1);
  CHECK(snaps[0].code == 1);
  CHECK(snaps[0].nearest == snaps[0].second);
  std::fill(codes.begin(), codes.end(), 1e30F);
  run.set_codes(part, 0, codes);
  run.initial(state);
  run.step(state, 0, logits, &snaps);
  CHECK(snaps.empty());
  CHECK(std::isfinite(state[program.state_parts()[part].offset]));
}

TEST_CASE("a model that is wrong on a short word is not hardened, and the word is said") {
  const Hardened h = harden_model("dn11_1l__s3");
  CHECK_FALSE(h.hardening.program);
  REQUIRE(h.hardening.original_wrong);
  LearnedStream<float> stream(*h.open.learned);
  std::vector<float> logits(h.open.learned->num_logits());
  for (const std::uint32_t token : tokens_of(h.open.task->answers, *h.hardening.original_wrong)) {
    stream.step(token, logits);
  }
  const Specification specification(*h.open.machine, h.language);
  State q = specification.automaton().start();
  for (const Symbol a : *h.hardening.original_wrong) q = specification.automaton().next(q, a);
  CHECK_FALSE(specification.agrees(h.open.task->answers.observe(logits).label, q));
}

TEST_CASE("a uniform grid closes a parity model, and its codes are the grid's points") {
  const fs::path model = fs::path(KROHN_TEST_DATA) / "models" / "parity_delta_net_neg_noconv_1layer";
  const OpenModel open = open_model(model);
  HardenOptions options;
  options.method = HardenOptions::Method::grid;
  const Hardening hardening = harden(*open.learned, open.task->answers, *open.own_language(), options);
  REQUIRE(hardening.closed);
  // As many configurations as a prototype in double precision found with steps of 1/2.
  CHECK(hardening.configurations == 28);
  for (const UnitCodes& u : hardening.codes) {
    for (const std::vector<float>& code : u.codes) {
      CHECK(std::all_of(code.begin(), code.end(), [](float x) { return 2.0F * x == std::round(2.0F * x); }));
    }
  }
}

/// The program with one fault; nothing where no such program exists (two equal codes, a weight that is not finite).
std::optional<Program> plant(const Program& program, int kind, SplitMix64& random) {
  ProgramParts parts = program.parts();
  std::vector<std::uint32_t> books;
  for (const StatePart& part : parts.state_parts) books.insert(books.end(), part.codes.begin(), part.codes.end());
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random.next() % n); };
  ProgramTensor& codes = parts.tensors[books[below(books.size())]];
  const std::size_t size = codes.values.size() / codes.shape[0];
  const std::size_t k = below(codes.shape[0]);
  const auto flip = [&](float& x) {
    x = std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) ^ (std::uint32_t{1} << below(32)));
  };
  if (kind == 0 && codes.shape[0] > 1) {
    // A code takes half of another.
    const std::size_t other = (k + 1 + below(codes.shape[0] - 1)) % codes.shape[0];
    std::copy_n(codes.values.begin() + static_cast<std::ptrdiff_t>(other * size), size / 2,
                codes.values.begin() + static_cast<std::ptrdiff_t>(k * size));
  } else if (kind == 1) {
    for (std::size_t i = 0; i < size; ++i) codes.values[k * size + i] *= -1.5F;
  } else if (kind == 2) {
    flip(codes.values[below(codes.values.size())]);
  } else {
    ProgramTensor& tensor = parts.tensors[below(parts.tensors.size())];
    flip(tensor.values[below(tensor.values.size())]);
  }
  try {
    return Program(std::move(parts));
  } catch (const InputError&) {
    return std::nullopt;
  }
}

/// The language with another successor of a state.
Dfa twin(const Dfa& language, SplitMix64& random) {
  std::vector<State> delta;
  std::vector<LabelId> labels;
  for (State q = 0; q < language.num_states(); ++q) {
    for (Symbol a = 0; a < language.num_symbols(); ++a) delta.push_back(language.next(q, a));
    labels.push_back(language.label(q));
  }
  delta[random.next() % delta.size()] = static_cast<State>(random.next() % labels.size());
  return Dfa(language.alphabet(), language.start(), delta, labels, language.label_names());
}

TEST_CASE(
    "planted faults in codes, weights and languages: PROVED only where every short and many long words are right") {
  const int plants = all() ? 1500 : 20;
  std::size_t proved = 0;
  std::size_t refuted = 0;
  std::size_t planted = 0;
  for (const std::string& name : healthy) {
    CAPTURE(name);
    const Hardened h = harden_model(name);
    REQUIRE(h.hardening.program);
    SplitMix64 random(11);
    for (int i = 0; i < plants; ++i) {
      CAPTURE(i);
      const bool other_language = i % 5 == 4;
      const std::optional<Program> wrong =
          other_language ? h.hardening.program : plant(*h.hardening.program, i % 5, random);
      if (!wrong) continue;
      ++planted;
      const Dfa language = other_language ? twin(h.language, random) : h.language;
      const auto machine = make_machine(std::make_shared<const Program>(*wrong), h.open.task->answers);
      CheckOptions options;
      options.sample.words = 0;
      options.budget.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
      Verdict verdict = Unknown{};
      try {
        verdict = check(*machine, language, options).verdict;
      } catch (const NumericError&) {
        continue;
      }
      refuted += std::holds_alternative<Refuted>(verdict) ? 1U : 0U;
      if (!std::holds_alternative<Proved>(verdict)) continue;
      ++proved;
      // Every word up to length 8, and long ones, by plain runs of the program on its own state.
      const Specification specification(*machine, language);
      EnumerateOptions search;
      search.max_length = 8;
      search.device = Device::cpu;
      CHECK_FALSE(enumerate(*machine, specification.labelled_automaton(), search).disagreement);
      LearnedStream<float> stream(*wrong);
      std::vector<float> logits(wrong->num_logits());
      State q = specification.automaton().start();
      if (h.open.task->answers.first_token) stream.step(*h.open.task->answers.first_token, logits);
      std::size_t errors = 0;
      for (int t = 0; t < 500; ++t) {
        const auto a = static_cast<Symbol>(random.next() % machine->alphabet().size());
        stream.step(h.open.task->answers.tokens[a], logits);
        q = specification.automaton().next(q, a);
        errors += specification.agrees(h.open.task->answers.observe(logits).label, q) ? 0U : 1U;
      }
      CHECK(errors == 0);
    }
  }
  CHECK(refuted > 0);
  MESSAGE(planted, " plants: ", proved, " PROVED, ", refuted, " REFUTED");
}

bool mentions(const fs::path& directory, const std::string& text) {
  try {
    read_checkpoint(directory);
    return false;
  } catch (const InputError& error) {
    return std::string(error.what()).find(text) != std::string::npos;
  }
}

TEST_CASE("codes are written and read as they are, and refused by name where they do not fit") {
  const Hardened h = harden_model("dn01_1l__abb");
  REQUIRE(h.hardening.program);
  const TemporaryDirectory temporary;
  const fs::path directory = temporary.path() / "hardened";
  fs::copy(zoo / "dn01_1l__abb", directory);
  const auto write = [&](const std::string& bytes) {
    std::ofstream(directory / "codes.safetensors", std::ios::binary) << bytes;
  };
  const std::string good = format_codes(*h.hardening.program);
  write(good);
  CHECK(read_checkpoint(directory).model == *h.hardening.program);
  CHECK(read_checkpoint(directory).model.fingerprint() == h.hardening.program->fingerprint());

  const Safetensors file = Safetensors::parse(good, "codes");
  std::vector<Tensor> tensors;
  for (const TensorView& view : file.tensors()) {
    const std::vector<float> values = to_float(view);
    tensors.push_back(make_tensor(view.name, std::span<const float>(values), view.shape));
  }
  const auto metadata = file.metadata();
  const auto with = [&](std::vector<Tensor> changed, std::map<std::string, std::string> said) {
    write(format_safetensors(changed, said));
  };
  std::vector<Tensor> fewer(tensors.begin() + 1, tensors.end());
  with(fewer, metadata);
  CHECK(mentions(directory, "codes.0.hidden.0: expected codes of this unit, got none"));
  std::vector<Tensor> doubled = tensors;
  const auto at = std::find_if(doubled.begin(), doubled.end(), [](const Tensor& t) { return t.shape[0] > 1; });
  REQUIRE(at != doubled.end());
  std::vector<float> values = to_float(at->view());
  const std::size_t size = values.size() / at->shape[0];
  std::copy_n(values.begin(), size, values.begin() + static_cast<std::ptrdiff_t>(size));
  *at = make_tensor(at->name, std::span<const float>(values), at->shape);
  with(doubled, metadata);
  CHECK(mentions(directory, at->name + ": expected every code once, got code 1 equal to code 0"));
  values[0] = std::nanf("");
  *at = make_tensor(at->name, std::span<const float>(values), at->shape);
  with(doubled, metadata);
  CHECK(mentions(directory, at->name + ": expected finite weights"));
  std::vector<Tensor> more = tensors;
  const std::vector<float> one = {1.0F};
  more.push_back(make_tensor("codes.7", std::span<const float>(one)));
  with(more, metadata);
  CHECK(mentions(directory, "'codes.7': expected only codes of the model's units"));
  std::vector<Tensor> narrow = tensors;
  narrow[0] = make_tensor(narrow[0].name, std::span<const float>(one), {1, 1, 1});
  with(narrow, metadata);
  CHECK(mentions(directory, "codes.0.hidden.0: expected shape [1, 16, 16], got [1, 1, 1]"));
  std::map<std::string, std::string> other = metadata;
  other["weights_fingerprint"][0] = other["weights_fingerprint"][0] == '0' ? '1' : '0';
  with(tensors, other);
  CHECK(mentions(directory, "the codes were made for other weights"));
  other = metadata;
  other["format"] = "krohn-codes-v9";
  with(tensors, other);
  CHECK(mentions(directory, "format: expected krohn-codes-v1, got 'krohn-codes-v9'"));
}

}  // namespace
}  // namespace krohn
