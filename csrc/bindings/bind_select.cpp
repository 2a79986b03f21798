#include <optional>

#include "bindings/bindings.h"
#include "bindings/operands.h"
#include "ops/select.h"

namespace tilewise::bindings {

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
}

}  // namespace tilewise::bindings
