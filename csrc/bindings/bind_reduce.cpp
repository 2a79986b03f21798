#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/reduce.h"
#include "ops/statistics.h"

namespace tilewise::bindings {
namespace {

using Reduction = Array (*)(const Array&, const Dims&, bool);

void bind_op(py::module_& m, const char* name, Reduction reduction) {
  m.def(name, reduction, py::arg("a"), py::arg("axes") = Dims(), py::arg("keepdims") = false,
        release_gil());
}

}  // namespace

void bind_reduce(py::module_& m) {
  bind_op(m, "sum", &sum);
  bind_op(m, "mean", &mean);
  bind_op(m, "prod", &prod);
  bind_op(m, "max", &max_values);
  bind_op(m, "min", &min_values);
  bind_op(m, "any", &any);
  bind_op(m, "all", &all);
  m.def("var", &var, py::arg("a"), py::arg("axes") = Dims(), py::arg("correction") = 1.0,
        py::arg("keepdims") = false, release_gil());
  m.def("std", &standard_deviation, py::arg("a"), py::arg("axes") = Dims(),
        py::arg("correction") = 1.0, py::arg("keepdims") = false, release_gil());
  m.def("norm", &norm, py::arg("a"), py::arg("p"), py::arg("axes") = Dims(),
        py::arg("keepdims") = false, release_gil());
  m.def("logsumexp", &log_sum_exp, py::arg("a"), py::arg("axes") = Dims(),
        py::arg("keepdims") = false, release_gil());
  m.def("sum_to", &sum_to, py::arg("a"), py::arg("shape"), release_gil());
  m.def("all_finite", &all_finite, py::arg("arrays"), release_gil());
}

}  // namespace tilewise::bindings
