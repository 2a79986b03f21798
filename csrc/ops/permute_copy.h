// Copies whose result lies in order in memory and whose source does not, by a table of
// permutations.
#pragma once

#include "base/array.h"
#include "ops/loop_nest.h"

namespace tilewise {

// Elements of four bytes; `loops` walks dst and src. False, and nothing is done, where a register
// of the result would take from too many places.
bool copy_permuted(const LoopNest& loops, const Array& dst, const Array& src);

// dst[..., (i + shift) % length, ...] = src[..., i, ...] along a dimension that is innermost in
// both, 0 < shift < length. False, and nothing is done, where parts of rows are copied as quickly.
bool copy_rotated(const Array& dst, const Array& src, int dim, index_t shift);

}  // namespace tilewise
