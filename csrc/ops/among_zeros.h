// The gradient of a view: zeros with values where the view looked, written in one pass over memory.
#pragma once

#include "base/array.h"

namespace tilewise {

// An array for values that are part of one of `shape`: in their order of memory where the ranks
// agree, else C-contiguous.
Array empty_around(const Array& values, const Dims& shape);

// Sets all of `whole`, which has no gaps: `view`, which looks into it, to the values, the rest to
// 0.
void write_among_zeros(const Array& whole, const Array& view, const Array& values);

}  // namespace tilewise
