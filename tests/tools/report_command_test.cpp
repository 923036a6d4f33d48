// label: quick
// krohn report as a program, and the decision table of krohn classify.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tools/krohn_process.hpp"

namespace krohn {
namespace {

using nlohmann::json;

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

TEST_CASE("a language's and a model's report") {
  const TemporaryDirectory directory;
  const std::string page = (directory / "page.html").string();
  ProcessResult result = run_krohn("report 're:(ab)*' -o " + page);
  CHECK(result.exit_code == 0);
  CHECK(result.out.empty());
  CHECK(content(page).starts_with("<!DOCTYPE html>"));
  // The Brandt monoid: the identity; a, b, ab and ba; the zero.
  CHECK(content(page).find("3 D-classes of the transition monoid") != std::string::npos);
  const std::string model = (directory / "model").string();
  REQUIRE(run_krohn("compile mod:3 -o " + model).exit_code == 0);
  result = run_krohn("report " + model + " -o " + page + " --words 5 --length 32");
  CHECK(result.exit_code == 0);
  CHECK(content(page).find("<h2>Margins</h2>") != std::string::npos);
}

TEST_CASE("bad input leaves no file behind") {
  const TemporaryDirectory directory;
  const std::filesystem::path page = directory / "page.html";
  CHECK(run_krohn("report no-such-language -o " + page.string()).exit_code == 1);
  CHECK_FALSE(std::filesystem::exists(page));
  CHECK(run_krohn("report parity").exit_code == 2);
  CHECK(run_krohn("report parity -o " + (directory / "no" / "such" / "folder").string()).exit_code != 0);
}

TEST_CASE("classify decides every family, with the arithmetic of each no") {
  const auto families = [](const std::string& language) {
    const ProcessResult result = run_krohn("classify --json " + language);
    REQUIRE(result.exit_code == 0);
    return json::parse(result.out)["families"];
  };
  const auto answers = [&](const std::string& language) {
    std::string text;
    for (const json& family : families(language)) {
      const std::string answer = family["answer"];
      text += answer[0];
      CHECK(family["arithmetic"].is_null() == (answer == "unknown"));
      CHECK(family["source"].is_null() == (answer == "unknown"));
    }
    return text;
  };
  // In the order of the table: diagonal [0,1], real [-1,1], complex, GH [0,1], GH [-1,1] n_h = 1 and more, RWKV-7 wide
  // and released; KDA [0,1], with negative beta, signed; GDN-2 both; Comba, preconditioned, Mamba-3, PD, RetNet, sums.
  CHECK(answers("parity") == "nyynyyynnyynyyunynn");
  CHECK(answers("mod:3") == "nnynyyynnyynynunynn");
  CHECK(answers("flipflop") == "yyyyyyyyyyyyyyyyynu");
  CHECK(answers("'re:(ab)*'") == "yyyyyyyyyyyyyyyyynu");
  CHECK(answers("word:S5") == "nnnnyyynnyynynunynn");
  CHECK(answers("modarith:5") == "nnynyyyunyyuynunynn");
  const json s5 = families("word:S5")[5];
  CHECK(s5["layers"] == 1);
  CHECK(s5["num_householder"] == 4);
  CHECK(s5["size"] == 5);
  CHECK(run_krohn("classify parity").out.find("which linear RNN can do it") != std::string::npos);
  // Several languages: a table, a line each.
  const std::string table = run_krohn("classify parity 're:a|b' flipflop").out;
  CHECK(table.find("| language | states | diag+ |") == 0);
  CHECK(table.find("| `parity` | 2 | no | 1 |") != std::string::npos);
  CHECK(table.find("| `re:a\\|b` | 3 |") != std::string::npos);
  const json both = json::parse(run_krohn("classify parity flipflop --json").out);
  CHECK(both["languages"][0]["families"] == families("parity"));
  CHECK(both["languages"][1]["families"] == families("flipflop"));
  const TemporaryDirectory directory;
  const std::string corpus = (directory / "corpus.json").string();
  std::ofstream(corpus)
      << R"([{"id": "x", "alphabet": "ab", "dfa": {"n": 2, "start": 2, "accept": [0], "delta": [[0, 1]]}}])";
  const ProcessResult refused = run_krohn("classify --corpus " + corpus);
  CHECK(refused.exit_code == 1);
  CHECK(refused.error.find("/0/dfa/start") != std::string::npos);
  CHECK(refused.error.find("/0/dfa/delta: expected a row for each of 2 symbols, got 1") != std::string::npos);
}

TEST_CASE("groups are explained with what they need") {
  const json report = json::parse(run_krohn("explain A5 --json").out);
  CHECK(report["order"] == 60);
  REQUIRE(report["ways"].size() == 2);
  CHECK(report["ways"][0]["exact"] == true);
  CHECK(report["ways"][0]["num_householder"] == 4);
  CHECK(report["ways"][1]["dimension"] == 3);
  CHECK(report["ways"][1]["num_householder"] == 2);
  CHECK(report["ways"][1]["horizon"] > 1000);
  CHECK(run_krohn("explain nothing").exit_code == 1);
}

}  // namespace
}  // namespace krohn
