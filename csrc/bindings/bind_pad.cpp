#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/pad.h"

namespace tilewise::bindings {
namespace {

// Zeros around the last dimensions, amounts as (before, after) from the last one on. None where
// these are anything but a tuple of ints that fits.
std::optional<Array> pad_plain(const Array& x, py::handle amounts) {
  if (PyTuple_CheckExact(amounts.ptr()) == 0) return std::nullopt;
  const auto count = static_cast<int>(PyTuple_GET_SIZE(amounts.ptr()));
  const int rank = x.rank();
  if (count % 2 != 0 || count > 2 * rank) return std::nullopt;
  PadAmounts a{Dims(rank, 0), Dims(rank, 0), Border::zeros};
  for (int i = 0; i < count; ++i) {
    PyObject* item = PyTuple_GET_ITEM(amounts.ptr(), i);
    if (!PyLong_CheckExact(item)) return std::nullopt;
    int overflow = 0;
    const long long amount = PyLong_AsLongLongAndOverflow(item, &overflow);
    if (overflow != 0) return std::nullopt;
    (i % 2 == 0 ? a.before : a.after)[rank - 1 - i / 2] = amount;
  }
  const py::gil_scoped_release release;
  return pad(x, a, std::nullopt);
}

}  // namespace

void bind_pad(py::module_& m) {
  m.def("pad_plain", &pad_plain, py::arg("x"), py::arg("amounts"));
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
