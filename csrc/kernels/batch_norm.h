// Batch normalisation of float32 matrices: rows are pixels, columns are channels.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

// A row-major matrix without gaps.
struct RowsShape {
  index_t rows;
  index_t channels;
};

// y = (x - mean) * scale + bias, or the maximum of 0 and that with `relu`.
struct NormaliseVectors {
  const float* mean;
  const float* scale;
  const float* bias;
  bool relu;
};

// dx = scale * dy - slope * (x - mean) - offset. The forward pass says where its relu had cut y
// off, for dy counts as 0 there; with `input_relu`, dx is 0 where x is not positive.
struct NormaliseGradVectors {
  NormaliseVectors forward;
  const float* slope;
  const float* offset;
  bool input_relu;
};

struct BatchNormKernels {
  // sum[c] += sum over rows of (x - pivot[c]), sum_squares[c] += sum of (x - pivot[c])^2.
  void (*statistics)(const float* x, RowsShape shape, const float* pivot, double* sum,
                     double* sum_squares);
  void (*normalise)(const float* x, RowsShape shape, NormaliseVectors v, float* y);
  // Past the caches, for outputs that would not stay there; y is 64-byte aligned.
  void (*normalise_streaming)(const float* x, RowsShape shape, NormaliseVectors v, float* y);
  // sum_dy[c] += sum over rows of dy, sum_dy_x[c] += sum of dy * (x - mean[c]).
  void (*backward_sums)(const float* dy, const float* x, RowsShape shape, NormaliseVectors forward,
                        double* sum_dy, double* sum_dy_x);
  void (*backward_input)(const float* dy, const float* x, RowsShape shape, NormaliseGradVectors v,
                         float* dx);
  void (*backward_input_streaming)(const float* dy, const float* x, RowsShape shape,
                                   NormaliseGradVectors v, float* dx);
};
TW_KERNEL_TABLE(BatchNormKernels, batch_norm_kernels)

}  // namespace tilewise
