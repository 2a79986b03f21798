// Losses that are a function of each element: f(x, t, v) of the input, the target and, for some, a
// third operand; with its derivatives. Float32, short contiguous runs.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

// The rows of the table. Parameters a, b, c and the third operand v of each:
enum class PointwiseLoss : std::uint8_t {
  mse,
  l1,
  huber,  // a: where the square ends, b: its factor, c: the slope beyond
  bce,
  bce_with_logits,
  bce_with_pos_weight,  // bce_with_logits; v: the weight of positives
  kl_div,
  kl_div_log,        // the target is a logarithm
  hinge_embedding,   // a: margin
  cosine_embedding,  // a: margin
  soft_margin,
  margin_ranking,   // v: the second input, a: margin
  poisson_nll,      // a: eps, b: 1 with Stirling's term
  poisson_nll_log,  // the input is a logarithm
  gaussian_nll,     // v: variance, a: eps, b: the constant term
  sigmoid_focal,    // a: alpha (negative: none), b: gamma
};
constexpr int pointwise_losses = 16;

// A step is 1, or 0 where one element stands for the whole run. A null v counts as 1.
template <typename T>
struct LossRun {
  const T* x;
  const T* t;
  const T* v;
  index_t x_step;
  index_t t_step;
  index_t v_step;
  index_t count;
};
struct LossParameters {
  float a;
  float b;
  float c;
  float scale;  // of the result
};

// For whole registers without null operands: called through `run`.
using LossKernel = void (*)(const LossRun<float>& run, const LossParameters& p, float* out);

// The sum of the values.
using LossSum = double (*)(const LossRun<float>& run, const LossParameters& p);

struct LossRow {
  LossKernel value;  // NaN where an operand is outside the loss's domain
  LossSum sum;
  LossKernel dx;
  LossKernel dt;  // null: -dx
  LossKernel dv;  // null: the loss has no third operand
};

template <typename T>
struct LossFactors {
  const T* w;  // null: 1
  const T* g;
  index_t w_step;
  index_t g_step;
};

struct PointwiseLossKernels {
  LossRow rows[pointwise_losses];
  // Any run through a row's kernel.
  void (*run)(LossKernel kernel, const LossRun<float>& run, const LossParameters& p, float* out);
  double (*sum)(const LossRow& row, const LossRun<float>& run, const LossParameters& p);
  // out = x w g; may be x itself.
  void (*multiply)(const float* x, const LossFactors<float>& f, float* out, index_t count,
                   bool stream);
};
TW_KERNEL_TABLE(PointwiseLossKernels, pointwise_loss_kernels)

}  // namespace tilewise
