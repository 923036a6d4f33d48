// label: slow
// What new users stumbled over: messages that name the way on, answers in time, and nothing that one line of a table
// denies and another shows.
#include <doctest/doctest.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "krohn_process.hpp"
#include "temporary_directory.hpp"

namespace krohn {
namespace {

const std::string models = std::string(KROHN_SOURCE_DIR) + "/tests/data/models/";

/// The program, interrupted after so many seconds; its exit code, output and how long it took after the interrupt.
struct Interrupted {
  int exit_code = -1;
  std::string out;
  std::string error;
  double seconds = 0.0;
};

Interrupted interrupt(const std::string& arguments, double after) {
  const TemporaryDirectory directory;
  const std::string out = (directory / "out").string();
  const std::string error = (directory / "error").string();
  const std::string command =
      "exec '" + std::string(std::getenv("KROHN_BIN")) + "' " + arguments + " >" + out + " 2>" + error;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(after));
  kill(child, SIGINT);
  const auto start = std::chrono::steady_clock::now();
  int status = 0;
  waitpid(child, &status, 0);
  const auto text = [](const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  };
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text(out), text(error),
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()};
}

TEST_CASE("a language written without re: is recognised as one") {
  check_refused(run_krohn("compile '(a|b)*' -o x"), "did you mean 're:(a|b)*'?");
  check_refused(run_krohn("classify abba"), "as an expression it is 're:abba'");
}

TEST_CASE("misspelt commands and options are answered with the nearest") {
  check_refused(run_krohn("chek m"), "did you mean check?", 2);
  check_refused(run_krohn("check m --formt bf16"), "--formt: expected an option of check; did you mean --format?", 2);
  check_refused(run_krohn("compile parity -o x --frce"), "did you mean --force?", 2);
}

TEST_CASE("an output that exists is refused with the option that replaces it") {
  const TemporaryDirectory directory;
  const std::string model = (directory / "m").string();
  REQUIRE(run_krohn("compile parity -o " + model).exit_code == 0);
  check_refused(run_krohn("compile parity -o " + model), "--force");
}

TEST_CASE("a page is not written under another format's suffix") {
  check_refused(run_krohn("report parity -o x.svg"), "expected a file that ends in .html");
}

TEST_CASE("a checkpoint without a task is answered with a task, whose automaton may be any language") {
  const TemporaryDirectory directory;
  const std::string model = (directory / "m").string();
  std::filesystem::copy(models + "parity_delta_net_neg_noconv_1layer", model);
  std::filesystem::remove(model + "/task.json");
  const ProcessResult missing = run_krohn("check " + model);
  check_refused(missing, "Write one");
  // The example in the message is one for this model.
  const std::size_t begin = missing.error.find('{');
  std::ofstream(model + "/task.json") << missing.error.substr(begin, missing.error.find('\n', begin) - begin);
  const ProcessResult checked = run_krohn("check " + model);
  CHECK(checked.exit_code == 10);
  CHECK(checked.out.find("s REFUTED 1111") != std::string::npos);
  std::ofstream(model + "/task.json")
      << R"({"symbols": {"0": 0, "1": 1}, "outputs": {"0": "0", "1": "1"}, "automaton": "re:0*(10*10*)*10*"})";
  CHECK(run_krohn("check " + model).exit_code == 10);
  REQUIRE(run_krohn("convert parity -o " + model + "/language.json").exit_code == 0);
  std::ofstream(model + "/task.json")
      << R"({"symbols": {"0": 0, "1": 1}, "outputs": {"0": "0", "1": "1"}, "automaton": "language.json"})";
  CHECK(run_krohn("check " + model).exit_code == 10);
  std::ofstream(model + "/task.json")
      << R"({"symbols": {"0": 0, "1": 1}, "outputs": {"0": "0", "1": "1"}, "automaton": "no-such"})";
  check_refused(run_krohn("check " + model), "automaton: language: expected a catalogue name, got 'no-such'");
}

TEST_CASE("a theorem that a model's own language is not about has to be asked for") {
  check_refused(run_krohn("refute " + models + "flipflop_delta_net_pos --symbol 1"), "expected --theorem");
}

