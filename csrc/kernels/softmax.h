// Softmax along the columns of row-major float32 matrices.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

struct MatrixShape {
  index_t rows;
  index_t columns;  // >= 1
};

// `lanes` rows side by side: element r of a row is r * stride after element 0.
struct LaneShape {
  index_t length;  // of a row, >= 1
  index_t lanes;
  index_t stride;
};

// Of one row: log(sum(exp(x))) = maximum + log_sum, kept apart because log_sum is small.
struct LogSumExp {
  float maximum;
  float log_sum;
};

struct SoftmaxKernels {
  void (*softmax)(const float* x, MatrixShape shape, float* y);
  void (*log_softmax)(const float* x, MatrixShape shape, float* y);
  // dx = y (dy - sum(dy y))
  void (*softmax_backward)(const float* dy, const float* y, MatrixShape shape, float* dx);
  // dx = dy - exp(y) sum(dy)
  void (*log_softmax_backward)(const float* dy, const float* y, MatrixShape shape, float* dx);

  // The same four for rows that lie side by side.
  void (*softmax_lanes)(const float* x, const LaneShape& shape, float* y);
  void (*log_softmax_lanes)(const float* x, const LaneShape& shape, float* y);
  void (*softmax_backward_lanes)(const float* dy, const float* y, const LaneShape& shape,
                                 float* dx);
  void (*log_softmax_backward_lanes)(const float* dy, const float* y, const LaneShape& shape,
                                     float* dx);
};
TW_KERNEL_TABLE(SoftmaxKernels, softmax_kernels)

}  // namespace tilewise
