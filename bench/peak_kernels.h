// Inner loops of the peak measurement, compiled per ISA like the library's own kernels.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

struct PeakKernels {
  // Independent chains of multiply-adds held in registers. Returns the operations done; `sink`
  // receives a value that depends on all of them.
  double (*multiply_add)(index_t rounds, float* sink);
  float (*read)(const float* x, index_t count);
  void (*copy)(const float* x, float* y, index_t count);
};
TW_KERNEL_TABLE(PeakKernels, peak_kernels)

}  // namespace tilewise
