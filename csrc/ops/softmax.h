#pragma once

#include "base/array.h"

namespace tilewise {

// Along one axis (negative: from the end) of a floating tensor of any shape.
Array softmax(const Array& x, index_t axis);
Array log_softmax(const Array& x, index_t axis);

// Gradients for the input, given dy and the value y of the output.
Array softmax_backward(const Array& dy, const Array& y, index_t axis);
Array log_softmax_backward(const Array& dy, const Array& y, index_t axis);

}  // namespace tilewise
