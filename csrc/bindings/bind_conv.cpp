#include <pybind11/stl.h>

#include <limits>

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

// Ints of Python, one for all dimensions or a tuple with one for each. False for anything else.
bool read_plain(py::handle value, int dims, index_t least, Dims& out) {
  const auto read = [least](PyObject* item, index_t& number) {
    if (!PyLong_CheckExact(item)) return false;
    int overflow = 0;
    number = PyLong_AsLongLongAndOverflow(item, &overflow);
    return overflow == 0 && number >= least && number <= std::numeric_limits<std::int32_t>::max();
  };
  index_t number = 0;
  if (PyTuple_CheckExact(value.ptr()) != 0 && PyTuple_GET_SIZE(value.ptr()) == dims) {
    for (int i = 0; i < dims; ++i) {
      if (!read(PyTuple_GET_ITEM(value.ptr(), i), number)) return false;
      out.push_back(number);
    }
    return true;
  }
  if (!read(value.ptr(), number)) return false;
  for (int i = 0; i < dims; ++i) out.push_back(number);
  return true;
}

// The common call: a batch, plain settings, nothing fused. None for anything else, which takes the
// way that says what is wrong.
std::optional<Array> conv_plain(const Array& x, const Array& weight,
                                const std::optional<Array>& bias, int dims, py::handle stride,
                                py::handle padding, py::handle dilation, py::handle groups,
                                bool keep_weights) {
  if (x.rank() != dims + 2 || weight.rank() != dims + 2) return std::nullopt;
  if (!is_floating(x.dtype()) || weight.dtype() != x.dtype()) return std::nullopt;
  ConvOptions options;
  ConvArguments& a = options.arguments;
  Dims group_count;
  if (!read_plain(stride, dims, 1, a.stride) || !read_plain(padding, dims, 0, a.pad_begin) ||
      !read_plain(dilation, dims, 1, a.dilation) || !read_plain(groups, 1, 1, group_count)) {
    return std::nullopt;
  }
  a.pad_end = a.pad_begin;
  a.groups = group_count[0];
  options.keep_weights = keep_weights;
  ConvEpilogue epilogue;
  epilogue.bias = bias;
  const py::gil_scoped_release release;
  return conv_forward(x, weight, epilogue, options).y;
}

// The same for a transposed convolution whose output has no more than the least size.
std::optional<Array> conv_transpose_plain(const Array& x, const Array& weight,
                                          const std::optional<Array>& bias, int dims,
                                          py::handle stride, py::handle padding,
                                          py::handle output_padding, py::handle groups,
                                          py::handle dilation) {
  if (x.rank() != dims + 2 || weight.rank() != dims + 2) return std::nullopt;
  if (!is_floating(x.dtype()) || weight.dtype() != x.dtype()) return std::nullopt;
  if (weight.extent(0) != x.extent(1)) return std::nullopt;
  ConvOptions options;
  ConvArguments& a = options.arguments;
  Dims extra;
  Dims group_count;
  if (!read_plain(stride, dims, 1, a.stride) || !read_plain(padding, dims, 0, a.pad_begin) ||
      !read_plain(output_padding, dims, 0, extra) || !read_plain(groups, 1, 1, group_count) ||
      !read_plain(dilation, dims, 1, a.dilation)) {
    return std::nullopt;
  }
  a.groups = group_count[0];
  a.pad_end = a.pad_begin;
  Dims shape{x.extent(0), checked_mul(weight.extent(1), a.groups)};
  for (int i = 0; i < dims; ++i) {
    const index_t n = x.extent(2 + i);
    const index_t k = weight.extent(2 + i);
    const index_t reach = checked_mul(n - 1, a.stride[i]) + checked_mul(a.dilation[i], k - 1) + 1;
    if (extra[i] != 0 || n < 1 || k < 1 || reach <= 2 * a.pad_begin[i]) return std::nullopt;
    shape.push_back(reach - 2 * a.pad_begin[i]);
  }
  options.keep_weights = true;
  ConvEpilogue epilogue;
  epilogue.bias = bias;
  const py::gil_scoped_release release;
  return conv_transpose_forward(x, weight, shape, epilogue, options).y;
}

ConvDirection direction_of(const std::string& name) {
  for (ConvDirection direction : conv_directions) {
    if (name == name_of(direction)) return direction;
  }
  throw ValueError(concat("explain_conv: expected direction 'forward', 'backward_data' or ",
                          "'backward_weight', got '", name, "'"));
}

ConvProblem window_problem(const std::string& op, const Dims& input, const Dims& kernel,
                           const ConvArguments& arguments) {
  Dims weight{1, input.size() > 1 ? input[1] : 1};
  for (index_t extent : kernel) weight.push_back(extent);
  return make_conv_problem(op.c_str(), input, weight, arguments);
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
  m.def("conv_plain", &conv_plain, py::arg("x"), py::arg("weight"), py::arg("bias"),
        py::arg("dims"), py::arg("stride"), py::arg("padding"), py::arg("dilation"),
        py::arg("groups"), py::arg("keep_weights"));
  m.def("conv_transpose_plain", &conv_transpose_plain, py::arg("x"), py::arg("weight"),
        py::arg("bias"), py::arg("dims"), py::arg("stride"), py::arg("padding"),
        py::arg("output_padding"), py::arg("groups"), py::arg("dilation"));
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
        std::vector<std::tuple<std::string, std::string, double, index_t, bool, index_t>> rows;
        rows.reserve(e.choices.size());
        for (const ConvChoice& c : e.choices) {
          rows.emplace_back(c.algorithm, c.refusal, c.cost, c.workspace, c.chosen, c.packed);
        }
        return std::make_tuple(e.output_shape, e.multiply_adds, rows);
      },
      py::arg("input_shape"), py::arg("weight_shape"), py::arg("dtype"), py::arg("direction"),
      py::arg("stride"), py::arg("pad_begin"), py::arg("pad_end"), py::arg("dilation"),
      py::arg("groups"), py::arg("algorithm") = "auto", py::arg("border") = "zeros",
      "Output shape, multiply-adds, rows of (algorithm, refusal or empty, cost in nanoseconds, "
      "workspace bytes, chosen, bytes of packed weights among the workspace).");
  m.def(
      "im2col",
      [](const Array& x, const Dims& kernel, const Dims& stride, const Dims& pad_begin,
         const Dims& pad_end, const Dims& dilation, const std::string& op) {
        const ConvProblem p =
            window_problem(op, x.shape(), kernel, {stride, pad_begin, pad_end, dilation, 1});
        return im2col(p, channels_last(x));
      },
      py::arg("x"), py::arg("kernel"), py::arg("stride"), py::arg("pad_begin"), py::arg("pad_end"),
      py::arg("dilation"), py::arg("op") = "im2col", release_gil());
  m.def(
      "col2im",
      [](const Array& columns, const Dims& input_shape, const Dims& kernel, const Dims& stride,
         const Dims& pad_begin, const Dims& pad_end, const Dims& dilation, const std::string& op) {
        const ConvProblem p =
            window_problem(op, input_shape, kernel, {stride, pad_begin, pad_end, dilation, 1});
        return col2im(p, columns, input_shape);
      },
      py::arg("columns"), py::arg("input_shape"), py::arg("kernel"), py::arg("stride"),
      py::arg("pad_begin"), py::arg("pad_end"), py::arg("dilation"), py::arg("op") = "im2col",
      release_gil());
}

}  // namespace tilewise::bindings
