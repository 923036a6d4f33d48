// label: slow
// Every order of operations of hardened models: enclosures hold sums and products in shuffled orders of binary32; runs
// whose every operation is off by as much as is allowed, in random directions, carry the canonical codes where that is
// claimed; where two codes are as near as rounding it is not claimed; certificates that say so are checked for it.
#include "krohn/verify/every_order.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <numeric>
#include <vector>

#include "krohn/checkpoints/open_model.hpp"
#include "krohn/engine/any_order.hpp"
#include "krohn/engine/interpreter.hpp"
#include "krohn/engine/learned/snapping_run.hpp"
#include "krohn/numeric/splitmix64.hpp"
#include "krohn/verify/certificate.hpp"
#include "krohn/verify/check.hpp"
#include "krohn/verify/harden.hpp"

namespace krohn {
namespace noise {

SplitMix64& source() {
  static SplitMix64 random(5);
  return random;
}

/// In [-1, 1], at the ends half of the time.
double sign() {
  const std::uint64_t bits = source().next();
  if (bits % 2 == 0) return bits % 4 == 0 ? 1.0 : -1.0;
  return static_cast<double>(bits >> 11U) * 0x1p-52 - 1.0;
}

/// A double whose every operation is off by up to 2^-24, every function by up to 2^-20, relative.
struct Number {
  double x = 0.0;
  Number() = default;
  explicit Number(float value) : x(static_cast<double>(value)) {}
};
Number off(double x, double relative = 0x1p-24) {
  Number y;
  y.x = x * (1.0 + relative * sign());
  return y;
}
Number of(double x) {
  Number y;
  y.x = x;
  return y;
}
Number operator+(Number a, Number b) { return off(a.x + b.x); }
Number operator-(Number a, Number b) { return off(a.x - b.x); }
Number operator*(Number a, Number b) { return off(a.x * b.x); }
Number fused(Number a, Number b, Number c) { return source().next() % 2 == 0 ? off(a.x * b.x + c.x) : a * b + c; }
Number quotient(Number a, Number b) { return off(a.x / b.x); }
bool less(Number a, Number b) { return a.x < b.x; }
Number select(bool condition, Number a, Number b) { return condition ? a : b; }
Number maximum(Number a, Number b) { return a.x < b.x ? b : a; }
Number minimum(Number a, Number b) { return b.x < a.x ? b : a; }
Number absolute(Number a) { return of(std::abs(a.x)); }
#define KROHN_NOISY(f) \
  Number f(Number a) { return off(numeric::f(a.x), 0x1p-20); }
KROHN_NOISY(square_root)
KROHN_NOISY(rsqrt)
KROHN_NOISY(exp)
KROHN_NOISY(sigmoid)
KROHN_NOISY(silu)
KROHN_NOISY(tanh)
KROHN_NOISY(softplus)
KROHN_NOISY(log_sigmoid)
KROHN_NOISY(log)
KROHN_NOISY(gelu)
KROHN_NOISY(gelu_tanh)
KROHN_NOISY(sine)
KROHN_NOISY(cosine)
#undef KROHN_NOISY

}  // namespace noise

namespace numeric {
template <>
struct ScalarOf<noise::Number> {
  using Type = float;
};
}  // namespace numeric

namespace {

namespace fs = std::filesystem;
const fs::path zoo = fs::path(KROHN_TEST_DATA) / "zoo";

struct Hardened {
  OpenModel open;
  Dfa language;
  Program program;
};

Hardened harden_model(const std::string& name) {
  OpenModel open = open_model(zoo / name);
  Dfa language = *open.own_language();
  Hardening hardening = harden(*open.learned, open.task->answers, language, {});
  REQUIRE(hardening.closed);
  return {std::move(open), std::move(language), *std::move(hardening.program)};
}

CheckReport check_program(const Machine& machine, const Dfa& language) {
  CheckOptions options;
  options.sample.words = 0;
  return check(machine, language, options);
}

std::uint64_t below(SplitMix64& random, std::uint64_t most) { return random.next() % most; }

TEST_CASE(
    "an enclosure holds every order of a product of sums, multiplied out or not, and is no wider than it must be") {
  SplitMix64 random(11);
  const auto value = [&] { return static_cast<float>(static_cast<double>(random.next() >> 11U) * 0x1p-52 - 1.0); };
  for (int round = 0; round < 400; ++round) {
    const std::size_t n = 1 + below(random, 40);
    std::vector<float> a(n);
    std::vector<float> b(n);
    for (float& x : a) x = value();
    for (float& x : b) x = value();
    const float c = value();
    any_order::Number sum;
    for (std::size_t i = 0; i < n; ++i) sum = fused(any_order::Number(a[i]), any_order::Number(b[i]), sum);
    const any_order::Number whole = any_order::settled(sum * any_order::Number(c));
    // n u of the sum of absolute values, three roundings and a hundredth more.
    double mass = 0.0;
    for (std::size_t i = 0; i < n; ++i)
      mass += std::abs(static_cast<double>(a[i]) * static_cast<double>(b[i]) * static_cast<double>(c));
    CHECK(whole.radius <= static_cast<double>(n + 3) * 0x1p-24 * 1.03 * mass + 64.0 * 0x1p-36);
    for (int order = 0; order < 20; ++order) {
      const bool out = below(random, 2) == 0;
      std::vector<float> terms;
      for (std::size_t i = 0; i < n; ++i) terms.push_back(out ? (a[i] * b[i]) * c : a[i] * b[i]);
      while (terms.size() > 1) {
        const std::size_t i = below(random, terms.size());
        const float x = terms[i];
        terms.erase(terms.begin() + static_cast<std::ptrdiff_t>(i));
        terms[below(random, terms.size())] += x;
      }
      const double result = static_cast<double>(out ? terms.front() : terms.front() * c);
      CHECK(result >= whole.lower());
      CHECK(result <= whole.upper());
    }
  }
}

TEST_CASE(
    "where every order is claimed, runs with noise in every operation carry the canonical codes and right labels") {
  for (const std::string name : {"dn01_1lc__flipnop", "gdn_1l__abb", "mamba_1l__flipnop", "gdn_1l__endab"}) {
    CAPTURE(name);
    const Hardened h = harden_model(name);
    const auto machine = make_machine(std::make_shared<const Program>(h.program), h.open.task->answers);
    const CheckReport report = check_program(*machine, h.language);
    REQUIRE(std::holds_alternative<Proved>(report.verdict));
    CHECK(shows_every_order(std::get<Proved>(report.verdict).evidence));
    const Specification specification(*machine, h.language);
    const LearnedTask& task = h.open.task->answers;
    forward::Interpreter<forward::OneByOne<noise::Number>> pass(h.program);
    SnappingRun canonical(h.program);
    std::vector<noise::Number> state(h.program.state_size());
    std::vector<float> exact(h.program.state_size());
    std::vector<noise::Number> logits(h.program.num_logits());
    std::vector<float> exact_logits(h.program.num_logits());
    SplitMix64 random(3);
    for (int word = 0; word < 8; ++word) {
      pass.initial(state.data());
      canonical.initial(exact);
      if (task.first_token) {
        pass.step(state.data(), &*task.first_token, logits.data());
        canonical.step(exact, *task.first_token, exact_logits);
      }
      State q = specification.automaton().start();
      for (int t = 0; t < 100; ++t) {
        const auto a = static_cast<Symbol>(below(random, task.tokens.size()));
        q = specification.automaton().next(q, a);
        pass.step(state.data(), &task.tokens[a], logits.data());
        canonical.step(exact, task.tokens[a], exact_logits);
        bool same = true;
        for (const StatePart& part : h.program.state_parts()) {
          for (std::size_t i = part.offset; i < part.offset + part.size && !part.codes.empty(); ++i) {
            same = same && state[i].x == static_cast<double>(exact[i]);
          }
        }
        CHECK(same);
        std::vector<float> rounded;
        for (const noise::Number& x : logits) rounded.push_back(static_cast<float>(x.x));
        CHECK(specification.agrees(task.observe(rounded).label, q));
      }
    }
  }
}

TEST_CASE("where two codes are as near as a token's rounding, the closure holds in the stated order alone") {
  const Hardened h = harden_model("gdn_1l__abb");
  ProgramParts parts = h.program.parts();
  // Beside every code of the first unit one that differs by some units in the last place of its largest entry.
  ProgramTensor& tensor = parts.tensors[parts.state_parts.front().codes.front()];
  const std::size_t size = tensor.values.size() / tensor.shape[0];
  std::vector<float> doubled;
  for (std::size_t k = 0; k < tensor.shape[0]; ++k) {
    const auto begin = tensor.values.begin() + static_cast<std::ptrdiff_t>(k * size);
    std::vector<float> code(begin, begin + static_cast<std::ptrdiff_t>(size));
    doubled.insert(doubled.end(), code.begin(), code.end());
    float& most =
        *std::max_element(code.begin(), code.end(), [](float x, float y) { return std::abs(x) < std::abs(y); });
    most = most == 0.0F ? 1e-6F : most * (1.0F + 0x1p-21F);
    doubled.insert(doubled.end(), code.begin(), code.end());
  }
  tensor.values = doubled;
  tensor.shape[0] *= 2;
  const auto machine = make_machine(std::make_shared<const Program>(Program(std::move(parts))), h.open.task->answers);
  const CheckReport report = check_program(*machine, h.language);
  REQUIRE(std::holds_alternative<Proved>(report.verdict));
  CHECK_FALSE(shows_every_order(std::get<Proved>(report.verdict).evidence));
  // A certificate that says more than was shown is refused.
  const Language language(h.language);
  Certificate certificate = make_certificate(report, *machine, language, {"test", "model", "language"});
  CHECK_FALSE(reject(certificate, *machine, h.language));
  certificate.evidence = RoundedClosureEvidence{std::get<ClosureEvidence>(certificate.evidence)};
  CHECK(certificate_claim(certificate).ends_with(", for every order of operations"));
  CHECK(reject(certificate, *machine, h.language));
}

TEST_CASE("a certificate for every order is accepted, and refused once a successor or a code's number is another") {
  const Hardened h = harden_model("dn01_1lc__flipnop");
  const auto machine = make_machine(std::make_shared<const Program>(h.program), h.open.task->answers);
  const CheckReport report = check_program(*machine, h.language);
  const Language language(h.language);
  const Certificate certificate = make_certificate(report, *machine, language, {"test", "model", "language"});
  REQUIRE(std::holds_alternative<RoundedClosureEvidence>(certificate.evidence));
  CHECK_FALSE(reject(certificate, *machine, h.language));
  const auto& closure = std::get<RoundedClosureEvidence>(certificate.evidence).closure;
  for (std::size_t i = 0; i < closure.successors.size(); i += 7) {
    Certificate changed = certificate;
    std::uint32_t& to = std::get<RoundedClosureEvidence>(changed.evidence).closure.successors[i];
    to = static_cast<std::uint32_t>((to + 1) % closure.pairs());
    CHECK(reject(changed, *machine, h.language));
  }
  for (std::size_t i = 0; i < closure.states.size(); i += 7) {
    Certificate changed = certificate;
    ++std::get<RoundedClosureEvidence>(changed.evidence).closure.states[i];
    CHECK(reject(changed, *machine, h.language));
  }
}

}  // namespace
}  // namespace krohn
