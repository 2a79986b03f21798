// Winograd F(4x4, 3x3): 3x3 stride-1 convolutions with a quarter of the multiplications.
#pragma once

#include "base/conv_problem.h"

namespace tilewise {

// Null where the algorithm can run, else the reason why not.
const char* winograd_refuses(const ConvProblem& problem);
// Null where it is expected to win, else the reason why not: a user may insist.
const char* winograd_loses(const ConvProblem& problem);

// Dense channels-last activations, (k, c, 3, 3) weights, float32.
void winograd_forward(const ConvProblem& problem, const float* x, const float* weight,
                      const float* bias, bool relu, float* y);
void winograd_backward_data(const ConvProblem& problem, const float* dy, const float* weight,
                            float* dx);
void winograd_backward_weight(const ConvProblem& problem, const float* dy, const float* x,
                              float* dweight);

}  // namespace tilewise
