#include <pybind11/stl.h>

#include <algorithm>

#include "base/error.h"
#include "bindings/activation.h"
#include "bindings/arguments.h"
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

// "valid", "causal" and the "same" forms as amounts, as padding_of in functional/conv.py says.
// False for another word.
bool pad_by_name(const std::string& name, const Array& x, const Array& weight, ConvArguments& a) {
  const int dims = a.stride.size();
  a.pad_begin = a.pad_end = Dims(dims, 0);
  if (name == "valid") return true;
  const bool lower = name == "same_lower";
  if (name == "causal" ? dims != 1 : !lower && name != "same" && name != "same_upper") return false;
  for (int i = 0; i < dims; ++i) {
    const index_t reach = checked_mul(a.dilation[i], weight.extent(2 + i) - 1);
    if (name == "causal") {
      a.pad_begin[i] = reach;
      continue;
    }
    const index_t total = std::max<index_t>(0, reach - (x.extent(2 + i) - 1) % a.stride[i]);
    (lower ? a.pad_end : a.pad_begin)[i] = total / 2;
    (lower ? a.pad_begin : a.pad_end)[i] = total - total / 2;
  }
  return true;
}

// Stride, both paddings, dilation and groups, for the backward of a recorded call.
py::tuple geometry_of(const ConvArguments& a) {
  return py::make_tuple(a.stride, a.pad_begin, a.pad_end, a.dilation, a.groups);
}

// Tensors that plain settings can be for: x (a batch, or a single image as a batch of one) and
// weight of one floating dtype.
std::optional<Images> plain_images(py::handle op, const Array& x, const Array& weight, int dims) {
  const bool fits = x.rank() == dims + 2 || x.rank() == dims + 1;
  if (!fits || weight.rank() != dims + 2) return std::nullopt;
  if (!is_floating(x.dtype()) || weight.dtype() != x.dtype()) return std::nullopt;
  return Images(Arguments(op), x, dims);
}

// What a plain call returns: the result alone, or with the geometry where it is recorded.
py::object plain_result(Array y, const ConvArguments& a, bool recorded) {
  if (!recorded) return py::cast(std::move(y));
  return py::make_tuple(std::move(y), geometry_of(a));
}

// The common call: plain settings, nothing fused. None for anything else, which takes the way that
// says what is wrong.
py::object conv_plain(py::handle op, const Array& x, const Array& weight,
                      const std::optional<Array>& bias, int dims, py::handle stride,
                      py::handle padding, py::handle dilation, py::handle groups, bool recorded) {
  const std::optional<Images> images = plain_images(op, x, weight, dims);
  if (!images || (recorded && images->single())) return py::none();
  ConvOptions options;
  ConvArguments& a = options.arguments;
  if (!read_ints(stride, dims, 1, a.stride) || !read_ints(dilation, dims, 1, a.dilation) ||
      !read_int(groups.ptr(), 1, a.groups)) {
    return py::none();
  }
  if (PyUnicode_CheckExact(padding.ptr()) != 0) {
    if (!pad_by_name(padding.cast<std::string>(), images->batch(), weight, a)) return py::none();
  } else {
    if (!read_ints(padding, dims, 0, a.pad_begin)) return py::none();
    a.pad_end = a.pad_begin;
  }
  // Packed weights outlive the call in inference only: a training step changes the weights.
  options.keep_weights = !recorded;
  ConvEpilogue epilogue;
  epilogue.bias = bias;
  Array y;
  {
    const py::gil_scoped_release release;
    y = images->result(conv_forward(images->batch(), weight, epilogue, options).y);
  }
  return plain_result(std::move(y), a, recorded);
}

