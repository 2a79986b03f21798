// The forward pass and the input gradient on the correlation engine, float32, any problem whose
// strips are not out of proportion to its tensors.
#pragma once

#include "base/conv_problem.h"

namespace tilewise {

// Null where the strip engine may run the problem, else the reason why not.
const char* implicit_gemm_refuses(const ConvProblem& problem);

// All pointers are dense channels-last activations and (k, c/groups, taps) weights.
void implicit_gemm_forward(const ConvProblem& problem, const float* x, const float* weight,
                           const float* bias, bool relu, float* y);
void implicit_gemm_backward_data(const ConvProblem& problem, const float* dy, const float* weight,
                                 float* dx);
// dbias may be null.
void implicit_gemm_backward_weight(const ConvProblem& problem, const float* dy, const float* x,
                                   float* dweight, float* dbias);

}  // namespace tilewise
