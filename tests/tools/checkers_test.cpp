// label: slow
// The independent checkers against the program: what krohn certifies they accept, with the exit codes and the one line
// of their contract; what is damaged, older, of something else or no certificate they refuse, and so does krohn verify.
#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "corpus.hpp"
#include "krohn/automata/catalog.hpp"
#include "krohn/automata/dfa.hpp"
#include "krohn/checkpoints/model_directory.hpp"
#include "krohn/languages/format_json.hpp"
#include "krohn/model/fingerprint.hpp"
#include "krohn/results/certificate_file.hpp"
#include "krohn_process.hpp"
#include "temporary_directory.hpp"

namespace {

using namespace krohn;

const std::string tools = std::string(KROHN_SOURCE_DIR) + "/tools/";

// A command's run, with its output where run_krohn leaves the program's.
ProcessResult run_command(const std::string& path, const std::string& arguments) {
  const TemporaryDirectory directory;
  const std::string command =
      "'" + path + "' " + arguments + " >" + (directory / "out").string() + " 2>" + (directory / "error").string();
  const int status = std::system(command.c_str());
  const auto text = [&](const char* file) {
    std::ifstream stream(directory / file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  };
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text("out"), text("error")};
}

// A checker's run. Where KROHN_PROVED_CHECKER names the proved checker (proofs/), it is held against
// tools/check_certificate on everything that is asked of that one: the same exit code, the same line. Horizons,
// integers, snapped states and read vectors it leaves unchecked.
ProcessResult run_tool(const std::string& name, const std::string& arguments) {
  const ProcessResult result = run_command(tools + name, arguments);
  const char* proved_checker = std::getenv("KROHN_PROVED_CHECKER");
  if (name == "check_certificate" && proved_checker != nullptr) {
    const ProcessResult proved = run_command(proved_checker, arguments);
    const auto left = [&](const char* what) { return proved.out.rfind(std::string("s UNCHECKED ") + what, 0) == 0; };
    const bool unchecked = left("evidence of the kind horizon") || left("the semantics int") ||
                           left("the semantics fp32-snap") || left("factors with read");
    if (!unchecked) CHECK_MESSAGE(proved.exit_code == result.exit_code, arguments, ": ", proved.error, result.error);
    if (proved.exit_code == 0 && result.out.rfind("s ", 0) == 0) CHECK(proved.out == result.out);
  }
  return result;
}

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

bool verified(const ProcessResult& result) {
  return result.exit_code == 0 && result.out.rfind("s VERIFIED ", 0) == 0 &&
         result.out.find('\n') + 1 == result.out.size();
}

bool refused(const ProcessResult& result) {
  return result.exit_code == 1 && result.out.empty() && !result.error.empty();
}

// A compiled model, its language as a file, and a certificate of a check against `asked`.
struct Fixture {
  TemporaryDirectory directory;
  std::string model = (directory / "model").string();
  std::string language = (directory / "language.json").string();
  std::string certificate = (directory / "certificate").string();

