// Opens a trained checkpoint with its task.json and looks for a word on which it is wrong.
//
//     refute_checkpoint DIRECTORY
#include <chrono>
#include <cstdio>
#include <exception>
#include <krohn/krohn.hpp>
#include <optional>
#include <variant>

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::fprintf(stderr, "usage: refute_checkpoint DIRECTORY\n");
    return 2;
  }
  const krohn::OpenModel model = krohn::open_model(argv[1]);
  for (const std::string& note : model.notes) std::fprintf(stderr, "%s\n", note.c_str());
  const std::optional<krohn::Dfa> language = model.own_language();
  if (!language) {
    std::fprintf(stderr, "%s: no language comes with it\n", argv[1]);
    return 1;
  }

  krohn::CheckOptions options;
  options.budget.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  const krohn::CheckReport report = krohn::check(*model.machine, *language, options);
  if (const auto* refuted = std::get_if<krohn::Refuted>(&report.verdict)) {
    const krohn::Counterexample& found = refuted->counterexample;
    std::printf("the language says %s, the model %s\n", found.expected.c_str(), found.observed.c_str());
  }
  std::printf("%s\n", krohn::final_line(report.verdict, model.machine->alphabet()).c_str());
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
