// Compiles a regular expression into a linear RNN, runs it on a word, and proves that it is right on all words.
//
//     compile_and_check [LANG]       default: re:(aaa)*(bb)*
#include <cstdio>
#include <exception>
#include <krohn/krohn.hpp>
#include <string>
#include <variant>

int main(int argc, char** argv) try {
  const std::string name = argc > 1 ? argv[1] : "re:(aaa)*(bb)*";
  const krohn::Dfa language = krohn::read_language(name).dfa;

  const krohn::CompileResult compiled = krohn::compile(language);
  std::printf("%s: %zu states, %zu layers\n", name.c_str(), compiled.minimal.num_states(),
              compiled.model.layers().size());

  // A model becomes a function from words to labels in an arithmetic.
  const auto machine = krohn::make_machine(compiled.model, krohn::Semantics::bf16_state_v1);
  const krohn::Word word(5, 0);
  const krohn::Trace trace = machine->run({&word, 1});
  const auto label = static_cast<std::size_t>(trace.label(0));
  std::printf("%s: %s\n", machine->alphabet().format_word(word).c_str(), machine->label_names()[label].c_str());

  // The hint that the compiler leaves is trusted in nothing; without it large models take longer to prove.
  const krohn::CheckReport report = krohn::check(*machine, language, {}, &compiled.hint);
  std::printf("%s\n", krohn::final_line(report.verdict, machine->alphabet()).c_str());
  return std::holds_alternative<krohn::Proved>(report.verdict) ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
