// Arrays put together and turned round.
#pragma once

#include <vector>

#include "base/array.h"

namespace tilewise {

// Arrays of one shape but for `axis`, one after the other; the dtype is what they promote to.
Array concat_arrays(const std::vector<Array>& arrays, index_t axis);

// The order of elements reversed along the axes (all for an empty list); a copy.
Array flip(const Array& a, const Dims& axes);

// Arrays of one shape as the entries of a new dimension.
Array stack_arrays(const std::vector<Array>& arrays, index_t axis);

// `a` laid out counts[i] times along dimension i; more counts than dimensions add leading ones.
Array repeat(const Array& a, const Dims& counts);

// Elements moved on by shifts[i] places along dims[i], those that fall off the end back to the
// start.
Array roll(const Array& a, const Dims& shifts, const Dims& dims);

// The gradient of windows() (ops/view.h) for an array of this shape: each element collects from the
// windows that show it.
Array windows_backward(const Array& dy, const Dims& shape, index_t dim, index_t step);

// The matrices of the last two dimensions, zero above (tril) or below (triu) a diagonal.
Array triangle(const Array& a, index_t diagonal, bool upper);

}  // namespace tilewise
