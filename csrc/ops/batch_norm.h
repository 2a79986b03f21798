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
  bool relu = false;  // y = max(0, normalised x), in the same pass
  // Of x, (C) in float64, where what wrote x has collected them: saves the first pass in training.
  Array batch_mean;
  Array batch_variance;  // biased
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

// What a backward pass needs to know of the forward pass.
struct BatchNormSaved {
  Array weight;
  Array mean;
  Array invstd;
  bool training = true;
  bool relu = false;        // forward had relu = true;
  Array bias;               // then its bias is needed too
  bool input_relu = false;  // x is the output of a ReLU: dx is for that ReLU's input
};

BatchNormGradients batch_norm_backward(const Array& dy, const Array& x,
                                       const BatchNormSaved& saved);

}  // namespace tilewise
