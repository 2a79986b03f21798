// Activations of contiguous float32 ranges; source and destination may be the same.
#pragma once

#include "base/activation.h"
#include "kernels/dispatch.h"

namespace tilewise {

// slope is LeakyReLU's. stream: the result is larger than the caches; stores go past them where it
// is aligned.
struct ActivationKernels {
  void (*forward)(const float* x, float* y, index_t count, Activation activation, float slope,
                  bool stream);
  // dx = dy f'(x). Where f is piecewise linear and keeps the sign (slope >= 0), x may be its
  // output.
  void (*backward)(const float* dy, const float* x, float* dx, index_t count, Activation activation,
                   float slope);
};
TW_KERNEL_TABLE(ActivationKernels, activation_kernels)

}  // namespace tilewise
