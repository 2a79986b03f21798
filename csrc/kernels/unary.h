// Functions of one float32 operand on contiguous ranges (base/unary_op.h); operands and result may
// be the same memory.
#pragma once

#include "base/unary_op.h"
#include "kernels/dispatch.h"

namespace tilewise {

struct UnaryConstants {
  float a, b, c;  // named at the formulas: kernels/simd/activations.h
};

// `stream`: the result is larger than the caches; stores go past them where it is aligned.
using UnaryKernel = void (*)(const float* x, float* y, index_t count, const UnaryConstants& p,
                             bool stream);
// dx = dy f'(x). `kept` is what the row reads, or anything readable.
using UnaryGradientKernel = void (*)(const float* dy, const float* kept, float* dx, index_t count,
                                     const UnaryConstants& p, bool stream);
using PredicateKernel = void (*)(const float* x, std::uint8_t* y, index_t count);  // 0 or 1

// In the order of UnaryOp.
struct UnaryKernels {
  UnaryKernel forward[unary_functions];
  PredicateKernel predicates[unary_ops - unary_functions];
};
struct UnaryGradientKernels {
  UnaryGradientKernel backward[unary_functions];
};
TW_KERNEL_TABLE(UnaryKernels, unary_kernels)
TW_KERNEL_TABLE(UnaryGradientKernels, unary_gradient_kernels)

}  // namespace tilewise
