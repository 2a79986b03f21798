// Functions of two float32 operands that need more than float32 arithmetic on the way: computed in
// double, rounded once. Blocks as in kernels/binary.h, which has no `stream` here: arithmetic
// bounds them.
#pragma once

#include "kernels/binary.h"

namespace tilewise {

// Largest errors: pow 0.51 ulp; fmod none; remainder and floor_div 0.5 ulp, their rounding.
struct BinaryMathKernels {
  ArithmeticKernel pow;
  ArithmeticKernel fmod;
  ArithmeticKernel remainder;  // with the sign of the divisor
  ArithmeticKernel floor_div;
};
TW_KERNEL_TABLE(BinaryMathKernels, binary_math_kernels)

}  // namespace tilewise
