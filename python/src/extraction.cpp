// The automaton that a model implements.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include <memory>
#include <string>
#include <utility>

#include "bindings.hpp"
#include "krohn/results/extraction_report.hpp"
#include "krohn/verify/extract.hpp"
#include "model.hpp"
#include "work.hpp"

namespace krohn::python {
namespace {

using namespace nb::literals;

struct Extracted {
  Model model;
  std::shared_ptr<const ExtractionAnswer> answer;
};

}  // namespace

void bind_extraction(nb::module_& m) {
  nb::class_<Extracted>(m, "Extracted", "The automaton that a model implements, and what is known of it.")
      .def("json",
           [](const Extracted& e) {
             return extraction_json(e.answer->extraction, e.answer->domain, e.answer->comparison);
           })
      .def_prop_ro("automaton", [](const Extracted& e) { return e.answer->extraction.automaton; })
      .def_prop_ro("status_text", [](const Extracted& e) { return status_text(e.answer->extraction); })
      .def_prop_ro("growth_text", [](const Extracted& e) { return growth_text(e.answer->extraction); })
      .def_prop_ro("comparison_text",
                   [](const Extracted& e) {
                     return e.answer->comparison ? comparison_text(*e.answer->comparison, e.model.alphabet())
                                                 : std::string();
                   })
      .def("drawing", [](const Extracted& e) {
        const Figure figure = draw_extraction(e.answer->extraction, e.answer->comparison);
        return std::pair(figure.svg, figure.caption);
      });

  m.def(
      "extract",
      [](const Model& model, const std::optional<Dfa>& language, const std::string& name,
         const std::optional<Dfa>& hypothesis, std::optional<std::uint64_t> up_to, std::size_t max_states,
         std::size_t extra_states, std::optional<double> time_limit, std::size_t memory, const std::string& device,
         unsigned threads, const nb::object& progress) {
        std::optional<Dfa> compared;
        std::optional<Dfa> first;
        if (language) compared = model.language(language);
        if (hypothesis) first = model.language(hypothesis);
        ExtractOptions options;
        options.budget.deadline = deadline_in(time_limit);
        options.budget.memory = memory;
        options.up_to = up_to;
        options.max_states = max_states;
        options.extra_states = extra_states;
        options.device = device_named(device);
        options.threads = threads;
        model.on_task();
        using Answer = std::shared_ptr<const ExtractionAnswer>;
        return Extracted{model, run_work<Answer>(progress, [=](Work& work) {
                           ExtractOptions own = options;
                           own.budget.stop = &work.stop;
                           own.begins = [&work](const std::string& method) { work.begins(method); };
                           own.progress = [&work](const EnumerateProgress& part) {
                             work.part(static_cast<double>(part.nodes), static_cast<double>(part.total));
                           };
                           return std::make_shared<const ExtractionAnswer>(
                               extract_from(model.on_task(), compared, name, first, own));
                         })};
      },
      "model"_a, "language"_a.none(), "name"_a, "hypothesis"_a.none(), "up_to"_a.none(), "max_states"_a,
      "extra_states"_a, "time_limit"_a.none(), "memory"_a, "device"_a, "threads"_a, "progress"_a = nb::none());
}

}  // namespace krohn::python
