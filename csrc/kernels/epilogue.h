// What is done to outputs while they still lie in a cache, and to gradients as they are read.
#pragma once

#include "base/activation.h"
#include "kernels/dispatch.h"

namespace tilewise {

// `rows` rows of `columns` floats, `stride` floats apart.
struct OutputRows {
  float* y;
  index_t rows;
  index_t stride;
  index_t columns;
};

// `lines` such blocks, `line_stride` floats apart: a tile of an image.
struct OutputTile {
  OutputRows line;
  index_t lines;
  index_t line_stride;
};

// Sums over rows of y - pivot and of its square, per column.
struct ColumnSums {
  const float* pivot;
  double* sum;
  double* squares;
};

// The derivative of a piecewise linear activation, told from its output y:
//   dy where 0 < y and not y >= upper, else dy * slope.
// ReLU: slope 0, upper NaN (no bound); ReLU6: slope 0, upper 6; LeakyReLU: its slope, upper NaN.
// y null: no activation, the gradient as it is. y lies as dy does.
struct GradientGate {
  const float* y = nullptr;
  float upper = 0;
  float slope = 0;
};

struct EpilogueKernels {
  // y = activation(y + residual); residual lies as y does, or is null; slope is LeakyReLU's.
  void (*finish)(const OutputRows& out, const float* residual, Activation activation, float slope);
  void (*column_sums)(const OutputTile& out, const ColumnSums& sums);
  // dx = gated dy.
  void (*gate)(const float* dy, const GradientGate& gate, float* dx, index_t count);
};
TW_KERNEL_TABLE(EpilogueKernels, epilogue_kernels)

}  // namespace tilewise
