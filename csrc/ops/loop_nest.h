// Walks up to six strided operands of one shape together, the result first.
//
// Dimensions of size 1 are dropped, the rest ordered by the strides of the result and merged where
// every operand allows it: operands of one dense layout become a single run. What is left is cut
// into two-dimensional blocks, by the problem alone, and the blocks are shared among the threads.
#pragma once

#include <initializer_list>

#include "base/function_ref.h"
#include "base/threads.h"
#include "base/types.h"

namespace tilewise {

struct LoopBlock {
  static constexpr int max_operands = 6;
  index_t piece;  // the share of the work that it belongs to
  index_t rows;
  index_t cols;
  index_t offset[max_operands];  // elements
  index_t row_stride[max_operands];
  index_t col_stride[max_operands];
};

class LoopNest {
 public:
  // Strides of the operands, each as long as `shape`; 0 where an operand is broadcast.
  LoopNest(const Dims& shape, std::initializer_list<const Dims*> strides);

  // Stride of an operand in the innermost loop, and in the one around it (0 without one).
  index_t inner_stride(int operand) const { return dims_[rank_ - 1].stride[operand]; }
  index_t row_stride(int operand) const { return rank_ > 1 ? dims_[rank_ - 2].stride[operand] : 0; }

  // The dimensions that are left, the innermost last.
  int rank() const { return rank_; }
  index_t extent(int dim) const { return dims_[dim].extent; }
  index_t stride(int dim, int operand) const { return dims_[dim].stride[operand]; }

  // Blocks are as wide as the innermost dimension, up to `max_cols`. Those of one piece come in
  // order, on one thread.
  void parallel_blocks(FunctionRef<void(const LoopBlock&)> body,
                       index_t max_cols = elementwise_grain) const;
  index_t pieces() const;  // 0 where there is nothing to walk; of blocks of the default width

 private:
  struct Dim {
    index_t extent;
    index_t stride[LoopBlock::max_operands];
  };
  struct Cut {
    Dim rows;
    index_t planes, plane_grain, row_grain, col_grain;
    index_t plane_pieces, row_pieces, col_pieces;
    index_t pieces() const { return plane_pieces * row_pieces * col_pieces; }
  };
  bool mergeable(const Dim& outer, const Dim& inner) const;
  Cut cut(index_t max_cols) const;

  Dim dims_[Dims::max_rank + 1];
  int rank_ = 0;  // at least 1
  int operands_;
};

}  // namespace tilewise