  Fixture(const std::string& compiled, const std::string& asked, const std::string& options, int exit_code) {
    REQUIRE(run_krohn("compile '" + compiled + "' -o " + model).exit_code == 0);
    REQUIRE(run_krohn("convert '" + asked + "' -o " + language).exit_code == 0);
    const ProcessResult checked =
        run_krohn("check " + model + " " + language + " --certificate " + certificate + " " + options);
    REQUIRE_MESSAGE(checked.exit_code == exit_code, checked.error);
  }
  ProcessResult check() const { return run_tool("check_certificate", certificate + " " + model + " " + language); }
  ProcessResult verify() const { return run_krohn("verify " + certificate); }
};

TEST_CASE("certificates of every verdict and format are accepted by both checkers") {
  for (const char* format :
       {"fp32", "fp16", "bf16", "int8-wrap", "int8-saturate", "int16-wrap", "int16-saturate-state-v1"}) {
    const std::string options = std::string("--format ") + format;
    const Fixture fixtures[] = {{"word:S3", "word:S3", options, 0},
                                {"dyck:2,3", "dyck:2,3", options, 0},
                                {"modarith-answer:2", "modarith-answer:2", options, 0},
                                {"mod:9", "mod:9", options + " --up-to 4", 0},
                                {"tomita:4", "tomita:5", options, 10}};
    for (const Fixture& fixture : fixtures) {
      const ProcessResult python = fixture.check();
      CHECK_MESSAGE(verified(python), python.out, python.error);
      const ProcessResult own = fixture.verify();
      CHECK_MESSAGE(verified(own), own.out, own.error);
    }
  }
}

TEST_CASE("a horizon is recomputed by both checkers, of one layer and of levels of a cascade") {
  const TemporaryDirectory directory;
  const std::string model = (directory / "model").string();
  const std::string language = (directory / "language.json").string();
  const std::string certificate = (directory / "certificate").string();
  struct Case {
    Dfa language;
    const char* options;
    std::size_t layers;
    std::size_t drifting;
  };
  // A turn of 101 states; levels of three slots with resets, beside such as do not drift: of Cerny's automaton of five
  // states (the third level that turns has four corners), and between other levels.
  for (const Case& c : {Case{catalog_language("mod:101"), "", 1, 1}, Case{corpus::language("cerny5").dfa, "", 4, 2},
                        Case{corpus::language("cerny5").dfa, "--family kda", 4, 2},
                        Case{corpus::language("rand_uniform_7").dfa, "--family kda", 6, 1}}) {
    CAPTURE(c.layers);
    CAPTURE(std::string(c.options));
    write(language, format_json(c.language));
    REQUIRE(run_krohn("compile " + language + " --force --representation rotation " + c.options + " -o " + model)
                .exit_code == 0);
    CHECK(read_model(model).model.layers().size() == c.layers);
    const ProcessResult checked = run_krohn("check " + model + " " + language +
                                            " --memory 64K --samples 0 --up-to 40000 --certificate " + certificate);
    REQUIRE_MESSAGE(checked.exit_code == 0, checked.out, checked.error);
    const auto both = [&] {
      return std::pair(run_tool("check_certificate", certificate + " " + model + " " + language),
                       run_krohn("verify " + certificate));
    };
    CHECK_MESSAGE(verified(both().first), both().first.error);
    CHECK(verified(both().second));
    const Certificate made = read_certificate(certificate);
    REQUIRE(std::holds_alternative<HorizonEvidence>(made.evidence));
    CHECK(std::get<HorizonEvidence>(made.evidence).references.size() == c.drifting);
    const auto refused_with = [&](auto change) {
      Certificate changed = made;
      change(changed, std::get<HorizonEvidence>(changed.evidence).references);
      write_certificate(certificate, changed);
      const auto [python, own] = both();
      CHECK(refused(python));
      CHECK(own.exit_code == 1);
    };
    using References = std::vector<LayerReference>;
    refused_with([](Certificate&, References& r) { r.clear(); });
    refused_with([](Certificate&, References& r) { r.push_back(r[0]); });
    refused_with([](Certificate&, References& r) { r[0].layer += 1; });
    refused_with([](Certificate&, References& r) { r[0].states.centre[0] += 0x1p-4; });
    refused_with([](Certificate&, References& r) { r[0].states.successor.back() ^= 1U; });
    refused_with([](Certificate&, References& r) { r[0].states.start ^= 1U; });
    refused_with([](Certificate& changed, References&) { changed.claim.length = std::uint64_t{1} << 40U; });
  }
}

TEST_CASE("snapped compiled models: both checkers accept the closure in every order, and nothing that is damaged") {
  const TemporaryDirectory directory;
  const std::string model = (directory / "model").string();
  const std::string snapped = (directory / "snapped").string();
  const std::string language = (directory / "language.json").string();
  const std::string certificate = (directory / "certificate").string();
  const std::string damaged = (directory / "damaged").string();
  const auto both = [&](const std::string& file, const std::string& at) {
    return std::pair(run_tool("check_certificate", file + " " + at + " " + language),
                     run_krohn("verify " + file + " " + at + " " + language));
  };
  // Of Cerny's automaton two of four levels have codes.
  const std::string cascade = (directory / "cerny5.json").string();
  write(cascade, format_json(corpus::language("cerny5").dfa));
  for (const auto& [name, representation] :
       {std::pair<std::string, std::string>{"mod:9", "rotation"}, {"A:5", "dimension"}, {cascade, "rotation"}}) {
    CAPTURE(name);
    REQUIRE(run_krohn("compile " + name + " --force -o " + model + " --representation " + representation).exit_code ==
            0);
    REQUIRE(run_krohn("convert " + name + " -o " + language).exit_code == 0);
    const ProcessResult hardened =
        run_krohn("harden " + model + " --force -o " + snapped + " --certificate " + certificate);
    REQUIRE_MESSAGE(hardened.exit_code == 0, hardened.out, hardened.error);
    CHECK(run_krohn("check " + snapped).exit_code == 0);
    const auto [python, own] = both(certificate, snapped);
    CHECK_MESSAGE(verified(python), python.out, python.error);
    CHECK(verified(own));
    CHECK(python.out.find("fp32-snap-v1 is the automaton's, for every order of operations") != std::string::npos);
    // It is no certificate of the model without codes.
    CHECK(refused(both(certificate, model).first));
    CHECK(refused(both(certificate, model).second));
    // Every list entry changed, the digest mended: another code, state or edge is never accepted.
    Certificate changed = read_certificate(certificate);
    const auto& lists = std::get<RoundedClosureEvidence>(changed.evidence).closure;
    const std::size_t words = lists.states.size() + lists.automaton_states.size() + lists.successors.size();
    for (std::size_t i = 0; i < words; i += std::max<std::size_t>(1, words / 24)) {
      Certificate one = read_certificate(certificate);
      ClosureEvidence& list = std::get<RoundedClosureEvidence>(one.evidence).closure;
      if (i < list.states.size()) {
        // The last word of a state says whether it is undefined; a lowest bit is another number.
        list.states[i] ^= 1U;
      } else if (i - list.states.size() < list.automaton_states.size()) {
        std::uint32_t& q = list.automaton_states[i - list.states.size()];
        q = (q + 1) % static_cast<std::uint32_t>(one.automaton.num_states());
      } else {
        std::uint32_t& to = list.successors[i - list.states.size() - list.automaton_states.size()];
        to = (to + 1) % static_cast<std::uint32_t>(list.pairs());
      }
      write_certificate(damaged, one);
      CHECK(refused(both(damaged, snapped).first));
      CHECK(refused(both(damaged, snapped).second));
    }
  }
}

TEST_CASE("sign gates, moves and integers: what krohn certifies the independent checker finds, and no more") {
  const TemporaryDirectory directory;
  const std::string model = (directory / "model").string();
  const std::string language = (directory / "language.json").string();
  const std::string certificate = (directory / "certificate").string();
  const auto checked = [&](const std::string& name, const std::string& compiled, const std::string& options, int code) {
    REQUIRE(run_krohn("compile '" + name + "' --force -o " + model + " " + compiled).exit_code == 0);
    REQUIRE(run_krohn("convert '" + name + "' -o " + language).exit_code == 0);
    const ProcessResult result =
        run_krohn("check " + model + " " + language + " --certificate " + certificate + " " + options);
    REQUIRE_MESSAGE(result.exit_code == code, result.out, result.error);
    const ProcessResult python = run_tool("check_certificate", certificate + " " + model + " " + language);
    CHECK_MESSAGE(verified(python), python.out, python.error);
    CHECK(verified(run_krohn("verify " + certificate)));
  };
  checked("mod:101", "--representation rotation --family kda", "--memory 1M --up-to 40000", 0);
  for (const char* format : {"fp32", "fp16", "bf16"}) {
    checked("word:S4", "--family kda", std::string("--format ") + format, 0);
  }
  for (const char* format : {"fp32", "bf16", "int8-saturate"}) {
    checked("re:(a|b)*abb", "--family pd", std::string("--format ") + format, 0);
  }
  // Another read vector is another model; so is another arithmetic.
  const LrnnModel moves = read_model(model).model;
  TableLayer layer = moves.layers()[0];
  TokenTable::Arrays arrays = layer.table.arrays();
  REQUIRE_FALSE(arrays.read_value.empty());
  arrays.read_value[0] = 2.0F;
  layer.table = TokenTable(layer.table.key_size(), layer.table.value_size(), arrays);
  const std::string other = (directory / "other").string();
  write_model(other, {.model = LrnnModel(moves.alphabet(), moves.label_names(), moves.initial_label(),
                                         moves.symbol_row(), {layer})});
  CHECK(refused(run_tool("check_certificate", certificate + " " + other + " " + language)));
}

TEST_CASE("both checkers bound the drift for keys of any scale") {
  // Keys times 2^-20 with betas times 2^40 are the same reflections, in the same roundings.
  const TemporaryDirectory directory;
  const std::string compiled = (directory / "compiled").string();
  const std::string scaled = (directory / "scaled").string();
  const std::string language = (directory / "language.json").string();
  const std::string certificate = (directory / "certificate").string();
  REQUIRE(run_krohn("compile mod:101 --representation rotation -o " + compiled).exit_code == 0);
  REQUIRE(run_krohn("convert mod:101 -o " + language).exit_code == 0);
  const LrnnModel model = read_model(compiled).model;
  TableLayer layer = model.layers()[0];
  TokenTable::Arrays arrays = layer.table.arrays();
  for (float& key : arrays.key_value) key *= 0x1p-20F;
  for (float& beta : arrays.beta) beta *= 0x1p40F;
  layer.table = TokenTable(layer.table.key_size(), layer.table.value_size(), arrays);
  write_model(scaled, {.model = LrnnModel(model.alphabet(), model.label_names(), model.initial_label(),
                                          model.symbol_row(), {layer})});
  const ProcessResult checked =
      run_krohn("check " + scaled + " " + language + " --memory 1M --up-to 20000 --certificate " + certificate);
  REQUIRE_MESSAGE(checked.exit_code == 0, checked.out, checked.error);
  CHECK(checked.out.find("horizon") != std::string::npos);
  const ProcessResult python = run_tool("check_certificate", certificate + " " + scaled + " " + language);
  CHECK_MESSAGE(verified(python), python.out, python.error);
  CHECK(verified(run_krohn("verify " + certificate)));
}

TEST_CASE("both checkers count a sign change as exact for subnormal states") {
  // Two reflections turn a state of length 2^-127 by a third; the first only changes a sign, which underflows nowhere.
  const TemporaryDirectory directory;
  const Alphabet alphabet = Alphabet::of_characters("a");
  const Dfa wheel(alphabet, 0, {1, 2, 0}, {0, 1, 2}, {"0", "1", "2"});
  const float height = 0x1.bb67aep-1F;  // nearly the square root of 3/4
  TokenRow row;
  row.factors = {{{{1, 1.0F}}, 2.0F, {}}, {{{0, -height}, {1, 0.5F}}, 2.0F, {}}};
  TableLayer layer{TokenTable(2, 1, {row}), {0x1p-127F, 0.0F}, {}, false, {0}, {0}, {0}, {0, 1, 2}};
  layer.readouts.push_back({{{{0, 1.0F}}, {{0, -0.5F}, {1, height}}, {{0, -0.5F}, {1, -height}}}, {0.0F, 0.0F, 0.0F}});
  const LrnnModel model(alphabet, {"0", "1", "2"}, 0, {0}, {layer});
  const std::string path = (directory / "model").string();
  const std::string language = (directory / "language.json").string();
  const std::string certificate = (directory / "certificate").string();
  write_model(path, {.model = model});
  write(language, format_json(wheel));
  const double h = static_cast<double>(height) * 0x1p-127;
  const std::vector<double> centres = {0x1p-127, 0.0, -0x1p-128, h, -0x1p-128, -h};
  write_certificate(certificate, {.tool = "t",
                                  .model_name = path,
                                  .language_name = language,
                                  .claim = {VerdictKind::certified, 120},
                                  .semantics = "fp32-fma-v1",
                                  .model_fingerprint = fingerprint(model),
                                  .automaton = wheel,
                                  .symbol_map = {0},
                                  .evidence = HorizonEvidence{{{0, {centres, {1, 2, 0}, 0}}}}});
  CHECK(verified(run_krohn("verify " + certificate)));
  const ProcessResult python = run_tool("check_certificate", certificate + " " + path + " " + language);
  CHECK_MESSAGE(verified(python), python.out, python.error);
}

TEST_CASE("a horizon claims one step or more, and words up to a length although a longer one differs") {
  const TemporaryDirectory directory;
  const std::string model = (directory / "model").string();
  const std::string language = (directory / "language.json").string();
  const std::string certificate = (directory / "certificate").string();
  REQUIRE(run_krohn("compile mod:101 --representation rotation -o " + model).exit_code == 0);
  REQUIRE(run_krohn("convert mod:102 -o " + language).exit_code == 0);
  const auto check = [&](const std::string& up_to) {
    return run_krohn("check " + model + " " + language + " --memory 0 --samples 0 --certificate " + certificate +
                     up_to);
  };
  CHECK(check("").exit_code == 10);
  CHECK(check(" --up-to 101").exit_code == 10);
  const ProcessResult checked = check(" --up-to 100");
  REQUIRE_MESSAGE(checked.exit_code == 0, checked.out, checked.error);
  CHECK(checked.out.find("s CERTIFIED 100") != std::string::npos);
  const auto both = [&] {
    return std::pair(run_tool("check_certificate", certificate + " " + model + " " + language),
                     run_krohn("verify " + certificate));
  };
  CHECK(verified(both().first));
  CHECK(verified(both().second));
  Certificate longer = read_certificate(certificate);
  longer.claim.length = 101;
  write_certificate(certificate, longer);
  CHECK(refused(both().first));
  CHECK(both().second.exit_code == 1);
  longer.claim.length = 0;
  write_certificate(certificate, longer);
  CHECK(refused(both().first));
  CHECK(both().second.exit_code == 1);
}

TEST_CASE("a factor without a key changes nothing, whatever it would write") {
  // beta v is 2^127 2, an infinity that no entry of the key takes into the hidden state.
  const TemporaryDirectory directory;
  TokenRow row;
  row.factors.push_back({{}, 0x1p127F, {{0, 2.0F}}});
  TableLayer layer{TokenTable(1, 1, {row}), {1.0F}, {}, false, {0}, {0}, {0}, {0, 1}};
  layer.readouts.push_back({{{{0, 1.0F}}, {{0, -1.0F}}}, {0.0F, 0.0F}});
  const std::string model = (directory / "model").string();
  const std::string language = (directory / "language.json").string();
  const std::string certificate = (directory / "certificate").string();
  write_model(model, {.model = LrnnModel(Alphabet::of_characters("a"), {"0", "1"}, 0, {0}, {layer})});
  write(language, format_json(Dfa(Alphabet::of_characters("a"), 0, {0}, {0}, {"0", "1"})));
  const ProcessResult checked = run_krohn("check " + model + " " + language + " --certificate " + certificate);
  REQUIRE_MESSAGE(checked.exit_code == 0, checked.out, checked.error);
  CHECK(verified(run_krohn("verify " + certificate)));
  const ProcessResult python = run_tool("check_certificate", certificate + " " + model + " " + language);
  CHECK_MESSAGE(verified(python), python.out, python.error);
}

TEST_CASE("a lasso of krohn refute is replayed by both checkers") {
  const TemporaryDirectory directory;
  const std::string model = (directory / "model").string();
  const std::string language = (directory / "language.json").string();
  const std::string certificate = (directory / "certificate").string();
  REQUIRE(run_krohn("compile 're:(0|1)*1' --spectrum nonnegative -o " + model).exit_code == 0);
  REQUIRE(run_krohn("convert parity -o " + language).exit_code == 0);
  REQUIRE(run_krohn("refute " + model + " --theorem parity --certificate " + certificate).exit_code == 10);
  const ProcessResult python = run_tool("check_certificate", certificate + " " + model + " " + language);
  CHECK_MESSAGE(verified(python), python.out, python.error);
  CHECK(python.out.find("same bits") != std::string::npos);
  CHECK(run_krohn("verify " + certificate).out == python.out);
  REQUIRE(run_krohn("convert mod:2 -o " + language).exit_code == 0);
  CHECK(refused(run_tool("check_certificate", certificate + " " + model + " " + language)));
  CHECK(run_krohn("refute --family gla --certificate " + certificate).exit_code == 1);
  CHECK(run_krohn("refute " + model + " --theorem parity --format fp32-separate-v1 --certificate " + certificate)
            .exit_code == 1);
}

TEST_CASE("a tie read before the update, and a margin that rounds to infinity, are no overflow") {
  const TemporaryDirectory directory;
  const Alphabet alphabet = Alphabet::of_characters("a");
  TokenRow row;
  row.write = {{0, 0x1p127F}};
  // Two slots that tie: the update, which would overflow, never happens, and the run is undefined from the start.
  TableLayer tie{TokenTable(1, 1, {row}), {0x1p127F}, {}, true, {0}, {0}, {0}, {0, 0}};
  tie.readouts.push_back({{{}, {}}, {0.0F, 0.0F}});
  // Scores 2^127 and -2^127, whose difference is 2^128.
  TableLayer far{TokenTable(1, 1, {TokenRow{}}), {0x1p127F}, {}, false, {0}, {0}, {0}, {0, 0}};
  far.readouts.push_back({{{{0, 1.0F}}, {{0, -1.0F}}}, {0.0F, 0.0F}});
  const LrnnModel models[] = {LrnnModel(alphabet, {"x"}, 0, {0}, {tie}), LrnnModel(alphabet, {"x"}, 0, {0}, {far})};
  // The empty word is x; nothing is asked of the others, or all are x.
  const std::string languages[] = {R"("transitions": [[1], [1]], "labels": ["x", null]})",
                                   R"("transitions": [[0]], "labels": ["x"]})"};
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string model = (directory / ("model" + std::to_string(i))).string();
    const std::string language = (directory / "language.json").string();
    const std::string certificate = (directory / "certificate").string();
    write_model(model, {.model = models[i]});
    write(language, R"({"format": "krohn-automaton-v1", "alphabet": ["a"], "start": 0, )" + languages[i]);
    const ProcessResult checked = run_krohn("check " + model + " " + language + " --certificate " + certificate);
    REQUIRE_MESSAGE(checked.exit_code == 0, checked.out, checked.error);
    const ProcessResult python = run_tool("check_certificate", certificate + " " + model + " " + language);
    CHECK_MESSAGE(verified(python), python.out, python.error);
    CHECK(verified(run_krohn("verify " + certificate)));
  }
}

