// The weight gradient of implicit_gemm.cpp, which has a file of its own.
#pragma once

#include "ops/conv/algorithm.h"

namespace tilewise {

void weight_gradient(const ConvBackwardWeight& conv);
index_t weight_gradient_workspace(const ConvProblem& problem, int threads);

}  // namespace tilewise
