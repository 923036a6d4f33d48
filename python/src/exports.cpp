// Languages and compiled models as files that other programs run.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/export/dense.hpp"
#include "krohn/export/fla.hpp"
#include "krohn/results/export_report.hpp"
#include "krohn/text/atomic_file.hpp"
#include "model.hpp"
#include "work.hpp"

namespace krohn::python {
namespace {

using namespace nb::literals;

std::optional<FlaArchitecture> architecture_named(const std::string& name) {
  if (name == "auto") return std::nullopt;
  std::string known = "auto";
  for (const FlaArchitecture each : fla_architectures) {
    if (name == model_type_of(each)) return each;
    known += ", " + std::string(model_type_of(each));
  }
  throw InputError("architecture: expected one of " + known + ", got '" + name + "'");
}

}  // namespace

void bind_exports(nb::module_& m) {
  m.def(
      "export_fla",
      [](const Dfa& language, const std::string& name, const std::string& path, const std::string& architecture,
         std::uint64_t max_parameters, bool force, const nb::object& progress) {
        FlaOptions options;
        options.architecture = architecture_named(architecture);
        options.max_parameters = max_parameters;
        return run_work<std::string>(progress, [=](Work& work) {
          const FlaExport model = export_to_fla(language, name, options);
          if (work.stop) throw StoppedError();
          write_fla_export(path, model, force);
          return export_report_json(model, path);
        });
      },
      "language"_a, "name"_a, "path"_a, "architecture"_a, "max_parameters"_a, "force"_a, "progress"_a = nb::none());

  m.def(
      "export_arrays",
      [](const std::optional<Model>& model, const std::optional<Dfa>& language, const std::string& to,
         const std::string& path, const std::string& keys, std::uint64_t max_parameters, bool force,
         const nb::object& progress) {
        CompileOptions options;
        if (keys != "dyadic" && keys != "integer") {
          throw InputError("keys: expected one of dyadic, integer, got '" + keys + "'");
        }
        options.keys = keys == "dyadic" ? KeyForm::dyadic : KeyForm::integer;
        const bool torch = to == "torch";
        if (!torch) require_writable(path);
        using Written = std::pair<std::string, std::vector<std::string>>;
        return run_work<Written>(progress, [=](Work& work) {
          const LrnnModel compiled = model ? *model->machine().compiled() : compile(language.value(), options).model;
          const DenseExport arrays = export_to_dense(compiled, max_parameters);
          if (work.stop) throw StoppedError();
          if (torch) {
            write_torch_export(path, arrays, force);
          } else {
            write_file(path, arrays.bytes);
          }
          return Written(export_report_json(arrays, compiled, to, path), arrays.notes);
        });
      },
      "model"_a.none(), "language"_a.none(), "to"_a, "path"_a, "keys"_a, "max_parameters"_a, "force"_a,
      "progress"_a = nb::none());
}

}  // namespace krohn::python
