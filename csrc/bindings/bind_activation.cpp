#include "bindings/activation.h"

#include "bindings/bindings.h"
#include "ops/activation.h"

namespace tilewise::bindings {

void bind_activation(py::module_& m) {
  m.def(
      "activation",
      [](const Array& x, const std::string& name, double slope) {
        return activate(x, activation_of(name), slope);
      },
      py::arg("x"), py::arg("name"), py::arg("slope") = 0.01, release_gil());
  m.def(
      "activation_backward",
      [](const Array& dy, const Array& x, const std::string& name, double slope) {
        return activate_backward(dy, x, activation_of(name), slope);
      },
      py::arg("dy"), py::arg("x"), py::arg("name"), py::arg("slope") = 0.01, release_gil());
}

}  // namespace tilewise::bindings
