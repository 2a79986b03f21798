#include <pybind11/stl.h>

#include <algorithm>
#include <limits>

#include "bindings/arguments.h"
#include "ops/pad.h"

namespace tilewise::bindings {
namespace {

// The amounts of a list or tuple, (before, after) from the last dimension on. False where these are
// anything but pairs of ints, at most one for each dimension.
bool read_amounts(py::handle amounts, PadAmounts& a) {
  const bool many = PyTuple_CheckExact(amounts.ptr()) != 0 || PyList_CheckExact(amounts.ptr()) != 0;
  if (!many) return false;
  const int rank = a.before.size();
  const auto count = PySequence_Fast_GET_SIZE(amounts.ptr());
  if (count % 2 != 0 || count > 2 * rank) return false;
  for (int i = 0; i < static_cast<int>(count); ++i) {
    constexpr index_t least = -std::numeric_limits<std::int32_t>::max();
    index_t& amount = (i % 2 == 0 ? a.before : a.after)[rank - 1 - i / 2];
    if (!read_int(PySequence_Fast_ITEMS(amounts.ptr())[i], least, amount)) return false;
  }
  return true;
}

// Whether a border can be taken from a tensor of this rank: all but the first one or two of at most
// five dimensions are given, and what repeats is whole.
bool takes_border(const PadAmounts& a, index_t given) {
  const index_t rank = a.before.size();
  if (given < 1 || given > 3 || (rank != given + 1 && rank != given + 2)) return false;
  const auto cut = [](index_t amount) { return amount < 0; };
  return a.border != Border::circular || (std::none_of(a.before.begin(), a.before.end(), cut) &&
                                          std::none_of(a.after.begin(), a.after.end(), cut));
}

// A border of plain amounts, of zeros in mode "constant": the result alone, or where it is recorded
// (result, before, after, border). None for anything else.
py::object pad_plain(const Array& x, py::handle amounts, py::handle mode, bool recorded) {
  if (PyUnicode_CheckExact(mode.ptr()) == 0) return py::none();
  constexpr std::pair<const char*, Border> modes[] = {{"constant", Border::zeros},
                                                      {"reflect", Border::reflect},
                                                      {"replicate", Border::replicate},
                                                      {"circular", Border::circular}};
  const auto* named = std::find_if(std::begin(modes), std::end(modes), [mode](const auto& known) {
    return PyUnicode_CompareWithASCIIString(mode.ptr(), known.first) == 0;
  });
  if (named == std::end(modes)) return py::none();
  PadAmounts a{Dims(x.rank(), 0), Dims(x.rank(), 0), named->second};
  if (!read_amounts(amounts, a)) return py::none();
  if (a.border != Border::zeros && !takes_border(a, PySequence_Fast_GET_SIZE(amounts.ptr()) / 2)) {
    return py::none();
  }
  Array y;
  {
    const py::gil_scoped_release release;
    y = pad(x, a, std::nullopt);
  }
  if (!recorded) return py::cast(std::move(y));
  const char* border = a.border == Border::zeros ? "zeros" : named->first;
  return py::make_tuple(std::move(y), a.before, a.after, border);
}

}  // namespace

void bind_pad(py::module_& m) {
  m.def("pad_plain", &pad_plain, py::arg("x"), py::arg("amounts"), py::arg("mode"),
        py::arg("recorded"));
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