TEST_CASE("a horizon counts how far scores underflow") {
  // A layer of one sign change, exact for ever, read by the scores w h and -w h with h = 1/4 or -1/4. For w = 2^-140
  // they are multiples of the least subnormal, 2^-149; for w = 2^-149 both round to 0, and every label is `?`.
  const TemporaryDirectory directory;
  const Alphabet alphabet = Alphabet::of_characters("a");
  const Dfa alternating(alphabet, 0, {1, 0}, {0, 1}, {"0", "1"});
  TokenRow row;
  row.factors.push_back({{{0, 1.0F}}, 2.0F, {}});
  for (const float weight : {0x1p-140F, 0x1p-149F}) {
    TableLayer layer{TokenTable(1, 1, {row}), {0.25F}, {}, false, {0}, {0}, {0}, {0, 1}};
    layer.readouts.push_back({{{{0, weight}}, {{0, -weight}}}, {0.0F, 0.0F}});
    const LrnnModel model(alphabet, {"0", "1"}, 0, {0}, {layer});
    const std::string path = (directory / ("model" + std::to_string(weight == 0x1p-140F))).string();
    const std::string language = (directory / "language.json").string();
    const std::string certificate = (directory / "certificate").string();
    write_model(path, {.model = model});
    write(language, format_json(alternating));
    write_certificate(certificate, {.tool = "t",
                                    .model_name = path,
                                    .language_name = language,
                                    .claim = {VerdictKind::certified, 1000},
                                    .semantics = "fp32-fma-v1",
                                    .model_fingerprint = fingerprint(model),
                                    .automaton = alternating,
                                    .symbol_map = {0},
                                    .evidence = HorizonEvidence{{{0, {{0.25, -0.25}, {1, 0}, 0}}}}});
    const ProcessResult python = run_tool("check_certificate", certificate + " " + path + " " + language);
    CHECK_MESSAGE((weight == 0x1p-140F ? verified(python) : refused(python)), python.out, python.error);
    CHECK(run_krohn("check " + path + " " + language).exit_code == (weight == 0x1p-140F ? 0 : 10));
  }
}

