#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/conv/conv.h"
#include "ops/conv/im2col.h"
#include "ops/copy.h"

namespace tilewise::bindings {
namespace {

// Argument lists are tuples of one int per spatial dimension.
ConvOptions options(const Dims& stride, const Dims& pad_begin, const Dims& pad_end,
                    const Dims& dilation, index_t groups, const std::string& algorithm) {
  return {{stride, pad_begin, pad_end, dilation, groups}, algorithm};
}

ConvProblem window_problem(const Dims& input, const Dims& kernel, const ConvArguments& arguments) {
  Dims weight{1, input.size() > 1 ? input[1] : 1};
  for (index_t extent : kernel) weight.push_back(extent);
  return make_conv_problem("im2col", input, weight, arguments);
}

}  // namespace

void bind_conv(py::module_& m) {
  m.def(
      "conv_forward",
      [](const Array& x, const Array& weight, const std::optional<Array>& bias, const Dims& stride,
         const Dims& pad_begin, const Dims& pad_end, const Dims& dilation, index_t groups,
         const std::string& algorithm, const std::string& activation) {
        return conv_forward(x, weight, bias,
                            options(stride, pad_begin, pad_end, dilation, groups, algorithm),
                            activation);
      },
      py::arg("x"), py::arg("weight"), py::arg("bias"), py::arg("stride"), py::arg("pad_begin"),
      py::arg("pad_end"), py::arg("dilation"), py::arg("groups"), py::arg("algorithm") = "auto",
      py::arg("activation") = "none", release_gil());
  m.def(
      "conv_backward_data",
      [](const Array& dy, const Array& weight, const Dims& input_shape, const Dims& stride,
         const Dims& pad_begin, const Dims& pad_end, const Dims& dilation, index_t groups,
         const std::string& algorithm) {
        return conv_backward_data(dy, weight, input_shape,
                                  options(stride, pad_begin, pad_end, dilation, groups, algorithm));
      },
      py::arg("dy"), py::arg("weight"), py::arg("input_shape"), py::arg("stride"),
      py::arg("pad_begin"), py::arg("pad_end"), py::arg("dilation"), py::arg("groups"),
      py::arg("algorithm") = "auto", release_gil());
  m.def(
      "conv_backward_weight",
      [](const Array& dy, const Array& x, const Dims& weight_shape, const Dims& stride,
         const Dims& pad_begin, const Dims& pad_end, const Dims& dilation, index_t groups,
         bool with_bias, const std::string& algorithm) {
        return conv_backward_weight(
            dy, x, weight_shape, with_bias,
            options(stride, pad_begin, pad_end, dilation, groups, algorithm));
      },
      py::arg("dy"), py::arg("x"), py::arg("weight_shape"), py::arg("stride"), py::arg("pad_begin"),
      py::arg("pad_end"), py::arg("dilation"), py::arg("groups"), py::arg("with_bias"),
      py::arg("algorithm") = "auto", release_gil());
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
