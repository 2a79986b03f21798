#include <pybind11/stl.h>

#include <optional>
#include <utility>

#include "bindings/bindings.h"
#include "ops/glu.h"
#include "ops/prelu.h"

namespace tilewise::bindings {
namespace {

std::optional<Array> optional(const Array& a) {
  return a.defined() ? std::optional<Array>(a) : std::nullopt;
}

}  // namespace

void bind_prelu_glu(py::module_& m) {
  m.def("prelu", &prelu, py::arg("x"), py::arg("slope"), release_gil());
  m.def(
      "prelu_backward",
      [](const Array& dy, const Array& x, const Array& slope, bool wants_dx, bool wants_dslope) {
        const PreluGradients g = prelu_backward(dy, x, slope, wants_dx, wants_dslope);
        return std::make_pair(optional(g.dx), optional(g.dslope));
      },
      py::arg("dy"), py::arg("x"), py::arg("slope"), py::arg("wants_dx"), py::arg("wants_dslope"),
      release_gil());
  m.def("rrelu", &rrelu, py::arg("x"), py::arg("slopes"), release_gil());
  m.def("rrelu_backward", &rrelu_backward, py::arg("dy"), py::arg("x"), py::arg("slopes"),
        release_gil());
  m.def("glu", &glu, py::arg("x"), py::arg("axis"), release_gil());
  m.def("glu_backward", &glu_backward, py::arg("dy"), py::arg("x"), py::arg("axis"), release_gil());
}

}  // namespace tilewise::bindings
