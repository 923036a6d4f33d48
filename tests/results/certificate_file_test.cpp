// label: quick
// Certificates: what check() establishes is accepted, in C++ and by the independent checker; other models, languages,
// claims and evidence are rejected, byte by byte and word by word.
#include "krohn/results/certificate_file.hpp"

#include <doctest/doctest.h>
#include <openssl/evp.h>

#include <array>
#include <cstring>
#include <random>

#include "krohn/automata/catalog.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/automata/regex.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/error.hpp"
#include "krohn/model/fingerprint.hpp"
#include "krohn/verify/certificate.hpp"
#include "krohn/verify/check.hpp"
#include "krohn/verify/invariant.hpp"

namespace {

using namespace krohn;

const CertificateSubject subject{"test", "model", "language"};

struct Made {
  CompileResult compiled;
  Certificate certificate;
};

Made make(const Dfa& compiled_language, const Dfa& language, Semantics semantics, const CheckOptions& options = {},
          bool with_hint = true) {
  CompileResult compiled = compile(compiled_language);
  const std::optional<InvariantHint> hint = with_hint ? std::optional(compiled.hint) : std::nullopt;
  const auto machine = make_machine(compiled.model, semantics);
  const CheckReport report = check(*machine, language, options, hint ? &*hint : nullptr);
  Certificate certificate = make_certificate(report, *machine, language, subject);
  return {std::move(compiled), std::move(certificate)};
}

std::optional<Rejection> rejected(const Certificate& certificate, const LrnnModel& model, const Dfa& language) {
  const auto machine = make_machine(model, parse_semantics(certificate.semantics).value());
  return reject(certificate, *machine, language);
}

bool same(const Certificate& a, const Certificate& b) {
  return a.tool == b.tool && a.model_name == b.model_name && a.language_name == b.language_name && a.claim == b.claim &&
         a.semantics == b.semantics && a.model_fingerprint == b.model_fingerprint && a.symbol_map == b.symbol_map &&
         a.evidence == b.evidence;
}

// The bytes with the digest at the end made to fit.
std::string sealed(std::string bytes) {
  bytes.resize(bytes.size() - 32);
  std::array<unsigned char, 32> digest{};
  unsigned int length = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr);
  bytes.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  return bytes;
}

// Deep enough that the closure does not fit the first rung: proved by the invariant.
Dfa deep() { return catalog_language("dyck:2,3"); }

TEST_CASE("a certificate is accepted for its model and language, and read back as it was written") {
  for (const Semantics semantics : {Semantics::fp32_fma_v1, Semantics::fp16_state_v1, Semantics::bf16_state_v1}) {
    CheckOptions bounded;
    bounded.up_to = 4;
    const Dfa parity = catalog_language("parity");
    const std::vector<std::pair<Made, std::string>> cases = [&] {
      std::vector<std::pair<Made, std::string>> list;
      list.emplace_back(make(catalog_language("tomita:5"), catalog_language("tomita:5"), semantics), "PROVED");
      list.emplace_back(make(deep(), deep(), semantics), "PROVED");
      list.emplace_back(make(catalog_language("mod:9"), catalog_language("mod:9"), semantics, bounded, false),
                        "CERTIFIED");
      list.emplace_back(make(catalog_language("tomita:4"), catalog_language("tomita:5"), semantics), "REFUTED");
      return list;
    }();
    const std::vector<Dfa> languages = {catalog_language("tomita:5"), deep(), catalog_language("mod:9"),
                                        catalog_language("tomita:5")};
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const auto& [made, verdict] = cases[i];
      CHECK(verdict_name(made.certificate.claim.verdict) == verdict);
      const std::optional<Rejection> rejection = rejected(made.certificate, made.compiled.model, languages[i]);
      CHECK_MESSAGE(!rejection, (rejection ? rejection->reason : ""));
      CHECK(same(parse_certificate(certificate_bytes(made.certificate), "x"), made.certificate));
      // Of another model, of another language.
      CHECK(rejected(made.certificate, compile(parity).model, languages[i]));
      CHECK(rejected(made.certificate, made.compiled.model, parity));
      CHECK(rejected(made.certificate, made.compiled.model, catalog_language("tomita:6")));
    }
  }
}

