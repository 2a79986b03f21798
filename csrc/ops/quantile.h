// Order statistics between two neighbours, and counts by value.
#pragma once

#include <optional>

#include "base/array.h"

namespace tilewise {

enum class Interpolation : std::uint8_t { linear, lower, higher, midpoint, nearest };

// Along the axis, which is dropped: the element below which each of the fractions (in [0, 1]) lies.
// `values` has the fractions as its first dimension.
struct Quantiles {
  Array values;
  // What the gradient reads, of the same shape: the positions of the two neighbours, how much the
  // upper one counts, and how the value moves with the fraction (linear interpolation only).
  Array low, high, weight, slope;
};
Quantiles quantiles(const Array& a, const Array& fractions, index_t axis, bool ignore_nan,
                    Interpolation between);

// How many elements lie in each of `bins` equal parts of [low, high]; others are not counted.
Array histogram(const Array& a, index_t bins, double low, double high);

// How often each number 0, 1, 2, ... occurs in a vector of integers, or the sum of its weights:
// int64, or the dtype of the weights. At least `least` long.
Array bincount(const Array& a, const std::optional<Array>& weights, index_t least);

}  // namespace tilewise
