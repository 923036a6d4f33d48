// label: quick
// The subcommands that read languages and models, run as a program: what they print, and the exit code, message and
// absence of leftovers for bad input.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "krohn/automata/catalog.hpp"
#include "krohn/checkpoints/model_directory.hpp"
#include "krohn/compile/group.hpp"
#include "krohn/languages/format_json.hpp"
#include "krohn/text/atomic_file.hpp"
#include "krohn/text/source_text.hpp"
#include "tools/krohn_process.hpp"

namespace krohn {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

// Exit code 1, nothing on stdout, and `part` in the message.
fs::path compiled(const TemporaryDirectory& directory, const std::string& name) {
  const Dfa dfa = catalog_language(name);
  const CompiledGroup group = compile_group(dfa);
  ModelDirectory model{group.model};
  model.hint = group.hint;
  model.exact = true;
  model.automaton = dfa;
  const fs::path path = directory / "model";
  write_model(path, model, true);
  return path;
}

TEST_CASE("run prints a label for every word, from stdin or a file, in every format") {
  const TemporaryDirectory directory;
  const std::string model = compiled(directory, "parity");
  write_file(directory / "words", "1\n\n0110\n111");
  for (const std::string option : {"", "--format fp32", "--format fp16", "--format bf16", "--semantics bf16-state-v1",
                                   "--device cpu --threads 2"}) {
    const ProcessResult from_input = run_krohn("run " + model + " " + option, "1\n\n0110\n111\n");
    CHECK(from_input.exit_code == 0);
    CHECK(from_input.out == "1\n0\n0\n1\n");
    CHECK(run_krohn("run " + option + " " + model + " --words " + (directory / "words").string()).out ==
          from_input.out);
  }
  CHECK(run_krohn("run " + model + " --all-positions", "011\n\n1\n").out == "0 1 0\n\n1\n");
  CHECK(run_krohn("run " + model, "").out.empty());
  CHECK(run_krohn("run " + model, "\"\"\n").out == "0\n");
}

TEST_CASE("run separates symbols of many characters by spaces and prints labels by name") {
  const TemporaryDirectory directory;
  const std::string model = compiled(directory, "word:S4");
  // Elements are numbered by the lexicographic order of their images; 23 reverses the points, 23 twice is 0.
  CHECK(run_krohn("run " + model, "23\n23 23\n\n").out == "23\n0\n0\n");
  check_refused(run_krohn("run " + model, "0\n0 24 1\n"), "standard input:2: column 3: expected a symbol");
}

TEST_CASE("a label's name makes no line of its own") {
  const TemporaryDirectory directory;
  const std::string language = directory / "language.json";
  const std::string model = directory / "model";
  std::ofstream(language)
      << R"({"format": "krohn-automaton-v1", "alphabet": ["a"], "start": 0, "transitions": [[1], [0]],
      "labels": ["0", "1\ns PROVED"]})";
  REQUIRE(run_krohn("compile " + language + " -o " + model).exit_code == 0);
  CHECK(run_krohn("run " + model, "a\naa\n").out == "1\\u000as PROVED\n0\n");
  std::ofstream(directory / "other.json") << R"({"format": "krohn-automaton-v1", "alphabet": ["a"], "start": 0,
      "transitions": [[0]], "labels": ["0"]})";
  for (const std::string& command :
       {"check " + model + " " + (directory / "other.json").string(), "inspect " + model, "inspect " + language}) {
    const ProcessResult result = run_krohn(command);
    CAPTURE(command);
    CHECK(result.out.find("1\\u000as PROVED") != std::string::npos);
    CHECK(result.out.find("\ns PROVED") == std::string::npos);
  }
}

TEST_CASE("run refuses words, models and options that are wrong") {
  const TemporaryDirectory directory;
  const std::string model = compiled(directory, "parity");
  check_refused(run_krohn("run " + model, "01\n012\n"),
                "standard input:2: column 3: expected a symbol of the alphabet, got '2'");
  check_refused(run_krohn("run " + model + " --words " + (directory / "none").string()),
                "none: expected a readable file");
  check_refused(run_krohn("run " + (directory / "none").string()),
                "expected a model directory, got nothing of that name");
  check_refused(run_krohn("run " + model + " --format fp64"), "--format", 2);
  check_refused(run_krohn("run"), "MODEL", 2);
  check_refused(run_krohn("walk"), "", 2);
  const std::string bytes = read_file(model + "/model.safetensors");
  write_file(model + "/model.safetensors", bytes.substr(0, bytes.size() / 2));
  check_refused(run_krohn("run " + model, "1\n"), "model.safetensors: ");
}

