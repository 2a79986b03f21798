// Vectors of a given length: y = x gain / max(|x|, eps) with |x| the Euclidean norm along one axis
// of an array [outer][count][inner], and the gradients
//
//   dx = s (dy - x (dy . x) / |x|^2),  s = gain / max(|x|, eps)      dgain = (dy . x) / max(|x|,
//   eps)
//
// where |x| < eps the length is a constant: dx = s dy.
#pragma once

#include <cmath>

#include "base/types.h"

namespace tilewise::ref {

struct VectorShape {
  index_t outer;
  index_t count;
  index_t inner;

  index_t first(index_t o, index_t i) const { return o * count * inner + i; }
};

template <typename T>
void unit_norm_lengths(const T* x, const VectorShape& s, double* lengths) {
  for (index_t o = 0; o < s.outer; ++o) {
    for (index_t i = 0; i < s.inner; ++i) {
      double sum = 0;
      for (index_t k = 0; k < s.count; ++k) {
        const double value = x[s.first(o, i) + k * s.inner];
        sum += value * value;
      }
      lengths[o * s.inner + i] = std::sqrt(sum);
    }
  }
}

// dx = scale dy - slope x, with a number of each a vector; slope may be null.
template <typename T>
void scale_vectors(const T* dy, const T* x, const VectorShape& s, const double* scale,
                   const double* slope, T* dx) {
  for (index_t o = 0; o < s.outer; ++o) {
    for (index_t k = 0; k < s.count; ++k) {
      for (index_t i = 0; i < s.inner; ++i) {
        const index_t e = s.first(o, i) + k * s.inner;
        const index_t v = o * s.inner + i;
        dx[e] = static_cast<T>(scale[v] * dy[e] - (slope ? slope[v] * x[e] : 0.0));
      }
    }
  }
}

template <typename T>
void dot_vectors(const T* a, const T* b, const VectorShape& s, double* dots) {
  for (index_t o = 0; o < s.outer; ++o) {
    for (index_t i = 0; i < s.inner; ++i) {
      double sum = 0;
      for (index_t k = 0; k < s.count; ++k) {
        const index_t e = s.first(o, i) + k * s.inner;
        sum += static_cast<double>(a[e]) * b[e];
      }
      dots[o * s.inner + i] = sum;
    }
  }
}

}  // namespace tilewise::ref
