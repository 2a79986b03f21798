// Rectified linear unit on contiguous float32 ranges.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

struct ReluKernels {
  // y = max(x, 0); a NaN stays a NaN. stream: y is larger than the caches; stores go past them
  // where it is aligned.
  void (*forward)(const float* x, float* y, index_t count, bool stream);
  // dx = y > 0 ? dy : 0; the derivative at 0 is 0.
  void (*backward)(const float* dy, const float* y, float* dx, index_t count, bool stream);
};
TW_KERNEL_TABLE(ReluKernels, relu_kernels)

}  // namespace tilewise
