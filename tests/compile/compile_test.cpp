// label: quick
// Compiled models give every word the label that the automaton gives it, in every form of layer.
#include "krohn/compile/compile.hpp"

#include <doctest/doctest.h>

#include <random>

#include "corpus.hpp"
#include "krohn/engine/recognizer.hpp"
#include "krohn/error.hpp"

namespace krohn {
namespace {

std::vector<std::string> labels_of(const Recognizer& recognizer, const Word& word) {
  std::vector<std::byte> state(recognizer.state_size());
  std::vector<std::string> labels;
  const auto name = [&](Observation o) {
    return o.label == undefined_label ? "?" : recognizer.label_names()[static_cast<std::size_t>(o.label)];
  };
  labels.push_back(name(recognizer.initial(state)));
  for (const Symbol symbol : word) labels.push_back(name(recognizer.step(state, symbol)));
  return labels;
}

TEST_CASE("every corpus language compiles and gives every listed word its label") {
  for (const corpus::Language& language : corpus::languages()) {
    INFO(language.id);
    const CompileResult result = compile(language.dfa);
    CHECK(result.widths.size() <= result.linear_bound);
    for (const Semantics semantics : {Semantics::fp32_fma_v1, Semantics::bf16_state_v1}) {
      const auto recognizer = make_recognizer(result.model, semantics);
      for (const Word& word : language.accepted) CHECK(labels_of(*recognizer, word).back() == "1");
      for (const Word& word : language.rejected) CHECK(labels_of(*recognizer, word).back() == "0");
    }
  }
}

}  // namespace
}  // namespace krohn
