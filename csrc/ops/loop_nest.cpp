#include "ops/loop_nest.h"

#include <algorithm>

namespace tilewise {

LoopNest::LoopNest(const Dims& shape, std::initializer_list<const Dims*> strides)
    : operands_(static_cast<int>(strides.size())) {
  for (int i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    Dim dim{shape[i], {}};
    int operand = 0;
    for (const Dims* s : strides) dim.stride[operand++] = (*s)[i];
    dims_[rank_++] = dim;
  }
  if (rank_ == 0) {
    Dim one{1, {}};
    for (int k = 0; k < operands_; ++k) one.stride[k] = 1;
    dims_[rank_++] = one;
    return;
  }
  for (int i = 1; i < rank_;
       ++i) {  // insertion: few dimensions, and equal strides keep their order
    for (int j = i; j > 0 && dims_[j - 1].stride[0] < dims_[j].stride[0]; --j) {
      std::swap(dims_[j - 1], dims_[j]);
    }
  }
  int merged = 0;
  for (int i = 1; i < rank_; ++i) {
    if (mergeable(dims_[merged], dims_[i])) {
      const index_t extent = dims_[merged].extent * dims_[i].extent;
      dims_[merged] = dims_[i];
      dims_[merged].extent = extent;
    } else {
      dims_[++merged] = dims_[i];
    }
  }
  rank_ = merged + 1;
}

bool LoopNest::mergeable(const Dim& outer, const Dim& inner) const {
  for (int k = 0; k < operands_; ++k) {
    if (outer.stride[k] != inner.stride[k] * inner.extent) return false;
  }
  return true;
}

void LoopNest::parallel_blocks(FunctionRef<void(const LoopBlock&)> body, index_t max_cols) const {
  const Dim& cols = dims_[rank_ - 1];
  const Dim rows = rank_ >= 2 ? dims_[rank_ - 2] : Dim{1, {}};
  index_t planes = 1;
  for (int i = 0; i < rank_; ++i) {
    if (dims_[i].extent == 0) return;
    if (i < rank_ - 2) planes *= dims_[i].extent;
  }
  const index_t col_grain = std::min(cols.extent, max_cols);
  const index_t col_pieces = ceil_div(cols.extent, col_grain);
  const index_t row_grain = std::min(rows.extent, ceil_div(elementwise_grain, col_grain));
  const index_t row_pieces = ceil_div(rows.extent, row_grain);
  const index_t plane_grain = std::min(planes, ceil_div(elementwise_grain, row_grain * col_grain));
  const index_t plane_pieces = ceil_div(planes, plane_grain);

  parallel_for(plane_pieces * row_pieces * col_pieces, [&](index_t piece) {
    const index_t col0 = piece % col_pieces * col_grain;
    const index_t row0 = piece / col_pieces % row_pieces * row_grain;
    const index_t plane0 = piece / col_pieces / row_pieces * plane_grain;
    LoopBlock block{};
    block.rows = std::min(row_grain, rows.extent - row0);
    block.cols = std::min(col_grain, cols.extent - col0);
    for (int k = 0; k < operands_; ++k) {
      block.row_stride[k] = rows.stride[k];
      block.col_stride[k] = cols.stride[k];
    }
    for (index_t plane = plane0; plane < std::min(plane0 + plane_grain, planes); ++plane) {
      for (int k = 0; k < operands_; ++k) {
        block.offset[k] = row0 * rows.stride[k] + col0 * cols.stride[k];
      }
      index_t rest = plane;
      for (int i = rank_ - 3; i >= 0; --i) {
        const index_t index = rest % dims_[i].extent;
        rest /= dims_[i].extent;
        for (int k = 0; k < operands_; ++k) block.offset[k] += index * dims_[i].stride[k];
      }
      body(block);
    }
  });
}

}  // namespace tilewise
