#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/norms.h"
#include "ops/reduce.h"
#include "ops/statistics.h"

namespace tilewise::bindings {

// The dimensions to reduce: None for all (an empty list), an int, or several.
struct Axes {
  Dims dims;
};

}  // namespace tilewise::bindings

namespace pybind11::detail {

template <>
struct type_caster<tilewise::bindings::Axes> {
  PYBIND11_TYPE_CASTER(tilewise::bindings::Axes, const_name("int | tuple[int, ...] | None"));

  bool load(handle source, bool convert) {
    value.dims = tilewise::Dims();
    if (source.is_none()) return true;
    if (PyLong_CheckExact(source.ptr()) == 0) {
      make_caster<tilewise::Dims> several;
      if (!several.load(source, convert)) return false;
      value.dims = static_cast<tilewise::Dims&>(several);
      return true;
    }
    make_caster<tilewise::index_t> one;
    if (!one.load(source, false)) return false;
    value.dims.push_back(static_cast<tilewise::index_t>(one));
    return true;
  }

  static handle cast(const tilewise::bindings::Axes& axes, return_value_policy policy, handle at) {
    return make_caster<tilewise::Dims>::cast(axes.dims, policy, at);
  }
};

}  // namespace pybind11::detail

namespace tilewise::bindings {
namespace {

using Reduction = Array (*)(const Array&, const Dims&, bool);

void bind_op(py::module_& m, const char* name, Reduction reduction) {
  m.def(
      name,
      [reduction](const Array& a, const Axes& axes, bool keepdims) {
        return reduction(a, axes.dims, keepdims);
      },
      py::arg("a"), py::arg("axes") = py::none(), py::arg("keepdims") = false, release_gil());
}

using Spread = Array (*)(const Array&, const Dims&, double, bool);

void bind_spread(py::module_& m, const char* name, Spread spread) {
  m.def(
      name,
      [spread](const Array& a, const Axes& axes, double correction, bool keepdims) {
        return spread(a, axes.dims, correction, keepdims);
      },
      py::arg("a"), py::arg("axes") = py::none(), py::arg("correction") = 1.0,
      py::arg("keepdims") = false, release_gil());
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
  bind_spread(m, "var", &var);
  bind_spread(m, "std", &standard_deviation);
  m.def(
      "norm",
      [](const Array& a, double p, const Axes& axes, bool keepdims) {
        return vector_norm(a, p, axes.dims, keepdims);
      },
      py::arg("a"), py::arg("p"), py::arg("axes") = py::none(), py::arg("keepdims") = false,
      release_gil());
  m.def("renorm", &renorm, py::arg("a"), py::arg("p"), py::arg("axis"), py::arg("limit"),
        release_gil());
  bind_op(m, "logsumexp", &log_sum_exp);
  m.def("sum_to", &sum_to, py::arg("a"), py::arg("shape"), release_gil());
  m.def("all_finite", &all_finite, py::arg("arrays"), release_gil());
}

}  // namespace tilewise::bindings
