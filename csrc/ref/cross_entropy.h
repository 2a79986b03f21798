// Cross entropy of softmax, for one row x of C scores with label t (Szegedy et al. 2016 for the
// smoothing e). With p = softmax(x), class weights w and W = sum_c w_c:
//
//   loss = (1 - e) w_t (-log p_t) + e / C sum_c w_c (-log p_c)
//   dx_c = (1 - e) w_t (p_c - [c = t]) + e / C (W p_c - w_c)
//
// Where the target is a probability q_c for each class, with u_c = w_c ((1 - e) q_c + e / C):
//
//   loss = sum_c u_c (-log p_c)      dx_c = (sum_k u_k) p_c - u_c      dq_c = (1 - e) w_c (-log
//   p_c)
//
// The focal form (Lin et al. 2017) multiplies the loss of a label by (1 - p_t)^g; with
// n = -log p_t the derivative by n is (1 - p_t)^g + n g (1 - p_t)^(g - 1) p_t.
//
// -log p_c = (maximum - x_c) + log_sum, in which nothing large cancels.
#pragma once

#include <algorithm>

#include "ref/softmax.h"

namespace tilewise::ref {

// sum_c w_c (maximum - x_c); weights of 1 where `weight` is null.
inline double weighted_gap(const double* x, const double* weight, index_t columns, double maximum) {
  double sum = 0;
  for (index_t c = 0; c < columns; ++c) sum += (weight ? weight[c] : 1.0) * (maximum - x[c]);
  return sum;
}

// dx_c = scale p_c - share w_c
inline void scaled_softmax(const double* x, const double* weight, index_t columns,
                           LogSumExp<double> row, double scale, double share, double* dx) {
  for (index_t c = 0; c < columns; ++c) {
    const double p = std::exp(x[c] - row.maximum - row.log_sum);
    dx[c] = scale * p - share * (weight ? weight[c] : 1.0);
  }
}

// u_c = w_c (keep q_c + add)
struct SoftRow {
  const double* x;
  const double* q;
  const double* weight;  // null: 1
  index_t columns;
  double keep;
  double add;
  double target(index_t c) const { return (weight ? weight[c] : 1.0) * (keep * q[c] + add); }
};

inline double soft_weight(const SoftRow& row) {
  double sum = 0;
  for (index_t c = 0; c < row.columns; ++c) sum += row.target(c);
  return sum;
}
inline double soft_gap(const SoftRow& row, double maximum) {
  double sum = 0;
  for (index_t c = 0; c < row.columns; ++c) sum += row.target(c) * (maximum - row.x[c]);
  return sum;
}
inline void soft_dx(const SoftRow& row, LogSumExp<double> s, double scale, double* dx) {
  const double weight = soft_weight(row);
  for (index_t c = 0; c < row.columns; ++c) {
    const double p = std::exp(row.x[c] - s.maximum - s.log_sum);
    dx[c] = scale * (weight * p - row.target(c));
  }
}
inline void soft_dt(const SoftRow& row, LogSumExp<double> s, double scale, double* dt) {
  for (index_t c = 0; c < row.columns; ++c) {
    dt[c] = scale * (row.weight ? row.weight[c] : 1.0) * (s.maximum - row.x[c] + s.log_sum);
  }
}

inline void focal(double n, double gamma, double* factor, double* slope) {
  const double m = -std::expm1(-n);
  *factor = std::pow(m, gamma);
  *slope = *factor + (m > 0 ? n * gamma * std::pow(m, gamma - 1) * std::exp(-n) : 0);
}

}  // namespace tilewise::ref
