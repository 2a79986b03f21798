// Local response normalisation (Krizhevsky, Sutskever, Hinton 2012) of rows of channels. With
// s_c = k + alpha / size * sum of x_j^2 over j in [c - size / 2, c + (size - 1) / 2]:
//
//   y_c = x_c s_c^-beta
//   dx_c = dy_c s_c^-beta - 2 alpha / size beta x_c sum over j, whose window holds c, of
//          dy_j x_j s_j^(-beta - 1)
#pragma once

#include <algorithm>
#include <cmath>

#include "base/types.h"

namespace tilewise::ref {

struct LocalResponse {
  index_t before;  // channels of the window in front of its channel
  index_t after;   // and behind it
  double alpha;    // divided by the size
  double beta;
  double k;
};

template <typename T>
double local_response_sum(const T* x, index_t c, index_t channels, const LocalResponse& p) {
  double sum = 0;
  const index_t last = std::min(channels - 1, c + p.after);
  for (index_t j = std::max<index_t>(0, c - p.before); j <= last; ++j) {
    sum += static_cast<double>(x[j]) * x[j];
  }
  return p.k + p.alpha * sum;
}

template <typename T>
void local_response(const T* x, index_t channels, const LocalResponse& p, T* y) {
  for (index_t c = 0; c < channels; ++c) {
    y[c] = static_cast<T>(x[c] * std::pow(local_response_sum(x, c, channels, p), -p.beta));
  }
}

template <typename T>
void local_response_backward(const T* dy, const T* x, index_t channels, const LocalResponse& p,
                             T* dx) {
  for (index_t c = 0; c < channels; ++c) {
    double sum = 0;
    const index_t last = std::min(channels - 1, c + p.before);
    for (index_t j = std::max<index_t>(0, c - p.after); j <= last; ++j) {
      sum += dy[j] * x[j] * std::pow(local_response_sum(x, j, channels, p), -p.beta - 1);
    }
    const double direct = dy[c] * std::pow(local_response_sum(x, c, channels, p), -p.beta);
    dx[c] = static_cast<T>(direct - 2 * p.alpha * p.beta * x[c] * sum);
  }
}

}  // namespace tilewise::ref