TEST_CASE("what is no certificate of this model and language is refused by both checkers") {
  const Fixture fixture("tomita:5", "tomita:5", "", 0);
  const std::string bytes = bytes_of(fixture.certificate);
  const auto both_refuse = [&](const std::string& what, const std::string& changed) {
    write(fixture.certificate, changed);
    CHECK_MESSAGE(refused(fixture.check()), what);
    CHECK_MESSAGE(fixture.verify().exit_code == 1, what);
    write(fixture.certificate, bytes);
  };
  both_refuse("older version", "krohn-certificate-v0\n" + bytes.substr(21));
  both_refuse("text", "no certificate\n");
  both_refuse("nothing", "");
  both_refuse("truncated", bytes.substr(0, bytes.size() / 2));
  both_refuse("trailing byte", bytes + "x");
  for (std::size_t at = 0; at < bytes.size(); at += bytes.size() / 7) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    both_refuse("bit at " + std::to_string(at), damaged);
  }
  REQUIRE(verified(fixture.check()));

  const Fixture other("tomita:6", "tomita:6", "", 0);
  CHECK(refused(run_tool("check_certificate", fixture.certificate + " " + other.model + " " + fixture.language)));
  CHECK(refused(run_tool("check_certificate", fixture.certificate + " " + fixture.model + " " + other.language)));
  CHECK(run_krohn("verify " + fixture.certificate + " " + other.model).exit_code == 1);
  CHECK(run_krohn("verify " + fixture.certificate + " " + fixture.model + " " + other.language).exit_code == 1);
  CHECK(refused(run_tool("check_certificate", fixture.certificate + " nowhere " + fixture.language)));
  CHECK(run_tool("check_certificate", "").exit_code == 2);
  CHECK(run_tool("check_certificate", "--help").exit_code == 0);
}

