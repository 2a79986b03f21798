#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/batch_norm.h"

namespace tilewise::bindings {
namespace {

using MaybeArray = std::optional<Array>;

Array or_none(const MaybeArray& a) { return a ? *a : Array(); }

py::tuple forward(const Array& x, const MaybeArray& weight, const MaybeArray& bias,
                  const MaybeArray& running_mean, const MaybeArray& running_var, bool training,
                  double momentum, double eps, bool relu, const MaybeArray& batch_mean,
                  const MaybeArray& batch_variance) {
  const BatchNormState state{or_none(weight),
                             or_none(bias),
                             or_none(running_mean),
                             or_none(running_var),
                             training,
                             momentum,
                             eps,
                             relu,
                             or_none(batch_mean),
                             or_none(batch_variance)};
  BatchNormResult r;
  {
    py::gil_scoped_release release;
    r = batch_norm_forward(x, state);
  }
  return py::make_tuple(r.y, r.mean, r.invstd);
}

py::tuple backward(const Array& dy, const Array& x, const MaybeArray& weight, const Array& mean,
                   const Array& invstd, bool training, bool relu, const MaybeArray& bias,
                   bool input_relu) {
  const BatchNormSaved saved{or_none(weight), mean,      invstd, training, relu,
                             or_none(bias),   input_relu};
  BatchNormGradients g;
  {
    py::gil_scoped_release release;
    g = batch_norm_backward(dy, x, saved);
  }
  return py::make_tuple(g.dx, g.dweight, g.dbias);
}

}  // namespace

void bind_batch_norm(py::module_& m) {
  m.def("batch_norm_forward", &forward, py::arg("x"), py::arg("weight") = py::none(),
        py::arg("bias") = py::none(), py::arg("running_mean") = py::none(),
        py::arg("running_var") = py::none(), py::arg("training") = true, py::arg("momentum") = 0.1,
        py::arg("eps") = 1e-5, py::arg("relu") = false, py::arg("batch_mean") = py::none(),
        py::arg("batch_variance") = py::none());
  m.def("batch_norm_backward", &backward, py::arg("dy"), py::arg("x"), py::arg("weight").none(true),
        py::arg("mean"), py::arg("invstd"), py::arg("training"), py::arg("relu") = false,
        py::arg("bias") = py::none(), py::arg("input_relu") = false);
}

}  // namespace tilewise::bindings
