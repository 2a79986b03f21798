// Convolution in its three directions, 1-D to 3-D.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "base/array.h"
#include "ops/conv/problem.h"

namespace tilewise {

// `algorithm` is "auto" or the name of one: "winograd4", "implicit_gemm", "im2col", "reference". A
// named one that does not apply throws ValueError with its reason.
struct ConvOptions {
  ConvArguments arguments;
  std::string algorithm = "auto";
};

// x (n, c, spatial...), weight (k, c/groups, kernel...), bias (k). `activation`: "none" or "relu".
Array conv_forward(const Array& x, const Array& weight, const std::optional<Array>& bias,
                   const ConvOptions& options, const std::string& activation);

Array conv_backward_data(const Array& dy, const Array& weight, const Dims& input_shape,
                         const ConvOptions& options);

// The weight gradient and, on request, the bias gradient.
std::pair<Array, std::optional<Array>> conv_backward_weight(const Array& dy, const Array& x,
                                                            const Dims& weight_shape,
                                                            bool with_bias,
                                                            const ConvOptions& options);

}  // namespace tilewise
