// Runs of a padded tensor.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

struct PadKernels {
  // dst = src; streaming: whole lines go past the caches. The caller fences.
  void (*copy)(const float* src, float* dst, index_t count, bool streaming);
  void (*add)(const float* src, float* dst, index_t count);  // dst += src
  void (*fence)();
};
TW_KERNEL_TABLE(PadKernels, pad_kernels)

}  // namespace tilewise
