// Layer normalisation and RMS normalisation.
#pragma once

#include "base/array.h"

namespace tilewise {

struct LayerNormState {
  const char* op = "layer_norm";  // named by errors
  Dims shape;                     // the last dimensions of x, over which to normalise
  Array weight;                   // of that shape, or undefined: 1
  Array bias;                     // the same, 0
  double eps = 1e-5;
  bool centred = true;  // false: RMS norm
};

struct LayerNormResult {
  Array y;
  Array statistics;  // (rows, 2): mean and scale
};

struct LayerNormGradients {
  Array dx;
  Array dweight;  // undefined without a weight and a bias
  Array dbias;
};

LayerNormResult layer_norm_forward(const Array& x, const LayerNormState& state);

// `parameters`: whether dweight and dbias are wanted.
LayerNormGradients layer_norm_backward(const Array& dy, const Array& x, const LayerNormState& state,
                                       const Array& statistics, bool parameters);

}  // namespace tilewise