// The shape of a transposed convolution's output, and the padding at its end: see `plan` in
// functional/conv_transpose.py. Undefined where pixels lie beyond every tap, or sizes are wrong.
std::optional<Dims> transposed_shape(const Array& x, const Array& weight, const Dims& extra,
                                     ConvArguments& a) {
  Dims shape{x.extent(0), checked_mul(weight.extent(1), a.groups)};
  for (int i = 0; i < extra.size(); ++i) {
    const index_t n = x.extent(2 + i);
    const index_t k = weight.extent(2 + i);
    const index_t taken = extra[i] / a.stride[i] * a.stride[i];
    if (extra[i] >= std::max(a.stride[i], a.dilation[i]) || taken > a.pad_begin[i] || n < 1 ||
        k < 1) {
      return std::nullopt;
    }
    a.pad_end.push_back(a.pad_begin[i] - taken);
    const index_t reach = checked_mul(n - 1, a.stride[i]) + checked_mul(a.dilation[i], k - 1) + 1;
    shape.push_back(reach - 2 * a.pad_begin[i] + extra[i]);
    if (shape.back() < 1) return std::nullopt;
  }
  return shape;
}

// The same for a transposed convolution; its result's last pixels are within reach of the kernel.
py::object conv_transpose_plain(py::handle op, const Array& x, const Array& weight,
                                const std::optional<Array>& bias, int dims, py::handle stride,
                                py::handle padding, py::handle output_padding, py::handle groups,
                                py::handle dilation, bool recorded) {
  const std::optional<Images> images = plain_images(op, x, weight, dims);
  if (!images || (recorded && images->single())) return py::none();
  if (weight.extent(0) != images->batch().extent(1)) return py::none();
  ConvOptions options;
  ConvArguments& a = options.arguments;
  Dims extra;
  if (!read_ints(stride, dims, 1, a.stride) || !read_ints(padding, dims, 0, a.pad_begin) ||
      !read_ints(output_padding, dims, 0, extra) || !read_int(groups.ptr(), 1, a.groups) ||
      !read_ints(dilation, dims, 1, a.dilation)) {
    return py::none();
  }
  const std::optional<Dims> shape = transposed_shape(images->batch(), weight, extra, a);
  if (!shape) return py::none();
  options.keep_weights = !recorded;
  ConvEpilogue epilogue;
  epilogue.bias = bias;
  Array y;
  {
    const py::gil_scoped_release release;
    y = images->result(
        conv_transpose_forward(images->batch(), weight, *shape, epilogue, options).y);
  }
  return plain_result(std::move(y), a, recorded);
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

// The windows of images as columns (N, C * taps, L), and the kernel, stride, padding twice and
// dilation that it was done with.
py::tuple unfold(const Array& x, py::handle kernel_size, py::handle dilation, py::handle padding,
                 py::handle stride) {
  const py::str op("unfold");
  const Arguments a(op);
  const Images images(a, x, 2);
  const Dims kernel = a.ints("kernel_size", kernel_size, 2, 1);
  ConvArguments c;
  c.stride = a.ints("stride", stride, 2, 1);
  c.pad_begin = c.pad_end = a.ints("padding", padding, 2, 0);
  c.dilation = a.ints("dilation", dilation, 2, 1);
  c.groups = 1;
  Array y;
  {
    const py::gil_scoped_release release;
    const ConvProblem p = window_problem("unfold", images.batch().shape(), kernel, c);
    y = images.result(im2col(p, channels_last(images.batch())).permute({0, 2, 1}));
  }
  return py::make_tuple(std::move(y),
                        py::make_tuple(kernel, c.stride, c.pad_begin, c.pad_end, c.dilation));
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
  m.def("conv_plain", &conv_plain, py::arg("op"), py::arg("x"), py::arg("weight"), py::arg("bias"),
        py::arg("dims"), py::arg("stride"), py::arg("padding"), py::arg("dilation"),
        py::arg("groups"), py::arg("recorded"));
  m.def("conv_transpose_plain", &conv_transpose_plain, py::arg("op"), py::arg("x"),
        py::arg("weight"), py::arg("bias"), py::arg("dims"), py::arg("stride"), py::arg("padding"),
        py::arg("output_padding"), py::arg("groups"), py::arg("dilation"), py::arg("recorded"));
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
  m.def("unfold", &unfold, py::arg("x"), py::arg("kernel_size"), py::arg("dilation"),
        py::arg("padding"), py::arg("stride"));
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
