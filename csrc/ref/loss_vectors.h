// Of rows a and b, with d = a - b + eps:
//
//   norm     n = (sum |d|^p)^(1/p); the extremes of |d| for p = +-Inf, the non-zeros for p = 0
//            dn/dd = sign(d) (|d| / n)^(p - 1); elements at an extreme share the gradient
//   cosine   s = (a b) / (A B) with A = |a|, B = |b| kept from 0
//            ds/da = b / (A B) - s a / (A |a|)
//
// Dice (Milletari et al. 2016), of predictions p and a mask g:
//
//   D = (2 sum p g + e) / (sum p^2 + sum g^2 + e)      loss = 1 - D
//   dD/dp = (2 g - 2 p D) / (sum p^2 + sum g^2 + e)    (2 g - D where sizes are not squared)
#pragma once

#include <algorithm>
#include <cmath>

#include "base/types.h"

namespace tilewise::ref {

// The sum of |d|^p, or the extreme of |d|; `p` may be infinite.
inline double norm_term(const double* a, const double* b, index_t count, double p, double eps) {
  double total = p < 0 && std::isinf(p) ? INFINITY : 0.0;
  for (index_t i = 0; i < count; ++i) {
    const double q = std::abs(a[i] - b[i] + eps);
    if (std::isinf(p)) {
      if (std::isnan(q) || (p > 0 ? q > total : q < total)) total = q;
      if (std::isnan(q)) return q;
    } else {
      total += p == 0 ? static_cast<double>(q != 0) : std::pow(q, p);
    }
  }
  return total;
}

// dn/dd of element i times `scale`.
inline void norm_gradient(const double* a, const double* b, index_t count, double p, double eps,
                          double norm, double scale, double* da) {
  double hits = 0;
  for (index_t i = 0; i < count; ++i) hits += std::abs(a[i] - b[i] + eps) == norm ? 1 : 0;
  for (index_t i = 0; i < count; ++i) {
    const double d = a[i] - b[i] + eps;
    const double sign = static_cast<double>((d > 0) - (d < 0));
    double slope = 0;
    if (std::isinf(p)) {
      slope = std::abs(d) == norm ? 1 / hits : 0;
    } else if (p != 0 && d != 0) {
      slope = std::pow(std::abs(d) / norm, p - 1);
    }
    da[i] = scale * sign * slope;
  }
}

inline void dots(const double* a, const double* b, index_t count, double* out) {
  out[0] = out[1] = out[2] = 0;
  for (index_t i = 0; i < count; ++i) {
    out[0] += a[i] * b[i];
    out[1] += a[i] * a[i];
    out[2] += b[i] * b[i];
  }
}

}  // namespace tilewise::ref
