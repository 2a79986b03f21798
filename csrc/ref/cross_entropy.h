// Cross entropy of softmax, for one row x of C scores with label t (Szegedy et al. 2016 for the
// smoothing e). With p = softmax(x), class weights w and W = sum_c w_c:
//
//   loss = (1 - e) w_t (-log p_t) + e / C sum_c w_c (-log p_c)
//   dx_c = (1 - e) w_t (p_c - [c = t]) + e / C (W p_c - w_c)
//
// -log p_c = (maximum - x_c) + log_sum, in which nothing large cancels.
#pragma once

#include "ref/softmax.h"

namespace tilewise::ref {

// sum_c w_c (maximum - x_c); weights of 1 where `weight` is null.
template <typename T>
T weighted_gap(const T* x, const T* weight, index_t columns, T maximum) {
  double sum = 0;
  for (index_t c = 0; c < columns; ++c) {
    sum += (weight ? double{weight[c]} : 1.0) * (double{maximum} - double{x[c]});
  }
  return static_cast<T>(sum);
}

// dx_c = scale p_c - share w_c
template <typename T>
void scaled_softmax(const T* x, const T* weight, index_t columns, LogSumExp<T> row, double scale,
                    double share, T* dx) {
  for (index_t c = 0; c < columns; ++c) {
    const double p = std::exp(double{x[c]} - double{row.maximum} - double{row.log_sum});
    dx[c] = static_cast<T>(scale * p - share * (weight ? double{weight[c]} : 1.0));
  }
}

}  // namespace tilewise::ref
