// label: quick
// Whole journeys through the program: compile, run and check agree with the automaton, another language is refuted by a
// shortest word, and every failure leaves its exit code, its reason, and nothing else.
#include <doctest/doctest.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "krohn/automata/dfa.hpp"
#include "krohn/languages/format_json.hpp"
#include "krohn/languages/language.hpp"
#include "krohn/text/atomic_file.hpp"
#include "krohn/text/source_text.hpp"
#include "tools/krohn_process.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

std::string last_line(const std::string& text) {
  const std::size_t end = text.find_last_not_of('\n');
  if (end == std::string::npos) return "";
  const std::size_t start = text.find_last_of('\n', end);
  return text.substr(start == std::string::npos ? 0 : start + 1,
                     end - (start == std::string::npos ? 0 : start + 1) + 1);
}

std::string quoted(const std::string& text) { return "'" + text + "'"; }

// The label's name; "null" outside the domain, where a model may say what it likes.
std::string label_text(const Dfa& dfa, State state) { return dfa.label_name(dfa.label(state)); }

// The lines of `got` are those of `expected`, each label of `expected` that is "null" aside.
bool agree(const std::string& got, const std::string& expected) {
  std::istringstream got_lines(got);
  std::istringstream expected_lines(expected);
  std::string expected_line;
  for (std::string got_line; std::getline(expected_lines, expected_line);) {
    if (!std::getline(got_lines, got_line)) return false;
    std::istringstream got_labels(got_line);
    std::istringstream expected_labels(expected_line);
    std::string got_label;
    for (std::string label; expected_labels >> label;) {
      if (!(got_labels >> got_label) || (label != "null" && got_label != label)) return false;
    }
    if (got_labels >> got_label) return false;
  }
  return !std::getline(got_lines, expected_line);
}

// The first word in shortlex order on which the labels differ, by trying all of them.
std::optional<Word> first_difference(const Dfa& a, const Dfa& b, std::size_t longest) {
  std::vector<Word> level = {{}};
  for (std::size_t length = 0; length <= longest; ++length) {
    std::vector<Word> longer;
    for (const Word& word : level) {
      if (label_text(a, a.next(a.start(), word)) != label_text(b, b.next(b.start(), word))) return word;
      for (Symbol symbol = 0; symbol < a.num_symbols(); ++symbol) {
        longer.push_back(word);
        longer.back().push_back(symbol);
      }
    }
    level = std::move(longer);
  }
  return std::nullopt;
}

TEST_CASE("what is compiled runs as the automaton does and is proved in every format") {
  const TemporaryDirectory directory;
  std::mt19937 random(31);
  write_file(directory / "partial.json",
             "{\"format\":\"krohn-automaton-v1\",\"alphabet\":[\"up\",\"down\"],\"start\":0,"
             "\"transitions\":[[1,null],[2,0],[null,1]],\"labels\":[\"low\",\"mid\",\"high\"]}");
  write_file(directory / "suffix.att", "0\t1\ta\ta\n0\t0\tb\tb\n0\t0\ta\ta\n1\t2\tb\tb\n2\n");
  for (const std::string language : {"parity", "Z:3", "S:5", "word:S3", "flipflop", "modarith:3", "modarith-answer:3",
                                     "re:(a|b)*abb", "re:a*", "partial.json", "suffix.att"}) {
    CAPTURE(language);
    const bool is_file = language.find('.') != std::string::npos;
    const std::string spec = is_file ? (directory / language).string() : language;
    const std::string model = directory / "model";
    const ProcessResult compiled = run_krohn("compile --force " + quoted(spec) + " -o " + model + " --json");
    CAPTURE(compiled.error);
    REQUIRE(compiled.exit_code == 0);
    const Dfa dfa = read_language(spec).dfa;
    const nlohmann::json report = nlohmann::json::parse(compiled.out);
    CHECK(report.at("states") == dfa.num_states());
    CHECK(report.at("exact") == true);
    CHECK(report.at("hidden").size() == report.at("layers"));

    std::string words;
    std::string last;
    std::string all;
    for (int i = 0; i < 50; ++i) {
      State state = dfa.start();
      Word word;
      std::string positions;
      for (std::size_t t = random() % 40; t > 0; --t) {
        word.push_back(static_cast<Symbol>(random() % dfa.num_symbols()));
        state = dfa.next(state, word.back());
        positions += (positions.empty() ? "" : " ") + label_text(dfa, state);
      }
      words += (word.empty() ? "" : dfa.alphabet().format_word(word)) + "\n";
      last += label_text(dfa, state) + "\n";
      all += positions + "\n";
    }
    for (const std::string format : {"fp32", "fp16", "bf16"}) {
      CAPTURE(format);
      CHECK(agree(run_krohn("run " + model + " --format " + format, words).out, last));
      CHECK(agree(run_krohn("run " + model + " --all-positions --format " + format, words).out, all));
      const ProcessResult check = run_krohn("check " + model + " " + quoted(spec) + " --format " + format);
      CHECK(check.exit_code == 0);
      CHECK(last_line(check.out) == "s PROVED");
    }
    const nlohmann::json verdict =
        nlohmann::json::parse(run_krohn("check " + model + " " + quoted(spec) + " --json").out);
    CHECK(verdict.at("verdict") == "PROVED");
    CHECK(verdict.at("length").is_null());
  }
}

