#pragma once

#include <optional>
#include <utility>

#include "base/array.h"

namespace tilewise {

// NumPy's matmul: 1-D, 2-D and batched operands with broadcast batch dimensions; float32, float64,
// int32 and int64.
Array matmul(const Array& a, const Array& b);

// y = x W^T + bias for x (..., in), W (out, in).
Array linear_forward(const Array& x, const Array& weight, const std::optional<Array>& bias);
// dx = dy W.
Array linear_backward_data(const Array& dy, const Array& weight);
// dW = dy^T x and, on request, dbias = the sum of dy over rows.
std::pair<Array, std::optional<Array>> linear_backward_weight(const Array& dy, const Array& x,
                                                              bool with_bias);

}  // namespace tilewise
