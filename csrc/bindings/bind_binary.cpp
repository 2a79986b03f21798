#include "base/error.h"
#include "bindings/bindings.h"
#include "bindings/operands.h"
#include "ops/binary.h"

namespace tilewise::bindings {

Scalar scalar_from(const char* op, py::handle value) {
  if (PyBool_Check(value.ptr())) return Scalar::of(value.ptr() == Py_True);
  if (PyFloat_Check(value.ptr())) return Scalar::of(PyFloat_AS_DOUBLE(value.ptr()));
  if (PyIndex_Check(value.ptr())) {
    const auto index = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
    if (!index) throw py::error_already_set();
    int overflow = 0;
    const long long integer = PyLong_AsLongLongAndOverflow(index.ptr(), &overflow);
    TW_CHECK(overflow == 0, op, ": the integer ", std::string(py::str(index)),
             " does not fit 64 bits");
    if (integer == -1 && PyErr_Occurred() != nullptr) throw py::error_already_set();
    return Scalar::of(static_cast<std::int64_t>(integer));
  }
  const PyNumberMethods* number = Py_TYPE(value.ptr())->tp_as_number;
  if (number != nullptr && number->nb_float != nullptr) {  // NumPy's float32 among others
    const double floating = PyFloat_AsDouble(value.ptr());
    if (floating == -1.0 && PyErr_Occurred() != nullptr) throw py::error_already_set();
    return Scalar::of(floating);
  }
  throw TypeError(concat(op, ": expected an array or a number, got ",
                         std::string(py::str(py::type::handle_of(value)))));
}

Operand operand_from(const char* op, py::handle value) {
  if (const Array* array = py::detail::type_caster<Array>::array_of(value)) return *array;
  return scalar_from(op, value);
}

namespace {

void bind_op(py::module_& m, BinaryOp op) {
  m.def(
      name_of(op),
      [op](const py::object& a, const py::object& b) {
        const Operand left = operand_from(name_of(op), a);
        const Operand right = operand_from(name_of(op), b);
        py::gil_scoped_release release;
        return binary(op, left, right);
      },
      py::arg("a"), py::arg("b"));
}

void bind_in_place(py::module_& m, const char* name, BinaryOp op) {
  m.def(
      name,
      [op, name](const Array& a, const py::object& b) {
        const Operand right = operand_from(name, b);
        py::gil_scoped_release release;
        binary_in_place(op, a, right);
      },
      py::arg("a"), py::arg("b"));
}

}  // namespace

void bind_binary(py::module_& m) {
  for (int op = 0; op <= static_cast<int>(BinaryOp::logical_xor); ++op) {
    bind_op(m, static_cast<BinaryOp>(op));
  }
  bind_in_place(m, "sub_", BinaryOp::sub);
  bind_in_place(m, "mul_", BinaryOp::mul);
  bind_in_place(m, "div_", BinaryOp::div);
  bind_in_place(m, "mul_scalar_", BinaryOp::mul);
  m.def(
      "add_",
      [](const Array& a, const py::object& b, const py::object& alpha) {
        const Operand right = operand_from("add_", b);
        const Scalar scale = scalar_from("add_", alpha);
        py::gil_scoped_release release;
        add_in_place(a, right, scale);
      },
      py::arg("a"), py::arg("b"), py::arg("alpha") = 1);
}

}  // namespace tilewise::bindings
