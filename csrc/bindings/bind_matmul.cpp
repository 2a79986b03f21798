#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "bindings/operands.h"
#include "ops/matmul.h"
#include "ops/orthogonalize.h"
#include "ops/products.h"

namespace tilewise::bindings {

void bind_matmul(py::module_& m) {
  m.def("matmul", &matmul, py::arg("a"), py::arg("b"), release_gil());
  m.def("linear_forward", &linear_forward, py::arg("x"), py::arg("weight"),
        py::arg("bias") = py::none(), release_gil());
  m.def("linear_backward_data", &linear_backward_data, py::arg("dy"), py::arg("weight"),
        release_gil());
  m.def("linear_backward_weight", &linear_backward_weight, py::arg("dy"), py::arg("x"),
        py::arg("with_bias"), release_gil());
  m.def("tensordot", &tensordot, py::arg("a"), py::arg("b"), py::arg("left"), py::arg("right"),
        release_gil());
  m.def("kron", &kron, py::arg("a"), py::arg("b"), release_gil());
  m.def("kron_backward_a", &kron_backward_a, py::arg("dy"), py::arg("b"), py::arg("shape"),
        release_gil());
  m.def("kron_backward_b", &kron_backward_b, py::arg("dy"), py::arg("a"), py::arg("shape"),
        release_gil());
  m.def(
      "combine_product",
      [](const Array& product, const py::object& alpha, const Array& a, const py::object& beta) {
        const Scalar scale = scalar_from("addmm", alpha);
        const Scalar share = scalar_from("addmm", beta);
        py::gil_scoped_release release;
        return combine_product(product, scale, a, share);
      },
      py::arg("product"), py::arg("alpha"), py::arg("a"), py::arg("beta"));
  m.def("orthonormal_rows", &orthonormal_rows, py::arg("x"), release_gil());
}

}  // namespace tilewise::bindings
