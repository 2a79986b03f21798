// Pooling of float32 channels-last arrays: a run of output pixels at a time, registers along
// channels.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

// The input pixels of a run of neighbouring output pixels in some rows: pixel t of output o in row
// r is number positions[t] + o * shift + r * row_shift. Pixels of inputs and outputs are
// pixel_stride floats apart, rows of outputs row_stride.
struct PoolWindow {
  const std::int32_t* positions;
  index_t count;  // >= 1
  index_t outputs;
  index_t shift;
  index_t rows;
  index_t row_shift;
  index_t pixel_stride;
  index_t row_stride;
  index_t channels;
  bool past_caches;  // the results are not read soon
  // Pixels that the next rows of outputs will read from memory: `ahead_rows` runs, row_pixels
  // apart.
  std::int32_t ahead;
  index_t ahead_rows;
  index_t row_pixels;
};

// A row of the gradient of the input: pixel i, whose flat position is first_position + i, collects
// from the outputs [low[i], high[i]) of each of `rows` rows of dy.
struct PoolGather {
  const float* const* dy;
  const std::int32_t* const* argmax;
  index_t rows;
  const std::int32_t* low;
  const std::int32_t* high;
  index_t pixels;
  std::int32_t first_position;
  index_t pixel_stride;
  index_t channels;
};

struct PoolKernels {
  // y = the maximum, argmax (may be null) = its position: the first one on a tie, the last NaN.
  void (*max_forward)(const float* x, const PoolWindow& w, float* y, std::int32_t* argmax);
  // dx = the sum of dy where argmax is the pixel. Returns how many elements of dy were taken.
  index_t (*max_gather)(const PoolGather& g, float* dx, bool past_caches);
  // y = scale * sum
  void (*average_forward)(const float* x, const PoolWindow& w, float scale, float* y);
  // After the last store past the caches, before other threads read.
  void (*fence)();
};
TW_KERNEL_TABLE(PoolKernels, pooling_kernels)

}  // namespace tilewise
