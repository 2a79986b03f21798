// Rows of a depthwise convolution on channels-last data, vectors over channels.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

// Taps that are neighbours along the width and meet one row of the source. Tap t meets source
// column `column + o * step + t` at output column o, where that column exists; with step -2 output
// column o meets column `column + j` with tap t = o + origin - 2 * j, where there is such a tap.
struct DepthwiseTaps {
  const float* src;  // column 0 of the row
  index_t column;
  const float* weight[2];  // of the first tap, one float a channel, for one or two output rows
  float* sums;             // of the first tap: for weight gradients, instead of weights
};

// Memory that will be read soon, to be fetched while a run is computed.
struct DepthwiseAhead {
  const float* data;
  index_t floats;
};

// What forward and gradients share. Groups of `chunk` taps: 1 with any step, or 3, 5 or 7 with step
// 1, 2 or -2.
struct DepthwiseRow {
  const DepthwiseTaps* taps;
  index_t only_first;  // taps of the first output row alone come first,
  index_t both;        // then those that two output rows share,
  index_t only_second;
  index_t chunk;
  index_t step;
  index_t origin;  // 0 or 1, for step -2
  index_t src_columns;
  index_t src_pixel;  // floats between columns
  index_t out_columns;
  index_t out_pixel;
  index_t channels;
  index_t tap_stride;  // floats from a tap's weights or sums to those of the next
  DepthwiseAhead ahead[2];
};

struct DepthwiseOutput {
  float* y;           // column 0
  index_t second;     // floats to the second output row, 0: there is one row
  const float* bias;  // or null
  bool relu;
  bool streaming;  // past the caches: channels and y are aligned to vectors
};

struct DepthwiseSource {
  const float* dy;   // column 0
  float* bias_sums;  // or null
};

struct DepthwiseKernels {
  index_t width;  // floats of a vector
  // Whether forward computes two output rows with groups of `chunk` taps.
  bool (*two_rows)(index_t chunk);
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