TEST_CASE("a horizon is certified from its reference states, and no further") {
  CompileOptions rotation;
  rotation.representation = GroupRepresentation::rotation;
  const Dfa wheel = catalog_language("mod:101");
  const LrnnModel model = compile(wheel, rotation).model;
  CheckOptions options;
  options.budget.memory = std::size_t{1} << 20U;
  options.sample.words = 0;
  const CheckReport report = check(*make_machine(model, Semantics::fp32_fma_v1), wheel, options);
  const auto machine = make_machine(model, Semantics::fp32_fma_v1);
  const Certificate made = make_certificate(report, *machine, wheel, subject);
  REQUIRE(std::holds_alternative<HorizonEvidence>(made.evidence));
  CHECK(same(parse_certificate(certificate_bytes(made), "x"), made));
  CHECK(!rejected(made, model, wheel));
  CHECK(rejected(made, model, catalog_language("mod:100")));
  const auto with = [&](auto change) {
    Certificate certificate = made;
    change(certificate, std::get<HorizonEvidence>(certificate.evidence).references[0].states);
    return rejected(certificate, model, wheel).has_value();
  };
  CHECK(!with([](Certificate& c, ReferenceStates&) { c.claim.length = *c.claim.length / 2; }));
  CHECK(with([](Certificate& c, ReferenceStates&) { c.claim.length = *c.claim.length + 1; }));
  CHECK(with([](Certificate& c, ReferenceStates&) { c.claim.verdict = VerdictKind::proved; }));
  CHECK(with([](Certificate&, ReferenceStates& r) { r.centre[0] += 0x1p-10; }));
  CHECK(with([](Certificate&, ReferenceStates& r) { r.centre.pop_back(); }));
  CHECK(with([](Certificate&, ReferenceStates& r) { r.successor[0] = (r.successor[0] + 1) % 101; }));
  CHECK(with([](Certificate&, ReferenceStates& r) { r.start = (r.start + 1) % 101; }));
}

TEST_CASE("a lasso is replayed, and every part of it counts") {
  CompileOptions nonnegative;
  nonnegative.spectrum = Spectrum::nonnegative;
  const Dfa ends_in_one = minimize(parse_regex("(0|1)*1", Alphabet::of_characters("01")));
  const LrnnModel model = compile(ends_in_one, nonnegative).model;
  const Dfa parity = catalog_language("parity");
  const auto machine = make_machine(model, Semantics::fp32_fma_v1);
  TheoremReport report = refute_theorem(model, Arithmetic{}, Theorem::parity());
  REQUIRE(std::holds_alternative<IndistinguishablePair>(report.conclusion));
  const Certificate made = make_certificate(report, *machine, parity, subject);
  REQUIRE(std::holds_alternative<LassoEvidence>(made.evidence));
  CHECK(same(parse_certificate(certificate_bytes(made), "x"), made));
  CHECK(!rejected(made, model, parity));
  CHECK(rejected(made, model, catalog_language("mod:2")));  // the complement: other labels are asked for
  CHECK(rejected(made, compile(parity).model, parity));
  const auto with = [&](auto change) {
    Certificate certificate = made;
    change(certificate, std::get<LassoEvidence>(certificate.evidence));
    return rejected(certificate, model, parity).has_value();
  };
  CHECK(!with([](Certificate&, LassoEvidence&) {}));
  CHECK(with([](Certificate& c, LassoEvidence&) { c.claim.length = *c.claim.length + 1; }));
  CHECK(with([](Certificate& c, LassoEvidence&) { c.claim.verdict = VerdictKind::proved; }));
  CHECK(with([](Certificate& c, LassoEvidence&) { c.claim.exact_bits = 24; }));
  CHECK(with([](Certificate&, LassoEvidence& e) { e.state[0] ^= 1; }));
  CHECK(with([](Certificate&, LassoEvidence& e) { e.state.pop_back(); }));
  CHECK(with([](Certificate&, LassoEvidence& e) { e.loop.clear(); }));
  CHECK(with([](Certificate&, LassoEvidence& e) { e.suffix.push_back(2); }));
  CHECK(with([](Certificate&, LassoEvidence& e) { std::swap(e.expected_a, e.expected_b); }));
  CHECK(with([](Certificate&, LassoEvidence& e) { e.expected_a = e.expected_b; }));
  CHECK(with([](Certificate&, LassoEvidence& e) { e.observed = e.observed == "0" ? "1" : "0"; }));
  CHECK(with([](Certificate&, LassoEvidence& e) { e.exponent_b = e.exponent_a; }));
  CHECK(with([](Certificate& c, LassoEvidence& e) {
    e.exponent_b = std::uint64_t{1} << 62U;
    c.claim.length = e.exponent_b;
  }));
}

