// Activations as ops of their own: the ones that a convolution can apply where it writes.
#pragma once

#include "base/activation.h"
#include "base/array.h"

namespace tilewise {

const char* name_of(Activation activation);

// slope is LeakyReLU's.
Array activate(const Array& x, Activation activation, double slope);
// dy f'(x). relu, relu6 and leaky_relu with a slope >= 0 also take their output for x.
Array activate_backward(const Array& dy, const Array& x, Activation activation, double slope);

}  // namespace tilewise
