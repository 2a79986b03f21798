// Pooling over channels-last arrays (N, pixels, C): each output pixel is the maximum or the average
// of the input pixels in its window.
//
//   max:      y[o] = max over t in window(o) of x[t]; the first maximum wins a tie
//             dx[t] = sum of dy[o] over the windows o whose maximum is at t
//   average:  y[o] = 1/Q sum over t in window(o) of x[t]
//             dx[t] = sum of dy[o] / Q over the windows o that contain t
//
// Q is the number of pixels in the window, with or without those of the padding, or a number given.
#pragma once

#include <cmath>

#include "base/pool_windows.h"

namespace tilewise::ref {

template <typename T>
void max_pool_forward(const T* x, const PoolWindows& w, T* y, std::int32_t* argmax) {
  PoolTaps taps(w);
  for (index_t n = 0; n < w.samples; ++n) {
    const T* sample = x + n * w.in_pixels() * w.channels;
    for (index_t o = 0; o < w.out_pixels(); ++o) {
      taps.visit(o);
      for (index_t c = 0; c < w.channels; ++c) {
        std::int32_t where = taps.positions().front();
        T best = sample[where * w.channels + c];
        for (const std::int32_t t : taps.positions()) {
          const T value = sample[t * w.channels + c];
          if (value > best || std::isnan(value)) {
            best = value;
            where = t;
          }
        }
        const index_t i = (n * w.out_pixels() + o) * w.channels + c;
        y[i] = best;
        if (argmax) argmax[i] = where;
      }
    }
  }
}

// One sample; dx is cleared first. Positions are inside the input.
template <typename T>
void max_pool_backward(const T* dy, const std::int32_t* argmax, index_t out_pixels,
                       index_t in_pixels, index_t channels, T* dx) {
  for (index_t i = 0; i < in_pixels * channels; ++i) dx[i] = T(0);
  for (index_t o = 0; o < out_pixels; ++o) {
    for (index_t c = 0; c < channels; ++c) {
      const index_t i = o * channels + c;
      dx[argmax[i] * channels + c] += dy[i];
    }
  }
}

// divisor(taps) = Q
template <typename T, typename Divisor>
void average_pool_forward(const T* x, const PoolWindows& w, const Divisor& divisor, T* y) {
  PoolTaps taps(w);
  for (index_t n = 0; n < w.samples; ++n) {
    const T* sample = x + n * w.in_pixels() * w.channels;
    for (index_t o = 0; o < w.out_pixels(); ++o) {
      taps.visit(o);
      for (index_t c = 0; c < w.channels; ++c) {
        double sum = 0;
        for (const std::int32_t t : taps.positions()) sum += sample[t * w.channels + c];
        y[(n * w.out_pixels() + o) * w.channels + c] = static_cast<T>(sum / divisor(taps));
      }
    }
  }
}

template <typename T, typename Divisor>
void average_pool_backward(const T* dy, const PoolWindows& w, const Divisor& divisor, T* dx) {
  PoolTaps taps(w);
  for (index_t i = 0; i < w.samples * w.in_pixels() * w.channels; ++i) dx[i] = T(0);
  for (index_t n = 0; n < w.samples; ++n) {
    T* sample = dx + n * w.in_pixels() * w.channels;
    for (index_t o = 0; o < w.out_pixels(); ++o) {
      taps.visit(o);
      for (index_t c = 0; c < w.channels; ++c) {
        const T share =
            static_cast<T>(dy[(n * w.out_pixels() + o) * w.channels + c] / divisor(taps));
        for (const std::int32_t t : taps.positions()) sample[t * w.channels + c] += share;
      }
    }
  }
}

}  // namespace tilewise::ref
