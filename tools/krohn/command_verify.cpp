// krohn verify CERTIFICATE: checks a certificate of krohn check without searching.
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "command.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/results/certificate_file.hpp"
#include "krohn/verify/certificate.hpp"
#include "model_argument.hpp"
#include "work.hpp"

namespace krohn::cli {
namespace {

struct Arguments {
  std::string certificate;
  std::string model;
  std::string language;
  std::optional<std::string> alphabet;
  std::optional<std::string> task;
  ReadingHints hints;
  std::optional<double> time_limit;
  bool json = false;
};

/// An expression does not tell its alphabet where symbols do not occur in it: the one that the certificate claims. (A
/// comma separates in --alphabet, so that an alphabet with one is left to the user.)
std::optional<std::string> claimed_alphabet(const Certificate& certificate) {
  if (!certificate.language_name.starts_with("re:")) return std::nullopt;
  std::string symbols;
  for (const std::string& name : certificate.automaton.alphabet().names()) {
    if (name == ",") return std::nullopt;
    symbols += name;
  }
  return symbols;
}

int run_verify(const Arguments& arguments) {
  Work work("verify", Work::Early::with_nothing, arguments.time_limit);
  const Certificate certificate = read_certificate(arguments.certificate);
  const std::string& model_name = arguments.model.empty() ? certificate.model_name : arguments.model;
  const std::string& language_name = arguments.language.empty() ? certificate.language_name : arguments.language;
  const OpenModel open =
      open_model(model_name, parse_semantics(certificate.semantics), arguments.task, arguments.hints);
  const Dfa language = language_of(
      open, language_name,
      arguments.language.empty() && !arguments.alphabet ? claimed_alphabet(certificate) : arguments.alphabet);
  const std::optional<Rejection> rejection = reject(certificate, *open.machine, language);
  work.finish();
  if (arguments.json) {
    print_json({{"result", !rejection             ? "VERIFIED"
                           : rejection->unchecked ? "UNCHECKED"
                                                  : "REJECTED"},
                {"verdict", verdict_name(certificate.claim.verdict)},
                {"claim", certificate_claim(certificate)},
                {"reason", rejection ? Json(rejection->reason) : Json()}});
    return !rejection ? exit_ok : rejection->unchecked ? exit_unknown : exit_input;
  }
  if (!rejection) {
    std::printf("s VERIFIED %s: %s\n", verdict_name(certificate.claim.verdict).c_str(),
                certificate_claim(certificate).c_str());
    return exit_ok;
  }
  if (rejection->unchecked) {
    std::printf("s UNCHECKED %s\n", rejection->reason.c_str());
    return exit_unknown;
  }
  std::cerr << "krohn: " << arguments.certificate << ": rejected: " << rejection->reason << '\n';
  return exit_input;
}

}  // namespace

void add_verify(const Command& app, int& exit_code) {
  const Command command = app.add_subcommand("verify", "Check a certificate of krohn check, without searching");
  command.footer("Exit codes: 0 and one line 's VERIFIED ..'; 1 and the reason; 20 and 's UNCHECKED ..' for a report.");
  const auto arguments = std::make_shared<Arguments>();
  command.add_option("CERTIFICATE", arguments->certificate, "the file").required();
  command.add_option("MODEL", arguments->model, "model directory; default: as named in the certificate");
  command.add_option("LANG", arguments->language, "the language; default: as named in the certificate");
  add_alphabet_option(command, arguments->alphabet);
  add_task_option(command, arguments->task);
  add_reading_options(command, arguments->hints);
  add_time_limit_option(command, arguments->time_limit);
  add_json_option(command, arguments->json);
  command.callback([arguments, &exit_code] { exit_code = run_verify(*arguments); });
}

}  // namespace krohn::cli
