#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/optimizer.h"

namespace tilewise::bindings {
namespace {

void bind_sgd(const ArrayList& params, const ArrayList& grads, const ArrayList& momentum_buffers,
              double lr, double momentum, double dampening, double weight_decay, bool nesterov,
              bool maximize, bool first_step) {
  sgd_step(params, grads, momentum_buffers,
           {lr, momentum, dampening, weight_decay, nesterov, maximize, first_step});
}

void bind_adam(const ArrayList& params, const ArrayList& grads, const ArrayList& exp_avg,
               const ArrayList& exp_avg_sq, index_t step, double lr, double beta1, double beta2,
               double eps, double weight_decay, bool decoupled, const ArrayList& max_exp_avg_sq,
               bool maximize) {
  adam_step(params, grads, {exp_avg, exp_avg_sq, max_exp_avg_sq},
            {step, lr, beta1, beta2, eps, weight_decay, decoupled, maximize});
}

}  // namespace

void bind_optimizer(py::module_& m) {
  m.def("sgd_step", &bind_sgd, py::arg("params"), py::arg("grads"), py::arg("momentum_buffers"),
        py::arg("lr"), py::arg("momentum") = 0.0, py::arg("dampening") = 0.0,
        py::arg("weight_decay") = 0.0, py::arg("nesterov") = false, py::arg("maximize") = false,
        py::arg("first_step") = false, release_gil());
  m.def("adam_step", &bind_adam, py::arg("params"), py::arg("grads"), py::arg("exp_avg"),
        py::arg("exp_avg_sq"), py::arg("step"), py::arg("lr"), py::arg("beta1"), py::arg("beta2"),
        py::arg("eps"), py::arg("weight_decay"), py::arg("decoupled"),
        py::arg("max_exp_avg_sq") = ArrayList(), py::arg("maximize") = false, release_gil());
  m.def("norm_squared", &norm_squared, py::arg("arrays"), release_gil());
  m.def("scale_", &scale_arrays, py::arg("arrays"), py::arg("factor"), release_gil());
}

}  // namespace tilewise::bindings
