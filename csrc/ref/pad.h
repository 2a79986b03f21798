// Padding and its gradient, one element at a time: the oracle of the tests and float64's
// implementation.
//
//   y[o] = x[source(o)], or the constant;   dx[i] = sum of dy[o] over all o with source(o) = i
#pragma once

#include "base/border.h"

namespace tilewise {

// Dense row-major tensors, outermost dimension first.
struct PadGeometry {
  Dims in;
  Dims out;
  Dims before;  // out index - before = in index; negative where the tensor is cropped
  Border border;
};

namespace ref {

// The flat input index of flat output index `o`, or -1.
inline index_t pad_source(const PadGeometry& g, index_t o) {
  index_t source = 0;
  index_t step = 1;
  for (int i = g.in.size() - 1; i >= 0; --i) {
    const index_t at = border_source(g.border, o % g.out[i] - g.before[i], g.in[i]);
    if (at < 0) return -1;
    source += at * step;
    step *= g.in[i];
    o /= g.out[i];
  }
  return source;
}

template <typename T>
void pad_forward(const PadGeometry& g, const T* x, T value, T* y) {
  const index_t count = element_count(g.out);
  for (index_t o = 0; o < count; ++o) {
    const index_t source = pad_source(g, o);
    y[o] = source < 0 ? value : x[source];
  }
}

template <typename T>
void pad_backward(const PadGeometry& g, const T* dy, T* dx) {
  const index_t count = element_count(g.out);
  for (index_t i = 0; i < element_count(g.in); ++i) dx[i] = T(0);
  for (index_t o = 0; o < count; ++o) {
    const index_t source = pad_source(g, o);
    if (source >= 0) dx[source] += dy[o];
  }
}

}  // namespace ref
}  // namespace tilewise
