// Normalisation of the rows of a matrix: layer normalisation (Ba, Kiros, Hinton 2016) with
// centred = true, RMS normalisation (Zhang and Sennrich 2019) with the mean taken as 0. Over the n
// numbers of a row:
//
//   mean = 1/n sum x          var = 1/n sum (x - mean)^2        scale = 1 / sqrt(var + eps)
//   xhat = (x - mean) scale   y = weight xhat + bias            weight and bias a column
//
// Gradients: dbias = sum dy and dweight = sum dy xhat over the rows; with g = weight dy
//
//   dx = scale (g - 1/n sum g - xhat 1/n sum g xhat)            no second term where not centred
#pragma once

#include "base/types.h"

namespace tilewise::ref {

template <typename T>
void row_moments(const T* x, index_t count, bool centred, double* mean, double* deviations) {
  double sum = 0;
  if (centred) {
    for (index_t i = 0; i < count; ++i) sum += x[i];
  }
  *mean = sum / static_cast<double>(count);
  double squares = 0;
  for (index_t i = 0; i < count; ++i) squares += (x[i] - *mean) * (x[i] - *mean);
  *deviations = squares;
}

// Null pointers stand for weights of 1 and biases of 0.
template <typename T>
void row_normalise(const T* x, index_t count, double mean, double scale, const T* weight,
                   const T* bias, T* y) {
  for (index_t i = 0; i < count; ++i) {
    const double value = (x[i] - mean) * scale * (weight ? weight[i] : T(1));
    y[i] = static_cast<T>(value + (bias ? bias[i] : T(0)));
  }
}

// Adds to dweight and dbias unless they are null; returns sum g and sum g (x - mean).
template <typename T>
void row_backward_sums(const T* dy, const T* x, index_t count, double mean, double scale,
                       const T* weight, double* sums, double* dweight, double* dbias) {
  sums[0] = sums[1] = 0;
  for (index_t i = 0; i < count; ++i) {
    const double g = dy[i] * (weight ? weight[i] : T(1));
    sums[0] += g;
    sums[1] += g * (x[i] - mean);
    if (dweight) {
      dweight[i] += dy[i] * (x[i] - mean) * scale;
      dbias[i] += dy[i];
    }
  }
}

struct RowGradient {
  double mean;
  double scale;
  double slope;
  double offset;
};

template <typename T>
void row_backward_input(const T* dy, const T* x, index_t count, const RowGradient& g,
                        const T* weight, T* dx) {
  for (index_t i = 0; i < count; ++i) {
    const double weighted = dy[i] * (weight ? weight[i] : T(1));
    dx[i] = static_cast<T>(g.scale * (weighted - g.slope * (x[i] - g.mean) - g.offset));
  }
}

}  // namespace tilewise::ref
