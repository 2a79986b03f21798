// Walks two strided operands together: dimensions of size 1 dropped, the rest ordered by the first
// operand's strides and merged where both operands allow it.
#pragma once

#include "base/array.h"

namespace tilewise {

struct LoopDim {
  index_t extent;
  index_t dst_stride;  // elements
  index_t src_stride;
};

struct StridedLoops {
  LoopDim dims[Dims::max_rank];
  int rank = 0;

  StridedLoops(const Dims& shape, const Dims& dst_strides, const Dims& src_strides);

  // Iterations of all loops but the innermost `inner`.
  index_t outer_count(int inner) const;
  // Element offsets of both operands at outer iteration `flat`.
  void offsets(index_t flat, int inner, index_t& dst, index_t& src) const;
};

}  // namespace tilewise
