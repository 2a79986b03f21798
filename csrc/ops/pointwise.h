// Functions of several operands in one pass over them, with broadcasting. Composed of elementwise
// ops each of them would write and read what lies between.
#pragma once

#include "ops/operand.h"

namespace tilewise {

// a + weight (b - a).
Array lerp(const Array& a, const Array& b, const Operand& weight);
// a + value (b c), and a + value (b / c).
Array addcmul(const Array& a, const Array& b, const Array& c, const Scalar& value);
Array addcdiv(const Array& a, const Array& b, const Array& c, const Scalar& value);

// Whether |a - b| <= atol + rtol |b|, or a equals b; with `equal_nan` also where both are NaN.
Array isclose(const Array& a, const Operand& b, double rtol, double atol, bool equal_nan);

// Floating dtypes only: other numbers in place of NaN and the infinities.
Array nan_to_num(const Array& a, double nan, double posinf, double neginf);

// 0 below zero, 1 above, `at_zero` at zero; NaN stays. Of one dtype.
Array heaviside(const Array& a, const Array& at_zero);

// The vector product of vectors of three elements along an axis; the other dimensions broadcast.
Array cross(const Array& a, const Array& b, index_t axis);

}  // namespace tilewise
