// What follows a convolution's sums, in plain loops over rows of channels.
#pragma once

#include "base/activation.h"
#include "base/types.h"
#include "ref/unary.h"

namespace tilewise::ref {

inline double activate(double v, Activation activation, double slope) {
  switch (activation) {
    case Activation::none:
      return v;
    case Activation::relu:
      return Relu::forward(v, {});
    case Activation::relu6:
      return Hardtanh::forward(v, {0, 6, 0});
    case Activation::leaky_relu:
      return LeakyRelu::forward(v, {slope, 0, 0});
    case Activation::silu:
      return Silu::forward(v, {});
    case Activation::hardswish:
      return Hardswish::forward(v, {});
  }
  return v;
}

template <typename T>
struct RowMatrix {
  T* data;
  index_t rows;
  index_t columns;
};

// y = activation(y + bias + residual); bias a value per column, both may be null.
template <typename T>
void finish(RowMatrix<T> y, const T* bias, const T* residual, Activation activation, double slope) {
  for (index_t i = 0; i < y.rows * y.columns; ++i) {
    double v = y.data[i];
    if (bias != nullptr) v += bias[i % y.columns];
    if (residual != nullptr) v += residual[i];
    y.data[i] = static_cast<T>(activate(v, activation, slope));
  }
}

// Mean and biased variance per column; 0 without rows.
template <typename T>
void channel_statistics(RowMatrix<T> y, double* mean, double* variance) {
  const double n = y.rows > 0 ? static_cast<double>(y.rows) : 1;
  for (index_t c = 0; c < y.columns; ++c) {
    double sum = 0;
    for (index_t r = 0; r < y.rows; ++r) sum += y.data[r * y.columns + c];
    mean[c] = sum / n;
    double squares = 0;
    for (index_t r = 0; r < y.rows; ++r) {
      const double d = y.data[r * y.columns + c] - mean[c];
      squares += d * d;
    }
    variance[c] = squares / n;
  }
}

}  // namespace tilewise::ref