TEST_CASE("a model that names two symbols alike is refused, for its words are not those of the claim") {
  const Fixture fixture("flipflop", "flipflop", "", 0);
  const std::string config = bytes_of(fixture.model + "/config.json");
  const std::string names = R"(["s", "r", "n"])";
  REQUIRE(config.find(names) != std::string::npos);
  std::string doubled = config;
  doubled.replace(config.find(names), names.size(), R"(["s", "r", "s"])");
  write(fixture.model + "/config.json", doubled);
  const ProcessResult python = fixture.check();
  CHECK(refused(python));
  CHECK(python.error.find("distinct symbols") != std::string::npos);
  CHECK(fixture.verify().error.find("distinct symbols") != std::string::npos);
}

TEST_CASE("a report without evidence is unchecked, with an exit code of its own") {
  const Fixture fixture("dyck:2,3", "dyck:2,3", "--time-limit 0 --samples 0", 20);
  CHECK(fixture.check().exit_code == 20);
  CHECK(fixture.check().out.rfind("s UNCHECKED ", 0) == 0);
  CHECK(fixture.verify().exit_code == 20);
}

TEST_CASE("words that refute trained models are replayed by the independent arithmetic") {
  for (const char* name : {"flipflop_delta_net_pos", "parity_delta_net_neg_noconv_1layer", "parity_delta_net_pos",
                           "s3_gated_deltaproduct_n2_neg"}) {
    const TemporaryDirectory directory;
    const std::string model = std::string(KROHN_TEST_DATA) + "/models/" + name;
    const std::string certificate = (directory / "certificate").string();
    REQUIRE(run_krohn("check " + model + " --certificate " + certificate).exit_code == 10);
    const ProcessResult replayed = run_tool("check_learned", certificate + " " + model);
    CHECK_MESSAGE(verified(replayed), replayed.out, replayed.error);
    CHECK(verified(run_krohn("verify " + certificate)));
    const std::string other =
        std::string(KROHN_TEST_DATA) + "/models/" +
        (std::string(name) == "parity_delta_net_pos" ? "parity_delta_net_neg_noconv_1layer" : "parity_delta_net_pos");
    CHECK(refused(run_tool("check_learned", certificate + " " + other)));
    std::string bytes = bytes_of(certificate);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write(certificate, bytes);
    CHECK(refused(run_tool("check_learned", certificate + " " + model)));
  }
}

