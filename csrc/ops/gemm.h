// float32 matrix product on raw memory, blocked for the caches and cut into pieces for the threads.
#pragma once

#include "base/types.h"

namespace tilewise {

struct MatrixView {
  const float* data;
  index_t row_stride;
  index_t col_stride;
};

struct GemmProblem {
  index_t m;
  index_t n;
  index_t k;
  MatrixView a;  // m x k
  MatrixView b;  // k x n
  float* c;      // m x n, rows ldc apart
  index_t ldc;
  const float* bias = nullptr;  // n values added to every row
};

// c = a b + bias. Every output is the sum over k = 0, 1, 2, ... in blocks that depend on the
// problem only.
void gemm(const GemmProblem& problem);

}  // namespace tilewise
