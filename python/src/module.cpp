// krohn._core: what the Python package is made of. The package around it gives names, defaults and displays.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>

#include "bindings.hpp"
#include "krohn/error.hpp"

namespace krohn::python {
namespace {

/// The exceptions are Python's own, so that they can be pickled and told apart without this module.
void raise(const char* name, const nb::object& argument) {
  const nb::object type = nb::module_::import_("krohn._errors").attr(name);
  PyErr_SetObject(type.ptr(), argument.ptr());
}

void translate(const std::exception_ptr& pointer, void* /*unused*/) {
  try {
    std::rethrow_exception(pointer);
  } catch (const InputError& error) {
    raise("InputError", nb::cast(error.problems()));
  } catch (const NumericError& error) {
    raise("NumericError", nb::cast(std::string(error.what())));
  } catch (const ResourceError& error) {
    raise("ResourceError", nb::cast(std::string(error.what())));
  } catch (const DeviceError& error) {
    raise("DeviceError", nb::cast(std::string(error.what())));
  } catch (const StoppedError& error) {
    raise("StoppedError", nb::cast(std::string(error.what())));
  } catch (const InternalError& error) {
    raise("InternalError", nb::cast(std::string(error.what())));
  }
}

}  // namespace
}  // namespace krohn::python

NB_MODULE(_core, m) {
  m.doc() = "The compiled part of the package krohn; use krohn itself.";
  nanobind::register_exception_translator(krohn::python::translate);
  krohn::python::bind_languages(m);
  krohn::python::bind_algebra(m);
  krohn::python::bind_models(m);
  krohn::python::bind_extraction(m);
  krohn::python::bind_exports(m);
}
