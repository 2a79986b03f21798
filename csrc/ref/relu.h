// relu(x) = max(x, 0), with derivative 1 for x > 0 and 0 elsewhere.
#pragma once

#include "base/types.h"

namespace tilewise::ref {

template <typename T>
void relu_forward(const T* x, T* y, index_t count) {
  for (index_t i = 0; i < count; ++i) y[i] = x[i] <= T(0) ? T(0) : x[i];  // NaN stays NaN
}

template <typename T>
void relu_backward(const T* dy, const T* y, T* dx, index_t count) {
  for (index_t i = 0; i < count; ++i) dx[i] = y[i] > T(0) ? dy[i] : T(0);
}

}  // namespace tilewise::ref
