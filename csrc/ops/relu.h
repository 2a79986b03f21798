#pragma once

#include "base/array.h"

namespace tilewise {

// y = max(x, 0) for a floating tensor of any shape.
Array relu(const Array& x);

// The gradient of relu for its input, given the gradient dy and the value y of its output.
Array relu_backward(const Array& dy, const Array& y);

}  // namespace tilewise
