// Pooling over channels-last arrays (N, pixels, C): each output pixel is the maximum of the input
// pixels in its window. (Averages are linear: ref/resample.h.)
//
//   max:      y[o] = max over t in window(o) of x[t]; the first maximum wins a tie
//             dx[t] = sum of dy[o] over the windows o whose maximum is at t
#pragma once

#include <algorithm>
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

// Max unpooling of one sample, some channels of each of its pixels: neighbouring pixels are
// `stride` apart on both sides.
struct Unpool {
  index_t small_pixels;
  index_t large_pixels;
  index_t stride;
  index_t channels;
};

// y[index] = x, 0 elsewhere; the last of several x with one index stays. Indices are in range.
template <typename T>
void max_unpool_forward(const T* x, const std::int64_t* index, const Unpool& u, T* y) {
  for (index_t i = 0; i < u.large_pixels; ++i) {
    for (index_t c = 0; c < u.channels; ++c) y[i * u.stride + c] = T(0);
  }
  for (index_t i = 0; i < u.small_pixels; ++i) {
    for (index_t c = 0; c < u.channels; ++c) {
      y[index[i * u.stride + c] * u.stride + c] = x[i * u.stride + c];
    }
  }
}

template <typename T>
void max_unpool_backward(const T* dy, const std::int64_t* index, const Unpool& u, T* dx) {
  for (index_t i = 0; i < u.small_pixels; ++i) {
    for (index_t c = 0; c < u.channels; ++c) {
      dx[i * u.stride + c] = dy[index[i * u.stride + c] * u.stride + c];
    }
  }
}

// Fractional max pooling (Graham 2014): each channel of each sample has windows of its own, whose
// starts are floor((o + u) a) - floor(u a) with a = (in - kernel) / (out - 1) and a random u.
template <typename T>
std::vector<index_t> fractional_starts(index_t in, index_t out, index_t kernel, T u) {
  std::vector<index_t> starts(static_cast<std::size_t>(out), in - kernel);
  if (out < 2) return starts;
  const T a = static_cast<T>(in - kernel) / static_cast<T>(out - 1);
  for (index_t o = 0; o + 1 < out; ++o) {
    const index_t start =
        static_cast<index_t>((static_cast<T>(o) + u) * a) - static_cast<index_t>(u * a);
    // Rounding, and numbers outside [0, 1), must not push a window out of the input.
    starts[static_cast<std::size_t>(o)] = std::clamp<index_t>(start, 0, in - kernel);
  }
  return starts;
}

// Depth, height, width of one channel of one sample; its pixels are `stride` apart.
struct FractionalPlane {
  index_t in[3] = {1, 1, 1};
  index_t kernel[3] = {1, 1, 1};
  std::vector<index_t> starts[3];
  index_t stride = 1;
};

template <typename T>
void fractional_max_pool(const T* x, const FractionalPlane& f, T* y, std::int32_t* argmax) {
  for (const index_t d0 : f.starts[0]) {
    for (const index_t h0 : f.starts[1]) {
      for (const index_t w0 : f.starts[2]) {
        index_t where = (d0 * f.in[1] + h0) * f.in[2] + w0;
        T best = x[where * f.stride];
        for (index_t d = d0; d < d0 + f.kernel[0]; ++d) {
          for (index_t h = h0; h < h0 + f.kernel[1]; ++h) {
            for (index_t w = w0; w < w0 + f.kernel[2]; ++w) {
              const index_t at = (d * f.in[1] + h) * f.in[2] + w;
              const T value = x[at * f.stride];
              if (value > best || std::isnan(value)) {
                best = value;
                where = at;
              }
            }
          }
        }
        *y = best;
        *argmax = static_cast<std::int32_t>(where);
        y += f.stride;
        argmax += f.stride;
      }
    }
  }
}

}  // namespace tilewise::ref
