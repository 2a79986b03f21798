#include "bindings/arguments.h"

#include <limits>

#include "base/error.h"

namespace tilewise::bindings {
namespace {

template <typename... Rest>
py::object asked(const char* helper, const Rest&... rest) {
  return py::module_::import("tilewise._arguments").attr(helper)(rest...);
}

}  // namespace

bool read_int(PyObject* value, index_t least, index_t& number) {
  if (!PyLong_CheckExact(value)) return false;
  int overflow = 0;
  number = PyLong_AsLongLongAndOverflow(value, &overflow);
  return overflow == 0 && number >= least && number <= std::numeric_limits<std::int32_t>::max();
}

bool read_ints(py::handle value, int count, index_t least, Dims& out) {
  index_t number = 0;
  if (PyTuple_CheckExact(value.ptr()) != 0 && PyTuple_GET_SIZE(value.ptr()) == count) {
    Dims numbers;
    for (int i = 0; i < count; ++i) {
      if (!read_int(PyTuple_GET_ITEM(value.ptr(), i), least, number)) return false;
      numbers.push_back(number);
    }
    out = numbers;
    return true;
  }
  if (!read_int(value.ptr(), least, number)) return false;
  out = Dims(count, number);
  return true;
}

Dims Arguments::ints(const char* name, py::handle value, int count, index_t least) const {
  Dims out;
  if (read_ints(value, count, least, out)) return out;
  return asked("as_tuple", op_, name, value, count, least).cast<Dims>();
}

index_t Arguments::integer(const char* name, py::handle value, index_t least) const {
  index_t number = 0;
  if (read_int(value.ptr(), least, number)) return number;
  return asked("as_int", op_, name, value, least).cast<index_t>();
}

bool Arguments::flag(const char* name, py::handle value) const {
  if (value.ptr() == Py_True) return true;
  if (value.ptr() == Py_False) return false;
  return asked("as_bool", op_, name, value).cast<bool>();
}

double Arguments::number(const char* name, py::handle value) const {
  if (PyFloat_CheckExact(value.ptr())) return PyFloat_AS_DOUBLE(value.ptr());
  return asked("as_float", op_, name, value).cast<double>();
}

Images::Images(const Arguments& a, const Array& x, int dims)
    : batch_(x), single_(x.rank() == dims + 1) {
  constexpr const char* axes[] = {"", "(N, C, L)", "(N, C, H, W)", "(N, C, D, H, W)"};
  TW_CHECK(single_ || x.rank() == dims + 2, a.op(), ": expected input of shape ", axes[dims],
           ", with or without N, got ", to_string(x.shape()));
  TW_CHECK_TYPE(is_floating(x.dtype()), a.op(),
                ": expected input of dtype float32 or float64, got ", name_of(x.dtype()));
  if (single_) batch_ = unsqueeze(x, 0);
}

}  // namespace tilewise::bindings
