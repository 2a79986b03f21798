#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/scan.h"

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
}

}  // namespace tilewise::bindings
