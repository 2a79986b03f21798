// Inner loops of image augmentation: bytes to floats and back, and colours in planes.
#pragma once

#include "kernels/dispatch.h"
#include "kernels/resample.h"

namespace tilewise {

// The three planes of an image whose values lie in [0, bound].
struct ColourPlanes {
  float* red;
  float* green;
  float* blue;
  index_t count;
  float bound;
};

struct AugmentKernels {
  // y[i] = (x[i] / 255 - mean[i]) / deviation[i], rounded after each step
  void (*normalize)(const std::uint8_t* x, const float* mean, const float* deviation, index_t count,
                    float* y);
  // out = sum over r < taps of weight[r] * rows[r]
  void (*combine_bytes)(const std::uint8_t* const* rows, const float* weight, index_t taps,
                        index_t count, float* out);
  // Resampling along a row of pixels of three or four floats. Both ends of a row need a float more
  // behind them: each pixel is four floats here, the last of which the next one overwrites.
  void (*along_colours)(const float* x, const ResampleTaps& taps, index_t channels, float* y);
  // The nearest byte; halves go up.
  void (*round_bytes)(const float* x, index_t count, std::uint8_t* y);
  // y = weight * a + (1 - weight) * b
  void (*blend_bytes)(const std::uint8_t* a, const std::uint8_t* b, float weight, index_t count,
                      std::uint8_t* y);
  void (*blend_floats)(const float* a, const float* b, float weight, index_t count, float* y);
  // x = clamp(factor * x + offset, 0, bound)
  void (*scale)(float* x, index_t count, float factor, float offset, float bound);
  // x = clamp(factor * x + (1 - factor) * luma)
  void (*saturate)(const ColourPlanes& planes, float factor);
  // Turns the hue by `sixths` sixths of the circle, in [-3, 3].
  void (*turn_hue)(const ColourPlanes& planes, float sixths);
  // The sum of the luma, in an order of its own that depends on `count` alone.
  double (*luma_sum)(const ColourPlanes& planes);
};
TW_KERNEL_TABLE(AugmentKernels, augment_kernels)

}  // namespace tilewise