TEST_CASE("a full disk under standard output is exit code 3") {
  const TemporaryDirectory directory;
  const std::string model = compiled(directory, "parity");
  const char* program = std::getenv("KROHN_BIN");
  REQUIRE(program != nullptr);
  const std::string command =
      "echo 1 | '" + std::string(program) + "' run " + model + " >/dev/full 2>" + (directory / "error").string();
  const int status = std::system(command.c_str());
  CHECK(WEXITSTATUS(status) == 3);
  CHECK(read_file(directory / "error").find("standard output: could not be written") != std::string::npos);
}

TEST_CASE("convert writes what was read, minimal where asked, and leaves nothing where it cannot") {
  const TemporaryDirectory directory;
  const std::string json = directory / "p.json";
  const std::string att = directory / "p.att";
  CHECK(run_krohn("convert mod:3 -o " + json).exit_code == 0);
  CHECK(read_format_json(json).dfa == catalog_language("mod:3"));
  CHECK(run_krohn("convert 're:(a|b)*abb' -o " + att).exit_code == 0);
  const ProcessResult back = run_krohn("convert " + att + " --minimize -o " + json);
  CHECK(back.exit_code == 0);
  CHECK(back.out == "wrote " + json + ": 4 states, 2 symbols\n");
  CHECK(back.error.empty());
  write_file(directory / "partial.json",
             "{\"format\":\"krohn-automaton-v1\",\"alphabet\":[\"a\"],\"start\":0,\"transitions\":[[null]],"
             "\"accepting\":[0]}");
  const ProcessResult partial = run_krohn("convert " + (directory / "partial.json").string() + " -o " + att);
  CHECK(partial.exit_code == 0);
  CHECK(partial.error.find("1 missing transition completed with a sink, state 1 (label 0)") != std::string::npos);

  const Names before = directory.names();
  check_refused(run_krohn("convert parity -o " + (directory / "q.att").string()), "which means epsilon there");
  check_refused(run_krohn("convert parity -o " + (directory / "q.txt").string()),
                "ends in .json, .att, .mata, .jff, .hoa or .dot");
  check_refused(run_krohn("convert parity -o " + (directory / "none/q.json").string()),
                "expected a path that can be written");
  check_refused(run_krohn("convert parity"), "--output", 2);
  fs::create_symlink("/dev/full", directory / "full.json");
  check_refused(run_krohn("convert parity -o " + (directory / "full.json").string()), "No space left on device", 3);
  fs::remove(directory / "full.json");
  CHECK(directory.names() == before);
}

TEST_CASE("languages that are none are refused with the reason and its place") {
  const TemporaryDirectory directory;
  check_refused(run_krohn("classify partiy"), "the nearest are parity");
  check_refused(run_krohn("classify 're:(a|b'"), "'re:(a|b': column");
  check_refused(run_krohn("classify 're:abc' --alphabet ab"), "column 3");
  check_refused(run_krohn("classify 're:'"), "re:");
  CHECK(run_krohn("classify 're:' --alphabet a").exit_code == 0);
  check_refused(run_krohn("classify 're:a' --alphabet ''"), "--alphabet: alphabet: expected at least one symbol");
  write_file(
      directory / "x.json",
      "{\"format\":\"krohn-automaton-v1\",\n\"alphabet\":[],\n\"start\":2,\n\"transitions\":[[7]],\n\"accepting\":[]}");
  const ProcessResult refused = run_krohn("classify " + (directory / "x.json").string());
  check_refused(refused, "x.json:2: /alphabet: ");
  check_refused(refused, "x.json:4: /transitions/0/0: expected an integer from 0 to 0, got 7");
  check_refused(refused, "x.json:3: /start: expected an integer from 0 to 0, got 2");
  write_file(directory / "x.att", "0\t1\ta\ta\t0.5\n");
  check_refused(run_krohn("classify " + (directory / "x.att").string()),
                "x.att:1: column 9: expected a neutral weight");
  check_refused(run_krohn("classify " + directory.path().string()), "got a directory");
}

