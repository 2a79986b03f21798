#include <optional>

#include "bindings/bindings.h"
#include "bindings/operands.h"
#include "ops/pointwise.h"
#include "ops/select.h"

namespace tilewise::bindings {
namespace {

void bind_product(py::module_& m, const char* name,
                  Array (*function)(const Array&, const Array&, const Array&, const Scalar&)) {
  m.def(
      name,
      [name, function](const Array& a, const Array& b, const Array& c, const py::object& value) {
        const Scalar scale = scalar_from(name, value);
        py::gil_scoped_release release;
        return function(a, b, c, scale);
      },
      py::arg("a"), py::arg("b"), py::arg("c"), py::arg("value"));
}

}  // namespace

void bind_select(py::module_& m) {
  m.def(
      "where",
      [](const Array& condition, const py::object& a, const py::object& b) {
        const Operand left = operand_from("where", a);
        const Operand right = operand_from("where", b);
        py::gil_scoped_release release;
        return where(condition, left, right);
      },
      py::arg("condition"), py::arg("a"), py::arg("b"));
  m.def(
      "clamp",
      [](const Array& a, const py::object& low, const py::object& high) {
        std::optional<Operand> lower;
        std::optional<Operand> upper;
        if (!low.is_none()) lower = operand_from("clamp", low);
        if (!high.is_none()) upper = operand_from("clamp", high);
        py::gil_scoped_release release;
        return clamp(a, lower ? &*lower : nullptr, upper ? &*upper : nullptr);
      },
      py::arg("a"), py::arg("low") = py::none(), py::arg("high") = py::none());
  m.def(
      "clamp_backward",
      [](const Array& dy, const Array& a, const py::object& low, const py::object& high) {
        std::optional<Operand> lower;
        std::optional<Operand> upper;
        if (!low.is_none()) lower = operand_from("clamp", low);
        if (!high.is_none()) upper = operand_from("clamp", high);
        py::gil_scoped_release release;
        return clamp_backward(dy, a, lower ? &*lower : nullptr, upper ? &*upper : nullptr);
      },
      py::arg("dy"), py::arg("a"), py::arg("low") = py::none(), py::arg("high") = py::none());
  m.def(
      "lerp",
      [](const Array& a, const Array& b, const py::object& weight) {
        const Operand w = operand_from("lerp", weight);
        py::gil_scoped_release release;
        return lerp(a, b, w);
      },
      py::arg("a"), py::arg("b"), py::arg("weight"));
  bind_product(m, "addcmul", &addcmul);
  bind_product(m, "addcdiv", &addcdiv);
  m.def(
      "isclose",
      [](const Array& a, const py::object& b, double rtol, double atol, bool equal_nan) {
        const Operand other = operand_from("isclose", b);
        py::gil_scoped_release release;
        return isclose(a, other, rtol, atol, equal_nan);
      },
      py::arg("a"), py::arg("b"), py::arg("rtol"), py::arg("atol"), py::arg("equal_nan"));
  m.def("nan_to_num", &nan_to_num, py::arg("a"), py::arg("nan"), py::arg("posinf"),
        py::arg("neginf"), release_gil());
  m.def("heaviside", &heaviside, py::arg("a"), py::arg("at_zero"), release_gil());
  m.def("cross", &cross, py::arg("a"), py::arg("b"), py::arg("axis"), release_gil());
}

}  // namespace tilewise::bindings
