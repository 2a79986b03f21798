// Functions of one float32 operand on contiguous ranges; x and y may be the same.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

// stream: y is larger than the caches; stores go past them where it is aligned.
using UnaryKernel = void (*)(const float* x, float* y, index_t count, bool stream);
using PredicateKernel = void (*)(const float* x, std::uint8_t* y, index_t count);  // 0 or 1

struct UnaryKernels {
  UnaryKernel neg;
  UnaryKernel abs;
  UnaryKernel sign;
  UnaryKernel square;
  UnaryKernel floor;
  UnaryKernel ceil;
  UnaryKernel round;  // halves to even
  UnaryKernel exp;    // errors in ulp: kernels/simd/math.h
  UnaryKernel log;
  UnaryKernel log1p;
  UnaryKernel sqrt;
  UnaryKernel rsqrt;
  UnaryKernel reciprocal;
  UnaryKernel sin;
  UnaryKernel cos;
  UnaryKernel tanh;
  UnaryKernel sigmoid;
  PredicateKernel isnan;
  PredicateKernel isinf;
  PredicateKernel isfinite;
};
TW_KERNEL_TABLE(UnaryKernels, unary_kernels)

}  // namespace tilewise
