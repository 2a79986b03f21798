#include "bindings/bindings.h"
#include "ops/dropout.h"

namespace tilewise::bindings {
namespace {

// The generator moves while the GIL is held: two threads never draw the same numbers.
template <typename Forward>
py::tuple draw(const Array& x, double p, RandomPosition position, Forward forward) {
  DropoutResult r;
  {
    py::gil_scoped_release release;
    r = forward(x, p, position);
  }
  return py::make_tuple(r.y, r.mask);
}

py::tuple elements(const Array& x, double p, Generator& generator) {
  return draw(x, p, reserve_dropout(generator, x.size()), dropout_forward);
}

py::tuple channels(const Array& x, double p, Generator& generator) {
  const index_t count = x.rank() >= 2 ? x.extent(0) * x.extent(1) : 0;
  return draw(x, p, reserve_dropout(generator, count), dropout_channels_forward);
}

}  // namespace

void bind_dropout(py::module_& m) {
  m.def("dropout_forward", &elements, py::arg("x"), py::arg("p"), py::arg("generator"));
  m.def("dropout_channels_forward", &channels, py::arg("x"), py::arg("p"), py::arg("generator"));
  m.def("dropout_backward", &dropout_backward, py::arg("dy"), py::arg("mask"), py::arg("p"),
        release_gil());
}

}  // namespace tilewise::bindings
