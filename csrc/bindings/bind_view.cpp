#include <pybind11/stl.h>

#include "base/error.h"
#include "bindings/bindings.h"
#include "bindings/operands.h"
#include "ops/among_zeros.h"
#include "ops/copy.h"
#include "ops/view.h"

namespace tilewise::bindings {
namespace {

// An index that is cut out of strides alone.
struct BasicIndex {
  Dims shape;
  Dims strides;
  index_t offset = 0;
};

bool is_integer(PyObject* item) { return PyLong_Check(item) && !PyBool_Check(item); }

// Integers, slices with a positive step, `...` and None. False for anything else, and for what is
// out of range: the caller then takes the slow way, which tells what is wrong.
bool parse(const Array& a, PyObject** items, Py_ssize_t count, BasicIndex& index) {
  Py_ssize_t used = 0;
  bool dots = false;
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (items[i] == Py_None) continue;
    if (items[i] == Py_Ellipsis) {
      if (dots) return false;
      dots = true;
      continue;
    }
    if (!is_integer(items[i]) && !PySlice_Check(items[i])) return false;
    ++used;
  }
  if (used > a.rank() || count - used + a.rank() > Dims::max_rank) return false;
  int dim = 0;
  const auto keep = [&](index_t extent, index_t stride) {
    index.shape.push_back(extent);
    index.strides.push_back(stride);
  };
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (items[i] == Py_None) {
      keep(1, 1);
    } else if (items[i] == Py_Ellipsis) {
      for (Py_ssize_t k = a.rank() - used; k > 0; --k, ++dim) keep(a.extent(dim), a.strides()[dim]);
    } else if (PySlice_Check(items[i])) {
      Py_ssize_t start = 0;
      Py_ssize_t stop = 0;
      Py_ssize_t step = 0;
      if (PySlice_Unpack(items[i], &start, &stop, &step) < 0) {
        PyErr_Clear();
        return false;
      }
      if (step < 1) return false;
      const Py_ssize_t length = PySlice_AdjustIndices(a.extent(dim), &start, &stop, step);
      const index_t stride = a.strides()[dim];
      if (length > 0) index.offset += start * stride;
      keep(length, length > 1 ? stride * step : stride);
      ++dim;
    } else {
      int overflow = 0;
      index_t at = PyLong_AsLongLongAndOverflow(items[i], &overflow);
      if (at < 0) at += a.extent(dim);
      if (overflow != 0 || at < 0 || at >= a.extent(dim)) return false;
      index.offset += at * a.strides()[dim];
      ++dim;
    }
  }
  for (; dim < a.rank(); ++dim) keep(a.extent(dim), a.strides()[dim]);
  return true;
}

bool parse(const Array& a, const py::handle& given, BasicIndex& index) {
  PyObject* item = given.ptr();
  if (!PyTuple_Check(item)) return parse(a, &item, 1, index);
  return parse(a, PySequence_Fast_ITEMS(item), PyTuple_GET_SIZE(item), index);
}

py::object basic_index(const Array& a, const py::object& given) {
  BasicIndex index;
  if (!parse(a, given, index)) return py::none();
  // An empty view may point nowhere.
  const index_t offset = element_count(index.shape) > 0 ? index.offset : 0;
  return py::cast(a.with_layout(index.shape, index.strides, offset));
}

bool is_broadcastable(const Dims& from, const Dims& to) {
  const int added = to.size() - from.size();
  for (int i = 0; i < from.size(); ++i) {
    if (added < 0 || (from[i] != 1 && from[i] != to[i + added])) return false;
  }
  return true;
}

// a[index] = value where the index is basic and the value is an array or a number; false otherwise.
bool set_basic(const Array& a, const py::object& given, const py::object& value) {
  BasicIndex index;
  if (!parse(a, given, index)) return false;
  const index_t offset = element_count(index.shape) > 0 ? index.offset : 0;
  const Array target = a.with_layout(index.shape, index.strides, offset);
  if (const Array* source = py::detail::type_caster<Array>::array_of(value)) {
    if (!is_broadcastable(source->shape(), target.shape())) return false;
    py::gil_scoped_release release;
    copy_into(target, *source);
    return true;
  }
  if (PyFloat_CheckExact(value.ptr())) {
    fill(target, PyFloat_AS_DOUBLE(value.ptr()));
    return true;
  }
  return false;
}

std::vector<Array> split_evenly(const Array& a, index_t size, index_t dim) {
  TW_CHECK(a.rank() > 0, "split: expected at least 1 dimension, got a scalar");
  const index_t extent = a.extent(static_cast<int>(dim < 0 ? dim + a.rank() : dim));
  std::vector<index_t> lengths;
  for (index_t start = 0; start < extent; start += size) {
    lengths.push_back(extent - start < size ? extent - start : size);
  }
  if (lengths.empty()) lengths.push_back(0);
  return split(a, lengths, dim);
}

}  // namespace

void bind_view(py::module_& m) {
  m.def("basic_index", &basic_index, py::arg("a"), py::arg("index"));
  m.def("set_basic", &set_basic, py::arg("a"), py::arg("index"), py::arg("value"));
  m.def("empty_around", &empty_around, py::arg("values"), py::arg("shape"));
  m.def("write_among_zeros", &write_among_zeros, py::arg("whole"), py::arg("view"),
        py::arg("values"), release_gil());
  m.def("squeeze", py::overload_cast<const Array&>(&squeeze), py::arg("a"));
  m.def("squeeze", py::overload_cast<const Array&, const Dims&>(&squeeze), py::arg("a"),
        py::arg("dims"));
  m.def("unsqueeze", &unsqueeze, py::arg("a"), py::arg("dim"));
  m.def("transpose", &transpose, py::arg("a"), py::arg("dim0"), py::arg("dim1"));
  m.def("diagonal", &diagonal, py::arg("a"), py::arg("offset"), py::arg("dim1"), py::arg("dim2"));
  m.def("windows", &windows, py::arg("a"), py::arg("dim"), py::arg("size"), py::arg("step"));
  m.def("split", &split, py::arg("a"), py::arg("lengths"), py::arg("dim"));
  m.def("split_evenly", &split_evenly, py::arg("a"), py::arg("size"), py::arg("dim"));
  m.def("split_at", &split_at, py::arg("a"), py::arg("cuts"), py::arg("dim"));
  m.def("split_into", &split_into, py::arg("a"), py::arg("sections"), py::arg("dim"));
  m.def("movedim", &movedim, py::arg("a"), py::arg("source"), py::arg("destination"));
  m.def("expand", &expand_to, py::arg("a"), py::arg("sizes"));
  m.def("broadcast", &broadcast_arrays, py::arg("arrays"));
  m.def("meshgrid", &grid_of, py::arg("vectors"), py::arg("swapped"));
  m.def("unbind", &unbind, py::arg("a"), py::arg("dim"));
}

}  // namespace tilewise::bindings
