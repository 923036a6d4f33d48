// Writes what a verdict rests on to a file, reads it back, and has it checked without a search. The model directory
// beside it is what `krohn verify` and the independent checkers open.
//
//     write_certificate LANG MODEL_DIRECTORY CERTIFICATE
#include <cstdio>
#include <exception>
#include <krohn/krohn.hpp>
#include <optional>
#include <string>

int main(int argc, char** argv) try {
  if (argc != 4) {
    std::fprintf(stderr, "usage: write_certificate LANG MODEL_DIRECTORY CERTIFICATE\n");
    return 2;
  }
  const std::string name = argv[1];
  const krohn::Dfa language = krohn::read_language(name).dfa;
  const krohn::CompileResult compiled = krohn::compile(language);
  krohn::ModelDirectory directory{compiled.model};
  directory.hint = compiled.hint;
  directory.exact = compiled.exact;
  directory.horizon = compiled.horizon;
  directory.automaton = compiled.minimal;
  krohn::write_model(argv[2], directory);

  const auto machine = krohn::make_machine(compiled.model, krohn::Semantics::fp32_fma_v1);
  const krohn::CheckReport report = krohn::check(*machine, language, {}, &compiled.hint);
  krohn::write_certificate(argv[3],
                           krohn::make_certificate(report, *machine, language, {"write_certificate", argv[2], name}));

  const krohn::Certificate certificate = krohn::read_certificate(argv[3]);
  if (const std::optional<krohn::Rejection> rejection = krohn::reject(certificate, *machine, language)) {
    std::fprintf(stderr, "rejected: %s\n", rejection->reason.c_str());
    return 1;
  }
  std::printf("%s: %s\n", krohn::verdict_name(certificate.claim.verdict).c_str(),
              krohn::certificate_claim(certificate).c_str());
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
