#include "ops/strided_loops.h"

#include <algorithm>

namespace tilewise {

StridedLoops::StridedLoops(const Dims& shape, const Dims& dst_strides, const Dims& src_strides) {
  for (int i = 0; i < shape.size(); ++i) {
    if (shape[i] != 1) dims[rank++] = {shape[i], dst_strides[i], src_strides[i]};
  }
  std::stable_sort(dims, dims + rank, [](const LoopDim& a, const LoopDim& b) {
    return a.dst_stride > b.dst_stride;
  });
  int merged = 0;
  for (int i = 1; i < rank; ++i) {
    LoopDim& outer = dims[merged];
    const LoopDim& inner = dims[i];
    if (outer.dst_stride == inner.dst_stride * inner.extent &&
        outer.src_stride == inner.src_stride * inner.extent) {
      outer = {outer.extent * inner.extent, inner.dst_stride, inner.src_stride};
    } else {
      dims[++merged] = inner;
    }
  }
  if (rank > 0) rank = merged + 1;
}

index_t StridedLoops::outer_count(int inner) const {
  index_t count = 1;
  for (int i = 0; i < rank - inner; ++i) count *= dims[i].extent;
  return count;
}

void StridedLoops::offsets(index_t flat, int inner, index_t& dst, index_t& src) const {
  dst = 0;
  src = 0;
  for (int i = rank - inner - 1; i >= 0; --i) {
    const index_t index = flat % dims[i].extent;
    flat /= dims[i].extent;
    dst += index * dims[i].dst_stride;
    src += index * dims[i].src_stride;
  }
}

}  // namespace tilewise
