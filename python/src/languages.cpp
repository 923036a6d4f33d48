// Automata: from text, files and tables, and back.
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "krohn/automata/catalog.hpp"
#include "krohn/automata/fingerprint.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/automata/product.hpp"
#include "krohn/error.hpp"
#include "krohn/languages/format_json.hpp"
#include "krohn/languages/language.hpp"
#include "krohn/results/figures.hpp"
#include "work.hpp"

namespace krohn::python {
namespace {

using namespace nb::literals;

using Integers = nb::ndarray<nb::ro, const std::uint32_t, nb::shape<-1, -1>, nb::c_contig, nb::device::cpu>;

Dfa from_table(const Integers& delta, State start, const std::vector<std::optional<std::string>>& labels,
               const std::optional<std::vector<std::string>>& label_names, std::vector<std::string> alphabet) {
  std::vector<std::string> names;
  if (label_names) {
    names = *label_names;
  } else {
    for (const auto& label : labels) {
      if (label && std::find(names.begin(), names.end(), *label) == names.end()) names.push_back(*label);
    }
  }
  std::vector<LabelId> ids;
  for (std::size_t q = 0; q < labels.size(); ++q) {
    if (!labels[q]) {
      ids.push_back(null_label);
      continue;
    }
    const auto at = std::find(names.begin(), names.end(), *labels[q]);
    if (at == names.end()) {
      throw InputError("labels[" + std::to_string(q) + "]: expected one of label_names, got '" + *labels[q] + "'");
    }
    ids.push_back(static_cast<LabelId>(at - names.begin()));
  }
  std::vector<State> table(delta.data(), delta.data() + delta.size());
  return {Alphabet(std::move(alphabet)), start, std::move(table), std::move(ids), std::move(names)};
}

}  // namespace

void bind_languages(nb::module_& m) {
  nb::class_<Dfa>(m, "Dfa", "A complete automaton with a label for each state.")
      .def_prop_ro("alphabet", [](const Dfa& dfa) { return dfa.alphabet().names(); })
      .def_prop_ro("label_names", [](const Dfa& dfa) { return dfa.label_names(); })
      .def_prop_ro("start", &Dfa::start)
      .def_prop_ro("num_states", &Dfa::num_states)
      .def_prop_ro("num_symbols", &Dfa::num_symbols)
      .def_prop_ro("is_acceptor", &Dfa::is_acceptor)
      .def_prop_ro(
          "delta",
          [](const Dfa& dfa) {
            const std::size_t shape[] = {dfa.num_states(), dfa.num_symbols()};
            return nb::ndarray<nb::numpy, const State, nb::ndim<2>>(dfa.delta().data(), 2, shape, nb::handle());
          },
          nb::rv_policy::reference_internal)
      .def_prop_ro(
          "labels",
          [](const Dfa& dfa) {
            const std::size_t shape[] = {dfa.num_states()};
            return nb::ndarray<nb::numpy, const LabelId, nb::ndim<1>>(dfa.labels().data(), 1, shape, nb::handle());
          },
          nb::rv_policy::reference_internal)
      .def(
          "label_of",
          [](const Dfa& dfa, nb::handle word) -> std::optional<std::string> {
            const State state = dfa.next(dfa.start(), word_from(word, dfa.alphabet(), "word"));
            if (dfa.label(state) == null_label) return std::nullopt;
            return dfa.label_name(dfa.label(state));
          },
          "word"_a)
      .def(
          "word",
          [](const Dfa& dfa, nb::handle word) {
            return word_tuple(word_from(word, dfa.alphabet(), "word"), dfa.alphabet());
          },
          "word"_a, nb::sig("def word(self, word: object) -> tuple[str, ...]"))
      .def(
          "format_word",
          [](const Dfa& dfa, nb::handle word) {
            return dfa.alphabet().format_word(word_from(word, dfa.alphabet(), "word"));
          },
          "word"_a)
      .def("minimized", [](const Dfa& dfa) { return minimize(dfa); })
      .def("complement", [](const Dfa& dfa) { return complement(dfa); })
      .def(
          "product",
          [](const Dfa& a, const Dfa& b, const std::string& operation) {
            const BooleanOperation op = operation == "and"     ? BooleanOperation::conjunction
                                        : operation == "or"    ? BooleanOperation::disjunction
                                        : operation == "minus" ? BooleanOperation::difference
                                                               : BooleanOperation::symmetric_difference;
            return minimize(product(a, b, op));
          },
          "other"_a, "operation"_a)
      .def(
          "separating_word",
          [](const Dfa& a, const Dfa& b) -> nb::object {
            const std::optional<Word> word = separating_word(a, b);
            return word ? nb::object(word_tuple(*word, a.alphabet())) : nb::none();
          },
          "other"_a, nb::sig("def separating_word(self, other: Dfa) -> tuple[str, ...] | None"))
      .def(
          "__eq__", [](const Dfa& a, const Dfa& b) { return a == b; }, nb::is_operator(),
          nb::sig("def __eq__(self, other: object, /) -> bool"))
      .def_prop_ro("fingerprint", [](const Dfa& dfa) { return fingerprint(dfa); })
      .def(
          "text", [](const Dfa& dfa, const std::string& suffix) { return format_language(suffix, dfa); }, "suffix"_a)
      .def(
          "write", [](const Dfa& dfa, const std::string& path) { write_language(path, dfa); }, "path"_a)
      .def("draw", [](const Dfa& dfa) {
        const Figure figure = draw_automaton(dfa);
        return std::pair(figure.svg, figure.caption);
      });

  m.def(
      "read_language",
      [](const std::string& spec, const std::optional<std::string>& alphabet, const nb::object& progress) {
        const LanguageSource source =
            run_work<LanguageSource>(progress, [spec, alphabet](Work&) { return read_language(spec, alphabet); });
        return std::pair(source.dfa, source.notes);
      },
      "spec"_a, "alphabet"_a = nb::none(), "progress"_a = nb::none());
  m.def(
      "parse_automaton",
      [](const std::string& text, const std::string& source) {
        const LanguageSource read = parse_format_json(text, source);
        return std::pair(read.dfa, read.notes);
      },
      "text"_a, "source"_a);
  m.def("from_table", &from_table, "delta"_a, "start"_a, "labels"_a, "label_names"_a.none(), "alphabet"_a);
  m.def("catalogue", [] {
    std::vector<std::vector<std::string>> entries;
    for (const CatalogEntry& entry : catalog_entries()) {
      entries.push_back({std::string(entry.pattern), std::string(entry.description), std::string(entry.example)});
    }
    return entries;
  });
}

}  // namespace krohn::python
