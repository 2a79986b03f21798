#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/interpolate.h"
#include "ops/shuffle.h"

namespace tilewise::bindings {

void bind_interpolate(py::module_& m) {
  m.def("pixel_shuffle", &pixel_shuffle, py::arg("x"), py::arg("factor"), release_gil());
  m.def("pixel_unshuffle", &pixel_unshuffle, py::arg("x"), py::arg("factor"), release_gil());
  m.def("channel_shuffle", &channel_shuffle, py::arg("x"), py::arg("groups"), release_gil());
  m.def(
      "interpolate_forward",
      [](const Array& x, const Dims& size, const std::string& mode, bool align_corners,
         bool antialias, const std::vector<double>& scales) {
        return interpolate_forward(x, size, {mode, align_corners, antialias, scales});
      },
      py::arg("x"), py::arg("size"), py::arg("mode"), py::arg("align_corners") = false,
      py::arg("antialias") = false, py::arg("scales") = std::vector<double>(), release_gil());
  m.def(
      "interpolate_backward",
      [](const Array& dy, const Dims& input_shape, const std::string& mode, bool align_corners,
         bool antialias, const std::vector<double>& scales) {
        return interpolate_backward(dy, input_shape, {mode, align_corners, antialias, scales});
      },
      py::arg("dy"), py::arg("input_shape"), py::arg("mode"), py::arg("align_corners") = false,
      py::arg("antialias") = false, py::arg("scales") = std::vector<double>(), release_gil());
}

}  // namespace tilewise::bindings
