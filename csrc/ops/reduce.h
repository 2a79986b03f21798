// Reductions over any set of axes. `axes` may be negative; an empty list means all axes.
//
// The order of additions is fixed by the shapes: results have the same bits at any thread count.
#pragma once

#include <utility>
#include <vector>

#include "base/array.h"

namespace tilewise {

// Integers and booleans give int64.
Array sum(const Array& a, const Dims& axes, bool keepdims);
Array prod(const Array& a, const Dims& axes, bool keepdims);
// Floating dtypes only; the mean of nothing is NaN.
Array mean(const Array& a, const Dims& axes, bool keepdims);
// NaN propagates; ValueError for an empty reduction.
Array max_values(const Array& a, const Dims& axes, bool keepdims);
Array min_values(const Array& a, const Dims& axes, bool keepdims);
// bool.
Array any(const Array& a, const Dims& axes, bool keepdims);
Array all(const Array& a, const Dims& axes, bool keepdims);

// Sums what broadcasting to a.shape() repeated: the gradient of a broadcast operand of `shape`.
Array sum_to(const Array& a, const Dims& shape);

// Whether no array holds Inf or NaN.
bool all_finite(const std::vector<Array>& arrays);

// The axes as sorted non-negative numbers without repetition, all of them for an empty list.
// IndexError for one out of range, ValueError for a repeated one.
Dims normalize_axes(const char* op, const Dims& axes, int rank);
int normalize_axis(const char* op, index_t axis, int rank);

}  // namespace tilewise
