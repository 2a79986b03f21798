#include "ops/conv/conv.h"

#include <string>

#include "base/error.h"
#include "base/memory.h"
#include "base/trace.h"
#include "ops/conv/im2col.h"
#include "ops/conv/implicit_gemm.h"
#include "ops/conv/winograd.h"
#include "ops/copy.h"
#include "ops/reduce.h"
#include "ops/relu.h"
#include "ref/conv.h"

namespace tilewise {
namespace {

enum class Algorithm { winograd, implicit_gemm, im2col, reference };

// In order of preference; the last always works. A refusal is final; a loss only means that the
// next one is expected to be faster, and a user may insist.
struct Candidate {
  Algorithm algorithm;
  const char* name;
  const char* (*refuses)(const ConvProblem&);
  const char* (*loses)(const ConvProblem&);
  bool any_dtype;
};

const char* never(const ConvProblem&) { return nullptr; }

const Candidate candidates[] = {
    {Algorithm::winograd, "winograd4", winograd_refuses, winograd_loses, false},
    {Algorithm::implicit_gemm, "implicit_gemm", implicit_gemm_refuses, never, false},
    {Algorithm::im2col, "im2col", never,
     [](const ConvProblem&) { return "it moves the input through memory once per tap"; }, true},
    {Algorithm::reference, "reference", never, never, true},
};

const char* refusal(const Candidate& candidate, const ConvProblem& p, DType dtype) {
  if (!candidate.any_dtype && dtype != DType::float32) return "it computes in float32 only";
  return candidate.refuses(p);
}

Algorithm choose(const char* op, const ConvProblem& p, DType dtype, const std::string& wanted) {
  for (const Candidate& candidate : candidates) {
    if (wanted != "auto" && wanted != candidate.name) continue;
    const char* reason = refusal(candidate, p, dtype);
    if (wanted == candidate.name) {
      TW_CHECK(reason == nullptr, op, ": algorithm '", wanted, "' does not apply: ", reason);
      return candidate.algorithm;
    }
    if (reason == nullptr) reason = candidate.loses(p);
    if (reason == nullptr) {
      TW_TRACE(op, " ", name_of(dtype), " n", p.n, " c", p.c, " k", p.k, " in ", p.in[0], "x",
               p.in[1], "x", p.in[2], " kernel ", p.kernel[0], "x", p.kernel[1], "x", p.kernel[2],
               " groups ", p.groups, ": ", candidate.name);
      return candidate.algorithm;
    }
    TW_TRACE(op, ": not ", candidate.name, ": ", reason);
  }
  std::string known = "auto";
  for (const Candidate& candidate : candidates) known += concat(", ", candidate.name);
  throw ValueError(concat(op, ": unknown algorithm '", wanted, "', expected one of ", known));
}

std::string op_name(int rank) { return concat("conv", rank - 2, "d"); }

void check_dtypes(const std::string& op, const Array& a, const Array& b) {
  TW_CHECK_TYPE(is_floating(a.dtype()) && a.dtype() == b.dtype(), op,
                ": expected two floating tensors of one dtype, got ", name_of(a.dtype()), " and ",
                name_of(b.dtype()));
}

void check_gradient(const std::string& op, const Array& dy, const ConvProblem& p, int rank) {
  TW_CHECK(dy.shape() == conv_output_shape(p, rank), op, " backward: expected a gradient of shape ",
           to_string(conv_output_shape(p, rank)), ", got ", to_string(dy.shape()));
}

template <typename T>
void reference_forward(const ConvProblem& p, const Array& x, const Array& w, const Array* bias,
                       const Array& y) {
  Scratch<double> sums(static_cast<std::size_t>(p.out_pixels() * p.k));
  ref::conv_forward(p, x.data<T>(), w.data<T>(), bias != nullptr ? bias->data<T>() : nullptr,
                    sums.data(), y.data<T>());
}

Array forward_reference(const ConvProblem& p, const Array& x, const Array& w, const Array* bias) {
  Array y = Array::empty_channels_last(conv_output_shape(p, x.rank()), x.dtype());
  x.dtype() == DType::float64 ? reference_forward<double>(p, x, w, bias, y)
                              : reference_forward<float>(p, x, w, bias, y);
  return y;
}

template <typename T>
void reference_backward_data(const ConvProblem& p, const Array& dy, const Array& w,
                             const Array& dx) {
  Scratch<double> sums(static_cast<std::size_t>(p.in_pixels() * p.c));
  ref::conv_backward_data(p, dy.data<T>(), w.data<T>(), sums.data(), dx.data<T>());
}

template <typename T>
void reference_backward_weight(const ConvProblem& p, const Array& dy, const Array& x,
                               const Array& dw) {
  Scratch<double> sums(static_cast<std::size_t>(dw.size()));
  ref::conv_backward_weight(p, dy.data<T>(), x.data<T>(), sums.data(), dw.data<T>());
}

// The bias gradient: dY summed over images and pixels.
Array sum_pixels(const Array& dy) {
  Dims axes{0};
  for (int i = 2; i < dy.rank(); ++i) axes.push_back(i);
  return sum(dy, axes, false);
}

Array zeros(const Dims& shape, DType dtype, bool activation) {
  Array a = activation ? Array::empty_channels_last(shape, dtype) : Array::empty(shape, dtype);
  fill(a, 0);
  return a;
}

}  // namespace

Array conv_forward(const Array& input, const Array& weight, const std::optional<Array>& bias,
                   const ConvOptions& options, const std::string& activation) {
  const std::string op = op_name(input.rank());
  check_dtypes(op, input, weight);
  TW_CHECK(activation == "none" || activation == "relu", op,
           ": expected activation 'none' or 'relu', got '", activation, "'");
  const ConvProblem p =
      make_conv_problem(op.c_str(), input.shape(), weight.shape(), options.arguments);
  std::optional<Array> b;
  if (bias) {
    check_dtypes(op, input, *bias);
    TW_CHECK(bias->rank() == 1 && bias->extent(0) == p.k, op, ": expected a bias of shape (", p.k,
             ",), got ", to_string(bias->shape()));
    b = contiguous(*bias);
  }
  const Array* bias_array = b ? &*b : nullptr;
  const bool relu_wanted = activation == "relu";
  const Algorithm algorithm = choose(op.c_str(), p, input.dtype(), options.algorithm);
  if (input.size() == 0 || weight.size() == 0) {  // nothing to sum: the bias alone
    Array y = zeros(conv_output_shape(p, input.rank()), input.dtype(), true);
    if (b) {
      Dims per_channel(y.rank() - 1, 1);
      per_channel[0] = p.k;
      copy_into(y, reshape(*b, per_channel));
    }
    return relu_wanted ? relu(y) : y;
  }
  const Array x = channels_last(input);
  const Array w = contiguous(weight);
  if (algorithm == Algorithm::winograd || algorithm == Algorithm::implicit_gemm) {
    Array y = Array::empty_channels_last(conv_output_shape(p, x.rank()), x.dtype());
    const auto run = algorithm == Algorithm::winograd ? winograd_forward : implicit_gemm_forward;
    run(p, x.data<float>(), w.data<float>(), b ? b->data<float>() : nullptr, relu_wanted,
        y.data<float>());
    return y;
  }
  const Array y = algorithm == Algorithm::im2col ? im2col_forward(p, x, w, bias_array)
                                                 : forward_reference(p, x, w, bias_array);
  return relu_wanted ? relu(y) : y;
}

Array conv_backward_data(const Array& grad_output, const Array& weight, const Dims& input_shape,
                         const ConvOptions& options) {
  const std::string op = op_name(input_shape.size());
  check_dtypes(op, grad_output, weight);
  const ConvProblem p =
      make_conv_problem(op.c_str(), input_shape, weight.shape(), options.arguments);
  check_gradient(op, grad_output, p, input_shape.size());
  const Algorithm algorithm = choose(op.c_str(), p, weight.dtype(), options.algorithm);
  if (grad_output.size() == 0 || weight.size() == 0) {
    return zeros(input_shape, weight.dtype(), true);
  }
  const Array dy = channels_last(grad_output);
  const Array w = contiguous(weight);
  if (algorithm == Algorithm::im2col) return im2col_backward_data(p, dy, w, input_shape);
  Array dx = Array::empty_channels_last(input_shape, w.dtype());
  if (algorithm == Algorithm::winograd) {
    winograd_backward_data(p, dy.data<float>(), w.data<float>(), dx.data<float>());
  } else if (algorithm == Algorithm::implicit_gemm) {
    implicit_gemm_backward_data(p, dy.data<float>(), w.data<float>(), dx.data<float>());
  } else if (w.dtype() == DType::float64) {
    reference_backward_data<double>(p, dy, w, dx);
  } else {
    reference_backward_data<float>(p, dy, w, dx);
  }
  return dx;
}

std::pair<Array, std::optional<Array>> conv_backward_weight(const Array& grad_output,
                                                            const Array& input,
                                                            const Dims& weight_shape,
                                                            bool with_bias,
                                                            const ConvOptions& options) {
  const std::string op = op_name(input.rank());
  check_dtypes(op, grad_output, input);
  const ConvProblem p =
      make_conv_problem(op.c_str(), input.shape(), weight_shape, options.arguments);
  check_gradient(op, grad_output, p, input.rank());
  const Algorithm algorithm = choose(op.c_str(), p, input.dtype(), options.algorithm);
  const Array dy = channels_last(grad_output);
  std::optional<Array> db;
  if (input.size() == 0 || dy.size() == 0 || element_count(weight_shape) == 0) {
    if (with_bias) db = sum_pixels(dy);
    return {zeros(weight_shape, input.dtype(), false), db};
  }
  const Array x = channels_last(input);
  if (algorithm == Algorithm::implicit_gemm) {
    Array dw = Array::empty(weight_shape, x.dtype());
    if (with_bias) db = Array::empty({p.k}, x.dtype());
    implicit_gemm_backward_weight(p, dy.data<float>(), x.data<float>(), dw.data<float>(),
                                  db ? db->data<float>() : nullptr);
    return {dw, db};
  }
  if (with_bias) db = sum_pixels(dy);
  if (algorithm == Algorithm::winograd) {
    Array dw = Array::empty(weight_shape, x.dtype());
    winograd_backward_weight(p, dy.data<float>(), x.data<float>(), dw.data<float>());
    return {dw, db};
  }
  if (algorithm == Algorithm::im2col) return {im2col_backward_weight(p, dy, x, weight_shape), db};
  Array dw = Array::empty(weight_shape, x.dtype());
  if (x.dtype() == DType::float64) {
    reference_backward_weight<double>(p, dy, x, dw);
  } else {
    reference_backward_weight<float>(p, dy, x, dw);
  }
  return {dw, db};
}

}  // namespace tilewise
