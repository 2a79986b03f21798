#include <string>

#include "base/error.h"
#include "bindings/bindings.h"
#include "ops/unary.h"

namespace tilewise::bindings {
namespace {

// f, f_ (in place) and f_backward.
void bind_plain(py::module_& m, UnaryOp op, const std::string& name) {
  m.def(name.c_str(), [op](const Array& x) { return unary(op, x); }, py::arg("x"), release_gil());
  m.def((name + "_").c_str(), [op](const Array& x) { unary_(op, x); }, py::arg("x"), release_gil());
  m.def((name + "_backward").c_str(),
        [op](const Array& dy, const Array& kept) { return unary_backward(op, dy, kept); },
        py::arg("dy"), py::arg("kept"), release_gil());
}

// The same with the row's parameters.
void bind_with_parameters(py::module_& m, UnaryOp op, const std::string& name) {
  const auto a = py::arg("a") = 0.0;
  const auto b = py::arg("b") = 0.0;
  const auto c = py::arg("c") = 0.0;
  m.def(
      name.c_str(),
      [op](const Array& x, double a, double b, double c) { return unary(op, x, {a, b, c}); },
      py::arg("x"), a, b, c, release_gil());
  m.def((name + "_").c_str(),
        [op](const Array& x, double a, double b, double c) { unary_(op, x, {a, b, c}); },
        py::arg("x"), a, b, c, release_gil());
  m.def((name + "_backward").c_str(),
        [op](const Array& dy, const Array& kept, double a, double b, double c) {
          return unary_backward(op, dy, kept, {a, b, c});
        },
        py::arg("dy"), py::arg("kept"), a, b, c, release_gil());
}

}  // namespace

void bind_unary(py::module_& m) {
  for (int i = 0; i < unary_functions; ++i) {
    const auto op = static_cast<UnaryOp>(i);
    if (domain_of(op) == UnaryDomain::floating) {
      bind_with_parameters(m, op, name_of(op));
    } else {
      bind_plain(m, op, name_of(op));
    }
  }
  for (int i = unary_functions; i < unary_ops; ++i) {
    const auto op = static_cast<UnaryOp>(i);
    m.def(name_of(op), [op](const Array& x) { return unary(op, x); }, py::arg("x"), release_gil());
  }
  // What f_backward wants as `kept`.
  m.def(
      "unary_reads",
      [](const std::string& name) {
        constexpr const char* words[] = {"", "input", "output"};
        for (int i = 0; i < unary_functions; ++i) {
          const auto op = static_cast<UnaryOp>(i);
          if (name == name_of(op)) return words[static_cast<int>(reads_of(op))];
        }
        throw ValueError(concat("unary_reads: no function '", name, "'"));
      },
      py::arg("name"));
  m.def("logical_not", &logical_not, py::arg("x"), release_gil());
}

}  // namespace tilewise::bindings
