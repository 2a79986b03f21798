// Sums of f(x - shift) along rows or columns: plain loops in double.
#pragma once

#include <cmath>

#include "base/map_sum.h"
#include "base/types.h"

namespace tilewise::ref {

template <typename T>
double mapped(MapSum map, T x) {
  const auto value = static_cast<double>(x);
  switch (map) {
    case MapSum::square:
      return value * value;
    case MapSum::magnitude:
      return std::abs(value);
    case MapSum::exponential:
      return std::exp(value);
    case MapSum::nonzero:
      return value != 0 ? 1.0 : 0.0;
  }
  return 0.0;
}

// out[r] = sum of f(x[r][c] - shift[r]).
template <typename T>
void map_rows(MapSum map, const T* x, index_t rows, index_t cols, index_t stride, const T* shift,
              double* out) {
  for (index_t r = 0; r < rows; ++r) {
    const T s = shift != nullptr ? shift[r] : T(0);
    out[r] = 0.0;
    for (index_t c = 0; c < cols; ++c) out[r] += mapped(map, x[r * stride + c] - s);
  }
}

// out[c] += sum of f(x[r][c] - shift[c]).
template <typename T>
void map_cols(MapSum map, const T* x, index_t rows, index_t cols, index_t stride, const T* shift,
              double* out) {
  for (index_t r = 0; r < rows; ++r) {
    for (index_t c = 0; c < cols; ++c) {
      out[c] += mapped(map, x[r * stride + c] - (shift != nullptr ? shift[c] : T(0)));
    }
  }
}

}  // namespace tilewise::ref