TEST_CASE("a model checked against another language is refuted by a shortest word") {
  const TemporaryDirectory directory;
  const std::string model = directory / "model";
  for (const auto& [made, asked] : std::vector<std::pair<std::string, std::string>>{
           {"mod:3", "mod:6"}, {"parity", "mod:2"}, {"re:(a|b)*abb", "re:(a|b)*abb|bababb"}, {"S:4", "re:(aa)*"}}) {
    CAPTURE(made);
    CAPTURE(asked);
    REQUIRE(run_krohn("compile --force " + quoted(made) + " -o " + model).exit_code == 0);
    const std::string symbols = asked == "re:(aa)*" ? " --alphabet ab" : "";
    const Dfa a = read_language(made).dfa;
    const Dfa b = symbols.empty() ? read_language(asked).dfa : read_language(asked, "ab").dfa;
    const std::optional<Word> word = first_difference(a, b, 8);
    REQUIRE_MESSAGE(word.has_value() == (made != "re:(a|b)*abb"), "the case must be one of a difference, or of none");
    const ProcessResult check = run_krohn("check " + model + " " + quoted(asked) + symbols);
    const ProcessResult json = run_krohn("check " + model + " " + quoted(asked) + symbols + " --json");
    const nlohmann::json verdict = nlohmann::json::parse(json.out);
    if (!word) {
      CHECK(check.exit_code == 0);
      CHECK(last_line(check.out) == "s PROVED");
      continue;
    }
    CHECK(check.exit_code == 10);
    CHECK(json.exit_code == 10);
    CHECK(verdict.at("verdict") == "REFUTED");
    CHECK(verdict.at("shortest") == true);
    CHECK(verdict.at("length") == word->size());
    CHECK(verdict.at("word").size() == word->size());
    CHECK(last_line(check.out).rfind("s REFUTED ", 0) == 0);
    // The word printed is one that separates: the program's own reader and the automata say so.
    const Word printed = a.alphabet().parse_word(last_line(check.out).substr(10));
    CHECK(printed.size() == word->size());
    CHECK(label_text(a, a.next(a.start(), printed)) != label_text(b, b.next(b.start(), printed)));
    CHECK(run_krohn("run " + model, a.alphabet().format_word(printed) + "\n").out ==
          label_text(a, a.next(a.start(), printed)) + "\n");
  }
}

