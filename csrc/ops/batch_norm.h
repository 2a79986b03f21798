#pragma once

#include "base/array.h"

namespace tilewise {

// Undefined arrays stand for "none".
struct BatchNormState {
  Array weight;        // (C), default 1
  Array bias;          // (C), default 0
  Array running_mean;  // (C)
  Array running_var;   // (C)
  bool training = true;
  double momentum = 0.1;
  double eps = 1e-5;
};

struct BatchNormResult {
  Array y;
  Array mean;    // (C), what x was centred by
  Array invstd;  // (C), 1 / sqrt(variance + eps)
};

struct BatchNormGradients {
  Array dx;
  Array dweight;  // (C)
  Array dbias;    // (C)
};

// Normalises x (N, C) or (N, C, spatial...) per channel: with the statistics of x when training
// (and then moves the running statistics towards them, the variance unbiased), else with the
// running statistics.
BatchNormResult batch_norm_forward(const Array& x, const BatchNormState& state);

BatchNormGradients batch_norm_backward(const Array& dy, const Array& x, const Array& weight,
                                       const Array& mean, const Array& invstd, bool training);

}  // namespace tilewise