TEST_CASE(
    "closures of hardened models are made again by the independent arithmetic, and mutated ones refused by both") {
  std::mt19937 random(3);
  for (const char* name :
       {"dn01_1l__abb", "dn01_1lc__flipnop", "gdn_2l__tomita4", "mamba_1l__flipnop", "gla_1l__flipnop"}) {
    CAPTURE(name);
    const TemporaryDirectory directory;
    const std::string model = (directory / "hardened").string();
    const std::string certificate = (directory / "certificate").string();
    REQUIRE(run_krohn("harden " KROHN_TEST_DATA "/zoo/" + std::string(name) + " -o " + model + " --certificate " +
                      certificate)
                .exit_code == 0);
    const ProcessResult checked = run_tool("check_learned", certificate + " " + model);
    CHECK_MESSAGE(verified(checked), checked.out, checked.error);
    CHECK(verified(run_krohn("verify " + certificate)));
    if (std::string(name) == "dn01_1l__abb") {
      // A task may name its language; the independent checker knows no names, and wants the language as a file.
      const std::string task = bytes_of(model + "/task.json");
      const std::string key = "\"automaton\": ";
      const std::size_t at = task.find(key);
      REQUIRE(at != std::string::npos);
      const std::string language = (directory / "language.json").string();
      write(language, task.substr(at + key.size(), task.rfind('}') - at - key.size()));
      write(model + "/task.json", task.substr(0, at) + key + "\"re:(a|b)*abb\"}");
      CHECK(refused(run_tool("check_learned", certificate + " " + model)));
      CHECK(verified(run_tool("check_learned", certificate + " " + model + " " + language)));
      write(model + "/task.json", task);
    }
    // The model without its codes is another.
    CHECK(refused(run_tool("check_learned", certificate + " " KROHN_TEST_DATA "/zoo/" + std::string(name))));
    const Certificate good = read_certificate(certificate);
    for (int mutation = 0; mutation < 12; ++mutation) {
      CAPTURE(mutation);
      Certificate bad = good;
      auto* const rounded = std::get_if<RoundedClosureEvidence>(&bad.evidence);
      ClosureEvidence& closure = rounded != nullptr ? rounded->closure : std::get<ClosureEvidence>(bad.evidence);
      std::vector<std::uint32_t>& list = mutation % 3 == 0   ? closure.states
                                         : mutation % 3 == 1 ? closure.automaton_states
                                                             : closure.successors;
      std::uint32_t& word = list[random() % list.size()];
      word = word == 0 ? 1 : word - 1;
      write_certificate(certificate, bad);
      const ProcessResult again = run_tool("check_learned", certificate + " " + model);
      CHECK_FALSE(verified(again));
      CHECK(run_krohn("verify " + certificate).exit_code == 1);
    }
  }
}

