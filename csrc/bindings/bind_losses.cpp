#include <pybind11/stl.h>

#include "base/error.h"
#include "bindings/bindings.h"
#include "ops/losses.h"
#include "ops/losses_pointwise.h"
#include "ops/softmax.h"

namespace tilewise::bindings {
namespace {

using MaybeArray = std::optional<Array>;
using Constants = std::tuple<double, double, double>;

ClassLoss options(const Array& target, const MaybeArray& weight, index_t ignore_index,
                  double label_smoothing, const std::string& reduction) {
  return {target, weight ? *weight : Array(), ignore_index, label_smoothing, reduction};
}

py::tuple forward(const Array& logits, const Array& target, const MaybeArray& weight,
                  index_t ignore_index, double label_smoothing, const std::string& reduction) {
  CrossEntropyResult r;
  {
    py::gil_scoped_release release;
    r = cross_entropy_forward(logits,
                              options(target, weight, ignore_index, label_smoothing, reduction));
  }
  return py::make_tuple(r.loss, r.log_sum_exp, r.total_weight);
}

Array backward(const Array& dloss, const Array& logits, const Array& log_sum_exp,
               const Array& total_weight, const Array& target, const MaybeArray& weight,
               index_t ignore_index, double label_smoothing, const std::string& reduction) {
  return cross_entropy_backward(dloss, logits, log_sum_exp, total_weight,
                                options(target, weight, ignore_index, label_smoothing, reduction));
}

py::tuple nll_forward(const Array& log_probs, const Array& target, const MaybeArray& weight,
                      index_t ignore_index, const std::string& reduction) {
  NllResult r;
  {
    py::gil_scoped_release release;
    r = nll_loss_forward(log_probs, options(target, weight, ignore_index, 0, reduction));
  }
  return py::make_tuple(r.loss, r.total_weight);
}

Array nll_backward(const Array& dloss, const Dims& input_shape, const Array& total_weight,
                   const Array& target, const MaybeArray& weight, index_t ignore_index,
                   const std::string& reduction) {
  return nll_loss_backward(dloss, input_shape, total_weight,
                           options(target, weight, ignore_index, 0, reduction));
}

PointwiseLossOptions pointwise_options(std::string loss, const Array& input, const Array& target,
                                       const MaybeArray& other, const MaybeArray& weight,
                                       std::string reduction, Constants constants) {
  return {std::move(loss),
          input,
          target,
          other ? *other : Array(),
          weight ? *weight : Array(),
          std::move(reduction),
          std::get<0>(constants),
          std::get<1>(constants),
          std::get<2>(constants)};
}

void bind_pointwise(py::module_& m) {
  const auto other = py::arg("other") = py::none();
  const auto weight = py::arg("weight") = py::none();
  const auto reduction = py::arg("reduction") = "mean";
  const auto constants = py::arg("constants") = py::make_tuple(0.0, 0.0, 0.0);
  m.def(
      "pointwise_loss",
      [](std::string loss, const Array& input, const Array& target, const MaybeArray& other,
         const MaybeArray& weight, std::string reduction, Constants constants) {
        return pointwise_loss(pointwise_options(std::move(loss), input, target, other, weight,
                                                std::move(reduction), constants));
      },
      py::arg("loss"), py::arg("input"), py::arg("target"), other, weight, reduction, constants,
      release_gil());
  m.def(
      "pointwise_loss_backward",
      [](const Array& dy, int operand, std::string loss, const Array& input, const Array& target,
         const MaybeArray& other, const MaybeArray& weight, std::string reduction,
         Constants constants) {
        TW_CHECK(operand >= 0 && operand < (other ? 3 : 2),
                 "pointwise_loss_backward: expected an operand from 0 to 2, got ", operand);
        return pointwise_loss_backward(dy,
                                       pointwise_options(std::move(loss), input, target, other,
                                                         weight, std::move(reduction), constants),
                                       static_cast<LossOperand>(operand));
      },
      py::arg("dy"), py::arg("operand"), py::arg("loss"), py::arg("input"), py::arg("target"),
      other, weight, reduction, constants, release_gil());
}

}  // namespace

void bind_losses(py::module_& m) {
  bind_pointwise(m);
  m.def("softmax", &softmax, py::arg("x"), py::arg("axis"), release_gil());
  m.def("log_softmax", &log_softmax, py::arg("x"), py::arg("axis"), release_gil());
  m.def("softmax_backward", &softmax_backward, py::arg("dy"), py::arg("y"), py::arg("axis"),
        release_gil());
  m.def("log_softmax_backward", &log_softmax_backward, py::arg("dy"), py::arg("y"), py::arg("axis"),
        release_gil());

  const auto weight = py::arg("weight") = py::none();
  const auto ignore_index = py::arg("ignore_index") = -100;
  const auto label_smoothing = py::arg("label_smoothing") = 0.0;
  const auto reduction = py::arg("reduction") = "mean";
  m.def("cross_entropy_forward", &forward, py::arg("logits"), py::arg("target"), weight,
        ignore_index, label_smoothing, reduction);
  m.def("cross_entropy_backward", &backward, py::arg("dloss"), py::arg("logits"),
        py::arg("log_sum_exp"), py::arg("total_weight"), py::arg("target"), weight, ignore_index,
        label_smoothing, reduction, release_gil());
  m.def("nll_loss_forward", &nll_forward, py::arg("log_probs"), py::arg("target"), weight,
        ignore_index, reduction);
  m.def("nll_loss_backward", &nll_backward, py::arg("dloss"), py::arg("input_shape"),
        py::arg("total_weight"), py::arg("target"), weight, ignore_index, reduction, release_gil());
}

}  // namespace tilewise::bindings
