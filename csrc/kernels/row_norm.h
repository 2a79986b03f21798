// Normalisation of contiguous runs of float32: layer norm, RMS norm and vectors of unit length.
#pragma once

#include "base/moments.h"
#include "kernels/dispatch.h"

namespace tilewise {

// Rows of `columns` numbers, or a range of their columns: rows are `stride` apart.
// With `streaming`, results are stored past the caches where their addresses allow it.
struct RowBlock {
  index_t rows;
  index_t columns;
  index_t stride;
  bool streaming;
};

// The parameters of a column; null stands for ones and zeros.
struct ColumnVectors {
  const float* weight;
  const float* bias;
};

// A row's numbers.
struct RowScale {
  float mean;
  float scale;
};

// dx = scale (weight dy - slope (x - mean) - offset): what cancels is subtracted first.
struct RowGrad {
  float mean;
  float scale;
  float slope;
  float offset;
};

// Makes the numbers of rows `first` to `first + count` from their moments: a call for a few rows.
struct RowScaling {
  void (*make)(const void* context, index_t first, index_t count, const Moments* moments,
               RowScale* out);
  const void* context;
};

// The same for gradients, from sums[2 r] = sum g and sums[2 r + 1] = sum g (x - mean) of each row,
// where g = weight dy.
struct RowGrading {
  void (*make)(const void* context, index_t first, index_t count, const float* sums, RowGrad* out);
  const void* context;
};

// The operands of a backward pass. dweight[c] += sum of dy (x - mean) scale over the rows and
// dbias[c] += sum of dy: both or neither null.
struct RowNormGradients {
  const float* dy;
  const float* x;
  const RowScale* rows;
  const float* weight;
  float* dweight;
  float* dbias;
  float* dx;
};

struct RowNormKernels {
  // The longest rows, without gaps between them, that `forward` and `backward` take: those that
  // lie in L1 and whose sums stay short. Writes `rows` and y = (x - mean) scale weight + bias.
  index_t longest_row;
  void (*forward)(const float* x, RowBlock block, bool centred, ColumnVectors columns,
                  RowScaling scaling, RowScale* rows, float* y);
  void (*backward)(const RowNormGradients& g, RowBlock block, RowGrading grading);

  // The passes one by one, for longer rows and for parts of rows.
  //
  // Of each row.
  void (*moments)(const float* x, RowBlock block, bool centred, Moments* out);
  // y = (x - mean) scale weight + bias
  void (*normalise)(const float* x, RowBlock block, const RowScale* rows, ColumnVectors columns,
                    float* y);
  // With g = weight dy and d = x - mean: sums[2 r] = sum g and sums[2 r + 1] = sum g d of each row;
  // dweight[c] += sum of dy d scale over the rows and dbias[c] += sum of dy, both or neither null.
  void (*backward_sums)(const float* dy, const float* x, RowBlock block, const RowScale* rows,
                        const float* weight, double* sums, float* dweight, float* dbias);
  void (*backward_input)(const float* dy, const float* x, RowBlock block, const RowGrad* rows,
                         const float* weight, float* dx);
  void (*fence)();  // after the last block of a thread that streams
};
TW_KERNEL_TABLE(RowNormKernels, row_norm_kernels)

}  // namespace tilewise
