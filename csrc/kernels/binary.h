// Two float32 operands, one result, on blocks whose result rows are dense.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

// a_step and b_step are 1, or 0 where a row repeats one element.
struct BinaryBlock {
  const float* a;
  const float* b;
  index_t rows;
  index_t cols;
  index_t a_row;
  index_t b_row;
  index_t z_row;
  index_t a_step;
  index_t b_step;
  bool stream = false;  // the result is larger than the caches: store past them where aligned
};

using ArithmeticKernel = void (*)(const BinaryBlock& block, float* z);
using CompareKernel = void (*)(const BinaryBlock& block, std::uint8_t* z);  // 0 or 1

struct BinaryKernels {
  ArithmeticKernel add;
  ArithmeticKernel sub;
  ArithmeticKernel mul;
  ArithmeticKernel div;
  ArithmeticKernel maximum;  // NaN in either operand gives NaN
  ArithmeticKernel minimum;
  ArithmeticKernel fmax;  // the number where one operand is NaN
  ArithmeticKernel fmin;
  ArithmeticKernel hypot;
  ArithmeticKernel logaddexp;
  ArithmeticKernel trunc_div;
  ArithmeticKernel copysign;
  ArithmeticKernel xlogy;  // 0 where a is 0 and b a number; 1.7 ulp
  ArithmeticKernel atan2;  // 1.7 ulp
  CompareKernel eq;
  CompareKernel ne;
  CompareKernel lt;
  CompareKernel le;
  // z += scale * x on contiguous ranges.
  void (*add_scaled)(float* z, const float* x, float scale, index_t count);
  // z = min(max(x, low), high), a NaN in x kept; and its gradient: dy where low <= x <= high.
  void (*clamp)(const float* x, float low, float high, index_t count, float* z, bool stream);
  void (*clamp_backward)(const float* dy, const float* x, float low, float high, index_t count,
                         float* z);
};
TW_KERNEL_TABLE(BinaryKernels, binary_kernels)

}  // namespace tilewise
