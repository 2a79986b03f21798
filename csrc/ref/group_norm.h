// Group normalisation (Wu and He 2018) of channels-last samples: x[n][pixel][channel]. Over the
// m = pixels * channels / groups numbers of group g of sample n:
//
//   mean = 1/m sum x          var = 1/m sum (x - mean)^2        invstd = 1 / sqrt(var + eps)
//   xhat = (x - mean) invstd  y = weight xhat + bias            weight and bias a channel
//
// Gradients: dbias = sum dy and dweight = sum dy xhat over samples and pixels; with g = weight dy
//
//   dx = invstd (g - 1/m sum g - xhat 1/m sum g xhat)
#pragma once

#include <cmath>

#include "base/types.h"

namespace tilewise::ref {

struct GroupShape {
  index_t samples;
  index_t pixels;
  index_t channels;
  index_t groups;

  index_t group_channels() const { return channels / groups; }
  double group_size() const { return static_cast<double>(pixels * group_channels()); }
  // body(element, channel) for the numbers of a group
  template <typename Body>
  void each(index_t n, index_t g, const Body& body) const {
    for (index_t p = 0; p < pixels; ++p) {
      for (index_t c = g * group_channels(); c < (g + 1) * group_channels(); ++c) {
        body((n * pixels + p) * channels + c, c);
      }
    }
  }
};

template <typename T>
void group_norm_statistics(const T* x, const GroupShape& s, double* mean, double* var) {
  for (index_t n = 0; n < s.samples; ++n) {
    for (index_t g = 0; g < s.groups; ++g) {
      double sum = 0;
      s.each(n, g, [&](index_t i, index_t) { sum += x[i]; });
      const double centre = sum / s.group_size();
      double squares = 0;
      s.each(n, g, [&](index_t i, index_t) { squares += (x[i] - centre) * (x[i] - centre); });
      mean[n * s.groups + g] = centre;
      var[n * s.groups + g] = squares / s.group_size();
    }
  }
}

template <typename T>
void group_norm_normalise(const T* x, const GroupShape& s, const double* mean, const double* invstd,
                          const double* weight, const double* bias, T* y) {
  for (index_t n = 0; n < s.samples; ++n) {
    for (index_t g = 0; g < s.groups; ++g) {
      const index_t k = n * s.groups + g;
      s.each(n, g, [&](index_t i, index_t c) {
        y[i] = static_cast<T>((x[i] - mean[k]) * invstd[k] * weight[c] + bias[c]);
      });
    }
  }
}

template <typename T>
void group_norm_backward(const T* dy, const T* x, const GroupShape& s, const double* mean,
                         const double* invstd, const double* weight, T* dx, double* dweight,
                         double* dbias) {
  for (index_t n = 0; n < s.samples; ++n) {
    for (index_t g = 0; g < s.groups; ++g) {
      const index_t k = n * s.groups + g;
      double sum = 0;
      double sum_xhat = 0;
      s.each(n, g, [&](index_t i, index_t c) {
        const double xhat = (x[i] - mean[k]) * invstd[k];
        sum += weight[c] * dy[i];
        sum_xhat += weight[c] * dy[i] * xhat;
        dweight[c] += dy[i] * xhat;
        dbias[c] += dy[i];
      });
      s.each(n, g, [&](index_t i, index_t c) {
        const double xhat = (x[i] - mean[k]) * invstd[k];
        dx[i] = static_cast<T>(invstd[k] *
                               (weight[c] * dy[i] - (sum + xhat * sum_xhat) / s.group_size()));
      });
    }
  }
}

}  // namespace tilewise::ref
