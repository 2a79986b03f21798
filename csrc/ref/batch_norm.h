// Batch normalisation (Ioffe and Szegedy 2015) of a matrix whose rows are the pixels of all samples
// and whose columns are channels. Per channel, over n rows:
//
//   mean = 1/n sum x          var = 1/n sum (x - mean)^2        invstd = 1 / sqrt(var + eps)
//   xhat = (x - mean) invstd  y = weight xhat + bias
//
// Gradients: dbias = sum dy, dweight = sum dy xhat, and, because mean and var depend on x too,
//
//   dx = weight invstd (dy - dbias / n - xhat dweight / n)
//
// With fixed (running) statistics the last two terms are absent.
//
// A ReLU may follow (y cut off at 0, and dy where y was) or precede (dx cut off where x is not
// positive) in the same pass.
#pragma once

#include <cmath>

#include "base/types.h"

namespace tilewise::ref {

template <typename T>
void batch_norm_statistics(const T* x, index_t rows, index_t channels, double* mean, double* var) {
  for (index_t c = 0; c < channels; ++c) {
    double sum = 0;
    for (index_t r = 0; r < rows; ++r) sum += x[r * channels + c];
    mean[c] = sum / static_cast<double>(rows);
    double squares = 0;
    for (index_t r = 0; r < rows; ++r) {
      const double d = x[r * channels + c] - mean[c];
      squares += d * d;
    }
    var[c] = squares / static_cast<double>(rows);
  }
}

// scale = weight invstd
template <typename T>
void batch_norm_normalise(const T* x, index_t rows, index_t channels, const double* mean,
                          const double* scale, const double* bias, bool relu, T* y) {
  for (index_t r = 0; r < rows; ++r) {
    for (index_t c = 0; c < channels; ++c) {
      const index_t i = r * channels + c;
      const double value = (x[i] - mean[c]) * scale[c] + bias[c];
      y[i] = static_cast<T>(relu && value <= 0 ? 0 : value);
    }
  }
}

// dy where the normalised value is positive, else 0: the gradient before a ReLU.
template <typename T>
void batch_norm_relu_backward(const T* dy, const T* x, index_t rows, index_t channels,
                              const double* mean, const double* scale, const double* bias, T* dx) {
  for (index_t i = 0; i < rows * channels; ++i) {
    const index_t c = i % channels;
    dx[i] = (x[i] - mean[c]) * scale[c] + bias[c] > 0 ? dy[i] : T(0);
  }
}

// sum_dy = sum dy, sum_dy_x = sum dy (x - mean)
template <typename T>
void batch_norm_backward_sums(const T* dy, const T* x, index_t rows, index_t channels,
                              const double* mean, double* sum_dy, double* sum_dy_x) {
  for (index_t c = 0; c < channels; ++c) {
    for (index_t r = 0; r < rows; ++r) {
      const index_t i = r * channels + c;
      sum_dy[c] += dy[i];
      sum_dy_x[c] += dy[i] * (x[i] - mean[c]);
    }
  }
}

struct BatchNormGrad {
  const double* mean;
  const double* scale;   // weight invstd
  const double* slope;   // scale invstd^2 sum_dy_x / n, or 0
  const double* offset;  // scale sum_dy / n, or 0
  bool input_relu;       // x is the output of a ReLU, whose input dx is for
};

template <typename T>
void batch_norm_backward_input(const T* dy, const T* x, index_t rows, index_t channels,
                               const BatchNormGrad& g, T* dx) {
  for (index_t r = 0; r < rows; ++r) {
    for (index_t c = 0; c < channels; ++c) {
      const index_t i = r * channels + c;
      const double d = g.scale[c] * dy[i] - g.slope[c] * (x[i] - g.mean[c]) - g.offset[c];
      dx[i] = static_cast<T>(g.input_relu && !(x[i] > T(0)) ? 0 : d);
    }
  }
}

}  // namespace tilewise::ref
