// Reductions of a function of the elements: floating dtypes only.
#pragma once

#include "base/array.h"

namespace tilewise {

// Divides by max(0, count - correction).
Array var(const Array& a, const Dims& axes, double correction, bool keepdims);
Array standard_deviation(const Array& a, const Dims& axes, double correction, bool keepdims);
// (sum |a|^p)^(1/p) for p = 1 and 2; the number of non-zeros for p = 0.
Array norm(const Array& a, double p, const Dims& axes, bool keepdims);
// log(sum(exp(a))) without overflow; -Inf for nothing.
Array log_sum_exp(const Array& a, const Dims& axes, bool keepdims);

}  // namespace tilewise