TEST_CASE("a program that asks word by word through a pipe is answered word by word") {
  const TemporaryDirectory directory;
  const std::string model = (directory / "m").string();
  REQUIRE(run_krohn("compile 're:(aaa)*(bb)*' -o " + model).exit_code == 0);
  int to[2];
  int from[2];
  REQUIRE(pipe(to) == 0);
  REQUIRE(pipe(from) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    dup2(to[0], STDIN_FILENO);
    dup2(from[1], STDOUT_FILENO);
    for (const int end : {to[0], to[1], from[0], from[1]}) close(end);
    execl(std::getenv("KROHN_BIN"), "krohn", "run", model.c_str(), "--device", "cpu", nullptr);
    _exit(127);
  }
  close(to[0]);
  close(from[1]);
  // The answer to one word is read before the next is sent: a program that waits for the end would wait for ever.
  const auto ask = [&](const std::string& word) {
    REQUIRE(write(to[1], word.data(), word.size()) == static_cast<ssize_t>(word.size()));
    char answer[2] = {};
    REQUIRE(read(from[0], answer, 2) == 2);
    return std::string(answer, 2);
  };
  CHECK(ask("aaabb\n") == "1\n");
  CHECK(ask("ab\n") == "0\n");
  CHECK(ask("\n") == "1\n");
  close(to[1]);
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WEXITSTATUS(status) == 0);
  close(from[0]);
}

TEST_CASE("automata and pages go to standard output") {
  const ProcessResult json = run_krohn("convert 're:(a|b)*abb' -o -");
  CHECK(json.exit_code == 0);
  CHECK(nlohmann::json::parse(json.out)["format"] == "krohn-automaton-v1");
  CHECK(run_krohn("convert parity -o - --to dot").out.find("digraph") != std::string::npos);
  CHECK(run_krohn("report parity -o -").out.find("<!DOCTYPE html>") == 0);
}

TEST_CASE("sequences are scaled by the chance of guessing whole words") {
  const nlohmann::json accuracy = nlohmann::json::parse(
      run_krohn("accuracy " + models + "s3_gated_deltaproduct_n2_neg --lengths 1024 --words 16 --json").out);
  const nlohmann::json& sequence = accuracy["lengths"][0]["sequence"];
  // The chance, about (1/6)^1024, is below every double.
  CHECK(accuracy["lengths"][0]["sequence_chance"].get<double>() < 1e-300);
  CHECK(sequence["scaled"] == sequence["value"]);
}

TEST_CASE("a letter's period settles what it shows, whatever the caps") {
  // Letter a of the minimal automaton has period 168, with the primes 2, 3 and 7 in it.
  const ProcessResult result = run_krohn("classify random:400,2,1 --max-monoid 1000 --json");
  REQUIRE(result.exit_code == 0);
  const nlohmann::json facts = nlohmann::json::parse(result.out);
  CHECK(facts["is_aperiodic"] == false);
  CHECK(facts["only_2_groups"] == false);
  // Neither is decided by periods: whether complex diagonals do it depends on solvability, and of preconditioned rules
  // nothing is known that a period would rule out.
  for (const auto& family : facts["families"]) {
    if (family["id"] != "complex" && family["id"] != "precond") CHECK(family["answer"] != "unknown");
  }
}

TEST_CASE("the page of a refuted checkpoint says so first, with signed margins") {
  const TemporaryDirectory directory;
  const std::string page = (directory / "page.html").string();
  REQUIRE(run_krohn("report " + models + "parity_delta_net_neg_noconv_1layer -o " + page + " --words 10 --length 64")
              .exit_code == 0);
  std::ifstream file(page);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const std::size_t verdict = text.find("REFUTED 1111");
  CHECK(verdict != std::string::npos);
  CHECK(verdict < text.find("<h2>Margins</h2>"));
  CHECK(text.find("where it breaks") < text.find("<h2>Margins</h2>"));
  CHECK(text.find("on the refuting word") != std::string::npos);
  CHECK(text.find("Below 0 the label is wrong") != std::string::npos);
  CHECK(text.find("<h2>Accuracy by length</h2>") > text.find("<h2>Eigenvalues</h2>"));
  CHECK(text.rfind("<h2>") == text.find("<h2>Accuracy by length</h2>"));
}

