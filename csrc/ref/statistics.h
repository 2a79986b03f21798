// Sums of f(x), moments and sums of exponentials along rows or columns: plain loops in double.
#pragma once

#include <cmath>

#include "base/map_sum.h"
#include "base/types.h"

namespace tilewise::ref {

template <typename T>
double mapped(MapSum map, T x) {
  const auto value = static_cast<double>(x);
  switch (map) {
    case MapSum::square:
      return value * value;
    case MapSum::magnitude:
      return std::abs(value);
    case MapSum::nonzero:
      return value != 0 ? 1.0 : 0.0;
  }
  return 0.0;
}

// out[r] = sum of f(x[r][c]).
template <typename T>
void map_rows(MapSum map, const T* x, index_t rows, index_t cols, index_t stride, double* out) {
  for (index_t r = 0; r < rows; ++r) {
    out[r] = 0.0;
    for (index_t c = 0; c < cols; ++c) out[r] += mapped(map, x[r * stride + c]);
  }
}

// out[c] += sum of f(x[r][c]).
template <typename T>
void map_cols(MapSum map, const T* x, index_t rows, index_t cols, index_t stride, double* out) {
  for (index_t r = 0; r < rows; ++r) {
    for (index_t c = 0; c < cols; ++c) out[c] += mapped(map, x[r * stride + c]);
  }
}

// Chan, Golub, LeVeque, "Algorithms for computing the sample variance" (1983).
struct MomentsStep {
  template <typename Acc>
  static constexpr Acc identity() {
    return {0, 0, 0};
  }
  static CountedMoments apply(const CountedMoments& a, const CountedMoments& b) {
    if (a.count == 0) return b;
    if (b.count == 0) return a;
    const double count = a.count + b.count;
    const double gap = b.mean - a.mean;
    return {count, a.mean + gap * (b.count / count),
            a.deviations + b.deviations + gap * gap * (a.count * b.count / count)};
  }
};

// The moments of `count` numbers, `step` apart.
template <typename T>
CountedMoments moments(const T* x, index_t count, index_t step) {
  CountedMoments m{static_cast<double>(count), 0, 0};
  for (index_t i = 0; i < count; ++i) m.mean += x[i * step];
  m.mean /= m.count;
  for (index_t i = 0; i < count; ++i) {
    const double d = x[i * step] - m.mean;
    m.deviations += d * d;
  }
  return m;
}

// Nothing is scaled that is 0 or not finite.
struct ScaledSumStep {
  template <typename Acc>
  static constexpr Acc identity() {
    return {0, 0};
  }
  static ScaledSum apply(const ScaledSum& a, const ScaledSum& b) {
    if (a.sum == 0) return b;
    if (b.sum == 0) return a;
    const double origin = a.origin > b.origin ? a.origin : b.origin;
    return {origin, scaled(a, origin) + scaled(b, origin)};
  }

 private:
  static double scaled(const ScaledSum& a, double origin) {
    if (a.origin == origin || !std::isfinite(a.sum)) return a.sum;
    return a.sum * std::exp(a.origin - origin);
  }
};

// The sum of the exponentials of `count` numbers, `step` apart.
template <typename T>
ScaledSum sum_of_exponentials(const T* x, index_t count, index_t step) {
  double top = x[0];
  for (index_t i = 1; i < count; ++i) {
    const double value = x[i * step];
    top = top != top || top > value ? top : value;  // keeps NaN
  }
  ScaledSum s{std::isfinite(top) ? top : 0.0, 0.0};
  for (index_t i = 0; i < count; ++i) s.sum += std::exp(x[i * step] - s.origin);
  return s;
}

}  // namespace tilewise::ref
