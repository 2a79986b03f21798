// U = G g G^T from the weight tensor: filters are gathered into vectors of output channels, 32
// input channels at a time, which stay in L1 for the transform.
#include "base/memory.h"
#include "kernels/gemm.h"
#include "ops/conv/winograd.h"

namespace tilewise {
namespace {

constexpr index_t kSlice = 32;

// g[c][tap][panel] of input channels [c0, c1) and output channels k0..., zeros past the last.
void gather_filters(const WinogradFilters& f, index_t k0, index_t c0, index_t c1, float* g) {
  const GemmKernels& gemm = gemm_kernels();
  const index_t panel = gemm.panel;
  const index_t lanes = std::min(panel, f.out_channels - k0);
  const float* weight = f.data;
  if (!f.reflected) {
    const index_t cols = (c1 - c0) * 9;
    gemm.pack_transposed({weight + (k0 * f.in_channels + c0) * 9, f.in_channels * 9, lanes, cols, g,
                          cols, panel, 0});
    return;
  }
  for (index_t c = c0; c < c1; ++c) {
    gemm.pack_transposed({weight + (c * f.out_channels + k0) * 9, 9, lanes, 9,
                          g + ((c - c0) * 9 + 8) * panel, 9, -panel, 0});
  }
}

// Asks for the filters of the slice from c0 on: runs of 288 floats, too short for the processor to
// foresee.
void fetch_filters(const WinogradKernels& kernels, const WinogradFilters& f, index_t k0,
                   index_t c0) {
  const index_t channels = std::min(kSlice, f.in_channels - c0);
  const index_t lanes = std::min(gemm_kernels().panel, f.out_channels - k0);
  if (channels <= 0) return;
  const float* weight = f.data;
  if (f.reflected) {
    const index_t row = f.out_channels * 9;
    kernels.prefetch({weight + c0 * row + k0 * 9, row, 0, 0, channels, 0, 1}, 0, lanes * 9);
  } else {
    const index_t row = f.in_channels * 9;
    kernels.prefetch({weight + k0 * row + c0 * 9, row, 0, 0, lanes, 0, 1}, 0, channels * 9);
  }
}

}  // namespace

index_t transform_filters_floats() { return kSlice * 9 * gemm_kernels().panel; }

void transform_filters(const WinogradKernels& kernels, const WinogradFilters& filters,
                       index_t panel_number, index_t c0, index_t c1, float* u, index_t xi_stride) {
  const index_t panel = gemm_kernels().panel;
  Scratch<float> g(static_cast<std::size_t>(transform_filters_floats()));
  for (index_t c = c0; c < c1; c += kSlice) {
    const index_t last = std::min(c + kSlice, c1);
    fetch_filters(kernels, filters, panel_number * panel, last);
    gather_filters(filters, panel_number * panel, c, last, g.data());
    kernels.filter(g.data(), last - c, u + (c - c0) * panel, xi_stride);
  }
}

}  // namespace tilewise
