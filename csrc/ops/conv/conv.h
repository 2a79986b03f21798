// Convolution in its three directions, 1-D to 3-D, and the transposed convolution.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/array.h"
#include "ops/conv/algorithm.h"
#include "ops/conv/output_stage.h"
#include "ops/conv/problem.h"

namespace tilewise {

struct ConvOptions {
  ConvArguments arguments;
  // "auto" or the name of an algorithm (algorithm.cpp lists them). A named one that does not apply
  // throws ValueError with its reason.
  std::string algorithm = "auto";
  // Keep packed weights beside the weights for the next call with the same weights (inference).
  bool keep_weights = false;
};

struct ConvResult {
  Array y;
  ChannelStatistics statistics;  // where the epilogue asks for them
};

// x (n, c, spatial...), weight (k, c/groups, kernel...).
ConvResult conv_forward(const Array& x, const Array& weight, const ConvEpilogue& epilogue,
                        const ConvOptions& options);

// The output of a layer's activation, as far as its derivative can be told from it: for relu, relu6
// and leaky_relu with a slope >= 0. A gradient is then taken before the activation.
struct ConvGate {
  std::optional<Array> y;
  Activation activation = Activation::none;
  double slope = 0.01;
};

Array conv_backward_data(const Array& dy, const Array& weight, const Dims& input_shape,
                         const ConvGate& gate, const ConvOptions& options);

// The weight gradient and, on request, the bias gradient.
std::pair<Array, std::optional<Array>> conv_backward_weight(const Array& dy, const Array& x,
                                                            const Dims& weight_shape,
                                                            bool with_bias, const ConvGate& gate,
                                                            const ConvOptions& options);

// A layer's backward pass in one call. dy passes the gate once, for all that read it: two
// directions that fold it each read y too, and fetch dy with more work. Measured for implicit_gemm:
// 0.84 to 1.0 of the speed for both directions, 0.81 to 1.05 for the weights alone.
struct ConvBackward {
  Array dy;
  std::optional<Array> x;       // none: no weight gradient is wanted
  std::optional<Array> weight;  // none: no input gradient is wanted
  Dims input_shape;
  Dims weight_shape;
  bool with_bias = false;
  bool with_gated = false;  // dy through the gate: the gradient of a residual
};
struct ConvGradients {
  std::optional<Array> dx;
  std::optional<Array> dweight;
  std::optional<Array> dbias;
  std::optional<Array> gated;
};
ConvGradients conv_backward(const ConvBackward& wanted, const ConvGate& gate,
                            const ConvOptions& options);

// The gradient of a convolution for its input, as a layer: x (n, k, spatial...), weight
// (k, c/groups, kernel...), y of `output_shape` (n, c, spatial...), one that a convolution with
// these arguments maps to x's shape. Bias, residual and the rest belong to y.
ConvResult conv_transpose_forward(const Array& x, const Array& weight, const Dims& output_shape,
                                  const ConvEpilogue& epilogue, const ConvOptions& options);

// Every algorithm with its refusal, or its cost and workspace, for a convolution of these shapes.
struct ConvExplanation {
  Dims output_shape;
  double multiply_adds;  // of the direct form
  std::vector<ConvChoice> choices;
};
ConvExplanation explain_conv(const Dims& input_shape, const Dims& weight_shape, DType dtype,
                             ConvDirection direction, const ConvOptions& options);

}  // namespace tilewise
