// Reductions of float32 matrices along their rows or columns.
#pragma once

#include "base/map_sum.h"
#include "kernels/dispatch.h"
#include "kernels/matrix_view.h"

namespace tilewise {

struct ReduceKernels {
  // out[r] = sum of row r: short blocks in float32, combined in double.
  void (*sum_rows)(const MatrixView& m, double* out);
  // out[c] += sum of column c.
  void (*sum_cols)(const MatrixView& m, double* out);
  // out[r] = product of row r.
  void (*product_rows)(const MatrixView& m, double* out);
  // out[r] = sum of f(x) over row r; out[c] += sum of f(x) over column c.
  void (*map_rows)(MapSum map, const MatrixView& m, double* out);
  void (*map_cols)(MapSum map, const MatrixView& m, double* out);
  // out[r] = the largest element of row r (cols >= 1); a NaN anywhere gives NaN.
  void (*max_rows)(const MatrixView& m, float* out);
  void (*min_rows)(const MatrixView& m, float* out);
  // out[c] = max(out[c], column c).
  void (*max_cols)(const MatrixView& m, float* out);
  void (*min_cols)(const MatrixView& m, float* out);
  // Where the extreme of each row is: the first of equals, or the first NaN (cols >= 1).
  void (*arg_max_rows)(const MatrixView& m, float* out, std::int64_t* at);
  void (*arg_min_rows)(const MatrixView& m, float* out, std::int64_t* at);
  // The same for columns (1 <= rows < 2^24): `places` has room for `cols` numbers.
  void (*arg_max_cols)(const MatrixView& m, float* out, std::int64_t* at, float* places);
  void (*arg_min_cols)(const MatrixView& m, float* out, std::int64_t* at, float* places);
  bool (*all_finite)(const float* x, index_t count);
};
TW_KERNEL_TABLE(ReduceKernels, reduce_kernels)

}  // namespace tilewise
