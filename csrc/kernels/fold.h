// Adds the patches of a row of pixels where they belong (col2im of one row).
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

// For w < pixels, r < rows and i < run:  dst[w*step + r*dst_row + i] += src[w*src_pixel + r*run +
// i] Runs of neighbouring pixels may overlap.
struct FoldRow {
  const float* src;
  index_t src_pixel;
  index_t pixels;
  float* dst;
  index_t step;
  index_t dst_row;
  index_t rows;
  index_t run;
};

struct FoldKernels {
  void (*add)(const FoldRow& f);
};
TW_KERNEL_TABLE(FoldKernels, fold_kernels)

}  // namespace tilewise