TEST_CASE("exactness is recomputed, and claimed with no fewer bits than it takes") {
  for (const Dfa& language : {catalog_language("tomita:5"), deep()}) {
    for (const bool by_closure : {true, false}) {
      CompileResult compiled = compile(language);
      const auto machine = make_machine(compiled.model, Semantics::bf16_state_v1);
      CheckReport report = check(*make_machine(compiled.model, Semantics::bf16_state_v1), language, {}, &compiled.hint);
      REQUIRE(std::holds_alternative<Proved>(report.verdict));
      if (!by_closure) {
        const Specification specification(*machine, minimize(language));
        const InvariantCheck invariant =
            check_invariant(compiled.model, Semantics::bf16_state_v1, compiled.hint, specification, {});
        REQUIRE(invariant.proved);
        REQUIRE(invariant.exact_bits.has_value());
        report.verdict =
            Proved{invariant.exact_bits, invariant_evidence(invariant, compiled.hint, specification.automaton())};
      }
      Certificate made = make_certificate(report, *machine, language, subject);
      REQUIRE(made.claim.exact_bits.has_value());
      CHECK(std::holds_alternative<ClosureEvidence>(made.evidence) == by_closure);
      CHECK(!rejected(made, compiled.model, language));
      CHECK(parse_certificate(certificate_bytes(made), "x").claim.exact_bits == made.claim.exact_bits);
      --*made.claim.exact_bits;
      CHECK(rejected(made, compiled.model, language));
      made.claim.exact_bits.reset();
      CHECK(!rejected(made, compiled.model, language));
    }
  }
}

TEST_CASE("a report without evidence is not accepted, and says so") {
  Made made = make(catalog_language("parity"), catalog_language("parity"), Semantics::fp32_fma_v1);
  made.certificate.evidence = NoEvidence{"searched"};
  const auto rejection = rejected(made.certificate, made.compiled.model, catalog_language("parity"));
  REQUIRE(rejection.has_value());
  CHECK(rejection->unchecked);
}

TEST_CASE("every flipped bit, every missing and every added byte is refused") {
  const Made made = make(catalog_language("parity"), catalog_language("parity"), Semantics::fp32_fma_v1);
  const std::string bytes = certificate_bytes(made.certificate);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string other = bytes;
    other[at] = static_cast<char>(other[at] ^ (1 << (at % 8)));
    CHECK_THROWS_AS(parse_certificate(other, "x"), InputError);
    CHECK_THROWS_AS(parse_certificate(bytes.substr(0, at), "x"), InputError);
  }
  CHECK_THROWS_AS(parse_certificate(bytes + '\0', "x"), InputError);
  CHECK_THROWS_WITH_AS(parse_certificate("krohn-certificate-v1\n" + bytes.substr(21), "x"),
                       "x: expected a certificate of version 2, got version '1'", InputError);
  CHECK_THROWS_AS(parse_certificate("hello", "x"), InputError);
}

