// The activations that a convolution applies, as rows of base/unary_op.h.
#pragma once

#include "base/activation.h"
#include "base/array.h"

namespace tilewise {

// dy f'(x); slope is LeakyReLU's. relu reads its output y; relu6 and leaky_relu with a slope >= 0
// can be given y for x: it has the sign of x and lies on the same side of 6.
Array activate_backward(const Array& dy, const Array& x, Activation activation, double slope);

}  // namespace tilewise
