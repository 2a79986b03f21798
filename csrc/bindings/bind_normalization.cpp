#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/group_norm.h"
#include "ops/layer_norm.h"
#include "ops/local_response.h"
#include "ops/unit_norm.h"

namespace tilewise::bindings {
namespace {

using MaybeArray = std::optional<Array>;

Array or_none(const MaybeArray& a) { return a ? *a : Array(); }

MaybeArray maybe(const Array& a) { return a.defined() ? MaybeArray(a) : std::nullopt; }

template <typename Run>
auto without_gil(const Run& run) {
  const py::gil_scoped_release release;
  return run();
}

py::tuple group_forward(const Array& x, index_t groups, const MaybeArray& weight,
                        const MaybeArray& bias, double eps) {
  const GroupNormState state{
      "group_norm", groups, or_none(weight), or_none(bias), Array(), Array(), 0, eps, false};
  const GroupNormResult r = without_gil([&] { return group_norm_forward(x, state); });
  return py::make_tuple(r.y, r.mean, r.invstd);
}

py::tuple instance_forward(const Array& x, const MaybeArray& running_mean,
                           const MaybeArray& running_var, const MaybeArray& weight,
                           const MaybeArray& bias, double momentum, double eps) {
  const index_t channels = x.rank() >= 2 && x.extent(1) > 0 ? x.extent(1) : 1;
  const GroupNormState state{"instance_norm",
                             channels,
                             or_none(weight),
                             or_none(bias),
                             or_none(running_mean),
                             or_none(running_var),
                             momentum,
                             eps,
                             true};
  const GroupNormResult r = without_gil([&] { return group_norm_forward(x, state); });
  return py::make_tuple(r.y, r.mean, r.invstd);
}

py::tuple group_backward(const Array& dy, const Array& x, const MaybeArray& weight,
                         const Array& mean, const Array& invstd) {
  const GroupNormGradients g =
      without_gil([&] { return group_norm_backward(dy, x, or_none(weight), mean, invstd); });
  return py::make_tuple(g.dx, g.dweight, g.dbias);
}

LayerNormState layer_state(const Dims& shape, const MaybeArray& weight, const MaybeArray& bias,
                           double eps, bool centred) {
  return {centred ? "layer_norm" : "rms_norm", shape, or_none(weight), or_none(bias), eps, centred};
}

py::tuple layer_forward(const Array& x, const Dims& shape, const MaybeArray& weight,
                        const MaybeArray& bias, double eps, bool centred) {
  const LayerNormState state = layer_state(shape, weight, bias, eps, centred);
  const LayerNormResult r = without_gil([&] { return layer_norm_forward(x, state); });
  return py::make_tuple(r.y, r.statistics);
}

py::tuple layer_backward(const Array& dy, const Array& x, const Dims& shape,
                         const MaybeArray& weight, const Array& statistics, double eps,
                         bool centred, bool parameters) {
  const LayerNormState state = layer_state(shape, weight, std::nullopt, eps, centred);
  const LayerNormGradients g =
      without_gil([&] { return layer_norm_backward(dy, x, state, statistics, parameters); });
  return py::make_tuple(g.dx, maybe(g.dweight), maybe(g.dbias));
}

py::tuple unit_forward(const Array& x, index_t axis, double eps, const MaybeArray& gain) {
  const UnitNormResult r =
      without_gil([&] { return unit_norm_forward(x, axis, eps, or_none(gain)); });
  return py::make_tuple(r.y, r.lengths);
}

py::tuple unit_backward(const Array& dy, const Array& x, const Array& lengths, index_t axis,
                        double eps, const MaybeArray& gain) {
  const UnitNormGradients g =
      without_gil([&] { return unit_norm_backward(dy, x, lengths, axis, eps, or_none(gain)); });
  return py::make_tuple(g.dx, maybe(g.dgain));
}

}  // namespace

void bind_normalization(py::module_& m) {
  m.def("group_norm_forward", &group_forward, py::arg("x"), py::arg("groups"),
        py::arg("weight") = py::none(), py::arg("bias") = py::none(), py::arg("eps") = 1e-5);
  m.def("instance_norm_forward", &instance_forward, py::arg("x"),
        py::arg("running_mean") = py::none(), py::arg("running_var") = py::none(),
        py::arg("weight") = py::none(), py::arg("bias") = py::none(), py::arg("momentum") = 0.1,
        py::arg("eps") = 1e-5);
  m.def("group_norm_backward", &group_backward, py::arg("dy"), py::arg("x"),
        py::arg("weight").none(true), py::arg("mean"), py::arg("invstd"));
  m.def("layer_norm_forward", &layer_forward, py::arg("x"), py::arg("shape"),
        py::arg("weight") = py::none(), py::arg("bias") = py::none(), py::arg("eps") = 1e-5,
        py::arg("centred") = true);
  m.def("layer_norm_backward", &layer_backward, py::arg("dy"), py::arg("x"), py::arg("shape"),
        py::arg("weight").none(true), py::arg("statistics"), py::arg("eps"), py::arg("centred"),
        py::arg("parameters"));
  m.def("unit_norm_forward", &unit_forward, py::arg("x"), py::arg("axis"), py::arg("eps"),
        py::arg("gain") = py::none());
  m.def("unit_norm_backward", &unit_backward, py::arg("dy"), py::arg("x"), py::arg("lengths"),
        py::arg("axis"), py::arg("eps"), py::arg("gain") = py::none());
  m.def(
      "local_response_norm",
      [](const Array& x, index_t size, double alpha, double beta, double k) {
        return local_response_norm(x, {size, alpha, beta, k});
      },
      py::arg("x"), py::arg("size"), py::arg("alpha"), py::arg("beta"), py::arg("k"),
      release_gil());
  m.def(
      "local_response_norm_backward",
      [](const Array& dy, const Array& x, index_t size, double alpha, double beta, double k) {
        return local_response_norm_backward(dy, x, {size, alpha, beta, k});
      },
      py::arg("dy"), py::arg("x"), py::arg("size"), py::arg("alpha"), py::arg("beta"), py::arg("k"),
      release_gil());
}

}  // namespace tilewise::bindings
