// glu(a, b) = a sigmoid(b) for the two halves of an input.
#pragma once

#include <cmath>

#include "base/types.h"

namespace tilewise::ref {

template <typename T>
void glu_forward(const T* a, const T* b, T* y, index_t count) {
  for (index_t i = 0; i < count; ++i) y[i] = a[i] / (1 + std::exp(-b[i]));
}

template <typename T>
void glu_backward(const T* dy, const T* a, const T* b, T* da, T* db, index_t count) {
  for (index_t i = 0; i < count; ++i) {
    const T s = 1 / (1 + std::exp(-b[i]));
    da[i] = dy[i] * s;
    db[i] = dy[i] * a[i] * s * (1 - s);
  }
}

}  // namespace tilewise::ref
