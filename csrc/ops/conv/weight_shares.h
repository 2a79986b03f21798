// Weight gradients are summed in shares of the pixels and combined in a fixed order.
#pragma once

#include "base/conv_problem.h"

namespace tilewise {

// out[k][c][tap] = sum over shares, in order, of partial[share][tap][c][k], for one group. Adds
// into the first share on the way.
void combine_weight_shares(const ConvProblem& problem, index_t shares, float* partial, float* out);

}  // namespace tilewise
