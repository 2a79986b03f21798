#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "bindings/arguments.h"
#include "ops/interpolate.h"
#include "ops/pooling.h"
#include "ops/shuffle.h"

namespace tilewise::bindings {
namespace {

// The modes of functional/interpolate.py: names here and in the core, the least and the largest
// number of spatial dimensions, whether align_corners means something.
struct Mode {
  const char* name;
  const char* core;
  int least;
  int most;
  bool corners;
};
constexpr Mode modes[] = {
    {"nearest", "nearest", 1, 3, false}, {"nearest-exact", "nearest-exact", 1, 3, false},
    {"area", "area", 1, 3, false},       {"linear", "linear", 1, 1, true},
    {"bilinear", "linear", 2, 2, true},  {"trilinear", "linear", 3, 3, true},
    {"bicubic", "cubic", 2, 2, true}};

// None, True or False; false for anything else.
bool read_choice(py::handle value, bool& out) {
  out = value.ptr() == Py_True;
  return out || value.is_none() || value.ptr() == Py_False;
}

bool read_number(PyObject* value, double& number) {
  index_t whole = 0;
  if (PyFloat_CheckExact(value) != 0) {
    number = PyFloat_AS_DOUBLE(value);
  } else if (read_int(value, 1, whole)) {
    number = static_cast<double>(whole);
  } else {
    return false;
  }
  return number > 0 && number <= std::numeric_limits<std::int32_t>::max();
}

// One number for all dimensions, or a tuple with one for each.
bool read_numbers(py::handle value, int count, std::vector<double>& out) {
  const bool many = PyTuple_CheckExact(value.ptr()) != 0;
  if (many && PyTuple_GET_SIZE(value.ptr()) != count) return false;
  for (int i = 0; i < count; ++i) {
    double number = 0;
    PyObject* item = many ? PyTuple_GET_ITEM(value.ptr(), i) : value.ptr();
    if (!read_number(item, number)) return false;
    out.push_back(number);
  }
  return true;
}

// The output's sizes from those that are wanted, or from factors. False for anything but one of
// both in numbers that leave pixels.
bool read_sizes(const Array& x, py::handle size, py::handle factor, bool recompute, Dims& sizes,
                std::vector<double>& scales) {
  const int dims = x.rank() - 2;
  if (size.is_none() == factor.is_none()) return false;
  if (!size.is_none()) return !recompute && read_ints(size, dims, 1, sizes);
  if (!read_numbers(factor, dims, scales)) return false;
  for (int i = 0; i < dims; ++i) {
    const double pixels =
        std::floor(static_cast<double>(x.extent(i + 2)) * scales[static_cast<std::size_t>(i)]);
    if (pixels < 1 || pixels > std::numeric_limits<std::int32_t>::max()) return false;
    sizes.push_back(static_cast<index_t>(pixels));
  }
  if (recompute) scales.clear();
  return true;
}

// A call of plain settings: the result, and where it is recorded (result, mode, align_corners,
// antialias, scales) for the backward. None for anything else.
py::object interpolate_plain(const Array& x, py::handle size, py::handle scale_factor,
                             py::handle mode, py::handle align_corners, py::handle recompute,
                             py::handle antialias, bool recorded) {
  const int dims = x.rank() - 2;
  if (PyUnicode_CheckExact(mode.ptr()) == 0) return py::none();
  const Mode* named = std::find_if(std::begin(modes), std::end(modes), [mode](const Mode& known) {
    return PyUnicode_CompareWithASCIIString(mode.ptr(), known.name) == 0;
  });
  bool corners = false;
  bool again = false;
  if (named == std::end(modes) || dims < named->least || dims > named->most ||
      antialias.ptr() != Py_False || !read_choice(align_corners, corners) ||
      !read_choice(recompute, again) || (!named->corners && !align_corners.is_none())) {
    return py::none();
  }
  Dims sizes;
  Interpolation how{named->core, corners, false, {}};
  if (!read_sizes(x, size, scale_factor, again, sizes, how.scales)) return py::none();
  Array y;
  {
    const py::gil_scoped_release release;
    y = how.mode == "area" ? adaptive_avg_pool_forward(x, sizes)
                           : interpolate_forward(x, sizes, how);
  }
  if (!recorded) return py::cast(std::move(y));
  return py::make_tuple(std::move(y), named->core, corners, false, how.scales);
}

}  // namespace

void bind_interpolate(py::module_& m) {
  m.def("pixel_shuffle", &pixel_shuffle, py::arg("x"), py::arg("factor"), release_gil());
  m.def("pixel_unshuffle", &pixel_unshuffle, py::arg("x"), py::arg("factor"), release_gil());
  m.def("channel_shuffle", &channel_shuffle, py::arg("x"), py::arg("groups"), release_gil());
  m.def("interpolate_plain", &interpolate_plain, py::arg("x"), py::arg("size"),
        py::arg("scale_factor"), py::arg("mode"), py::arg("align_corners"), py::arg("recompute"),
        py::arg("antialias"), py::arg("recorded"));
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
