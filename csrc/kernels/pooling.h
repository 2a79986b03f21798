// Pooling of float32 channels-last arrays: a run of output pixels at a time, registers along
// channels.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

// The input pixels of a run of neighbouring output pixels: pixel t of output o is number
// positions[t] + o * shift. Pixels of inputs and outputs are pixel_stride floats apart.
struct PoolWindow {
  const std::int32_t* positions;
  index_t count;  // >= 1
  index_t outputs;
  index_t shift;
  index_t pixel_stride;
  index_t channels;
};

struct PoolKernels {
  // y = the maximum, argmax (may be null) = its position: the first one on a tie, the last NaN.
  void (*max_forward)(const float* x, const PoolWindow& w, float* y, std::int32_t* argmax);
  // dx at the window's pixels = dy where the pixel is the argmax, else 0. False where an argmax is
  // none of the window's positions.
  bool (*max_backward)(const float* dy, const std::int32_t* argmax, const PoolWindow& w, float* dx);
  // The same, added to dx.
  bool (*max_backward_add)(const float* dy, const std::int32_t* argmax, const PoolWindow& w,
                           float* dx);
  // y = scale * sum
  void (*average_forward)(const float* x, const PoolWindow& w, float scale, float* y);
  // dx at the window's pixels = scale * dy, or that much more.
  void (*average_backward)(const float* dy, const PoolWindow& w, float scale, float* dx);
  void (*average_backward_add)(const float* dy, const PoolWindow& w, float scale, float* dx);
};
TW_KERNEL_TABLE(PoolKernels, pooling_kernels)

}  // namespace tilewise
