// prelu(x) = x where x > 0, else slope x, with a slope for each channel.
//
// Gradients: dx = x > 0 ? dy : slope dy,  dslope = sum of (x > 0 ? 0 : x dy) over the channel.
#pragma once

#include "base/types.h"

namespace tilewise::ref {

// The channel of element i is i mod channels.
template <typename T>
void prelu_forward(const T* x, const T* slope, index_t channels, T* y, index_t count) {
  for (index_t i = 0; i < count; ++i) y[i] = x[i] > T(0) ? x[i] : slope[i % channels] * x[i];
}

template <typename T>
void prelu_backward_input(const T* dy, const T* x, const T* slope, index_t channels, T* dx,
                          index_t count) {
  for (index_t i = 0; i < count; ++i) dx[i] = x[i] > T(0) ? dy[i] : slope[i % channels] * dy[i];
}

template <typename T>
void prelu_backward_slope(const T* dy, const T* x, index_t channels, T* dslope, index_t count) {
  for (index_t c = 0; c < channels; ++c) {
    double sum = 0;
    for (index_t i = c; i < count; i += channels) sum += x[i] > T(0) ? 0.0 : double{x[i]} * dy[i];
    dslope[c] = static_cast<T>(sum);
  }
}

}  // namespace tilewise::ref
