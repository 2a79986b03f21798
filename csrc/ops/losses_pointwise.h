// Losses element by element: kernels/loss_pointwise.h has the rows, ref/loss_pointwise.h the
// formulas. The operands broadcast against each other; sums are fused with the values.
#pragma once

#include <string>

#include "base/array.h"

namespace tilewise {

struct PointwiseLossOptions {
  std::string loss;  // a row: "mse", "l1", ...
  Array input;
  Array target;
  Array other;   // the third operand of some rows; undefined: 1
  Array weight;  // a factor of each term; undefined: 1
  std::string reduction = "mean";
  double a = 0;
  double b = 0;
  double c = 0;
};

// The terms in the common shape, their sum, or the sum divided by their number.
Array pointwise_loss(const PointwiseLossOptions& options);

enum class LossOperand : std::uint8_t { input, target, other };
// The gradient of one operand, in its shape and dtype.
Array pointwise_loss_backward(const Array& dy, const PointwiseLossOptions& options,
                              LossOperand operand);

}  // namespace tilewise
