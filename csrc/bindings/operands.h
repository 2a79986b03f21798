// Python arguments of the elementwise bindings.
#pragma once

#include "bindings/bindings.h"
#include "ops/operand.h"

namespace tilewise::bindings {

// An Array, bool, int or float; anything else is a TypeError naming `op`.
Operand operand_from(const char* op, py::handle value);
Scalar scalar_from(const char* op, py::handle value);

}  // namespace tilewise::bindings
