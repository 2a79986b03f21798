#include <pybind11/stl.h>

#include "base/error.h"
#include "bindings/activation.h"
#include "bindings/bindings.h"
#include "ops/conv/conv.h"
#include "ops/conv/im2col.h"
#include "ops/copy.h"

namespace tilewise::bindings {
namespace {

// Argument lists are tuples of one int per spatial dimension.
ConvOptions options(const Dims& stride, const Dims& pad_begin, const Dims& pad_end,
                    const Dims& dilation, index_t groups, const std::string& algorithm,
                    bool keep_weights, const std::string& border = "zeros") {
  return {{stride, pad_begin, pad_end, dilation, groups, border_of("conv", border)},
          algorithm,
          keep_weights};
}

ConvDirection direction_of(const std::string& name) {
  for (ConvDirection direction : conv_directions) {
    if (name == name_of(direction)) return direction;
  }
  throw ValueError(concat("explain_conv: expected direction 'forward', 'backward_data' or ",
                          "'backward_weight', got '", name, "'"));
}

ConvProblem window_problem(const Dims& input, const Dims& kernel, const ConvArguments& arguments) {
  Dims weight{1, input.size() > 1 ? input[1] : 1};
  for (index_t extent : kernel) weight.push_back(extent);
  return make_conv_problem("im2col", input, weight, arguments);
}

}  // namespace

void bind_conv(py::module_& m) {
  py::class_<ConvEpilogue>(m, "ConvEpilogue")
      .def(py::init([](const std::optional<Array>& bias, const std::optional<Array>& residual,
                       const std::string& activation, double slope, bool statistics) {
             return ConvEpilogue{bias, residual, activation_of(activation), slope, statistics};
           }),
           py::arg("bias") = py::none(), py::arg("residual") = py::none(),
           py::arg("activation") = "none", py::arg("slope") = 0.01, py::arg("statistics") = false);
  py::class_<ConvGate>(m, "ConvGate")
      .def(py::init([](const Array& y, const std::string& activation, double slope) {
             return ConvGate{y, activation_of(activation), slope};
           }),
           py::arg("y"), py::arg("activation"), py::arg("slope") = 0.01);
  m.def(
      "conv_forward",
      [](const Array& x, const Array& weight, const std::optional<Array>& bias, const Dims& stride,
         const Dims& pad_begin, const Dims& pad_end, const Dims& dilation, index_t groups,
         const std::string& algorithm, const std::string& activation, bool keep_weights,
         const std::string& border) {
        ConvEpilogue epilogue;
        epilogue.bias = bias;
        epilogue.activation = activation_of(activation);
        return conv_forward(x, weight, epilogue,
                            options(stride, pad_begin, pad_end, dilation, groups, algorithm,
                                    keep_weights, border))
            .y;
      },
      py::arg("x"), py::arg("weight"), py::arg("bias"), py::arg("stride"), py::arg("pad_begin"),
      py::arg("pad_end"), py::arg("dilation"), py::arg("groups"), py::arg("algorithm") = "auto",
      py::arg("activation") = "none", py::arg("keep_weights") = false, py::arg("border") = "zeros",
      release_gil());
  m.def(
      "conv_fused",
      [](const Array& x, const Array& weight, const ConvEpilogue& epilogue, const Dims& stride,
         const Dims& pad_begin, const Dims& pad_end, const Dims& dilation, index_t groups,
         const std::string& algorithm, bool keep_weights, const std::string& border) {
        ConvResult r = conv_forward(
            x, weight, epilogue,
            options(stride, pad_begin, pad_end, dilation, groups, algorithm, keep_weights, border));
        std::optional<std::pair<Array, Array>> statistics;
        if (epilogue.statistics) statistics = {r.statistics.mean, r.statistics.variance};
        return std::make_pair(r.y, statistics);
      },
      py::arg("x"), py::arg("weight"), py::arg("epilogue"), py::arg("stride"), py::arg("pad_begin"),
      py::arg("pad_end"), py::arg("dilation"), py::arg("groups"), py::arg("algorithm") = "auto",
      py::arg("keep_weights") = false, py::arg("border") = "zeros", release_gil());
  m.def(
      "conv_transpose_forward",
      [](const Array& x, const Array& weight, const Dims& output_shape,
         const ConvEpilogue& epilogue, const Dims& stride, const Dims& pad_begin,
         const Dims& pad_end, const Dims& dilation, index_t groups, const std::string& algorithm,
         bool keep_weights) {
        return conv_transpose_forward(
                   x, weight, output_shape, epilogue,
                   options(stride, pad_begin, pad_end, dilation, groups, algorithm, keep_weights))
            .y;
      },
      py::arg("x"), py::arg("weight"), py::arg("output_shape"), py::arg("epilogue"),
      py::arg("stride"), py::arg("pad_begin"), py::arg("pad_end"), py::arg("dilation"),
      py::arg("groups"), py::arg("algorithm") = "auto", py::arg("keep_weights") = false,
      release_gil());
  m.def(
      "conv_backward_data",
      [](const Array& dy, const Array& weight, const Dims& input_shape, const Dims& stride,
         const Dims& pad_begin, const Dims& pad_end, const Dims& dilation, index_t groups,
         const std::string& algorithm, const std::optional<ConvGate>& gate,
         const std::string& border) {
        return conv_backward_data(
            dy, weight, input_shape, gate ? *gate : ConvGate{},
            options(stride, pad_begin, pad_end, dilation, groups, algorithm, false, border));
      },
      py::arg("dy"), py::arg("weight"), py::arg("input_shape"), py::arg("stride"),
      py::arg("pad_begin"), py::arg("pad_end"), py::arg("dilation"), py::arg("groups"),
      py::arg("algorithm") = "auto", py::arg("gate") = py::none(), py::arg("border") = "zeros",
      release_gil());
  m.def(
      "conv_backward_weight",
      [](const Array& dy, const Array& x, const Dims& weight_shape, const Dims& stride,
         const Dims& pad_begin, const Dims& pad_end, const Dims& dilation, index_t groups,
         bool with_bias, const std::string& algorithm, const std::optional<ConvGate>& gate,
         const std::string& border) {
        return conv_backward_weight(
            dy, x, weight_shape, with_bias, gate ? *gate : ConvGate{},
            options(stride, pad_begin, pad_end, dilation, groups, algorithm, false, border));
      },
      py::arg("dy"), py::arg("x"), py::arg("weight_shape"), py::arg("stride"), py::arg("pad_begin"),
      py::arg("pad_end"), py::arg("dilation"), py::arg("groups"), py::arg("with_bias"),
      py::arg("algorithm") = "auto", py::arg("gate") = py::none(), py::arg("border") = "zeros",
      release_gil());
  m.def(
      "conv_backward",
      [](const Array& dy, const std::optional<Array>& x, const std::optional<Array>& weight,
         const Dims& input_shape, const Dims& weight_shape, const Dims& stride,
         const Dims& pad_begin, const Dims& pad_end, const Dims& dilation, index_t groups,
         const std::string& algorithm, bool with_bias, const std::optional<ConvGate>& gate,
         bool with_gated, const std::string& border) {
        const ConvGradients g = conv_backward(
            {dy, x, weight, input_shape, weight_shape, with_bias, with_gated},
            gate ? *gate : ConvGate{},
            options(stride, pad_begin, pad_end, dilation, groups, algorithm, false, border));
        return std::make_tuple(g.dx, g.dweight, g.dbias, g.gated);
      },
      py::arg("dy"), py::arg("x"), py::arg("weight"), py::arg("input_shape"),
      py::arg("weight_shape"), py::arg("stride"), py::arg("pad_begin"), py::arg("pad_end"),
      py::arg("dilation"), py::arg("groups"), py::arg("algorithm"), py::arg("with_bias"),
      py::arg("gate") = py::none(), py::arg("with_gated") = false, py::arg("border") = "zeros",
      release_gil(),
      "Gradients of x (None without weight), of the weight (None without x), of the bias, and dy "
      "through the gate: each where it is wanted.");
  m.def(
      "explain_conv",
      [](const Dims& input_shape, const Dims& weight_shape, DType dtype,
         const std::string& direction, const Dims& stride, const Dims& pad_begin,
         const Dims& pad_end, const Dims& dilation, index_t groups, const std::string& algorithm,
         const std::string& border) {
        const ConvExplanation e = explain_conv(
            input_shape, weight_shape, dtype, direction_of(direction),
            options(stride, pad_begin, pad_end, dilation, groups, algorithm, false, border));
        std::vector<std::tuple<std::string, std::string, double, index_t, bool>> rows;
        rows.reserve(e.choices.size());
        for (const ConvChoice& c : e.choices) {
          rows.emplace_back(c.algorithm, c.refusal, c.cost, c.workspace, c.chosen);
        }
        return std::make_tuple(e.output_shape, e.multiply_adds, rows);
      },
      py::arg("input_shape"), py::arg("weight_shape"), py::arg("dtype"), py::arg("direction"),
      py::arg("stride"), py::arg("pad_begin"), py::arg("pad_end"), py::arg("dilation"),
      py::arg("groups"), py::arg("algorithm") = "auto", py::arg("border") = "zeros",
      "Output shape, multiply-adds, rows of (algorithm, refusal or empty, cost in nanoseconds, "
      "workspace bytes, chosen).");
  m.def(
      "im2col",
      [](const Array& x, const Dims& kernel, const Dims& stride, const Dims& pad_begin,
         const Dims& pad_end, const Dims& dilation) {
        const ConvProblem p =
            window_problem(x.shape(), kernel, {stride, pad_begin, pad_end, dilation, 1});
        return im2col(p, channels_last(x));
      },
      py::arg("x"), py::arg("kernel"), py::arg("stride"), py::arg("pad_begin"), py::arg("pad_end"),
      py::arg("dilation"), release_gil());
  m.def(
      "col2im",
      [](const Array& columns, const Dims& input_shape, const Dims& kernel, const Dims& stride,
         const Dims& pad_begin, const Dims& pad_end, const Dims& dilation) {
        const ConvProblem p =
            window_problem(input_shape, kernel, {stride, pad_begin, pad_end, dilation, 1});
        return col2im(p, columns, input_shape);
      },
      py::arg("columns"), py::arg("input_shape"), py::arg("kernel"), py::arg("stride"),
      py::arg("pad_begin"), py::arg("pad_end"), py::arg("dilation"), release_gil());
}

}  // namespace tilewise::bindings
