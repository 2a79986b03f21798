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

LoopNest::Cut LoopNest::cut(index_t max_cols) const {
  const Dim& cols = dims_[rank_ - 1];
  Cut c{};
  c.rows = rank_ >= 2 ? dims_[rank_ - 2] : Dim{1, {}};
  c.planes = 1;
  for (int i = 0; i < rank_; ++i) {
    if (dims_[i].extent == 0) return c;
    if (i < rank_ - 2) c.planes *= dims_[i].extent;
  }
  c.col_grain = std::min(cols.extent, max_cols);
  c.col_pieces = ceil_div(cols.extent, c.col_grain);
  c.row_grain = std::min(c.rows.extent, ceil_div(elementwise_grain, c.col_grain));
  c.row_pieces = ceil_div(c.rows.extent, c.row_grain);
  c.plane_grain = std::min(c.planes, ceil_div(elementwise_grain, c.row_grain * c.col_grain));
  c.plane_pieces = ceil_div(c.planes, c.plane_grain);
  return c;
}

index_t LoopNest::pieces() const { return cut(elementwise_grain).pieces(); }

void LoopNest::parallel_blocks(FunctionRef<void(const LoopBlock&)> body, index_t max_cols) const {
  const Dim& cols = dims_[rank_ - 1];
  const Cut c = cut(max_cols);
  parallel_for(c.pieces(), [&](index_t piece) {
    const index_t col0 = piece % c.col_pieces * c.col_grain;
    const index_t row0 = piece / c.col_pieces % c.row_pieces * c.row_grain;
    const index_t plane0 = piece / c.col_pieces / c.row_pieces * c.plane_grain;
    LoopBlock block{};
    block.piece = piece;
    block.rows = std::min(c.row_grain, c.rows.extent - row0);
    block.cols = std::min(c.col_grain, cols.extent - col0);
    for (int k = 0; k < operands_; ++k) {
      block.row_stride[k] = c.rows.stride[k];
      block.col_stride[k] = cols.stride[k];
    }
    for (index_t plane = plane0; plane < std::min(plane0 + c.plane_grain, c.planes); ++plane) {
      for (int k = 0; k < operands_; ++k) {
        block.offset[k] = row0 * c.rows.stride[k] + col0 * cols.stride[k];
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
