// Elementwise choice.
#pragma once

#include "ops/operand.h"

namespace tilewise {

// condition ? a : b with broadcasting; the dtype is the one that a and b promote to.
Array where(const Array& condition, const Operand& a, const Operand& b);

// min(max(a, low), high); either bound may be missing. NaN stays NaN; where low > high, high wins.
Array clamp(const Array& a, const Operand* low, const Operand* high);

// Its gradient: dy where a lies within the bounds, the bounds included.
Array clamp_backward(const Array& dy, const Array& a, const Operand* low, const Operand* high);

}  // namespace tilewise
