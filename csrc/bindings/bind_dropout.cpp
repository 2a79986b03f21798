#include "bindings/bindings.h"
#include "ops/drop_block.h"
#include "ops/dropout.h"

namespace tilewise::bindings {
namespace {

DropoutKind kind_of(bool alpha) { return alpha ? DropoutKind::alpha : DropoutKind::zero; }

// The generator moves while the GIL is held: two threads never draw the same numbers.
template <typename Forward>
py::tuple draw(const Array& x, double p, RandomPosition position, bool alpha, Forward forward) {
  DropoutResult r;
  {
    py::gil_scoped_release release;
    r = forward(x, p, position, kind_of(alpha));
  }
  return py::make_tuple(r.y, r.mask);
}

py::tuple elements(const Array& x, double p, Generator& generator, bool alpha) {
  return draw(x, p, reserve_dropout(generator, x.size()), alpha, dropout_forward);
}

py::tuple channels(const Array& x, double p, Generator& generator, bool alpha) {
  const index_t count = x.rank() >= 2 ? x.extent(0) * x.extent(1) : 0;
  return draw(x, p, reserve_dropout(generator, count), alpha, dropout_channels_forward);
}

py::tuple blocks(const Array& x, double p, index_t block_size, double eps, Generator& generator) {
  const RandomPosition position = reserve_dropout(generator, drop_block_places(x, block_size));
  DropBlockResult r;
  {
    py::gil_scoped_release release;
    r = drop_block_forward(x, p, block_size, eps, position);
  }
  return py::make_tuple(r.y, r.mask, r.scale);
}

}  // namespace

void bind_dropout(py::module_& m) {
  m.def("dropout_forward", &elements, py::arg("x"), py::arg("p"), py::arg("generator"),
        py::arg("alpha") = false);
  m.def("dropout_channels_forward", &channels, py::arg("x"), py::arg("p"), py::arg("generator"),
        py::arg("alpha") = false);
  m.def(
      "dropout_backward",
      [](const Array& dy, const Array& mask, double p, bool alpha) {
        return dropout_backward(dy, mask, p, kind_of(alpha));
      },
      py::arg("dy"), py::arg("mask"), py::arg("p"), py::arg("alpha") = false, release_gil());
  m.def("drop_block_forward", &blocks, py::arg("x"), py::arg("p"), py::arg("block_size"),
        py::arg("eps"), py::arg("generator"));
  m.def("apply_dropout_mask", &apply_dropout_mask, py::arg("x"), py::arg("mask"), py::arg("scale"),
        release_gil());
}

}  // namespace tilewise::bindings