TEST_CASE("every architecture and option is replayed by the independent arithmetic, behind words that use the state") {
  // Words of fewer than nine symbols are outside the domain.
  const std::string task =
      R"({"version": 1, "symbols": {"a": 1, "b": 2}, "bos": null, "min_length": 9, "positions": "all",
          "outputs": {"0": "even", "3": "odd"},
          "automaton": {"format": "krohn-automaton-v1", "alphabet": ["a", "b"], "start": 0,
                        "transitions": [[1, 0], [0, 1]], "labels": ["even", "odd"]}})";
  // Older forms of files, other programs' configurations, the paper's Mamba and xLSTM, stacks.
  const std::set<std::string> not_covered = {"delta_net_16",
                                             "layer_stack_01",
                                             "layer_stack_02",
                                             "paper_mamba_01",
                                             "xlstm_01",
                                             "published_delta_net_absolute_sum",
                                             "published_delta_net_shared_convolution",
                                             "published_gated_deltanet_unused_tensor",
                                             "published_gla_shared_convolution",
                                             "published_mamba_ssm_layer_norm",
                                             "published_mamba_ssm_mamba2"};
  std::size_t replayed = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(KROHN_TEST_DATA) / "variants")) {
    const std::string name = entry.path().filename().string();
    CAPTURE(name);
    const TemporaryDirectory directory;
    const std::filesystem::path model = directory / "model";
    std::filesystem::copy(entry.path(), model);
    write(model / "task.json", task);
    const std::string certificate = (directory / "certificate").string();
    REQUIRE(run_krohn("check " + model.string() + " --certificate " + certificate).exit_code == 10);
    const ProcessResult result = run_tool("check_learned", certificate + " " + model.string());
    if (not_covered.contains(name)) {
      CHECK(result.exit_code == 20);
      CHECK(result.out.starts_with("s UNCHECKED "));
    } else {
      CHECK_MESSAGE(verified(result), result.out, result.error);
      ++replayed;
    }
  }
  CHECK(replayed == 151);
}

