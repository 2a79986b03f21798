// The gradient of the weights of a grouped convolution; ops/conv/grouped.cpp has the algorithm.
#pragma once

#include "ops/conv/algorithm.h"

namespace tilewise {

void grouped_weight_gradient(const ConvBackwardWeight& conv);
// Bytes of temporary memory.
index_t grouped_weight_gradient_workspace(const ConvProblem& problem, int threads);

}  // namespace tilewise
