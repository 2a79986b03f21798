#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/matmul.h"
#include "ops/orthogonalize.h"

namespace tilewise::bindings {

void bind_matmul(py::module_& m) {
  m.def("matmul", &matmul, py::arg("a"), py::arg("b"), release_gil());
  m.def("linear_forward", &linear_forward, py::arg("x"), py::arg("weight"),
        py::arg("bias") = py::none(), release_gil());
  m.def("linear_backward_data", &linear_backward_data, py::arg("dy"), py::arg("weight"),
        release_gil());
  m.def("linear_backward_weight", &linear_backward_weight, py::arg("dy"), py::arg("x"),
        py::arg("with_bias"), release_gil());
  m.def("orthonormal_rows", &orthonormal_rows, py::arg("x"), release_gil());
}

}  // namespace tilewise::bindings