TEST_CASE("a refutation of word:G says so when the model multiplies in the other order") {
  const TemporaryDirectory directory;
  const fs::path cases = fs::path(KROHN_TEST_DATA) / "cases" / "word_problem_convention";
  const std::string model = directory / "model";
  REQUIRE(run_krohn("compile " + (cases / "s3_dataset.json").string() + " -o " + model).exit_code == 0);
  const ProcessResult refuted = run_krohn("check " + model + " word:S3");
  CHECK(refuted.exit_code == 10);
  CHECK(refuted.error.find("agrees with word-left:S3") != std::string::npos);
  const ProcessResult proved = run_krohn("check " + model + " word-left:S3");
  CHECK(proved.exit_code == 0);
  CHECK(proved.error.empty());
  CHECK(run_krohn("check " + model + " " + (cases / "s3_dataset.json").string()).exit_code == 0);
  const std::string other = directory / "other";
  REQUIRE(run_krohn("compile " + (cases / "s3_catalogue.json").string() + " -o " + other).exit_code == 0);
  CHECK(run_krohn("check " + other + " word:S3").exit_code == 0);
  CHECK(run_krohn("check " + other + " word-left:S3").error.find("agrees with word:S3") != std::string::npos);
  // A model of neither order has no hint.
  CHECK(run_krohn("check " + other + " word:Z6").error.find("agrees") == std::string::npos);
  const std::string list = run_krohn("classify --list").out;
  CHECK(list.find("word-left:G") != std::string::npos);
  CHECK(list.find("0..|G|-1 in lexicographic order as permutations") != std::string::npos);
}

TEST_CASE("classify says what the minimal automaton is, as text and as JSON, and lists the catalogue") {
  const nlohmann::json s5 = nlohmann::json::parse(run_krohn("classify S:5 --json").out);
  CHECK(s5.at("min_states") == 120);
  CHECK(s5.at("is_group") == true);
  const nlohmann::json suffix = nlohmann::json::parse(run_krohn("classify 're:(a|b)*abb' --json").out);
  CHECK(suffix.at("min_states") == 4);
  CHECK(suffix.at("is_group") == false);
  CHECK(run_krohn("classify parity").out.find("min_states  2") != std::string::npos);
  const ProcessResult list = run_krohn("classify --list");
  CHECK(list.exit_code == 0);
  const nlohmann::json entries = nlohmann::json::parse(run_krohn("classify --list --json").out).at("catalogue");
  CHECK(entries.size() == catalog_entries().size());
  for (const CatalogEntry& entry : catalog_entries()) {
    CHECK(list.out.find(std::string(entry.pattern)) != std::string::npos);
  }
  check_refused(run_krohn("classify"), "LANG or --list", 2);
}

