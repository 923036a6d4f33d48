// label: slow
// Exported checkpoints, opened by the ordinary loader, are proved right on every word: all corpus languages of up to 8
// states. A weight that is changed is found.
#include "krohn/export/fla.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <fstream>
#include <set>
#include <string>
#include <variant>

#include "corpus.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/checkpoints/safetensors.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/language.hpp"
#include "krohn/verify/check.hpp"
#include "temporary_directory.hpp"

namespace krohn {
namespace {

Verdict verdict_of(const std::filesystem::path& path, const Dfa& language) {
  const OpenModel model = open_model(path);
  CheckOptions options;
  options.sample.words = 0;
  return check(*model.machine, model.within_domain(language), options).verdict;
}

FlaOptions with(FlaArchitecture architecture) {
  FlaOptions options;
  options.architecture = architecture;
  return options;
}

void check_proved(const Dfa& language, const FlaExport& model) {
  const TemporaryDirectory directory;
  write_fla_export(directory / "model", model);
  CHECK(std::holds_alternative<Proved>(verdict_of(directory / "model", language)));
}

TEST_CASE("every corpus language of up to 8 states is proved") {
  std::set<FlaArchitecture> chosen;
  for (const corpus::Language& language : corpus::languages()) {
    if (language.min_states > 8) continue;
    CAPTURE(language.id);
    const FlaExport model = export_to_fla(language.dfa, language.id);
    chosen.insert(model.architecture);
    check_proved(language.dfa, model);
  }
  CHECK(chosen.size() == 3);
}

TEST_CASE("all architectures that fit run groups, resets, both, and cascades with delays") {
  for (const char* name : {"parity", "Z:3", "S:3", "word:A4", "flipflop", "re:(a|b)*abb", "re:(aaa)*(bb)*", "tomita:3",
                           "even-pairs", "cycle:6", "re:.", "re:~(.*)", "Q8", "modarith-answer:2"}) {
    CAPTURE(name);
    const Dfa language = read_language(name, name[0] == 'r' ? std::optional<std::string>("ab") : std::nullopt).dfa;
    std::size_t fits = 0;
    for (const FlaArchitecture each : {FlaArchitecture::delta_net, FlaArchitecture::gated_deltanet,
                                       FlaArchitecture::gated_deltaproduct, FlaArchitecture::kda}) {
      CAPTURE(model_type_of(each));
      try {
        const FlaExport model = export_to_fla(language, name, with(each));
        check_proved(language, model);
        ++fits;
      } catch (const InputError&) {
        CHECK(each != FlaArchitecture::gated_deltaproduct);
      }
    }
    CHECK(fits >= 1);
  }
}

TEST_CASE("the label after every symbol: Moore machines keep all their labels") {
  for (const char* name : {"word:S4", "word:A5", "perm:S5", "modarith:5"}) {
    CAPTURE(name);
    const Dfa language = read_language(name).dfa;
    check_proved(language, export_to_fla(language, name));
  }
}

TEST_CASE("a model for one language is refuted for another, and so is one with a changed weight") {
  const TemporaryDirectory directory;
  const Dfa language = read_language("re:(a|b)*abb").dfa;
  FlaExport model = export_to_fla(language, "abb");
  write_fla_export(directory / "whole", model);
  CHECK(std::holds_alternative<Refuted>(verdict_of(directory / "whole", read_language("re:(a|b)*aba").dfa)));
  for (auto& [name, bytes] : model.files) {
    if (name != "model.safetensors") continue;
    const Safetensors file = Safetensors::parse(bytes, name);
    std::vector<Tensor> tensors;
    for (const TensorView& view : file.tensors()) {
      Tensor tensor{view.name, view.dtype, view.shape,
                    std::string(reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size())};
      // The first layer's values, all zero: nothing is ever written.
      if (view.name == "model.layers.0.attn.v_proj.weight") tensor.bytes.assign(tensor.bytes.size(), '\0');
      tensors.push_back(std::move(tensor));
    }
    bytes = format_safetensors(tensors, file.metadata());
  }
  write_fla_export(directory / "changed", model);
  CHECK(std::holds_alternative<Refuted>(verdict_of(directory / "changed", language)));
}

std::string refusal(const char* name, FlaOptions options) {
  try {
    export_to_fla(read_language(name).dfa, name, options);
  } catch (const InputError& error) {
    return error.what();
  } catch (const ResourceError& error) {
    return error.what();
  }
  return "accepted";
}

TEST_CASE("what does not fit is refused with the theorem or the size") {
  const auto mentions = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  const std::string z3 = refusal("Z:3", with(FlaArchitecture::delta_net));
  CHECK(mentions(z3, "Scherk"));
  CHECK(mentions(z3, "gated_deltaproduct"));
  CHECK(mentions(refusal("Z:3", with(FlaArchitecture::kda)), "reflection length 2"));
  CHECK(mentions(refusal("tomita:3", with(FlaArchitecture::delta_net)), "gate"));
  FlaOptions small;
  small.max_parameters = 1000;
  const std::string size = refusal("parity", small);
  CHECK(mentions(size, "1000"));
  CHECK(mentions(size, "4048"));
}

TEST_CASE("an existing folder is replaced only with force, and only where it holds an export") {
  const TemporaryDirectory directory;
  const FlaExport model = export_to_fla(read_language("parity").dfa, "parity");
  write_fla_export(directory / "m", model);
  CHECK_THROWS_AS(write_fla_export(directory / "m", model), InputError);
  write_fla_export(directory / "m", model, true);
  std::ofstream(directory / "m" / "mine") << "text";
  CHECK_THROWS_AS(write_fla_export(directory / "m", model, true), InputError);
}

}  // namespace
}  // namespace krohn
