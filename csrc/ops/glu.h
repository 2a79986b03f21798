// Gated linear units: Y. N. Dauphin et al., "Language modeling with gated convolutional networks"
// (2017).
#pragma once

#include "base/array.h"

namespace tilewise {

// a sigmoid(b) for the halves a, b of x along an axis (negative: from the end).
Array glu(const Array& x, index_t axis);
Array glu_backward(const Array& dy, const Array& x, index_t axis);

}  // namespace tilewise
