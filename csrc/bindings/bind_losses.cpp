#include <pybind11/stl.h>

#include "base/error.h"
#include "bindings/bindings.h"
#include "ops/losses.h"
#include "ops/losses_pointwise.h"
#include "ops/losses_vectors.h"
#include "ops/softmax.h"

namespace tilewise::bindings {
namespace {

using MaybeArray = std::optional<Array>;
// The loss, what backward needs of the softmax, and what the mean divides by.
std::tuple<Array, Array, double> as_tuple(CrossEntropyResult r) {
  return {std::move(r.loss), std::move(r.log_sum_exp), r.total_weight};
}

using Constants = std::tuple<double, double, double>;

void bind_cross_entropy(py::module_& m) {
  const auto weight = py::arg("weight") = py::none();
  const auto ignore_index = py::arg("ignore_index") = -100;
  const auto label_smoothing = py::arg("label_smoothing") = 0.0;
  const auto reduction = py::arg("reduction") = "mean";
  const auto gamma = py::arg("gamma") = 0.0;
  m.def(
      "cross_entropy_forward",
      [](const Array& logits, const Array& target, const MaybeArray& w, index_t ignored,
         double smoothing, std::string reduce, double focal_gamma) {
        return as_tuple(cross_entropy_forward(logits, {target, w ? *w : Array(), ignored, smoothing,
                                                       std::move(reduce), focal_gamma}));
      },
      py::arg("logits"), py::arg("target"), weight, ignore_index, label_smoothing, reduction, gamma,
      release_gil());
  m.def(
      "cross_entropy_backward",
      [](const Array& dloss, const Array& logits, const Array& log_sum_exp, double total_weight,
         const Array& target, const MaybeArray& w, index_t ignored, double smoothing,
         std::string reduce, double focal_gamma) {
        return cross_entropy_backward(
            dloss, logits, log_sum_exp, total_weight,
            {target, w ? *w : Array(), ignored, smoothing, std::move(reduce), focal_gamma});
      },
      py::arg("dloss"), py::arg("logits"), py::arg("log_sum_exp"), py::arg("total_weight"),
      py::arg("target"), weight, ignore_index, label_smoothing, reduction, gamma, release_gil());
  m.def(
      "soft_cross_entropy_forward",
      [](const Array& logits, const Array& target, const MaybeArray& w, double smoothing,
         std::string reduce) {
        return as_tuple(soft_cross_entropy_forward(
            logits, {target, w ? *w : Array(), -100, smoothing, std::move(reduce)}));
      },
      py::arg("logits"), py::arg("target"), weight, label_smoothing, reduction, release_gil());
  m.def(
      "soft_cross_entropy_backward",
      [](const Array& dloss, const Array& logits, const Array& log_sum_exp, bool of_target,
         const Array& target, const MaybeArray& w, double smoothing, std::string reduce) {
        return soft_cross_entropy_backward(
            dloss, logits, log_sum_exp,
            {target, w ? *w : Array(), -100, smoothing, std::move(reduce)}, of_target);
      },
      py::arg("dloss"), py::arg("logits"), py::arg("log_sum_exp"), py::arg("of_target"),
      py::arg("target"), weight, label_smoothing, reduction, release_gil());
  m.def(
      "nll_loss_forward",
      [](const Array& log_probs, const Array& target, const MaybeArray& w, index_t ignored,
         std::string reduce) {
        NllResult r =
            nll_loss_forward(log_probs, {target, w ? *w : Array(), ignored, 0, std::move(reduce)});
        return std::make_tuple(std::move(r.loss), r.total_weight);
      },
      py::arg("log_probs"), py::arg("target"), weight, ignore_index, reduction, release_gil());
  m.def(
      "nll_loss_backward",
      [](const Array& dloss, const Dims& input_shape, double total_weight, const Array& target,
         const MaybeArray& w, index_t ignored, std::string reduce) {
        return nll_loss_backward(dloss, input_shape, total_weight,
                                 {target, w ? *w : Array(), ignored, 0, std::move(reduce)});
      },
      py::arg("dloss"), py::arg("input_shape"), py::arg("total_weight"), py::arg("target"), weight,
      ignore_index, reduction, release_gil());
}

using MarginForward = Array (*)(const Array&, const MarginLoss&);
using MarginBackward = Array (*)(const Array&, const Array&, const MarginLoss&);

void bind_margin(py::module_& m, const char* name, MarginForward forward, MarginBackward backward) {
  const auto weight = py::arg("weight") = py::none();
  const auto margin = py::arg("margin") = 1.0;
  const auto squared = py::arg("squared") = false;
  const auto reduction = py::arg("reduction") = "mean";
  m.def(
      name,
      [forward](const Array& scores, const Array& target, const MaybeArray& w, double gap,
                bool square, std::string reduce) {
        return forward(scores, {target, w ? *w : Array(), gap, square, std::move(reduce)});
      },
      py::arg("scores"), py::arg("target"), weight, margin, squared, reduction, release_gil());
  m.def((std::string(name) + "_backward").c_str(),
        [backward](const Array& dloss, const Array& scores, const Array& target,
                   const MaybeArray& w, double gap, bool square, std::string reduce) {
          return backward(dloss, scores,
                          {target, w ? *w : Array(), gap, square, std::move(reduce)});
        },
        py::arg("dloss"), py::arg("scores"), py::arg("target"), weight, margin, squared, reduction,
        release_gil());
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

void bind_vectors(py::module_& m) {
  m.def("pairwise_distance", &pairwise_distance, py::arg("a"), py::arg("b"), py::arg("p") = 2.0,
        py::arg("eps") = 1e-6, release_gil());
  m.def("pairwise_distance_backward", &pairwise_distance_backward, py::arg("dy"), py::arg("a"),
        py::arg("b"), py::arg("y"), py::arg("p"), py::arg("eps"), py::arg("of_b"), release_gil());
  m.def(
      "cosine_similarity",
      [](const Array& a, const Array& b, double eps, bool inside_root) {
        return cosine_similarity(a, b, {eps, inside_root});
      },
      py::arg("a"), py::arg("b"), py::arg("eps") = 1e-8, py::arg("inside_root") = false,
      release_gil());
  m.def(
      "cosine_similarity_backward",
      [](const Array& dy, const Array& a, const Array& b, double eps, bool inside_root, bool of_b) {
        return cosine_similarity_backward(dy, a, b, {eps, inside_root}, of_b);
      },
      py::arg("dy"), py::arg("a"), py::arg("b"), py::arg("eps"), py::arg("inside_root"),
      py::arg("of_b"), release_gil());
  m.def(
      "dice_loss",
      [](const Array& input, const Array& target, double eps, bool squared) {
        DiceResult r = dice_loss(input, target, {eps, squared});
        return std::make_tuple(std::move(r.loss), std::move(r.sums));
      },
      py::arg("input"), py::arg("target"), py::arg("eps") = 1e-6, py::arg("squared") = true,
      release_gil());
  m.def(
      "dice_loss_backward",
      [](const Array& dloss, const Array& input, const Array& target, const Array& sums, double eps,
         bool squared, bool of_target) {
        return dice_loss_backward(dloss, input, target, sums, {eps, squared}, of_target);
      },
      py::arg("dloss"), py::arg("input"), py::arg("target"), py::arg("sums"), py::arg("eps"),
      py::arg("squared"), py::arg("of_target"), release_gil());
}

}  // namespace

void bind_losses(py::module_& m) {
  bind_pointwise(m);
  bind_vectors(m);
  m.def("softmax", &softmax, py::arg("x"), py::arg("axis"), release_gil());
  m.def("log_softmax", &log_softmax, py::arg("x"), py::arg("axis"), release_gil());
  m.def("softmax_backward", &softmax_backward, py::arg("dy"), py::arg("y"), py::arg("axis"),
        release_gil());
  m.def("log_softmax_backward", &log_softmax_backward, py::arg("dy"), py::arg("y"), py::arg("axis"),
        release_gil());
  bind_cross_entropy(m);
  bind_margin(m, "multi_margin_loss", multi_margin_loss, multi_margin_loss_backward);
  bind_margin(m, "multilabel_margin_loss", multilabel_margin_loss, multilabel_margin_loss_backward);
}

}  // namespace tilewise::bindings
