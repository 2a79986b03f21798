// Elementwise operations of two operands with broadcasting and PyTorch's dtype promotion.
#pragma once

#include "ops/operand.h"

namespace tilewise {

enum class BinaryOp : std::uint8_t {
  add,
  sub,
  mul,
  div,        // true division: integers give float32
  floor_div,  // towards minus infinity; ValueError for an integer divided by zero
  remainder,  // with the sign of the divisor, as in Python
  pow,
  maximum,  // NaN in either operand gives NaN
  minimum,
  fmax,  // the number where one operand is NaN
  fmin,
  trunc_div,  // towards zero
  fmod,       // with the sign of the dividend, as in C
  atan2,      // from here integers give float32
  hypot,
  logaddexp,
  copysign,
  xlogy,    // a log b, and 0 where a is 0
  bit_and,  // from here integers and booleans only
  bit_or,
  bit_xor,
  shift_left,
  shift_right,
  eq,  // comparisons and logical operations give bool
  ne,
  lt,
  le,
  gt,
  ge,
  logical_and,
  logical_or,
  logical_xor,
};

const char* name_of(BinaryOp op);

Array binary(BinaryOp op, const Operand& a, const Operand& b);

// a = a op b. `b` broadcasts to a's shape; the result must have a's shape and category of dtype.
void binary_in_place(BinaryOp op, const Array& a, const Operand& b);

inline Array add(const Operand& a, const Operand& b) { return binary(BinaryOp::add, a, b); }
inline Array sub(const Operand& a, const Operand& b) { return binary(BinaryOp::sub, a, b); }
inline Array mul(const Operand& a, const Operand& b) { return binary(BinaryOp::mul, a, b); }
inline Array div(const Operand& a, const Operand& b) { return binary(BinaryOp::div, a, b); }

// a += alpha * b, in place: how gradients are accumulated.
void add_in_place(const Array& a, const Operand& b, const Scalar& alpha);

}  // namespace tilewise
