// label: slow
// krohn run --sequence, krohn search and krohn merge as a shell sees them.
#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "krohn_process.hpp"

namespace krohn {
namespace {

std::string compiled(const TemporaryDirectory& scratch, const std::string& language, const std::string& name) {
  const std::string model = (scratch / name).string();
  REQUIRE(run_krohn("compile '" + language + "' -o " + model).exit_code == 0);
  return model;
}

TEST_CASE("a long sequence in a file has the label of the word; any number of layers; foreign bytes are refused") {
  const TemporaryDirectory scratch;
  const std::string model = compiled(scratch, "mod:3", "m");
  std::string word;
  std::size_t ones = 0;
  for (unsigned i = 0; i < 300'000; ++i) {
    const bool one = (i * 7919 + i / 13) % 5 < 2;
    ones += static_cast<std::size_t>(one);
    word += one ? '1' : '0';
    if (i % 1000 == 999) word += '\n';
  }
  std::ofstream(scratch / "sequence") << word;
  const ProcessResult run = run_krohn("run " + model + " --device cpu --sequence " + (scratch / "sequence").string());
  CHECK(run.exit_code == 0);
  CHECK(run.out == (ones % 3 == 0 ? "1\n" : "0\n"));
  std::ofstream(scratch / "empty") << "\n\n";
  CHECK(run_krohn("run " + model + " --sequence " + (scratch / "empty").string()).out == "1\n");
  std::ofstream(scratch / "foreign") << "0102";
  const ProcessResult foreign = run_krohn("run " + model + " --sequence " + (scratch / "foreign").string());
  CHECK(foreign.exit_code == 1);
  CHECK(foreign.error.find("byte 4: expected a symbol, got byte value 50") != std::string::npos);
  CHECK(run_krohn("run " + model + " --sequence /nowhere").exit_code == 1);
  const std::string layers = compiled(scratch, "re:(aaa)*(bb)*", "layers");
  std::ofstream(scratch / "letters") << std::string(30'000, 'a') << '\n' << std::string(50'000, 'b');
  CHECK(run_krohn("run " + layers + " --sequence " + (scratch / "letters").string()).out == "1\n");
}

TEST_CASE("the parts of a search, joined, say what the whole search says, whatever their number") {
  const TemporaryDirectory scratch;
  const std::string model = compiled(scratch, "parity", "m");
  for (const int count : {1, 2, 5}) {
    for (const char* language : {"parity", "'re:(0|1)*0(0|1)*'"}) {
      std::string files;
      for (int i = count; i >= 1; --i) {
        const std::string file = (scratch / std::to_string(i)).string();
        const ProcessResult part = run_krohn("search " + model + " " + language + " --up-to 9 --shard " +
                                             std::to_string(i) + "/" + std::to_string(count) + " --report " + file);
        CHECK((part.exit_code == 0 || part.exit_code == 10));
        files += " " + file;
      }
      const ProcessResult merged = run_krohn("merge --json" + files);
      const nlohmann::json report = nlohmann::json::parse(merged.out);
      if (std::string(language) == "parity") {
        CHECK(merged.exit_code == 0);
        CHECK(report["verdict"] == "CERTIFIED");
        CHECK(report["length"] == 9);
        CHECK(report["lengths"].back() == nlohmann::json({512, 512}));
      } else {
        // "0" has no 1, but contains a 0.
        CHECK(merged.exit_code == 10);
        CHECK(report["word"] == nlohmann::json({"0"}));
        CHECK(report["shortest"] == true);
      }
    }
  }
  const std::string one = (scratch / "1").string();
  const ProcessResult missing = run_krohn("merge " + one);
  CHECK(missing.exit_code == 1);
  CHECK(missing.error.find("expected part 2 of 5") != std::string::npos);
  CHECK(run_krohn("search " + model + " parity --up-to 9 --shard 0/2 --report " + one).exit_code == 1);
  CHECK(run_krohn("search " + model + " parity --shard 1/2 --report " + one).exit_code == 2);
  // A report is taken up where it ended, by the same search only.
  const std::string whole = (scratch / "whole").string();
  const std::string search = "search " + model + " parity --device cpu --up-to ";
  const ProcessResult cut = run_krohn(search + "60 --time-limit 0.3 --report " + whole);
  CHECK(cut.exit_code == 20);
  const ProcessResult on = run_krohn(search + "60 --time-limit 0.3 --report " + whole);
  CHECK(on.exit_code == 20);
  CHECK(on.error.find("goes on after length") != std::string::npos);
  CHECK(run_krohn("merge " + whole).exit_code == 20);
  const ProcessResult other = run_krohn(search + "9 --report " + whole);
  CHECK(other.exit_code == 0);
  CHECK(other.error.find("goes on") == std::string::npos);
}

TEST_CASE("the search of a checkpoint under another task is another search") {
  const TemporaryDirectory scratch;
  const auto task = [&](const char* name, const char* outputs) {
    std::ofstream(scratch / name) << R"({"symbols": {"0": 0, "1": 1}, "outputs": )" << outputs << '}';
    return (scratch / name).string();
  };
  const std::string right = task("right", R"({"0": "0", "1": "1"})");
  const std::string swapped = task("swapped", R"({"0": "1", "1": "0"})");
  const std::string model = std::string(KROHN_SOURCE_DIR) + "/tests/data/models/parity_delta_net_neg_noconv_1layer";
  const std::string report = (scratch / "report").string();
  // This model is right on the words of up to 8 symbols, so with the labels swapped it is wrong on every one.
  const std::string options = "search " + model + " 're:0*(10*10*)*10*' --up-to 8 --report " + report;
  REQUIRE(run_krohn(options + " --task " + right).exit_code == 0);
  CHECK(run_krohn("merge " + report).out.find("s CERTIFIED 8") != std::string::npos);
  const ProcessResult other = run_krohn(options + " --task " + swapped);
  CHECK(other.exit_code == 10);
  CHECK(other.error.find("goes on") == std::string::npos);
  CHECK(run_krohn("merge " + report).exit_code == 10);
}

}  // namespace
}  // namespace krohn