TEST_CASE("classify gives the algebra with witnesses, and past a cap what is still known") {
  using nlohmann::json;
  const json counter = json::parse(run_krohn("classify mod:6 --json").out);
  CHECK(counter.at("monoid_order") == 6);
  CHECK(counter.at("is_commutative") == true);
  CHECK(counter.at("is_aperiodic") == false);
  CHECK(counter.at("all_groups_solvable") == true);
  CHECK(counter.at("maximal_subgroups").at(0).at("name") == "Z_6");
  CHECK(counter.at("maximal_subgroups").at(0).at("degree") == 6);
  CHECK(counter.at("witnesses").at("not_aperiodic") == json{{"word", {"1"}}, {"index", 1}, {"period", 6}});
  CHECK(counter.at("unknown_because").is_null());
  const json s5 = json::parse(run_krohn("classify S:5 --json").out);
  CHECK(s5.at("all_groups_solvable") == false);
  CHECK(s5.at("maximal_subgroups").at(0).at("composition_factors") == json{"Z_2", "A_5"});
  const json& series = s5.at("maximal_subgroups").at(0).at("composition_series");
  REQUIRE(series.size() == 3);
  CHECK(series[0].at("order") == 120);
  CHECK(series[0].at("quotient") == "Z_2");
  CHECK(series[1].at("order") == 60);
  CHECK(series[2] == json{{"order", 1}, {"generators", json::array()}, {"quotient", nullptr}});
  CHECK(s5.at("maximal_subgroups").at(0).at("centre_order") == 1);
  CHECK(s5.at("witnesses").at("not_solvable").at("group") == "S_5");
  CHECK(s5.at("green").at("d_classes") == 1);
  const json suffix = json::parse(run_krohn("classify 're:(a|b)*abb' --json").out);
  CHECK(suffix.at("is_aperiodic") == true);
  CHECK(suffix.at("monoid_order") == 7);
  CHECK(suffix.at("maximal_subgroups") == json::array());
  CHECK(suffix.at("witnesses").at("not_aperiodic").is_null());
  // 40,320 states, too many for a stabiliser chain: the same group on eight points.
  const json s8 = json::parse(run_krohn("classify S:8 --json").out);
  CHECK(s8.at("monoid_order") == 40320);
  CHECK(s8.at("maximal_subgroups").at(0).at("name") == "S_8");
  CHECK(s8.at("maximal_subgroups").at(0).at("degree") == 8);
  CHECK(s8.at("all_groups_solvable") == false);
  CHECK(s8.at("only_2_groups") == false);
  CHECK(s8.at("unknown_because").is_null());
  CHECK(json::parse(run_krohn("classify mod:20000 --json").out).at("monoid_order") == 20000);
  // Letters that act alike, and one state.
  const json alike = json::parse(run_krohn("classify 're:(a|b)*c' --alphabet abc --json").out);
  CHECK(alike.at("distinct_letters") == 2);
  CHECK(alike.at("symbols_alike") == json::array({json::array({"a", "b"})}));
  CHECK(json::parse(run_krohn("classify 're:.*' --alphabet ab --json").out).at("monoid_order") == 1);
  // T_8-like: the cap leaves null, and the flags found so far stay.
  const json capped = json::parse(run_krohn("classify random:14,2,1 --max-monoid 1000 --json").out);
  CHECK(capped.at("monoid_order").is_null());
  CHECK(capped.at("green").is_null());
  CHECK(capped.at("maximal_subgroups").is_null());
  CHECK(capped.at("is_aperiodic") == false);
  CHECK(capped.at("unknown_because").get<std::string>().find("--max-monoid") != std::string::npos);
  const json few = json::parse(run_krohn("classify dyck:2,3 --max-monoid 5 --json").out);
  CHECK(few.at("is_aperiodic").is_null());
  // Past the cap an automaton whose only cycles are loops is aperiodic, and commuting letters decide by themselves.
  CHECK(json::parse(run_krohn("classify 're:a{9}b*' --max-monoid 5 --json").out).at("is_aperiodic") == true);
  const json commuting = json::parse(run_krohn("classify 're:a{9}(a{6})*' --max-monoid 5 --json").out);
  CHECK(commuting.at("is_aperiodic") == false);
  CHECK(commuting.at("only_2_groups") == false);
  CHECK(commuting.at("all_groups_solvable") == true);
  CHECK(few.at("is_group") == false);
  check_refused(run_krohn("classify parity --max-monoid 0"), "--max-monoid", 2);
}

TEST_CASE("inspect shows a model and a language, as text and as JSON") {
  const TemporaryDirectory directory;
  const std::string model = compiled(directory, "word:S4");
  const nlohmann::json report = nlohmann::json::parse(run_krohn("inspect " + model + " --json").out);
  CHECK(report.at("kind") == "model");
  CHECK(report.at("layers").size() == 1);
  CHECK(report.at("layers")[0].at("hidden") == read_model(model).model.hidden_size());
  CHECK(report.at("exact") == true);
  CHECK(report.at("horizon").is_null());
  CHECK(report.at("hint") == true);
  CHECK(report.at("automaton_states") == 24);
  CHECK(report.at("fingerprint").get<std::string>().size() == 64);
  CHECK(run_krohn("inspect " + model).out.find("hidden size") != std::string::npos);
  CHECK(run_krohn("inspect " + model + " --tables").out.find("row 0: identity") != std::string::npos);
  const nlohmann::json language = nlohmann::json::parse(run_krohn("inspect mod:3 --json").out);
  CHECK(language.at("states") == 3);
  CHECK(language.at("transitions") == nlohmann::json::parse("[[0,1],[1,2],[2,0]]"));
  CHECK(language.at("labels") == nlohmann::json::parse("[\"1\",\"0\",\"0\"]"));
  CHECK(run_krohn("inspect mod:3").out.find("minimal: 3") != std::string::npos);
  check_refused(run_krohn("inspect nothing"), "expected a catalogue name");
}

}  // namespace
}  // namespace krohn
