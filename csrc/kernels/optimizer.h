// Updates of parameters by their gradients, on contiguous float32 ranges; ref/optimizer.h has the
// formulas and says what the states `s` are.
#pragma once

#include "base/optimizer_factors.h"
#include "kernels/dispatch.h"

namespace tilewise {

struct OptimizerArrays {
  float* p;
  const float* g;
  float* s[3];  // null: without
};

struct OptimizerKernels {
  // `factors` is the rule's struct of base/optimizer_factors.h.
  using Update = void (*)(OptimizerArrays a, const float* factors, index_t count);
  Update sgd;
  Update adam;
  Update adamax;
  Update rmsprop;
  Update adagrad;
  Update adadelta;
  Update lion;
  Update asgd;
  Update rprop;
  Update lerp;
  // LAMB's two passes: the first adds the squares of p and of the direction to squares[0] and [1].
  void (*lamb_average)(OptimizerArrays a, const float* factors, index_t count, double* squares);
  void (*lamb_move)(OptimizerArrays a, const float* factors, index_t count, float ratio);
  // Sums of squares, or of absolute values, of blocks, combined in float64.
  double (*sum_squares)(const float* x, index_t count);
  double (*sum_sizes)(const float* x, index_t count);
  float (*largest_size)(const float* x, index_t count);  // NaN where there is one
  void (*scale)(float* x, float factor, index_t count);
  void (*clamp)(float* x, float bound, index_t count);  // to [-bound, bound]; NaN stays
};
TW_KERNEL_TABLE(OptimizerKernels, optimizer_kernels)

}  // namespace tilewise