TEST_CASE("every changed word of the payload is refused or changes nothing that is claimed") {
  std::mt19937 random(11);
  const Dfa language = catalog_language("tomita:5");
  CheckOptions bounded;
  bounded.up_to = 4;
  struct Case {
    Made made;
    Dfa language;
  };
  std::vector<Case> cases;
  cases.push_back({make(language, language, Semantics::bf16_state_v1, {}, false), language});
  cases.push_back({make(deep(), deep(), Semantics::bf16_state_v1), deep()});
  const Dfa ring = catalog_language("mod:9");
  cases.push_back({make(ring, ring, Semantics::bf16_state_v1, bounded, false), ring});
  cases.push_back({make(catalog_language("tomita:4"), language, Semantics::bf16_state_v1), language});
  for (const Case& item : cases) {
    const std::string bytes = certificate_bytes(item.made.certificate);
    std::uint64_t header = 0;
    std::memcpy(&header, bytes.data() + 21, sizeof(header));
    const std::size_t payload = 29 + header;
    const std::size_t words = (bytes.size() - 32 - payload) / 4;
    std::size_t accepted = 0;
    std::size_t refused = 0;
    for (int round = 0; round < 300; ++round) {
      std::string other = bytes;
      std::uint32_t value = 0;
      const std::size_t at = payload + 4 * (random() % words);
      std::memcpy(&value, other.data() + at, sizeof(value));
      const std::uint32_t changed = std::vector<std::uint32_t>{value + 1, value - 1, value ^ (1U << random() % 32), 0U,
                                                               0xFFFFFFFFU}[random() % 5];
      if (changed == value) continue;
      std::memcpy(other.data() + at, &changed, sizeof(changed));
      const Certificate certificate = parse_certificate(sealed(other), "x");
      const auto rejection = rejected(certificate, item.made.compiled.model, item.language);
      (rejection ? refused : accepted) += 1;
      // What is accepted all the same must be true: the models are right but for the refuted one, whose evidence
      // consists of the word and of what is on it, all of it compared.
      if (!rejection) CHECK(certificate.claim.verdict != VerdictKind::refuted);
    }
    CHECK(refused > accepted);
  }
}

TEST_CASE("changed claims are refused even where the digest fits") {
  const Dfa language = catalog_language("mod:9");
  CheckOptions bounded;
  bounded.up_to = 4;
  const Made made = make(language, language, Semantics::fp32_fma_v1, bounded, false);
  REQUIRE(made.certificate.claim.verdict == VerdictKind::certified);
  const LrnnModel& model = made.compiled.model;
  const auto refused = [&](auto change) {
    Certificate certificate = made.certificate;
    change(certificate);
    try {
      return rejected(parse_certificate(certificate_bytes(certificate), "x"), model, language).has_value();
    } catch (const InputError&) {
      return true;
    }
  };
  CHECK(!refused([](Certificate&) {}));
  CHECK(!refused([](Certificate& c) { c.claim.length = 3; }));  // weaker, and established
  CHECK(refused([](Certificate& c) { c.claim.length = 5; }));
  CHECK(refused([](Certificate& c) { c.claim.length = std::nullopt; }));
  CHECK(refused([](Certificate& c) {
    c.claim.verdict = VerdictKind::proved;
    c.claim.length = std::nullopt;
  }));
  CHECK(refused([](Certificate& c) { c.claim.verdict = VerdictKind::refuted; }));
  CHECK(refused([](Certificate& c) { c.symbol_map = {1, 0}; }));
  CHECK(refused([](Certificate& c) { c.symbol_map = {0}; }));
  CHECK(refused([](Certificate& c) { c.model_fingerprint[0] ^= 1; }));
  CHECK(refused([](Certificate& c) { c.automaton = catalog_language("mod:8"); }));
  std::string bytes = certificate_bytes(made.certificate);
  const std::size_t at = bytes.find("at most 4");
  REQUIRE(at != std::string::npos);
  bytes[at + 8] = '5';
  CHECK_THROWS_AS(parse_certificate(sealed(bytes), "x"), InputError);
}

}  // namespace
