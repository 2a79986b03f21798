// c[i][j] = bias[j] + sum over k of a[i][k] b[k][j], accumulated in double (integers: in T).
#pragma once

#include <type_traits>

#include "base/types.h"

namespace tilewise::ref {

template <typename T>
struct Matrix {
  const T* data;
  index_t row_stride;
  index_t col_stride;
  T at(index_t row, index_t col) const { return data[row * row_stride + col * col_stride]; }
};

template <typename T>
void matmul(index_t m, index_t n, index_t depth, Matrix<T> a, Matrix<T> b, const T* bias, T* c,
            index_t ldc) {
  using Sum = std::conditional_t<
      std::is_floating_point_v<T>, double,
      std::make_unsigned_t<std::conditional_t<std::is_floating_point_v<T>, int, T>>>;
  for (index_t i = 0; i < m; ++i) {
    for (index_t j = 0; j < n; ++j) {
      Sum sum = bias != nullptr ? static_cast<Sum>(bias[j]) : Sum(0);
      for (index_t k = 0; k < depth; ++k) {
        sum = static_cast<Sum>(sum + static_cast<Sum>(a.at(i, k)) * static_cast<Sum>(b.at(k, j)));
      }
      c[i * ldc + j] = static_cast<T>(sum);
    }
  }
}

}  // namespace tilewise::ref
