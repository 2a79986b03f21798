// What the parts of Winograd convolution share: the correlation of winograd_correlation.cpp, which
// is forward and the gradient of the data, the filters of winograd_filters.cpp, and the weight
// gradient, which has a file of its own.
#pragma once

#include "ops/conv/algorithm.h"
#include "ops/conv/winograd_tiles.h"

namespace tilewise {

constexpr index_t winograd_row_pad = 16;  // floats between rows, so that they do not alias in L1

// How the filters lie in the weight tensor.
struct WinogradFilters {
  const Array& weight;  // the layer's, beside which the transformed filters may be kept
  // Of shape (out, in, 3, 3), or (in, out, 3, 3) to be reflected; kernel planes count as input
  // channels.
  const float* data;
  index_t in_channels;
  index_t out_channels;
  bool reflected;  // input gradient: lanes are c, the reduction is over k, taps reversed
};

// u[xi*xi_stride + c*panel + lane] of input channels [c0, c1) and one panel of output channels,
// zeros past the last.
void transform_filters(const WinogradKernels& kernels, const WinogradFilters& filters,
                       index_t panel_number, index_t c0, index_t c1, float* u, index_t xi_stride);

// Temporary floats that it takes on each thread.
index_t transform_filters_floats();

struct WinogradCorrelation {
  const WinogradKernels& kernels;
  WinogradGrid grid;
  index_t in_channels;  // times the planes of the kernel
  index_t out_channels;
  const float* src;
  GradientGate gate;   // of src
  OutputStage* stage;  // or null
  float* dst;
};

void winograd_correlate(const WinogradCorrelation& job, const WinogradFilters& filters, bool keep);
// Bytes of temporary memory.
index_t winograd_correlate_workspace(const WinogradCorrelation& job, int threads);
index_t winograd_filter_bytes(const WinogradCorrelation& job);

// On the grid of the forward pass.
void winograd_weight_gradient(const WinogradKernels& kernels, const WinogradGrid& grid,
                              const ConvBackwardWeight& conv);
index_t winograd_weight_gradient_workspace(const WinogradKernels& kernels, const WinogradGrid& grid,
                                           const ConvProblem& problem, int threads);

}  // namespace tilewise
