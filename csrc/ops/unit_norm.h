// Vectors along one axis, scaled to a given length: F.normalize and weight normalisation.
#pragma once

#include "base/array.h"

namespace tilewise {

struct UnitNormResult {
  Array y;
  Array lengths;  // float64, a number a vector, in the order of memory
};

struct UnitNormGradients {
  Array dx;
  Array dgain;  // undefined without a gain
};

// y = x gain / max(|x|, eps) along `axis`. `gain`, if defined, is (rows) and x (rows, columns) with
// axis 1.
UnitNormResult unit_norm_forward(const Array& x, index_t axis, double eps, const Array& gain);
UnitNormGradients unit_norm_backward(const Array& dy, const Array& x, const Array& lengths,
                                     index_t axis, double eps, const Array& gain);

}  // namespace tilewise
