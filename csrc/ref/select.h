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

template <typename T>
void select(const SelectRow<T>& row, index_t count) {
  for (index_t i = 0; i < count; ++i) {
    const T a = row.a[i * row.a_stride];
    const T b = row.b[i * row.b_stride];
    row.z[i * row.z_stride] = row.condition[i * row.condition_stride] != 0 ? a : b;
  }
}

}  // namespace tilewise::ref
