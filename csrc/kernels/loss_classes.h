// What the losses over classes need of row-major float32 scores, a row a sample.
#pragma once

#include "kernels/dispatch.h"
#include "kernels/softmax.h"

namespace tilewise {

// log(sum(exp(row))) = maximum + log_sum, kept apart because log_sum is small.
struct RowSums {
  const float* maximum;
  const float* log_sum;
};

// dx = scale p - share w, p = softmax(row): scale and share of each row, w of each class.
struct RowGradients {
  const float* scale;
  const float* share;   // null: 0
  const float* weight;  // null: 1
};

// The target of one row as probabilities: keep t + add, times the weight of the class.
struct SoftTarget {
  const float* t;
  const float* weight;  // null: 1
  float keep;
  float add;
};

struct SoftSums {
  float weight;  // sum of the targets
  float gap;     // sum of the targets times maximum - x
};

struct SoftGradient {
  float maximum;
  float log_sum;
  float scale;
  float weight;  // of SoftSums
};

struct HingeRow {
  const float* x;
  index_t count;
  float offset;
  bool squared;
};

struct ClassLossKernels {
  void (*log_sum_exp)(const float* x, MatrixShape shape, float* maximum, float* log_sum);
  void (*gradient)(const float* x, MatrixShape shape, RowSums sums, RowGradients g, float* dx);
  // sum(weight (maximum - x)) of one row.
  float (*weighted_gap)(const float* x, const float* weight, index_t columns, float maximum);
  SoftSums (*soft_sums)(const float* x, const SoftTarget& target, index_t columns, float maximum);
  // dx = scale (sums.weight p - target)
  void (*soft_dx)(const float* x, const SoftTarget& target, index_t columns, const SoftGradient& g,
                  float* dx);
  // dt = scale weight (maximum + log_sum - x)
  void (*soft_dt)(const float* x, const float* weight, index_t columns, const SoftGradient& g,
                  float* dt);
  // Of n = -log p: the factor m^gamma, m = 1 - e^-n, and the derivative of m^gamma n.
  void (*focal)(const float* n, float gamma, float* factor, float* slope, index_t count);
  // sum(z) or sum(z^2) of z = max(0, offset + x)
  float (*hinge_sum)(const HingeRow& row);
  // dx += scale z'; returns the sum of what was added.
  float (*hinge_gradient)(const HingeRow& row, float scale, float* dx);
};
TW_KERNEL_TABLE(ClassLossKernels, class_loss_kernels)

}  // namespace tilewise
