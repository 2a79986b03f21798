// What the three directions of the depthwise convolution share: which source rows and columns an
// output row meets, how the rows are cut into pieces, and source rows in the form that the kernels
// read.
#pragma once

#include <optional>
#include <vector>

#include "base/conv_problem.h"
#include "base/memory.h"
#include "kernels/depthwise.h"
#include "kernels/epilogue.h"
#include "ops/conv/algorithm.h"

namespace tilewise {

// A class of output columns: out0 + i * out_step meets only source columns src0 + j * src_step,
// with j = i * step + column + t for tap t of a group of neighbouring taps (kernels/depthwise.h
// says what step -2 means).
struct DepthwiseColumns {
  struct Group {
    index_t tap;  // of the kernel's row, the group's first
    index_t column;
  };
  index_t out0, out_step;
  index_t src0, src_step;
  index_t step;
  index_t origin;
  std::vector<Group> groups;
};

// A correlation over rows: the forward direction or, `reversed`, the gradient of the data, whose
// source is dY and whose output is dX. The weight gradient walks as the forward direction does.
class DepthwiseGeometry {
 public:
  DepthwiseGeometry(const ConvProblem& p, bool reversed);

  struct Row {
    index_t kernel_row;  // depth and height together
    index_t plane;
    index_t row;
  };
  // The source rows that an output row (depth and height together) meets, ascending.
  index_t rows_of(index_t out_row, Row* rows) const;
  index_t most_rows() const { return p.kernel[0] * p.kernel[1]; }
  index_t most_taps() const { return p.taps(); }
  // Source columns that output columns [begin, end) meet.
  void source_columns(index_t begin, index_t end, index_t& first, index_t& last) const;
  // Neighbouring source planes (dim 0) that an output row meets, or rows (dim 1) that two meet, at
  // most.
  index_t span(int dim) const;
  index_t out_rows() const { return out[0] * out[1]; }

  const ConvProblem p;
  const bool reversed;
  index_t src[3];
  index_t out[3];
  index_t chunk;  // taps of a group
  std::vector<DepthwiseColumns> classes;

 private:
  bool source_at(int dim, index_t at, index_t tap, index_t& source) const;
  void add_dilation_classes();
  void add_phase_classes();
  void add_doubling_class();
};

// Pieces of work: blocks of rows of an image, or of columns where rows are few and long.
struct DepthwisePieces {
  DepthwisePieces(const DepthwiseGeometry& g, index_t wanted_floats);

  struct Piece {
    index_t image;
    index_t row0, rows;
    index_t col0, cols;
  };
  index_t count() const { return images * row_blocks * col_blocks; }
  Piece piece(index_t i) const;

  index_t images;
  index_t out_rows, out_columns;
  index_t rows, row_blocks;
  index_t cols, col_blocks;
};

// A source whose rows are read where they are, or are first brought into a form of k channels:
// each channel repeated `multiplier` times, or passed through a gate.
struct DepthwiseSourceView {
  const float* data;
  index_t channels;  // in memory
  index_t multiplier;
  GradientGate gate;
  bool prepared() const { return multiplier != 1 || gate.y != nullptr; }
};

// The source rows of a piece. Prepared rows are kept while output rows that meet them follow.
class DepthwiseRows {
 public:
  DepthwiseRows(const DepthwiseGeometry& g, const DepthwiseSourceView& view,
                const DepthwisePieces::Piece& piece);
  static index_t bytes(const DepthwiseGeometry& g, const DepthwiseSourceView& view, index_t cols);

  // Column 0 of a row of k channels a column. Columns that the piece does not meet may be absent.
  const float* row(index_t plane, index_t row);
  // The rows that the next output row meets beyond this one, for a prefetch.
  DepthwiseAhead ahead(index_t plane, index_t row, index_t out_rows) const;
  index_t last_column() const { return last_; }

 private:
  const DepthwiseGeometry& g_;
  const DepthwiseSourceView& view_;
  index_t image_;
  index_t first_ = 0;  // columns [first, last)
  index_t last_ = 0;
  index_t slot_rows_ = 0;
  index_t slot_planes_ = 0;
  std::optional<Scratch<float>> scratch_;
  std::optional<Scratch<index_t>> tags_;
};

// Walks over the output rows of a piece, one class of columns at a time.
class DepthwiseWalk {
 public:
  // One of weights and sums, [tap][stride]; the other is null.
  struct Taps {
    const float* weights;
    float* sums;
    index_t stride;
  };
  DepthwiseWalk(const DepthwiseGeometry& g, const DepthwisePieces::Piece& piece, const Taps& taps);

  // The source rows of one output row or, with `two`, of that and the next, before its classes are
  // asked for.
  void start_row(index_t out_row, bool two, DepthwiseRows& rows);
  // The run of a class in this row; returns its first output column, or -1 if it has none. Output
  // columns lie `pixel` floats apart.
  index_t run(const DepthwiseColumns& columns, const DepthwiseRows& rows, index_t pixel,
              DepthwiseRow& row);
  static index_t bytes(const DepthwiseGeometry& g);

 private:
  const DepthwiseGeometry& g_;
  const DepthwisePieces::Piece& piece_;
  Taps taps_;
  struct Source {
    const float* data;
    index_t kernel_row[2];  // of the one and the other output row, -1: they do not meet
  };
  index_t meet(index_t out_row, bool two);

  index_t counts_[3] = {0, 0, 0};  // of the first row alone, of both, of the second alone
  DepthwiseAhead ahead_{nullptr, 0};
  Scratch<DepthwiseGeometry::Row> rows_;
  Scratch<DepthwiseGeometry::Row> merged_;
  Scratch<Source> sources_;
  Scratch<DepthwiseTaps> groups_;
};

index_t depthwise_weight_gradient_workspace(const ConvProblem& p, int threads);
void depthwise_weight_gradient(const ConvBackwardWeight& conv);

}  // namespace tilewise
