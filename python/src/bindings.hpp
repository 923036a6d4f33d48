// The parts of the module, one a source.
#pragma once

#include <nanobind/nanobind.h>

namespace krohn::python {

namespace nb = nanobind;

void bind_languages(nb::module_& m);
void bind_algebra(nb::module_& m);
void bind_models(nb::module_& m);
void bind_extraction(nb::module_& m);
void bind_exports(nb::module_& m);

}  // namespace krohn::python
