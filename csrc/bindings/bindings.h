// Shared by the binding files: each bind_*.cpp parses arguments, releases the GIL, calls one op.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>

#include "base/array.h"

namespace tilewise::bindings {

namespace py = pybind11;

// Every op runs without the GIL.
using release_gil = py::call_guard<py::gil_scoped_release>;

void bind_augment(py::module_& m);
void bind_batch_norm(py::module_& m);
void bind_dropout(py::module_& m);
void bind_interpolate(py::module_& m);
void bind_losses(py::module_& m);
void bind_normalization(py::module_& m);
void bind_optimizer(py::module_& m);
void bind_pad(py::module_& m);
void bind_pooling(py::module_& m);
void bind_runtime(py::module_& m);
void bind_array(py::module_& m);
void bind_exchange(py::module_& m);  // adds to what bind_array defines
void bind_binary(py::module_& m);
void bind_reduce(py::module_& m);
void bind_unary(py::module_& m);
void bind_select(py::module_& m);
void bind_view(py::module_& m);
void bind_scan(py::module_& m);
void bind_tape(py::module_& m);
void bind_random(py::module_& m);
void bind_indexing(py::module_& m);
void bind_conv(py::module_& m);
void bind_matmul(py::module_& m);
void bind_prelu_glu(py::module_& m);

}  // namespace tilewise::bindings

namespace pybind11::detail {

// Array <-> its Python class, which bind_array notes here: every op takes and returns arrays, and
// the general way finds the class in a table by its type_info and enters each object into another.
// The objects made here are not entered: no function hands out a reference to an array.
template <>
class type_caster<tilewise::Array> : public type_caster_generic {
 public:
  static constexpr auto name = const_name<tilewise::Array>();
  static inline const type_info* known = nullptr;

  type_caster() : type_caster_generic(known) {}

  // NOLINTNEXTLINE(bugprone-derived-method-shadowing-base-method): pybind11 calls the caster's own
  bool load(handle source, bool /*convert*/) {
    value = array_of(source);
    return value != nullptr;
  }

  // The array that an object holds; null for an object of another class.
  static tilewise::Array* array_of(handle source) {
    if (!PyObject_TypeCheck(source.ptr(), known->type)) return nullptr;
    const auto* made = reinterpret_cast<const instance*>(source.ptr());
    return made->simple_layout ? static_cast<tilewise::Array*>(made->simple_value_holder[0])
                               : nullptr;
  }

  static handle cast(tilewise::Array array, return_value_policy /*policy*/, handle /*parent*/) {
    object made = reinterpret_steal<object>(make_new_instance(known->type));
    if (!made) throw error_already_set();
    value_and_holder place = reinterpret_cast<instance*>(made.ptr())->get_value_and_holder();
    auto holder = std::make_unique<tilewise::Array>(std::move(array));
    place.value_ptr() = holder.get();
    new (std::addressof(place.holder<std::unique_ptr<tilewise::Array>>()))
        std::unique_ptr<tilewise::Array>(std::move(holder));
    place.set_holder_constructed();
    return made.release();
  }

  template <typename T>
  using cast_op_type = detail::cast_op_type<T>;
  operator tilewise::Array*() { return static_cast<tilewise::Array*>(value); }   // NOLINT
  operator tilewise::Array&() { return *static_cast<tilewise::Array*>(value); }  // NOLINT
};

// Dims <-> a sequence of Python ints. A float, a bool or a nested list is a TypeError.
template <>
struct type_caster<tilewise::Dims> {
  PYBIND11_TYPE_CASTER(tilewise::Dims, const_name("tuple[int, ...]"));

  bool load(handle source, bool /*convert*/) {
    if (!PyTuple_Check(source.ptr()) && !PyList_Check(source.ptr())) return false;
    PyObject** items = PySequence_Fast_ITEMS(source.ptr());
    const Py_ssize_t count = PySequence_Fast_GET_SIZE(source.ptr());
    value = tilewise::Dims();
    for (Py_ssize_t i = 0; i < count; ++i) {
      if (!PyLong_Check(items[i]) || PyBool_Check(items[i])) return false;
      // What no size can be stays beyond all sizes: the op refuses it in its own words.
      constexpr long long beyond = 1LL << 62;
      int overflow = 0;
      const long long size = PyLong_AsLongLongAndOverflow(items[i], &overflow);
      value.push_back(overflow == 0 ? size : overflow * beyond);
    }
    return true;
  }

  static handle cast(const tilewise::Dims& dims, return_value_policy, handle) {
    tuple out(static_cast<std::size_t>(dims.size()));
    for (int i = 0; i < dims.size(); ++i) {
      out[static_cast<std::size_t>(i)] = int_(static_cast<long long>(dims[i]));
    }
    return out.release();
  }
};

}  // namespace pybind11::detail
