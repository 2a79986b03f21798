#include <pybind11/stl.h>

#include <optional>

#include "bindings/bindings.h"
#include "bindings/operands.h"
#include "ops/scan.h"
#include "ops/trapezoid.h"

namespace tilewise::bindings {

void bind_scan(py::module_& m) {
  const std::pair<const char*, Scan> scans[] = {
      {"cumsum", Scan::sum}, {"cumprod", Scan::product}, {"logcumsumexp", Scan::log_sum_exp}};
  for (const auto& [name, which] : scans) {
    m.def(
        name, [op = which](const Array& a, index_t axis) { return scan(op, a, axis); },
        py::arg("a"), py::arg("axis"), release_gil());
  }
  const std::pair<const char*, Extreme> extremes[] = {{"cummax", Extreme::largest},
                                                      {"cummin", Extreme::smallest}};
  for (const auto& [name, which] : extremes) {
    m.def(
        name, [op = which](const Array& a, index_t axis) { return scan_extreme(op, a, axis); },
        py::arg("a"), py::arg("axis"), release_gil());
  }
  m.def(
      "trapezoid",
      [](const Array& y, const std::optional<Array>& x, const py::object& width, index_t axis,
         bool running) {
        const Operand distance = operand_from("trapezoid", width);
        py::gil_scoped_release release;
        return trapezoid(y, x ? *x : Array(), distance, axis, running);
      },
      py::arg("y"), py::arg("x"), py::arg("width"), py::arg("axis"), py::arg("running"));
  m.def("distances", &distances, py::arg("x"), py::arg("y"), py::arg("axis"), release_gil());
}

}  // namespace tilewise::bindings
