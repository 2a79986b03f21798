// The weight gradient of winograd.cpp, which has a file of its own.
#pragma once

#include "ops/conv/algorithm.h"

namespace tilewise {

void winograd_weight_gradient(const ConvBackwardWeight& conv);
index_t winograd_weight_gradient_workspace(const ConvProblem& problem, int threads);

}  // namespace tilewise
