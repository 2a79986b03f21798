// Order along an axis. NaN counts as larger than any number, equal elements keep their order.
#pragma once

#include <utility>

#include "base/array.h"

namespace tilewise {

// The sorted elements and where each was (int64).
std::pair<Array, Array> sort(const Array& a, index_t axis, bool descending);

// The k largest or smallest elements, in order, and where each was. ValueError unless
// 0 <= k <= size of the axis.
std::pair<Array, Array> topk(const Array& a, index_t k, index_t axis, bool largest);

// The middle element along the axis, the lower of two, and where it was; the axis is kept with size
// 1. NaN where there is one, unless these are to be ignored.
std::pair<Array, Array> middle(const Array& a, index_t axis, bool ignore_nan);

// The k-th smallest element along the axis (k counts from 1), and where it was; the axis is kept
// with size 1.
std::pair<Array, Array> kth_smallest(const Array& a, index_t k, index_t axis);

// The order of a matrix's rows (int64), compared element by element from the first.
Array order_rows(const Array& matrix);

// Where each value would go into its ascending row: before equal elements, or after them. `rows` is
// one vector, or has the leading dimensions of `values`; int64 of the shape of `values`.
Array search_sorted(const Array& rows, const Array& values, bool right);

}  // namespace tilewise
