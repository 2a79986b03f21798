// The gradient of the data of layers with few input channels, for implicit_gemm.cpp.
#pragma once

#include "ops/conv/algorithm.h"

namespace tilewise {

// Whether the lanes of a panel would mostly be empty, and the fold can do it.
bool fold_applies(const ConvProblem& problem);
void fold_backward_data(const ConvBackwardData& conv);
index_t fold_workspace(const ConvProblem& problem, int threads);

}  // namespace tilewise
