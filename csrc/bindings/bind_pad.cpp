#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/pad.h"

namespace tilewise::bindings {

void bind_pad(py::module_& m) {
  m.def(
      "pad",
      [](const Array& x, const Dims& before, const Dims& after, const std::string& border,
         const std::optional<Array>& value) {
        return pad(x, {before, after, border_of("pad", border)}, value);
      },
      py::arg("x"), py::arg("before"), py::arg("after"), py::arg("border") = "zeros",
      py::arg("value") = py::none(), release_gil());
  m.def(
      "pad_backward",
      [](const Array& dy, const Dims& input_shape, const Dims& before, const Dims& after,
         const std::string& border) {
        return pad_backward(dy, input_shape, {before, after, border_of("pad", border)});
      },
      py::arg("dy"), py::arg("input_shape"), py::arg("before"), py::arg("after"),
      py::arg("border") = "zeros", release_gil());
}

}  // namespace tilewise::bindings
