// One call updates all parameters of a group in place. The lists have the parameters' length; an
// empty one stands for "none".
#pragma once

#include <vector>

#include "base/array.h"
#include "ref/optimizer.h"

namespace tilewise {

using ArrayList = std::vector<Array>;

void sgd_step(const ArrayList& params, const ArrayList& grads, const ArrayList& momentum_buffers,
              const SgdOptions& options);

struct AdamState {
  ArrayList exp_avg;
  ArrayList exp_avg_sq;
  ArrayList max_exp_avg_sq;  // empty: without amsgrad
};
void adam_step(const ArrayList& params, const ArrayList& grads, const AdamState& state,
               const AdamOptions& options);

// The sum of the squares of all elements of all arrays.
double norm_squared(const ArrayList& arrays);
// Multiplies every element in place.
void scale_arrays(const ArrayList& arrays, double factor);

}  // namespace tilewise
