// Elementwise functions of one operand.
#pragma once

#include "base/array.h"

namespace tilewise {

enum class UnaryOp : std::uint8_t {
  // Any numbers; integers stay integers.
  neg,
  abs,
  sign,  // 0 for NaN
  square,
  floor,
  ceil,
  round,  // halves to even
  // Integers become float32.
  exp,
  log,
  log1p,
  sqrt,
  rsqrt,
  reciprocal,
  sin,
  cos,
  tanh,
  sigmoid,
  // bool
  isnan,
  isinf,
  isfinite,
};

const char* name_of(UnaryOp op);
Array unary(UnaryOp op, const Array& x);
Array logical_not(const Array& x);  // x == 0, as bool

}  // namespace tilewise
