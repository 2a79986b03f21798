// softmax(x)_c = exp(x_c) / sum_j exp(x_j), one row at a time, with the maximum m subtracted first:
//
//   log_softmax(x)_c = (x_c - m) - log sum_j exp(x_j - m)
//
// Gradients: softmax       dx = y (dy - sum dy y)
//            log_softmax   dx = dy - exp(y) sum dy
#pragma once

#include <cmath>

#include "base/types.h"

namespace tilewise::ref {

template <typename T>
struct LogSumExp {
  T maximum;
  T log_sum;
};

template <typename T>
LogSumExp<T> log_sum_exp(const T* x, index_t columns) {
  T maximum = x[0];
  for (index_t c = 1; c < columns; ++c) {
    if (x[c] > maximum || std::isnan(x[c])) maximum = x[c];
  }
  double sum = 0;
  for (index_t c = 0; c < columns; ++c) sum += std::exp(double{x[c]} - double{maximum});
  return {maximum, static_cast<T>(std::log(sum))};
}

template <typename T>
void log_softmax_row(const T* x, index_t columns, T* y) {
  const LogSumExp<T> row = log_sum_exp(x, columns);
  for (index_t c = 0; c < columns; ++c) y[c] = x[c] - row.maximum - row.log_sum;
}

template <typename T>
void softmax_row(const T* x, index_t columns, T* y) {
  log_softmax_row(x, columns, y);
  for (index_t c = 0; c < columns; ++c) y[c] = std::exp(y[c]);
}

template <typename T>
void softmax_backward_row(const T* dy, const T* y, index_t columns, T* dx) {
  double dot = 0;
  for (index_t c = 0; c < columns; ++c) dot += double{dy[c]} * double{y[c]};
  for (index_t c = 0; c < columns; ++c) dx[c] = static_cast<T>(y[c] * (dy[c] - dot));
}

template <typename T>
void log_softmax_backward_row(const T* dy, const T* y, index_t columns, T* dx) {
  double sum = 0;
  for (index_t c = 0; c < columns; ++c) sum += dy[c];
  for (index_t c = 0; c < columns; ++c) dx[c] = static_cast<T>(dy[c] - std::exp(y[c]) * sum);
}

}  // namespace tilewise::ref
