#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/batch_norm.h"

namespace tilewise::bindings {
namespace {

using MaybeArray = std::optional<Array>;

Array or_none(const MaybeArray& a) { return a ? *a : Array(); }

py::tuple forward(const Array& x, const MaybeArray& weight, const MaybeArray& bias,
                  const MaybeArray& running_mean, const MaybeArray& running_var, bool training,
                  double momentum, double eps) {
  const BatchNormState state{or_none(weight),
                             or_none(bias),
                             or_none(running_mean),
                             or_none(running_var),
                             training,
                             momentum,
                             eps};
  BatchNormResult r;
  {
    py::gil_scoped_release release;
    r = batch_norm_forward(x, state);
  }
  return py::make_tuple(r.y, r.mean, r.invstd);
}

py::tuple backward(const Array& dy, const Array& x, const MaybeArray& weight, const Array& mean,
                   const Array& invstd, bool training) {
  BatchNormGradients g;
  {
    py::gil_scoped_release release;
    g = batch_norm_backward(dy, x, or_none(weight), mean, invstd, training);
  }
  return py::make_tuple(g.dx, g.dweight, g.dbias);
}

}  // namespace

void bind_batch_norm(py::module_& m) {
  m.def("batch_norm_forward", &forward, py::arg("x"), py::arg("weight") = py::none(),
        py::arg("bias") = py::none(), py::arg("running_mean") = py::none(),
        py::arg("running_var") = py::none(), py::arg("training") = true, py::arg("momentum") = 0.1,
        py::arg("eps") = 1e-5);
  m.def("batch_norm_backward", &backward, py::arg("dy"), py::arg("x"), py::arg("weight").none(true),
        py::arg("mean"), py::arg("invstd"), py::arg("training"));
}

}  // namespace tilewise::bindings
