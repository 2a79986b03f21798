// Updates of parameters by their gradients, on contiguous float32 ranges; ref/optimizer.h has the
// formulas.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

struct AdamArrays {
  float* p;
  const float* g;
  float* m;
  float* v;
  float* v_max;  // null without amsgrad
};

struct AdamFactors {
  float sign;    // -1 to maximize
  float l2;      // weight decay as part of the gradient
  float shrink;  // 1 - lr * decoupled weight decay
  float beta1;
  float one_minus_beta1;
  float beta2;
  float one_minus_beta2;
  float correction;  // 1 / sqrt(1 - beta2^step)
  float eps;
  float step_size;  // lr / (1 - beta1^step)
};

struct SgdArrays {
  float* p;
  const float* g;
  float* buffer;  // null without momentum
};

struct SgdFactors {
  float sign;
  float l2;
  float momentum;
  float one_minus_dampening;
  float lr;
  bool first;  // the buffer becomes the gradient
  bool nesterov;
};

struct OptimizerKernels {
  void (*adam)(const AdamArrays& a, const AdamFactors& f, index_t count);
  void (*sgd)(const SgdArrays& a, const SgdFactors& f, index_t count);
  // Sums of squares of blocks, combined in float64.
  double (*sum_squares)(const float* x, index_t count);
  void (*scale)(float* x, float factor, index_t count);
};
TW_KERNEL_TABLE(OptimizerKernels, optimizer_kernels)

}  // namespace tilewise
