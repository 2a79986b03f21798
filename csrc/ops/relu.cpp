#include "ops/relu.h"

#include "base/error.h"
#include "base/threads.h"
#include "kernels/relu.h"
#include "ops/copy.h"
#include "ops/operand.h"
#include "ref/relu.h"

namespace tilewise {

Array relu(const Array& input) {
  TW_CHECK_TYPE(is_floating(input.dtype()), "relu: expected a floating tensor, got ",
                name_of(input.dtype()));
  const Array x = dense(input);
  Array y = Array::empty_like(x);
  if (x.dtype() == DType::float64) {
    ref::relu_forward(x.data<double>(), y.data<double>(), x.size());
    return y;
  }
  const float* src = x.data<float>();
  float* dst = y.data<float>();
  const auto kernel = relu_kernels().forward;
  const bool past_caches = larger_than_caches(y);
  parallel_ranges(x.size(), elementwise_grain, [&](index_t first, index_t last) {
    kernel(src + first, dst + first, last - first, past_caches);
  });
  return y;
}

Array relu_backward(const Array& grad_output, const Array& output) {
  TW_CHECK(grad_output.shape() == output.shape(), "relu_backward: gradient of shape ",
           to_string(grad_output.shape()), " for an output of shape ", to_string(output.shape()));
  TW_CHECK_TYPE(is_floating(output.dtype()) && grad_output.dtype() == output.dtype(),
                "relu_backward: expected two floating tensors of one dtype, got ",
                name_of(grad_output.dtype()), " and ", name_of(output.dtype()));
  const Array y = dense(output);
  const Array dy = dense_as(grad_output, y);
  Array dx = Array::empty_like(y);
  if (y.dtype() == DType::float64) {
    ref::relu_backward(dy.data<double>(), y.data<double>(), dx.data<double>(), y.size());
    return dx;
  }
  const float* src = dy.data<float>();
  const float* gate = y.data<float>();
  float* dst = dx.data<float>();
  const auto kernel = relu_kernels().backward;
  const bool past_caches = larger_than_caches(dx);
  parallel_ranges(y.size(), elementwise_grain, [&](index_t first, index_t last) {
    kernel(src + first, gate + first, dst + first, last - first, past_caches);
  });
  return dx;
}

}  // namespace tilewise
