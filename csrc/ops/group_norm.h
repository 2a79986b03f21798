// Group normalisation and instance normalisation, which is the case of one channel a group.
#pragma once

#include "base/array.h"

namespace tilewise {

// Undefined arrays stand for "none".
struct GroupNormState {
  const char* op = "group_norm";  // named by errors
  index_t groups = 1;
  Array weight;        // (C), default 1
  Array bias;          // (C), default 0
  Array running_mean;  // (C), moved towards the mean of the samples' statistics;
  Array running_var;   // both or neither, and only with one channel a group
  double momentum = 0.1;
  double eps = 1e-5;
  bool per_instance = false;  // instance norm: a single pixel is an error
};

struct GroupNormResult {
  Array y;
  Array mean;    // (N, groups)
  Array invstd;  // (N, groups): 1 / sqrt(variance + eps)
};

struct GroupNormGradients {
  Array dx;
  Array dweight;  // (C)
  Array dbias;    // (C)
};

// Normalises x (N, C) or (N, C, spatial...) over the pixels and the channels of each group.
GroupNormResult group_norm_forward(const Array& x, const GroupNormState& state);

GroupNormGradients group_norm_backward(const Array& dy, const Array& x, const Array& weight,
                                       const Array& mean, const Array& invstd);

}  // namespace tilewise
