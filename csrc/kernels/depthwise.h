// Rows of a depthwise convolution on channels-last data, vectors over channels.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

// Taps that are neighbours along the width and meet one row of the source. Tap t meets source
// column `column + o * step + t` at output column o, where that column exists.
struct DepthwiseTaps {
  const float* src;  // column 0 of the row
  index_t column;
  const float* weight;  // of the first tap, one float a channel
  float* sums;          // of the first tap: for weight gradients, instead of weight
};

// What forward and gradients share. `taps` lists groups of `chunk` taps: 1 with any step, or 3, 5
// or 7 with step 1 or 2.
struct DepthwiseRow {
  const DepthwiseTaps* taps;
  index_t count;
  index_t chunk;
  index_t step;
  index_t src_columns;
  index_t src_pixel;  // floats between columns
  index_t out_columns;
  index_t out_pixel;
  index_t channels;
  index_t tap_stride;  // floats from a tap's weights or sums to those of the next
  // Floats from the last taps' row to what will be read next, 0 for nothing.
  index_t prefetch;
};

struct DepthwiseOutput {
  float* y;           // column 0
  const float* bias;  // or null
  bool relu;
  bool streaming;  // past the caches: channels and y are aligned to vectors
};

struct DepthwiseSource {
  const float* dy;   // column 0
  float* bias_sums;  // or null
  index_t prefetch;  // floats from a column of dy to what will be read next, 0 for nothing
};

struct DepthwiseKernels {
  index_t width;  // floats of a vector
  // y = activation(bias + sum over taps of weight * source)
  void (*forward)(const DepthwiseRow& row, const DepthwiseOutput& out);
  // sums of a tap += sum over output columns of dy * source; bias_sums += sum of dy. Sums have
  // whole vectors.
  void (*weight_gradient)(const DepthwiseRow& row, const DepthwiseSource& gradient);
  // out[i * multiplier + j] = x[i]
  void (*repeat)(const float* x, index_t count, index_t multiplier, float* out);
  // out[p][c] = activation(bias[c] + sum over j of x[p][c * multiplier + j])
  void (*sum_multiples)(const float* x, index_t pixels, index_t channels, index_t multiplier,
                        const DepthwiseOutput& out);
};
TW_KERNEL_TABLE(DepthwiseKernels, depthwise_kernels)

}  // namespace tilewise
