// The trapezoidal rule along an axis.
#pragma once

#include "ops/operand.h"

namespace tilewise {

// Areas between neighbours of `y`, summed or, where `running`, added up one after the other.
// `x` holds the places: a vector, or an array that ends in the dimensions of `y` from the axis on;
// or it is undefined and `width` is the distance.
Array trapezoid(const Array& y, const Array& x, const Operand& width, index_t axis, bool running);

// The distances of `x` in a shape that broadcasts to the areas of `y`.
Array distances(const Array& x, const Array& y, index_t axis);

}  // namespace tilewise
