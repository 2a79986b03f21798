// Normalisation of the rows of a dense matrix, forward and backward: what layer norm, RMS norm and
// vectors of unit length have in common. They differ in how a row's moments make its scale.
#pragma once

#include "base/array.h"
#include "base/function_ref.h"
#include "ops/channel_rows.h"

namespace tilewise {

struct RowMatrix {
  index_t rows;
  index_t columns;
};

// y = (x - mean) scale weight + bias with scale = scale_of(row, sum of squared deviations) and the
// row's mean, or 0 where not centred. Writes mean and scale to `statistics` (rows, 2). weight and
// bias have a number a column, in the order of memory of x, or are undefined.
struct RowsForward {
  RowMatrix matrix;
  bool centred;
  Array weight;
  Array bias;
  FunctionRef<double(index_t row, double deviations)> scale_of;
};
void normalise_rows(const Array& x, const RowsForward& f, const Array& statistics, const Array& y);

// dx = scale (weight dy - slope (x - mean) - offset)
struct RowSlopes {
  double slope;
  double offset;
};

struct RowsBackward {
  RowMatrix matrix;
  Array weight;
  Array statistics;
  // From sum g and sum g (x - mean), where g = weight dy.
  FunctionRef<RowSlopes(index_t row, double scale, double sum, double sum_x)> slopes_of;
  Doubles* dweight;  // a number a column, zeros at first; null where not wanted
  Doubles* dbias;    // null with dweight
};
void rows_backward(const Array& dy, const Array& x, const RowsBackward& b, const Array& dx);

}  // namespace tilewise
