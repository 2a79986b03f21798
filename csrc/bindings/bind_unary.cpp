#include "bindings/bindings.h"
#include "ops/unary.h"

namespace tilewise::bindings {

void bind_unary(py::module_& m) {
  for (int i = 0; i <= static_cast<int>(UnaryOp::isfinite); ++i) {
    const auto op = static_cast<UnaryOp>(i);
    m.def(name_of(op), [op](const Array& x) { return unary(op, x); }, py::arg("x"), release_gil());
  }
  m.def("logical_not", &logical_not, py::arg("x"), release_gil());
}

}  // namespace tilewise::bindings
