// Elementwise functions of one operand: the rows of base/unary_op.h.
#pragma once

#include "base/array.h"
#include "base/unary_op.h"

namespace tilewise {

// What a row's formulas call a, b and c.
struct UnaryParameters {
  double a = 0;
  double b = 0;
  double c = 0;
};

const char* name_of(UnaryOp op);
UnaryDomain domain_of(UnaryOp op);
UnaryReads reads_of(UnaryOp op);  // what unary_backward wants as `kept`

Array unary(UnaryOp op, const Array& x, const UnaryParameters& p = {});
// x = f(x), for floating dtypes and those of integers whose result is one.
void unary_(UnaryOp op, const Array& x, const UnaryParameters& p = {});
// dy f'(x), where `kept` is x, f(x) or, for rows that read nothing, any floating array of the
// shape.
Array unary_backward(UnaryOp op, const Array& dy, const Array& kept, const UnaryParameters& p = {});

Array logical_not(const Array& x);  // x == 0, as bool

}  // namespace tilewise
