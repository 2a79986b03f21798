// Borders around tensors of any rank.
#pragma once

#include <optional>

#include "base/array.h"
#include "base/border.h"

namespace tilewise {

// What is added before and after each dimension; negative amounts cut away.
struct PadAmounts {
  Dims before;
  Dims after;
  Border border;
};

// `value`: of no dimensions, x's dtype, what a border of `zeros` holds instead of 0.
Array pad(const Array& x, const PadAmounts& amounts, const std::optional<Array>& value);

// The gradient of x of shape `input_shape`: what a border holds comes back to where it was read.
Array pad_backward(const Array& dy, const Dims& input_shape, const PadAmounts& amounts);

}  // namespace tilewise
