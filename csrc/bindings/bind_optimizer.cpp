#include <pybind11/stl.h>

#include "base/error.h"
#include "bindings/bindings.h"
#include "ops/optimizer.h"

namespace tilewise::bindings {
namespace {

// The factors of a rule in the order of its struct, from a dict by name.
std::vector<double> factors_of(const std::string& rule, const py::dict& given) {
  const OptimizerNeeds& needs = optimizer_needs(rule);
  std::vector<double> factors;
  factors.reserve(needs.factors.size());
  for (const char* name : needs.factors) {
    PyObject* value = PyDict_GetItemString(given.ptr(), name);
    TW_CHECK(value != nullptr, rule, ": expected a factor ", name);
    const double number = PyFloat_AsDouble(value);
    if (number == -1.0 && PyErr_Occurred() != nullptr) throw py::error_already_set();
    factors.push_back(number);
  }
  TW_CHECK(py::len(given) == needs.factors.size(), rule, ": expected ", needs.factors.size(),
           " factors, got ", py::len(given));
  return factors;
}

void bind_step(const std::string& rule, const ArrayList& params, const ArrayList& grads,
               const std::vector<ArrayList>& states, const py::dict& factors) {
  const std::vector<double> numbers = factors_of(rule, factors);
  const py::gil_scoped_release released;
  optimizer_step(rule, {params, grads, states, numbers});
}

}  // namespace

void bind_optimizer(py::module_& m) {
  m.def("optimizer_step", &bind_step, py::arg("rule"), py::arg("params"), py::arg("grads"),
        py::arg("states"), py::arg("factors"));
  m.def("total_norm", &total_norm, py::arg("arrays"), py::arg("order"), release_gil());
  m.def("scale_", &scale_arrays, py::arg("arrays"), py::arg("factor"), release_gil());
  m.def("clamp_", &clamp_arrays, py::arg("arrays"), py::arg("bound"), release_gil());
}

}  // namespace tilewise::bindings
