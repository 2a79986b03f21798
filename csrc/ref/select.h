// Elementwise choice between two strided operands, for elements of any type.
#pragma once

#include "base/types.h"

namespace tilewise::ref {

template <typename T>
struct SelectRow {
  const std::uint8_t* condition;
  const T* a;
  const T* b;
  T* z;
  index_t condition_stride;
  index_t a_stride;
  index_t b_stride;
  index_t z_stride;
};

// Rows of single steps, or of one value on one side, without a branch that a random condition would
// mislead.
template <typename T, index_t a_stride, index_t b_stride>
void select_dense(const SelectRow<T>& row, index_t count) {
  for (index_t i = 0; i < count; ++i) {
    const T a = row.a[i * a_stride];
    const T b = row.b[i * b_stride];
    row.z[i] = row.condition[i] != 0 ? a : b;
  }
}

template <typename T>
void select(const SelectRow<T>& row, index_t count) {
  if (row.condition_stride == 1 && row.z_stride == 1) {
    if (row.a_stride == 1 && row.b_stride == 1) return select_dense<T, 1, 1>(row, count);
    if (row.a_stride == 0 && row.b_stride == 1) return select_dense<T, 0, 1>(row, count);
    if (row.a_stride == 1 && row.b_stride == 0) return select_dense<T, 1, 0>(row, count);
  }
  for (index_t i = 0; i < count; ++i) {
    const T a = row.a[i * row.a_stride];
    const T b = row.b[i * row.b_stride];
    row.z[i * row.z_stride] = row.condition[i * row.condition_stride] != 0 ? a : b;
  }
}

}  // namespace tilewise::ref
