// Numbers at equal distances.
#pragma once

#include "ops/operand.h"

namespace tilewise {

// start + i step; integer dtypes take integers.
Array arange(const Scalar& start, const Scalar& step, index_t count, DType dtype);

// From `first` to `last`, both exact: computed from both ends to the middle.
Array linspace(double first, double last, index_t count, DType dtype);

}  // namespace tilewise
