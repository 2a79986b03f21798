// Partial results of variances and of log-sum-exp, of float32 matrices along their rows or columns.
#pragma once

#include "base/map_sum.h"
#include "kernels/dispatch.h"
#include "kernels/matrix_view.h"

namespace tilewise {

// Of each row or column (rows, cols >= 1): one read of memory.
struct StatisticsKernels {
  void (*moments_rows)(const MatrixView& m, CountedMoments* out);
  void (*moments_cols)(const MatrixView& m, CountedMoments* out);
  void (*exponentials_rows)(const MatrixView& m, ScaledSum* out);
  void (*exponentials_cols)(const MatrixView& m, ScaledSum* out);
};
TW_KERNEL_TABLE(StatisticsKernels, statistics_kernels)

}  // namespace tilewise
