// Convolution as the lectures write it: plain loops, accumulated in double. The oracle of the fast
// paths and float64's implementation.
//
//   y[n, o, k] = sum over taps t, channels c of  x[n, o*stride + t*dilation - pad, c] w[k, c, t]
//
// Pixels outside the input count as zero, or as the border says. Layers use this cross-correlation;
// a convolution in the mathematical sense has the kernel reflected.
#pragma once

#include "base/conv_problem.h"

namespace tilewise::ref {

// The pixel that a tap sees along an axis, or -1 in zero padding.
inline index_t input_pixel(const ConvProblem& p, int axis, index_t out, index_t tap) {
  const index_t i = out * p.stride[axis] + tap * p.dilation[axis] - p.pad_begin[axis];
  return border_source(p.border, i, p.in[axis]);
}

// Calls visit(out_pixel, in_pixel, tap) for every pair of pixels that a tap connects.
template <typename Visit>
void for_each_connection(const ConvProblem& p, Visit visit) {
  index_t tap = 0;
  for (index_t td = 0; td < p.kernel[0]; ++td) {
    for (index_t th = 0; th < p.kernel[1]; ++th) {
      for (index_t tw = 0; tw < p.kernel[2]; ++tw, ++tap) {
        index_t out_pixel = 0;
        for (index_t od = 0; od < p.out[0]; ++od) {
          for (index_t oh = 0; oh < p.out[1]; ++oh) {
            for (index_t ow = 0; ow < p.out[2]; ++ow, ++out_pixel) {
              const index_t d = input_pixel(p, 0, od, td);
              const index_t h = input_pixel(p, 1, oh, th);
              const index_t w = input_pixel(p, 2, ow, tw);
              if (d >= 0 && h >= 0 && w >= 0)
                visit(out_pixel, (d * p.in[1] + h) * p.in[2] + w, tap);
            }
          }
        }
      }
    }
  }
}

template <typename T>
void conv_forward(const ConvProblem& p, const T* x, const T* weight, double* sums, T* y) {
  const index_t cg = p.group_c();
  const index_t kg = p.group_k();
  for (index_t n = 0; n < p.n; ++n) {
    const T* xn = x + n * p.in_pixels() * p.c;
    T* yn = y + n * p.out_pixels() * p.k;
    for (index_t i = 0; i < p.out_pixels() * p.k; ++i) sums[i] = 0;
    for_each_connection(p, [&](index_t out, index_t in, index_t tap) {
      for (index_t k = 0; k < p.k; ++k) {
        const T* xp = xn + in * p.c + k / kg * cg;
        double sum = 0;
        for (index_t c = 0; c < cg; ++c) {
          sum += double(xp[c]) * double(weight[(k * cg + c) * p.taps() + tap]);
        }
        sums[out * p.k + k] += sum;
      }
    });
    for (index_t i = 0; i < p.out_pixels() * p.k; ++i) yn[i] = static_cast<T>(sums[i]);
  }
}

// dx[n, i, c] = sum over every (o, t) that reads pixel i, and k, of dy[n, o, k] w[k, c, t].
template <typename T>
void conv_backward_data(const ConvProblem& p, const T* dy, const T* weight, double* sums, T* dx) {
  const index_t cg = p.group_c();
  const index_t kg = p.group_k();
  for (index_t n = 0; n < p.n; ++n) {
    const T* dyn = dy + n * p.out_pixels() * p.k;
    T* dxn = dx + n * p.in_pixels() * p.c;
    for (index_t i = 0; i < p.in_pixels() * p.c; ++i) sums[i] = 0;
    for_each_connection(p, [&](index_t out, index_t in, index_t tap) {
      for (index_t k = 0; k < p.k; ++k) {
        const double g = double(dyn[out * p.k + k]);
        double* xp = sums + in * p.c + k / kg * cg;
        for (index_t c = 0; c < cg; ++c) xp[c] += g * double(weight[(k * cg + c) * p.taps() + tap]);
      }
    });
    for (index_t i = 0; i < p.in_pixels() * p.c; ++i) dxn[i] = static_cast<T>(sums[i]);
  }
}

// dw[k, c, t] = sum over n, o of dy[n, o, k] x[n, o*stride + t*dilation - pad, c].
template <typename T>
void conv_backward_weight(const ConvProblem& p, const T* dy, const T* x, double* sums, T* dw) {
  const index_t cg = p.group_c();
  const index_t kg = p.group_k();
  const index_t count = p.k * cg * p.taps();
  for (index_t i = 0; i < count; ++i) sums[i] = 0;
  for (index_t n = 0; n < p.n; ++n) {
    const T* xn = x + n * p.in_pixels() * p.c;
    const T* dyn = dy + n * p.out_pixels() * p.k;
    for_each_connection(p, [&](index_t out, index_t in, index_t tap) {
      for (index_t k = 0; k < p.k; ++k) {
        const double g = double(dyn[out * p.k + k]);
        const T* xp = xn + in * p.c + k / kg * cg;
        for (index_t c = 0; c < cg; ++c) sums[(k * cg + c) * p.taps() + tap] += g * double(xp[c]);
      }
    });
  }
  for (index_t i = 0; i < count; ++i) dw[i] = static_cast<T>(sums[i]);
}

}  // namespace tilewise::ref
