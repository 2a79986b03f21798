// Copies that a loop over elements would do slowly: past the caches, and transposed.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

// dst[r * dst_row + c] = src[r + c * src_col]: rows of the result are contiguous, and so are
// columns of it in the source.
struct TransposeBlock {
  const float* src;
  float* dst;
  index_t rows;
  index_t cols;
  index_t dst_row;
  index_t src_col;
  bool stream = false;  // the result is larger than the caches: store past them where aligned
};

struct CopyKernels {
  void (*transpose)(const TransposeBlock& block);
  // Contiguous ranges, stored past the caches; fence() after the last.
  void (*stream)(const float* src, float* dst, index_t count);
  void (*fill)(float* dst, float value, index_t count, bool stream);
  void (*fence)();
};
TW_KERNEL_TABLE(CopyKernels, copy_kernels)

}  // namespace tilewise
