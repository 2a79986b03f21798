// Local response normalisation of float32 rows of channels.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

struct LocalResponse {
  index_t before;  // channels of the window in front of its channel
  index_t after;   // and behind it
  float alpha;     // of the sum of squares: the function's alpha divided by the window's size
  float beta;
  float k;
};

struct LocalResponseKernels {
  // Floats of scratch memory that one row takes.
  index_t (*scratch)(index_t channels, LocalResponse p);
  // y[c] = x[c] (k + alpha sum of x^2 over the window of c)^-beta
  void (*forward)(const float* x, index_t rows, index_t channels, LocalResponse p, float* scratch,
                  float* y);
  void (*backward)(const float* dy, const float* x, index_t rows, index_t channels, LocalResponse p,
                   float* scratch, float* dx);
};
TW_KERNEL_TABLE(LocalResponseKernels, local_response_kernels)

}  // namespace tilewise
