#include <pybind11/numpy.h>

#include "base/convert.h"
#include "base/error.h"
#include "bindings/bindings.h"
#include "bindings/operands.h"
#include "ops/copy.h"
#include "ops/ranges.h"
#include "ops/visit_dtype.h"

namespace tilewise::bindings {
namespace {

py::dtype numpy_dtype(DType dtype) {
  return visit_dtype(dtype, [](auto tag) { return py::dtype::of<decltype(tag)>(); });
}

DType dtype_from_numpy(const py::dtype& dtype) {
  TW_CHECK_TYPE(dtype.byteorder() == '=' || dtype.byteorder() == '|',
                "from_numpy: expected native byte order, got dtype ", std::string(py::str(dtype)));
  const DType known[] = {DType::float32, DType::float64, DType::int64,  DType::int32,
                         DType::int8,    DType::uint8,   DType::boolean};
  for (DType candidate : known) {
    if (numpy_dtype(candidate).equal(dtype)) return candidate;
  }
  throw TypeError(
      concat("from_numpy: expected float32, float64, int64, int32, int8, uint8 or bool, got dtype ",
             std::string(py::str(dtype))));
}

bool can_share(const py::array& a) {
  const auto alignment = static_cast<std::uintptr_t>(a.dtype().alignment());
  if (!a.writeable() || reinterpret_cast<std::uintptr_t>(a.data()) % alignment != 0) return false;
  for (py::ssize_t i = 0; i < a.ndim(); ++i) {
    if (a.strides(i) < 0 || a.strides(i) % a.itemsize() != 0) return false;
    if (a.strides(i) == 0 && a.shape(i) > 1) return false;
  }
  return true;
}

Array from_numpy(const py::array& source) {
  TW_CHECK(source.ndim() <= Dims::max_rank, "from_numpy: expected at most ", Dims::max_rank,
           " dimensions, got ", source.ndim());
  const DType dtype = dtype_from_numpy(source.dtype());
  py::array a = source;
  if (!can_share(a)) a = py::module_::import("numpy").attr("array")(source).cast<py::array>();
  if (!can_share(a)) {  // numpy.array keeps the order of negative strides, not their sign
    a = py::module_::import("numpy").attr("ascontiguousarray")(a).cast<py::array>();
  }
  Dims shape;
  Dims strides;
  for (py::ssize_t i = 0; i < a.ndim(); ++i) {
    shape.push_back(a.shape(i));
    strides.push_back(a.strides(i) / a.itemsize());
  }
  auto* data = static_cast<std::byte*>(a.mutable_data());
  PyObject* owner = a.inc_ref().ptr();
  auto storage = std::make_shared<Storage>(data, static_cast<std::size_t>(a.nbytes()), [owner] {
    if (!Py_IsInitialized()) return;  // interpreter gone: the memory goes with the process
    py::gil_scoped_acquire gil;
    Py_DECREF(owner);
  });
  return Array(std::move(storage), data, dtype, shape, strides);
}

py::array to_numpy(const Array& a) {
  std::vector<py::ssize_t> shape(a.shape().begin(), a.shape().end());
  std::vector<py::ssize_t> strides;
  for (index_t stride : a.strides()) {
    strides.push_back(stride * static_cast<py::ssize_t>(itemsize(a.dtype())));
  }
  auto* keep = new std::shared_ptr<Storage>(a.storage());
  (*keep)->begin_export();
  const py::capsule owner(keep, [](void* p) {
    auto* storage = static_cast<std::shared_ptr<Storage>*>(p);
    (*storage)->end_export();
    delete storage;
  });
  return py::array(numpy_dtype(a.dtype()), shape, strides, a.bytes(), owner);
}

py::object item(const Array& a) {
  TW_CHECK(a.size() == 1, "item: expected a tensor of one element, got shape ",
           to_string(a.shape()));
  return visit_dtype(a.dtype(),
                     [&](auto tag) -> py::object { return py::cast(*a.data<decltype(tag)>()); });
}

Array full(const Dims& shape, const py::object& value, DType dtype) {
  Array a = Array::empty(shape, dtype);
  if (dtype == DType::int64) {  // a double would round large integers
    Array scalar = Array::empty({}, dtype);
    *scalar.data<std::int64_t>() = value.cast<std::int64_t>();
    copy_into(a, scalar);
  } else {
    fill(a, value.cast<double>());
  }
  return a;
}

Array arange_of(const py::object& start, const py::object& step, index_t count, DType dtype) {
  return arange(scalar_from("arange", start), scalar_from("arange", step), count, dtype);
}

// ---------------------------------------------------------------- attributes

// Python reads these several times a call, so they go without pybind11's way to a function.
PyObject* dtype_objects[7];  // in the order of DType

template <py::object (*read)(const Array&)>
PyObject* attribute(PyObject* self, void*) {
  try {
    const Array* a = py::detail::type_caster<Array>::array_of(self);
    TW_CHECK_TYPE(a != nullptr, "expected an Array, got one that was never made");
    return read(*a).release().ptr();
  } catch (...) {
    py::detail::try_translate_exceptions();
    return nullptr;
  }
}

py::object shape_of(const Array& a) { return py::cast(a.shape()); }
py::object strides_of(const Array& a) { return py::cast(a.strides()); }
py::object ndim_of(const Array& a) { return py::int_(a.rank()); }
py::object size_of(const Array& a) { return py::int_(a.size()); }
py::object version_of(const Array& a) { return py::int_(a.storage()->version()); }
py::object dtype_of_array(const Array& a) {
  return py::reinterpret_borrow<py::object>(dtype_objects[static_cast<int>(a.dtype())]);
}

PyGetSetDef attributes[] = {
    {"shape", &attribute<shape_of>, nullptr, "tuple[int, ...]", nullptr},
    {"strides", &attribute<strides_of>, nullptr, "tuple[int, ...]", nullptr},
    {"ndim", &attribute<ndim_of>, nullptr, "int", nullptr},
    {"size", &attribute<size_of>, nullptr, "int", nullptr},
    {"version", &attribute<version_of>, nullptr, "int", nullptr},
    {"dtype", &attribute<dtype_of_array>, nullptr, "DType", nullptr},
};

void add_attributes(const py::module_& m, const py::class_<Array>& array) {
  // The enumeration's own objects: comparing one with itself asks no method.
  const py::object dtypes = m.attr("DType");
  for (int i = 0; i < 7; ++i) {
    const auto dtype = static_cast<DType>(i);
    const char* name = dtype == DType::boolean ? "bool_" : name_of(dtype);
    dtype_objects[i] = py::object(dtypes.attr(name)).release().ptr();
  }
  auto* type = reinterpret_cast<PyTypeObject*>(array.ptr());
  for (PyGetSetDef& attribute : attributes) {
    array.attr(attribute.name) =
        py::reinterpret_steal<py::object>(PyDescr_NewGetSet(type, &attribute));
  }
}

}  // namespace

void bind_array(py::module_& m) {
  py::enum_<DType>(m, "DType", R"(The type of a tensor's elements: tw.float32, tw.int64, ….

Example:
    >>> tw.float32.name, tw.ones(2).dtype == tw.float32
    ('float32', True)
)")
      .value("float32", DType::float32)
      .value("float64", DType::float64)
      .value("int64", DType::int64)
      .value("int32", DType::int32)
      .value("int8", DType::int8)
      .value("uint8", DType::uint8)
      .value("bool_", DType::boolean);

  py::class_<Array> array(m, "Array");
  py::detail::type_caster<Array>::known = py::detail::get_type_info(typeid(Array));
  add_attributes(m, array);
  array
      .def_property_readonly(
          "nbytes",
          [](const Array& a) { return a.size() * static_cast<index_t>(itemsize(a.dtype())); })
      .def_property_readonly(
          "data_ptr", [](const Array& a) { return reinterpret_cast<std::uintptr_t>(a.bytes()); },
          "Address of the first element. Call bump_version() after writing through it: the tape "
          "and "
          "packed weights that inference keeps would not notice otherwise.")
      .def("bump_version", [](const Array& a) { a.storage()->bump_version(); })
      .def("shares_storage",
           [](const Array& a, const Array& b) { return a.storage() == b.storage(); })
      .def("is_contiguous", &Array::is_contiguous)
      .def("is_channels_last", &Array::is_channels_last)
      .def("reshape", &reshape, py::arg("shape"), release_gil())
      .def("permute", &Array::permute, py::arg("order"))
      .def("slice", &Array::slice, py::arg("dim"), py::arg("start"), py::arg("stop"),
           py::arg("step"))
      .def("expand", &Array::expand, py::arg("shape"))
      .def("copy", &clone, release_gil())
      .def("contiguous", &contiguous, release_gil())
      .def("channels_last", &channels_last, release_gil())
      .def("astype", &cast, py::arg("dtype"), release_gil())
      .def("item", &item)
      .def("fill_", &fill, py::arg("value"), release_gil())
      .def("copy_", &copy_into, py::arg("source"), release_gil())
      .def("numpy", &to_numpy)
      .def_static("from_numpy", &from_numpy, py::arg("array"))
      .def_static("empty", &Array::empty, py::arg("shape"), py::arg("dtype"))
      .def_static("full", &full, py::arg("shape"), py::arg("value"), py::arg("dtype"))
      .def_static("arange", &arange_of, py::arg("start"), py::arg("step"), py::arg("count"),
                  py::arg("dtype"))
      .def_static("linspace", &linspace, py::arg("first"), py::arg("last"), py::arg("count"),
                  py::arg("dtype"), release_gil());
}

}  // namespace tilewise::bindings
