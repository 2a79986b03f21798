#include "ops/activation.h"

#include <cmath>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/activation.h"
#include "ops/copy.h"
#include "ops/operand.h"
#include "ref/epilogue.h"

namespace tilewise {

const char* name_of(Activation activation) {
  constexpr const char* names[] = {"none", "relu", "relu6", "leaky_relu", "silu", "hardswish"};
  return names[static_cast<int>(activation)];
}

Array activate(const Array& input, Activation activation, double slope) {
  TW_CHECK_TYPE(is_floating(input.dtype()), name_of(activation),
                ": expected a floating tensor, got ", name_of(input.dtype()));
  TW_CHECK(std::isfinite(slope), name_of(activation), ": expected a finite slope, got ", slope);
  const Array x = dense(input);
  Array y = Array::empty_like(x);
  if (x.dtype() == DType::float64) {
    const double* src = x.data<double>();
    double* dst = y.data<double>();
    parallel_ranges(x.size(), elementwise_grain, [&](index_t first, index_t last) {
      for (index_t i = first; i < last; ++i) dst[i] = ref::activate(src[i], activation, slope);
    });
    return y;
  }
  const bool past_caches = larger_than_caches(y);
  const auto kernel = activation_kernels().forward;
  parallel_ranges(x.size(), elementwise_grain, [&](index_t first, index_t last) {
    kernel(x.data<float>() + first, y.data<float>() + first, last - first, activation,
           static_cast<float>(slope), past_caches);
  });
  return y;
}

Array activate_backward(const Array& grad_output, const Array& input, Activation activation,
                        double slope) {
  TW_CHECK(grad_output.shape() == input.shape(), name_of(activation),
           " backward: gradient of shape ", to_string(grad_output.shape()), " for shape ",
           to_string(input.shape()));
  TW_CHECK_TYPE(is_floating(input.dtype()) && grad_output.dtype() == input.dtype(),
                name_of(activation), " backward: expected two floating tensors of one dtype, got ",
                name_of(grad_output.dtype()), " and ", name_of(input.dtype()));
  TW_CHECK(std::isfinite(slope), name_of(activation), " backward: expected a finite slope, got ",
           slope);
  const Array x = dense(input);
  const Array dy = dense_as(grad_output, x);
  Array dx = Array::empty_like(x);
  if (x.dtype() == DType::float64) {
    const double* gradient = dy.data<double>();
    const double* at = x.data<double>();
    double* dst = dx.data<double>();
    parallel_ranges(x.size(), elementwise_grain, [&](index_t first, index_t last) {
      for (index_t i = first; i < last; ++i) {
        dst[i] = ref::activate_backward(gradient[i], at[i], activation, slope);
      }
    });
    return dx;
  }
  const auto kernel = activation_kernels().backward;
  parallel_ranges(x.size(), elementwise_grain, [&](index_t first, index_t last) {
    kernel(dy.data<float>() + first, x.data<float>() + first, dx.data<float>() + first,
           last - first, activation, static_cast<float>(slope));
  });
  return dx;
}

}  // namespace tilewise
