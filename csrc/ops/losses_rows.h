// The rows of scores of the losses over classes: float32 through the kernels, float64 through the
// plain loops, under one set of names. For the ops alone.
#pragma once

#include "kernels/loss_classes.h"
#include "ref/cross_entropy.h"
#include "ref/hinge.h"

namespace tilewise {

// log(sum(exp(row))) of several rows; see RowSums.
inline void log_sum_exp_rows(const float* x, MatrixShape shape, float* maximum, float* log_sum) {
  class_loss_kernels().log_sum_exp(x, shape, maximum, log_sum);
}
inline void log_sum_exp_rows(const double* x, MatrixShape shape, double* maximum, double* log_sum) {
  for (index_t r = 0; r < shape.rows; ++r) {
    const ref::LogSumExp<double> row = ref::log_sum_exp(x + r * shape.columns, shape.columns);
    maximum[r] = row.maximum;
    log_sum[r] = row.log_sum;
  }
}

template <typename T>
struct GradientRows {
  const T* maximum;
  const T* log_sum;
  const T* scale;
  const T* share;   // null: 0
  const T* weight;  // null: 1
};
// dx = scale p - share weight
inline void gradient_rows(const float* x, MatrixShape shape, const GradientRows<float>& g,
                          float* dx) {
  class_loss_kernels().gradient(x, shape, {g.maximum, g.log_sum}, {g.scale, g.share, g.weight}, dx);
}
inline void gradient_rows(const double* x, MatrixShape shape, const GradientRows<double>& g,
                          double* dx) {
  for (index_t r = 0; r < shape.rows; ++r) {
    const index_t i = r * shape.columns;
    ref::scaled_softmax(x + i, g.weight, shape.columns, {g.maximum[r], g.log_sum[r]}, g.scale[r],
                        g.share ? g.share[r] : 0.0, dx + i);
  }
}

inline double gap_of(const float* x, const float* weight, index_t columns, float maximum) {
  return class_loss_kernels().weighted_gap(x, weight, columns, maximum);
}
inline double gap_of(const double* x, const double* weight, index_t columns, double maximum) {
  return ref::weighted_gap(x, weight, columns, maximum);
}

inline void focal_rows(const float* n, double gamma, float* factor, float* slope, index_t count) {
  class_loss_kernels().focal(n, static_cast<float>(gamma), factor, slope, count);
}
inline void focal_rows(const double* n, double gamma, double* factor, double* slope,
                       index_t count) {
  for (index_t i = 0; i < count; ++i) ref::focal(n[i], gamma, factor + i, slope + i);
}

// One row whose target is a probability for each class.
template <typename T>
struct SoftTargetRow {
  const T* x;
  const T* q;
  const T* weight;
  index_t columns;
  double keep;
  double add;
  T maximum;
  T log_sum;

  SoftTarget target() const {
    return {q, weight, static_cast<float>(keep), static_cast<float>(add)};
  }
};
inline double soft_loss(const SoftTargetRow<float>& r) {
  const SoftSums sums = class_loss_kernels().soft_sums(r.x, r.target(), r.columns, r.maximum);
  return double{sums.gap} + double{sums.weight} * double{r.log_sum};
}
inline ref::SoftRow ref_row(const SoftTargetRow<double>& r) {
  return {r.x, r.q, r.weight, r.columns, r.keep, r.add};
}
inline double soft_loss(const SoftTargetRow<double>& r) {
  return ref::soft_gap(ref_row(r), r.maximum) + ref::soft_weight(ref_row(r)) * r.log_sum;
}
inline void soft_dx(const SoftTargetRow<float>& r, double scale, float* dx) {
  const ClassLossKernels& k = class_loss_kernels();
  const SoftSums sums = k.soft_sums(r.x, r.target(), r.columns, r.maximum);
  k.soft_dx(r.x, r.target(), r.columns,
            {r.maximum, r.log_sum, static_cast<float>(scale), sums.weight}, dx);
}
inline void soft_dx(const SoftTargetRow<double>& r, double scale, double* dx) {
  ref::soft_dx(ref_row(r), {r.maximum, r.log_sum}, scale, dx);
}
inline void soft_dt(const SoftTargetRow<float>& r, double scale, float* dt) {
  class_loss_kernels().soft_dt(r.x, r.weight, r.columns,
                               {r.maximum, r.log_sum, static_cast<float>(scale), 0.0F}, dt);
}
inline void soft_dt(const SoftTargetRow<double>& r, double scale, double* dt) {
  ref::soft_dt(ref_row(r), {r.maximum, r.log_sum}, scale, dt);
}

inline double hinge_sum(const float* x, index_t count, double offset, bool squared) {
  return class_loss_kernels().hinge_sum({x, count, static_cast<float>(offset), squared});
}
inline double hinge_sum(const double* x, index_t count, double offset, bool squared) {
  return ref::hinge_sum(x, count, offset, squared);
}
inline double hinge_gradient(const float* x, index_t count, double offset, bool squared,
                             double scale, float* dx) {
  return class_loss_kernels().hinge_gradient({x, count, static_cast<float>(offset), squared},
                                             static_cast<float>(scale), dx);
}
inline double hinge_gradient(const double* x, index_t count, double offset, bool squared,
                             double scale, double* dx) {
  return ref::hinge_gradient(x, count, offset, squared, scale, dx);
}

}  // namespace tilewise
