// Gated linear units on contiguous float32 ranges: y = a sigmoid(b).
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

struct GluGradient {
  const float* dy;
  const float* a;
  const float* b;
  float* da;
  float* db;
  index_t count;
};

struct GluKernels {
  void (*forward)(const float* a, const float* b, float* y, index_t count, bool stream);
  // da = dy sigmoid(b), db = dy a sigmoid(b) (1 - sigmoid(b))
  void (*backward)(const GluGradient& g);
};
TW_KERNEL_TABLE(GluKernels, glu_kernels)

}  // namespace tilewise