TEST_CASE("compile refuses what exists and what it cannot write, and leaves nothing half-written") {
  const TemporaryDirectory directory;
  const std::string model = directory / "model";
  REQUIRE(run_krohn("compile parity -o " + model).exit_code == 0);
  const std::string weights = read_file(model + "/model.safetensors");
  const auto refused = [](const ProcessResult& result, int exit_code, const std::string& part) {
    CAPTURE(result.error);
    CHECK(result.exit_code == exit_code);
    CHECK(result.out.empty());
    CHECK(result.error.find(part) != std::string::npos);
  };
  refused(run_krohn("compile mod:3 -o " + model), 1, "expected a path that does not exist, got an existing directory");
  CHECK(read_file(model + "/model.safetensors") == weights);
  write_file(model + "/notes", "mine");
  refused(run_krohn("compile mod:3 --force -o " + model), 1, "it is not replaced");
  fs::remove(model + "/notes");
  refused(run_krohn("compile mod:3 -o " + (directory / "none/model").string()), 1,
          "expected a path that can be written");
  refused(run_krohn("compile mod:3 -o /dev/null/model"), 1, "/dev/null/model: expected a path that can be written");
  // A limit of one block on every file that the shell's children write stands in for a full disk.
  refused(run_krohn("compile word:S5 -o " + (directory / "large").string(), "", "ulimit -f 1; "), 3,
          "expected room for");
  refused(run_krohn("compile word:S5 --force -o " + model, "", "ulimit -f 1; "), 3, "expected room for");
  CHECK(directory.names() == Names{"model"});
  CHECK(read_file(model + "/model.safetensors") == weights);
  REQUIRE(run_krohn("compile mod:3 --force -o " + model).exit_code == 0);
  CHECK(read_file(model + "/model.safetensors") != weights);
  CHECK(directory.names() == Names{"model"});
  refused(run_krohn("compile partiy -o " + (directory / "x").string()), 1, "the nearest are parity");
  refused(run_krohn("compile 're:(' -o " + (directory / "x").string()), 1, "column");
  refused(run_krohn("compile parity"), 2, "--output");
}

TEST_CASE("check refuses other alphabets and damaged models by name") {
  const TemporaryDirectory directory;
  const std::string model = directory / "model";
  REQUIRE(run_krohn("compile parity -o " + model).exit_code == 0);
  const auto refused = [&](const std::string& arguments, const std::string& part) {
    const ProcessResult result = run_krohn(arguments);
    CAPTURE(result.error);
    CHECK(result.exit_code == 1);
    CHECK(result.out.empty());
    CHECK(result.error.find(part) != std::string::npos);
  };
  refused("check " + model + " S:3", "alphabet");
  refused("check " + (directory / "none").string() + " parity", "expected a model directory");
  refused("check " + model + " partiy", "the nearest are parity");
  for (const char* name : {"model.safetensors", "hint.safetensors", "config.json", "automaton.json"}) {
    const std::string whole = read_file(model + "/" + name);
    write_file(model + "/" + name, whole.substr(0, whole.size() / 2));
    refused("check " + model + " parity", name);
    write_file(model + "/" + name, whole);
  }
  CHECK(run_krohn("check " + model + " parity").exit_code == 0);
}

TEST_CASE("check refuses numbers that are none, negative or too large, instead of asking for something else") {
  const TemporaryDirectory scratch;
  const std::string model = (scratch / "m").string();
  REQUIRE(run_krohn("compile parity -o " + model).exit_code == 0);
  for (const std::string options :
       {"--up-to -1", "--up-to 18446744073709551616", "--up-to 1.5", "--exhaustive -2", "--samples -1", "--seed -1",
        "--seed 99999999999999999999", "--time-limit nan", "--time-limit -1", "--time-limit inf"}) {
    CAPTURE(options);
    const ProcessResult checked = run_krohn("check " + model + " parity " + options);
    CHECK(checked.exit_code == 2);
    CHECK(checked.out.empty());
    CHECK(checked.error.find("expected") != std::string::npos);
  }
  CHECK(run_krohn("check " + model + " parity --up-to 18446744073709551615 --seed 0 --time-limit 2.5").exit_code == 0);
}

TEST_CASE("a proof does not rest on the hint: without it, and with another model's, the verdict stands") {
  const TemporaryDirectory directory;
  const std::string model = directory / "model";
  const std::string other = directory / "other";
  REQUIRE(run_krohn("compile mod:3 -o " + model).exit_code == 0);
  REQUIRE(run_krohn("compile mod:4 -o " + other).exit_code == 0);
  fs::copy_file(other + "/hint.safetensors", model + "/hint.safetensors", fs::copy_options::overwrite_existing);
  CHECK(last_line(run_krohn("check " + model + " mod:3").out) == "s PROVED");
  CHECK(run_krohn("check " + model + " mod:4").exit_code == 10);
  fs::remove(model + "/hint.safetensors");
  CHECK(last_line(run_krohn("check " + model + " mod:3").out) == "s PROVED");
  // The weights of one model under the name of another: what is checked are the weights.
  fs::copy_file(other + "/model.safetensors", model + "/model.safetensors", fs::copy_options::overwrite_existing);
  CHECK(run_krohn("check " + model + " mod:3").exit_code == 10);
}

}  // namespace
}  // namespace krohn
