// Reductions of float32 matrices along their rows or columns.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

// A row-major matrix.
struct MatrixView {
  const float* x;
  index_t rows;
  index_t cols;
  index_t row_stride;
};

struct ReduceKernels {
  // out[r] = sum of row r: short blocks in float32, combined in double.
  void (*sum_rows)(const MatrixView& m, double* out);
  // out[c] += sum of column c.
  void (*sum_cols)(const MatrixView& m, double* out);
  // out[r] = the largest element of row r (cols >= 1); a NaN anywhere gives NaN.
  void (*max_rows)(const MatrixView& m, float* out);
  void (*min_rows)(const MatrixView& m, float* out);
  // out[c] = max(out[c], column c).
  void (*max_cols)(const MatrixView& m, float* out);
  void (*min_cols)(const MatrixView& m, float* out);
  bool (*all_finite)(const float* x, index_t count);
};
TW_KERNEL_TABLE(ReduceKernels, reduce_kernels)

}  // namespace tilewise
