// Rectifiers with a slope for each place, on float32 ranges: y = x > 0 ? x : slope x.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

// Rows of `columns` places, one after the other.
struct PreluRows {
  const float* x;
  const float* slope;  // `columns` of them, for every row
  float* y;
  index_t rows;
  index_t columns;
};

struct PreluGradient {
  const float* dy;
  const float* x;
  const float* slope;  // `columns` of them, for every row
  float* dx;           // may be null
  double* sums;        // `columns` sums of x dy where x <= 0, written; may be null
  index_t rows;
  index_t columns;
};

struct PreluKernels {
  void (*forward)(const PreluRows& p, bool stream);
  void (*backward)(const PreluGradient& g);
};
TW_KERNEL_TABLE(PreluKernels, prelu_kernels)

}  // namespace tilewise
