// The two passes of a separable resampling of float32 channels-last rows.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

// Pixel o of a row is the sum over k < count[o] of weight[begin[o] + k] * x[first[o] + k].
struct ResampleTaps {
  const std::int32_t* first;
  const std::int32_t* count;
  const std::int32_t* begin;
  const float* weight;
  index_t outputs;
};

// The same for few channels: block b of `width` neighbouring floats of the result is the sum of its
// steps, each a register of x whose lanes are permuted and weighted. Lanes outside the mask take no
// part.
struct ResampleSteps {
  const std::int32_t* begin;  // blocks + 1: the first step of each
  const std::int32_t* base;   // per step: where its register starts in x
  const std::uint32_t* mask;  // per step
  const std::int32_t* lane;   // width per step
  const float* weight;        // width per step
  index_t length;             // floats of the result
};

// Runs of `length` floats, `stride` apart in the sources, one behind the other in the result.
struct ResampleRuns {
  index_t runs;
  index_t length;
  index_t stride;
};

// Up to two rows of the result from the same one or two rows of x; every pixel has one tap or two.
struct ResamplePair {
  const float* x[2];   // rows of x, `sources` of them
  float weight[2][2];  // of each row of the result: what the rows of x count
  float* y[2];         // rows of the result, `results` of them
  int sources;
  int results;
  index_t pixel_stride;  // floats, in x and y
};

struct ResampleKernels {
  index_t width;  // lanes of a register
  // out = sum over r < count of weight[r] * rows[r]
  void (*combine)(const float* const* rows, const float* weight, index_t count,
                  const ResampleRuns& runs, float* out);
  // Pixels of x are x_stride floats apart, those of y y_stride. `past_caches`: y is not read soon.
  void (*along)(const float* x, index_t x_stride, const ResampleTaps& taps, index_t channels,
                float* y, index_t y_stride, bool past_caches);
  void (*along_steps)(const float* x, const ResampleSteps& steps, float* y, bool past_caches);
  // y = the pixels of `taps` from the weighted sums of the rows, which stay in registers.
  void (*pair)(const ResamplePair& rows, const ResampleTaps& taps, index_t channels,
               bool past_caches);
  // After the last store past the caches, before other threads read. A fence drains the store
  // buffers, so there is one for many rows.
  void (*fence)();
};
TW_KERNEL_TABLE(ResampleKernels, resample_kernels)

}  // namespace tilewise
