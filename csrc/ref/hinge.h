// Hinges of one row of C scores (Crammer and Singer 2001): for the label y and a margin m,
//
//   multi_margin        loss = w_y / C sum_{j != y} max(0, m - x_y + x_j)^p,  p = 1 or 2
//   multilabel_margin   loss = 1 / C sum_{y in labels} sum_{j not in labels} max(0, 1 - x_y + x_j)
//
// Both add such sums over runs of scores with offset = m - x_y.
#pragma once

#include "base/types.h"

namespace tilewise::ref {

inline double hinge_sum(const double* x, index_t count, double offset, bool squared) {
  double sum = 0;
  for (index_t i = 0; i < count; ++i) {
    const double z = offset + x[i];
    if (z > 0) sum += squared ? z * z : z;
  }
  return sum;
}

// dx += scale z'; returns the sum of what was added.
inline double hinge_gradient(const double* x, index_t count, double offset, bool squared,
                             double scale, double* dx) {
  double sum = 0;
  for (index_t i = 0; i < count; ++i) {
    const double z = offset + x[i];
    if (!(z > 0)) continue;
    const double d = scale * (squared ? 2 * z : 1);
    dx[i] += d;
    sum += d;
  }
  return sum;
}

}  // namespace tilewise::ref
