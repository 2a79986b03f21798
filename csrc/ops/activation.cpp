#include "ops/activation.h"

#include "ops/unary.h"

namespace tilewise {

Array activate_backward(const Array& dy, const Array& x, Activation activation, double slope) {
  switch (activation) {
    case Activation::none:
      break;
    case Activation::relu:
      return unary_backward(UnaryOp::relu, dy, x);
    case Activation::relu6:
      return unary_backward(UnaryOp::hardtanh, dy, x, {0, 6, 0});
    case Activation::leaky_relu:
      return unary_backward(UnaryOp::leaky_relu, dy, x, {slope, 0, 0});
    case Activation::silu:
      return unary_backward(UnaryOp::silu, dy, x);
    case Activation::hardswish:
      return unary_backward(UnaryOp::hardswish, dy, x);
  }
  return dy;
}

}  // namespace tilewise