TEST_CASE("the checkers of tables and of trained models leave each other's certificates alone") {
  const Fixture fixture("tomita:4", "tomita:5", "", 10);
  CHECK(run_tool("check_learned", fixture.certificate + " " + fixture.model + " " + fixture.language).exit_code != 0);
}

TEST_CASE("an interrupt ends a check with the best verdict so far and a whole certificate") {
  const TemporaryDirectory directory;
  const std::string model = (directory / "model").string();
  REQUIRE(run_krohn("compile mod:997 --representation rotation -o " + model).exit_code == 0);
  const std::string certificate = (directory / "certificate").string();
  // --foreground: one signal to the program alone, none to its group, for a second interrupt ends it at once.
  const ProcessResult result =
      run_krohn("check " + model + " mod:997 --certificate " + certificate, "", "timeout --foreground --signal INT 1 ");
  // timeout itself exits with 124.
  CHECK((result.out.find("\ns UNKNOWN\n") != std::string::npos ||
         result.out.find("\ns CERTIFIED ") != std::string::npos));
  CHECK(!bytes_of(certificate).empty());
  CHECK(directory.names() == std::vector<std::string>{"certificate", "model"});
}

TEST_CASE("krohn verify takes the symbols of an expression from the certificate") {
  const TemporaryDirectory directory;
  const std::string model = (directory / "model").string();
  const std::string certificate = (directory / "certificate").string();
  // b does not occur in it, and the words with b are part of the claim.
  const std::string language = "'re:(aa)*' --alphabet ab";
  REQUIRE(run_krohn("compile " + language + " -o " + model).exit_code == 0);
  REQUIRE(run_krohn("check " + model + " " + language + " --certificate " + certificate).exit_code == 0);
  CHECK(verified(run_krohn("verify " + certificate)));
  CHECK(run_krohn("verify " + certificate + " --alphabet abc").exit_code == 1);
}

}  // namespace
