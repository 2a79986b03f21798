#include "ops/conv/conv.h"

#include <cmath>
#include <limits>
#include <string>
#include <tuple>

#include "base/error.h"
#include "ops/activation.h"
#include "ops/copy.h"
#include "ops/pad.h"
#include "ops/reduce.h"
#include "ref/epilogue.h"

namespace tilewise {
namespace {

// Names of the operation for an input of this rank; the checks of the problem refuse others.
const char* op_name(int rank) {
  constexpr const char* names[] = {"conv1d", "conv2d", "conv3d"};
  return rank >= 3 && rank <= 5 ? names[rank - 3] : "conv";
}

const char* transposed_name(int rank) {
  constexpr const char* names[] = {"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"};
  return rank >= 3 && rank <= 5 ? names[rank - 3] : "conv_transpose";
}

void check_dtypes(const char* op, const Array& a, const Array& b) {
  TW_CHECK_TYPE(is_floating(a.dtype()) && a.dtype() == b.dtype(), op,
                ": expected two floating tensors of one dtype, got ", name_of(a.dtype()), " and ",
                name_of(b.dtype()));
}

void check_shape(const char* op, const char* what, const Array& a, const Dims& expected) {
  TW_CHECK(a.shape() == expected, op, ": expected ", what, " of shape ", to_string(expected),
           ", got ", to_string(a.shape()));
}

// The epilogue of outputs of `shape`, its arrays dense in the outputs' layout.
ConvEpilogue prepared(const char* op, const ConvEpilogue& epilogue, const Dims& shape,
                      const Array& x) {
  ConvEpilogue e = epilogue;
  if (e.bias) {
    check_dtypes(op, x, *e.bias);
    check_shape(op, "a bias", *e.bias, {shape[1]});
    e.bias = contiguous(*e.bias);
  }
  if (e.residual) {
    check_dtypes(op, x, *e.residual);
    check_shape(op, "a residual", *e.residual, shape);
    e.residual = channels_last(*e.residual);
  }
  TW_CHECK(std::isfinite(e.slope), op, ": expected a finite slope, got ", e.slope);
  return e;
}

// float64, and what an algorithm leaves to be done: y holds the sums, without the bias.
template <typename T>
void run_epilogue(const ConvEpilogue& e, const Array& y) {
  const index_t channels = y.extent(1);
  ref::finish({y.data<T>(), y.size() / std::max<index_t>(1, channels), channels},
              e.bias ? e.bias->data<T>() : nullptr, e.residual ? e.residual->data<T>() : nullptr,
              e.activation, e.slope);
}

template <typename T>
ChannelStatistics collect_statistics(const Array& y) {
  const index_t channels = y.extent(1);
  ChannelStatistics s{Array::empty({channels}, DType::float64),
                      Array::empty({channels}, DType::float64)};
  ref::channel_statistics<T>({y.data<T>(), y.size() / std::max<index_t>(1, channels), channels},
                             s.mean.data<double>(), s.variance.data<double>());
  return s;
}

Array zeros(const Dims& shape, DType dtype, bool activation) {
  Array a = activation ? Array::empty_channels_last(shape, dtype) : Array::empty(shape, dtype);
  fill(a, 0);
  return a;
}

// Runs `compute(stage)`, which writes the sums to y, and the epilogue, there or afterwards.
template <typename Compute>
ConvResult with_epilogue(const ConvEpilogue& e, const Array& y, bool fuses,
                         const Compute& compute) {
  if (fuses && y.dtype() == DType::float32) {
    OutputStage stage(e, y);
    compute(&stage);
    return {y, e.statistics ? stage.statistics() : ChannelStatistics{}};
  }
  compute(nullptr);
  const bool is_double = y.dtype() == DType::float64;
  is_double ? run_epilogue<double>(e, y) : run_epilogue<float>(e, y);
  if (!e.statistics) return {y, {}};
  return {y, is_double ? collect_statistics<double>(y) : collect_statistics<float>(y)};
}

// A layer's output of `shape`: compute(x, w, y, stage) on operands in the algorithms' layouts.
template <typename Compute>
ConvResult run_layer(const ConvEpilogue& e, const Dims& shape, const Array& input,
                     const Array& weight, bool fuses, const Compute& compute) {
  if (input.size() == 0 || weight.size() == 0) {  // nothing to sum
    return with_epilogue(e, zeros(shape, input.dtype(), true), false, [](OutputStage*) {});
  }
  const Array x = channels_last(input);
  const Array w = contiguous(weight);
  const Array y = Array::empty_channels_last(shape, x.dtype());
  return with_epilogue(e, y, fuses, [&](OutputStage* stage) { compute(x, w, y, stage); });
}

// dy through the gate, where the algorithm does not do it itself.
struct GatedGradient {
  Array dy;
  GradientGate gate;
  Array gate_y;  // what the gate points into
};

GatedGradient gated_gradient(const char* op, const Array& grad_output, const ConvGate& gate,
                             bool by_algorithm) {
  const Array dy = channels_last(grad_output);
  if (!gate.y || gate.activation == Activation::none) return {dy, {}, {}};
  check_dtypes(op, dy, *gate.y);
  check_shape(op, "an activation's output", *gate.y, dy.shape());
  const bool leaky = gate.activation == Activation::leaky_relu;
  TW_CHECK(leaky || gate.activation == Activation::relu || gate.activation == Activation::relu6, op,
           ": expected relu, relu6 or leaky_relu: the derivative of others is not told by y");
  TW_CHECK(!leaky || gate.slope >= 0, op, ": expected a slope >= 0, got ", gate.slope);
  const Array y = channels_last(*gate.y);
  const double slope = leaky ? gate.slope : 0;
  const double upper =
      gate.activation == Activation::relu6 ? 6 : std::numeric_limits<double>::quiet_NaN();
  if (by_algorithm && dy.dtype() == DType::float32) {
    return {dy, {y.data<float>(), static_cast<float>(upper), static_cast<float>(slope)}, y};
  }
  return {activate_backward(dy, y, gate.activation, slope), {}, {}};
}

// The padding of a problem whose tensors have this rank.
PadAmounts padding_of(const ConvProblem& p, int rank) {
  PadAmounts a{{0, 0}, {0, 0}, p.border};
  for (int i = 5 - rank; i < 3; ++i) {
    a.before.push_back(p.pad_begin[i]);
    a.after.push_back(p.pad_end[i]);
  }
  return a;
}

// x for the problem `q` that an algorithm gets in place of p: with its border where it needs that.
Array input_for(const ConvProblem& q, const ConvProblem& p, const Array& x) {
  if (q.border == p.border) return x;
  return channels_last(pad(x, padding_of(p, x.rank()), std::nullopt));
}

bool gates(const ConvAlgorithm& algorithm, ConvDirection direction) {
  return algorithm.abilities.gates[static_cast<int>(direction)];
}

// The bias gradient: dY summed over images and pixels.
Array sum_pixels(const Array& dy) {
  Dims axes{0};
  for (int i = 2; i < dy.rank(); ++i) axes.push_back(i);
  return sum(dy, axes, false);
}

ConvProblem checked_backward(const char* op, const Array& dy, const Dims& input_shape,
                             const Dims& weight_shape, const ConvOptions& options) {
  const ConvProblem p = make_conv_problem(op, input_shape, weight_shape, options.arguments);
  check_shape(op, "a gradient", dy, conv_output_shape(p, input_shape.size()));
  return p;
}

}  // namespace

ConvResult conv_forward(const Array& input, const Array& weight, const ConvEpilogue& epilogue,
                        const ConvOptions& options) {
  const char* const op = op_name(input.rank());
  check_dtypes(op, input, weight);
  const ConvProblem p = make_conv_problem(op, input.shape(), weight.shape(), options.arguments);
  const Dims shape = conv_output_shape(p, input.rank());
  const ConvEpilogue e = prepared(op, epilogue, shape, input);
  const ConvAlgorithm& algorithm =
      choose_algorithm(op, p, input.dtype(), ConvDirection::forward, options.algorithm);
  return run_layer(e, shape, input, weight, algorithm.abilities.fuses,
                   [&](const Array& x, const Array& w, const Array& y, OutputStage* stage) {
                     const ConvProblem q = problem_for(algorithm, p, ConvDirection::forward);
                     algorithm.forward({q, input_for(q, p, x), w, y, stage, options.keep_weights});
                   });
}

namespace {

const ConvAlgorithm& choose(const char* op, const ConvProblem& p, DType dtype,
                            ConvDirection direction, const ConvOptions& options) {
  return choose_algorithm(op, p, dtype, direction, options.algorithm);
}

Array input_gradient(const ConvAlgorithm& algorithm, const ConvProblem& p, const GatedGradient& g,
                     const Array& weight, const Dims& input_shape, bool keep_weights) {
  if (g.dy.size() == 0 || weight.size() == 0) return zeros(input_shape, g.dy.dtype(), true);
  const ConvProblem q = problem_for(algorithm, p, ConvDirection::backward_data);
  Dims shape{p.n, p.c};
  for (int i = 5 - input_shape.size(); i < 3; ++i) shape.push_back(q.in[i]);
  const Array dx = Array::empty_channels_last(shape, g.dy.dtype());
  algorithm.backward_data({q, g.dy, contiguous(weight), dx, nullptr, g.gate, keep_weights});
  if (q.border == p.border) return dx;
  return pad_backward(dx, input_shape, padding_of(p, input_shape.size()));
}

// Whether the algorithm itself sums the bias gradient of a non-empty problem.
bool sums_bias(const ConvAlgorithm& algorithm, const Array& dy, const Array& x,
               const Dims& weight_shape) {
  return algorithm.abilities.dbias && x.size() > 0 && dy.size() > 0 &&
         element_count(weight_shape) > 0;
}

std::pair<Array, std::optional<Array>> weight_gradient_of(const ConvAlgorithm& algorithm,
                                                          const ConvProblem& p,
                                                          const GatedGradient& g, const Array& x,
                                                          const Dims& weight_shape,
                                                          bool with_bias) {
  const bool by_algorithm = with_bias && sums_bias(algorithm, g.dy, x, weight_shape);
  std::optional<Array> db;
  if (with_bias) db = by_algorithm ? Array::empty({p.k}, x.dtype()) : sum_pixels(g.dy);
  if (x.size() == 0 || g.dy.size() == 0 || element_count(weight_shape) == 0) {
    return {zeros(weight_shape, x.dtype(), false), db};
  }
  const Array dw = Array::empty(weight_shape, x.dtype());
  const ConvProblem q = problem_for(algorithm, p, ConvDirection::backward_weight);
  algorithm.backward_weight({q, g.dy, input_for(q, p, channels_last(x)), dw,
                             by_algorithm ? db->data<float>() : nullptr, g.gate});
  return {dw, db};
}

}  // namespace

Array conv_backward_data(const Array& dy, const Array& weight, const Dims& input_shape,
                         const ConvGate& gate, const ConvOptions& options) {
  const char* const op = op_name(input_shape.size());
  check_dtypes(op, dy, weight);
  const ConvProblem p = checked_backward(op, dy, input_shape, weight.shape(), options);
  const ConvDirection direction = ConvDirection::backward_data;
  const ConvAlgorithm& algorithm = choose(op, p, weight.dtype(), direction, options);
  const GatedGradient g = gated_gradient(op, dy, gate, gates(algorithm, direction));
  return input_gradient(algorithm, p, g, weight, input_shape, options.keep_weights);
}

std::pair<Array, std::optional<Array>> conv_backward_weight(const Array& dy, const Array& x,
                                                            const Dims& weight_shape,
                                                            bool with_bias, const ConvGate& gate,
                                                            const ConvOptions& options) {
  const char* const op = op_name(x.rank());
  check_dtypes(op, dy, x);
  const ConvProblem p = checked_backward(op, dy, x.shape(), weight_shape, options);
  const ConvAlgorithm& algorithm =
      choose(op, p, x.dtype(), ConvDirection::backward_weight, options);
  const bool empty = x.size() == 0 || dy.size() == 0 || element_count(weight_shape) == 0;
  // A bias gradient that is summed here needs the gated gradient.
  const bool folds = gates(algorithm, ConvDirection::backward_weight) && !empty &&
                     (!with_bias || sums_bias(algorithm, dy, x, weight_shape));
  const GatedGradient g = gated_gradient(op, dy, gate, folds);
  return weight_gradient_of(algorithm, p, g, x, weight_shape, with_bias);
}

ConvGradients conv_backward(const ConvBackward& w, const ConvGate& gate,
                            const ConvOptions& options) {
  const char* const op = op_name(w.input_shape.size());
  const ConvProblem p = checked_backward(op, w.dy, w.input_shape, w.weight_shape, options);
  const auto chosen = [&](ConvDirection direction) -> const ConvAlgorithm& {
    return choose(op, p, w.dy.dtype(), direction, options);
  };
  if (w.weight) {
    check_dtypes(op, w.dy, *w.weight);
    check_shape(op, "a weight", *w.weight, w.weight_shape);
  }
  if (w.x) {
    check_dtypes(op, w.dy, *w.x);
    check_shape(op, "an input", *w.x, w.input_shape);
  }
  const GatedGradient g = gated_gradient(op, w.dy, gate, false);
  ConvGradients out;
  if (w.with_gated) out.gated = g.dy;
  if (w.weight) {
    out.dx = input_gradient(chosen(ConvDirection::backward_data), p, g, *w.weight, w.input_shape,
                            options.keep_weights);
  }
  if (w.x) {
    std::tie(out.dweight, out.dbias) = weight_gradient_of(chosen(ConvDirection::backward_weight), p,
                                                          g, *w.x, w.weight_shape, w.with_bias);
  } else if (w.with_bias) {
    out.dbias = sum_pixels(g.dy);
  }
  return out;
}

ConvResult conv_transpose_forward(const Array& input, const Array& weight, const Dims& output_shape,
                                  const ConvEpilogue& epilogue, const ConvOptions& options) {
  const char* const op = transposed_name(input.rank());
  check_dtypes(op, input, weight);
  const ConvProblem p = make_conv_problem(op, output_shape, weight.shape(), options.arguments);
  check_shape(op, "an input", input, conv_output_shape(p, output_shape.size()));
  const ConvEpilogue e = prepared(op, epilogue, output_shape, input);
  const ConvAlgorithm& algorithm =
      choose_algorithm(op, p, input.dtype(), ConvDirection::backward_data, options.algorithm);
  return run_layer(e, output_shape, input, weight, algorithm.abilities.fuses,
                   [&](const Array& x, const Array& w, const Array& y, OutputStage* stage) {
                     algorithm.backward_data({p, x, w, y, stage, {}, options.keep_weights});
                   });
}

ConvExplanation explain_conv(const Dims& input_shape, const Dims& weight_shape, DType dtype,
                             ConvDirection direction, const ConvOptions& options) {
  const char* const op = op_name(input_shape.size());
  TW_CHECK_TYPE(is_floating(dtype), op, ": expected a floating dtype, got ", name_of(dtype));
  const ConvProblem p = make_conv_problem(op, input_shape, weight_shape, options.arguments);
  return {conv_output_shape(p, input_shape.size()), multiply_adds(p),
          weigh_algorithms(op, p, dtype, direction, options.algorithm)};
}

}  // namespace tilewise
