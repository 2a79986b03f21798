// A matrix as kernels see it.
#pragma once

#include "base/index.h"

namespace tilewise {

// A row-major matrix.
struct MatrixView {
  const float* x;
  index_t rows;
  index_t cols;
  index_t row_stride;
};

}  // namespace tilewise
