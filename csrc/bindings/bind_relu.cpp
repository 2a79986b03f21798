#include "bindings/bindings.h"
#include "ops/relu.h"

namespace tilewise::bindings {

void bind_relu(py::module_& m) {
  m.def("relu", &relu, py::arg("x"), release_gil());
  m.def("relu_backward", &relu_backward, py::arg("dy"), py::arg("y"), release_gil());
}

}  // namespace tilewise::bindings