TEST_CASE("the first interrupt ends a command with what there is") {
  for (const std::string& command :
       {std::string("cycles --count 3000"),
        "accuracy " + models + "s3_gated_deltaproduct_n2_neg --lengths 16..65536 --words 2000",
        "search " + models + "s3_gated_deltaproduct_n2_neg --device cpu --up-to 18"}) {
    CAPTURE(command);
    const Interrupted result = interrupt(command, 1.0);
    CAPTURE(result.error);
    CHECK(result.exit_code == 20);
    CHECK(result.error.find("krohn: interrupted: ") != std::string::npos);
    CHECK(!result.out.empty());
    // Two seconds on a machine that does nothing else.
    CHECK(result.seconds < 10.0);
  }
  const TemporaryDirectory directory;
  const Interrupted compile = interrupt("compile random:400,2,1 --cascade R -o " + (directory / "m").string(), 0.3);
  CHECK(compile.exit_code == 20);
  CHECK(compile.error.find("there is no result") != std::string::npos);
  CHECK(directory.names().empty());
}

TEST_CASE("what takes over a second shows on a terminal what it does") {
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  REQUIRE(child >= 0);
  if (child == 0) {
    if (std::freopen("/dev/null", "w", stdout) == nullptr) _exit(126);
    execl(std::getenv("KROHN_BIN"), "krohn", "cycles", "--count", "3000", "--time-limit", "4", nullptr);
    _exit(127);
  }
  std::string shown;
  char block[4096];
  for (ssize_t count = 0; (count = read(terminal, block, sizeof block)) > 0;) {
    shown.append(block, static_cast<std::size_t>(count));
  }
  int status = 0;
  waitpid(child, &status, 0);
  close(terminal);
  CAPTURE(shown);
  CHECK(WEXITSTATUS(status) == 20);
  CHECK(shown.find("cycles: mamba in ") != std::string::npos);
  CHECK(shown.find(" %, ") != std::string::npos);
  CHECK(shown.find(" s left") != std::string::npos);
  CHECK(shown.find("krohn: ended by the time limit of 4 s: ") != std::string::npos);
}

TEST_CASE("--time-limit holds for convert, which leaves no file, and for report, which leaves what it has") {
  const TemporaryDirectory directory;
  const std::filesystem::path file = directory / "language.json";
  // A minimal automaton of 2^21 states.
  const ProcessResult converted =
      run_krohn("convert 're:(a|b)*a(a|b){20}' --minimize --time-limit 0.2 -o " + file.string());
  CHECK(converted.exit_code == 20);
  CHECK(converted.error.find("ended by the time limit of 0.2 s: there is no result") != std::string::npos);
  CHECK(!std::filesystem::exists(file));
  const std::filesystem::path page = directory / "page.html";
  const ProcessResult reported =
      run_krohn("report " + models + "s3_gated_deltaproduct_n2_neg --time-limit 0.3 -o " + page.string());
  CHECK(reported.exit_code == 20);
  CHECK(reported.error.find("the page has what was found until then") != std::string::npos);
  std::ifstream stream(page);
  const std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  CHECK(text.find("Ended early") != std::string::npos);
  CHECK(text.find("<h2>Verdict</h2>") != std::string::npos);
  CHECK(text.find("<h2>Learned states</h2>") == std::string::npos);
  CHECK(text.find("</html>") != std::string::npos);
}

TEST_CASE("classify and report of a language that end early tell what was found by then") {
  // A million image sets take longer than this on any machine.
  const std::string language = "random:200,2,1 --time-limit 0.3";
  const ProcessResult classified = run_krohn("classify " + language);
  CHECK(classified.exit_code == 20);
  CHECK(classified.error.find("ended by the time limit of 0.3 s: what was not found by then is not known") !=
        std::string::npos);
  CHECK(classified.out.find("because of an early end of the work") != std::string::npos);
  CHECK(classified.out.find("min_states") != std::string::npos);
  const TemporaryDirectory directory;
  const std::filesystem::path page = directory / "page.html";
  const ProcessResult reported = run_krohn("report " + language + " -o " + page.string());
  CHECK(reported.exit_code == 20);
  std::ifstream stream(page);
  const std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  CHECK(text.find("Ended early") != std::string::npos);
  CHECK(text.find("Compiled model") == std::string::npos);
  CHECK(text.find("</html>") != std::string::npos);
}

TEST_CASE("--time-limit holds for accuracy") {
  const ProcessResult result = run_krohn(
      "accuracy " + models + "s3_gated_deltaproduct_n2_neg --lengths 16..65536 --words 2000 --time-limit 0.5");
  CHECK(result.exit_code == 20);
  CHECK(result.error.find("ended by the time limit of 0.5 s") != std::string::npos);
  CHECK(result.out.find("      16  ") != std::string::npos);
}

}  // namespace
}  // namespace krohn
