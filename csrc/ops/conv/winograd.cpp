// Forward and input gradient with Winograd F(4x4, 3x3), filters transformed anew each call.
//
//   U[xi][c][k] = G g G^T      once a call                    [panel of k][xi][c][panel]
//   for each piece = block of tiles x group of panels          -> threads
//     V[xi][tile][c] = B^T d B                                -> L2 (rows padded by 16 floats, so
//                                                                that rows do not alias in L1)
//     for each panel of output channels
//       M[xi][tile][panel] = V[xi] U[xi]   36 small products   -> L2
//       Y = A^T M A + bias, activation                        -> memory, each output written once
//
// The input gradient is the same correlation of dY with reflected filters, channels exchanged.
// Multiplications: 36 for 16 outputs instead of 144; V costs 2.25 times the input in L2 traffic.
// Error: up to 2e-5 of the output's RMS at C = 512 (kernels/winograd.kern.cpp has the points).
#include "ops/conv/winograd.h"

#include <cmath>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/gemm.h"
#include "ops/conv/packed_weights.h"
#include "ops/conv/winograd_tiles.h"

namespace tilewise {
namespace {

constexpr index_t kPoints = 36;
constexpr index_t kRowPad = 16;
constexpr index_t kWantedPieces = 8;

struct Correlation {
  WinogradGrid grid;
  index_t in_channels;
  index_t out_channels;
  const float* src;
  const OutputStage* stage;  // or null
  float* dst;
};

class WinogradCorrelation {
 public:
  explicit WinogradCorrelation(const Correlation& job)
      : job_(job), gemm_(gemm_kernels()), winograd_(winograd_kernels()) {
    panels_ = ceil_div(job.out_channels, gemm_.panel);
    const index_t tiles = job.grid.tiles();
    const index_t bytes_a_tile =
        kPoints * (job.in_channels + kRowPad) * static_cast<index_t>(sizeof(float));
    // V takes a third of L2; the size of a block changes no result.
    const index_t fitting = cache_sizes().l2 / 3 / bytes_a_tile / gemm_.max_rows;
    const index_t most = std::clamp<index_t>(fitting, 1, 4) * gemm_.max_rows;
    const index_t blocks = ceil_div(tiles, most);
    block_ = ceil_div(tiles, blocks);
    blocks_ = ceil_div(tiles, block_);
    const index_t groups = std::clamp<index_t>(ceil_div(kWantedPieces, blocks_), 1, panels_);
    panels_a_group_ = ceil_div(panels_, groups);
    groups_ = ceil_div(panels_, panels_a_group_);
    panel_floats_ = kPoints * job.in_channels * gemm_.panel;
  }

  // Transformed filters: panels of [xi][c][panel].
  index_t filter_floats() const { return checked_mul(panels_, panel_floats_); }
  index_t panels() const { return panels_; }
  index_t blocks() const { return blocks_; }
  index_t bytes_a_thread() const {
    return kPoints * block_ * (job_.in_channels + kRowPad + gemm_.panel) *
           static_cast<index_t>(sizeof(float));
  }
  index_t panel_floats() const { return panel_floats_; }

  void run(const float* filters) const {
    parallel_for(blocks_ * groups_, [&](index_t piece) {
      const index_t first = piece / groups_ * block_;
      run_block(first, std::min(block_, job_.grid.tiles() - first), piece % groups_, filters);
    });
  }

 private:
  void run_block(index_t first, index_t tiles, index_t group, const float* filters) const {
    const index_t row = job_.in_channels + kRowPad;
    const index_t panel = gemm_.panel;
    Scratch<float> v(static_cast<std::size_t>(kPoints * tiles * row));
    Scratch<float> m(static_cast<std::size_t>(kPoints * tiles * panel));
    for (index_t i = 0; i < tiles; ++i) {
      const WinogradPatch patch =
          job_.grid.input_patch(job_.src, job_.in_channels, job_.grid.tile(first + i));
      winograd_.input(patch, job_.in_channels, v.data() + i * row, tiles * row);
    }
    const index_t last = std::min((group + 1) * panels_a_group_, panels_);
    for (index_t p = group * panels_a_group_; p < last; ++p) {
      multiply(v.data(), row, tiles, filters + p * panel_floats_, m.data());
      store_outputs(m.data(), {first, tiles, first / block_}, p * panel);
    }
  }

  void multiply(const float* v, index_t row, index_t tiles, const float* u, float* m) const {
    const GemmTap tap{0, 0};
    const index_t rows = ceil_div(tiles, ceil_div(tiles, gemm_.max_rows));
    GemmTile t{};
    t.lda = row;
    t.taps = &tap;
    t.tap_count = 1;
    t.run = job_.in_channels;
    t.ldb = gemm_.panel;
    t.ldc = gemm_.panel;
    t.columns = gemm_.panel;
    for (index_t xi = 0; xi < kPoints; ++xi) {
      t.b = u + xi * job_.in_channels * gemm_.panel;
      for (index_t i = 0; i < tiles; i += rows) {
        t.a = v + (xi * tiles + i) * row;
        t.c = m + (xi * tiles + i) * gemm_.panel;
        gemm_.tile(std::min(rows, tiles - i), t);
      }
    }
  }

  struct Block {
    index_t first;  // tile
    index_t tiles;
    index_t number;
  };

  void store_outputs(const float* m, const Block& block, index_t k0) const {
    const WinogradGrid& grid = job_.grid;
    const index_t channels = std::min(gemm_.panel, job_.out_channels - k0);
    WinogradOutput out{};
    out.row = grid.out_width * job_.out_channels;
    out.pixel = job_.out_channels;
    const OutputStage* stage = job_.stage;
    out.bias = stage != nullptr && stage->bias() != nullptr ? stage->bias() + k0 : nullptr;
    out.relu = stage != nullptr && stage->relu();
    for (index_t i = 0; i < block.tiles; ++i) {
      const WinogradGrid::Tile t = grid.tile(block.first + i);
      out.dst = job_.dst + (t.image * grid.out_height + t.row) * out.row + t.col * out.pixel + k0;
      out.rows = std::min<index_t>(4, grid.out_height - t.row);
      out.cols = std::min<index_t>(4, grid.out_width - t.col);
      winograd_.output(m + i * gemm_.panel, block.tiles * gemm_.panel, channels, out);
      if (stage == nullptr || !stage->pending()) continue;
      const OutputRows line{out.dst, out.cols, out.pixel, channels};
      stage->finish_tile(block.number, {line, out.rows, out.row}, k0);
    }
  }

  const Correlation& job_;
  const GemmKernels& gemm_;
  const WinogradKernels& winograd_;
  index_t panels_;
  index_t block_;  // tiles
  index_t blocks_;
  index_t groups_;  // of panels
  index_t panels_a_group_;
  index_t panel_floats_;
};

// How the filters lie in the weight tensor.
struct FilterSource {
  const float* weight;
  index_t in_channels;
  index_t out_channels;
  bool reflected;  // input gradient: lanes are c, the reduction is over k, taps reversed
};

// g[c][tap][panel] of input channels [c0, c1) and output channels k0..., zeros past the last.
void gather_filters(const FilterSource& f, index_t k0, index_t c0, index_t c1, float* g) {
  const GemmKernels& gemm = gemm_kernels();
  const index_t panel = gemm.panel;
  const index_t lanes = std::min(panel, f.out_channels - k0);
  if (!f.reflected) {
    const index_t cols = (c1 - c0) * 9;
    gemm.pack_transposed({f.weight + (k0 * f.in_channels + c0) * 9, f.in_channels * 9, lanes, cols,
                          g, cols, panel, 0});
    return;
  }
  for (index_t c = c0; c < c1; ++c) {
    gemm.pack_transposed({f.weight + (c * f.out_channels + k0) * 9, 9, lanes, 9,
                          g + ((c - c0) * 9 + 8) * panel, 9, -panel, 0});
  }
}

constexpr index_t kSlice = 32;  // input channels whose filters stay in L1 between the two steps

void pack_filters(const WinogradCorrelation& correlation, const FilterSource& filters, float* u) {
  const index_t panel = gemm_kernels().panel;
  const index_t channels = filters.in_channels;
  const index_t slices = ceil_div(channels, kSlice);
  parallel_for(correlation.panels() * slices, [&](index_t i) {
    const index_t p = i / slices;
    const index_t c0 = i % slices * kSlice;
    const index_t c1 = std::min(c0 + kSlice, channels);
    Scratch<float> g(static_cast<std::size_t>(kSlice * 9 * panel));
    gather_filters(filters, p * panel, c0, c1, g.data());
    winograd_kernels().filter(g.data(), c1 - c0, u + p * correlation.panel_floats() + c0 * panel,
                              channels * panel);
  });
}

void run_correlation(const Correlation& job, const Array& weight, bool keep, OutputStage* stage,
                     bool reflected) {
  const WinogradCorrelation correlation(job);
  const FilterSource source{weight.data<float>(), job.in_channels, job.out_channels, reflected};
  const PackedWeights u(weight, keep, reflected ? "winograd4 reflected" : "winograd4",
                        gemm_kernels().panel, correlation.filter_floats(),
                        [&](float* out) { pack_filters(correlation, source, out); });
  if (stage != nullptr) stage->expect_pieces(correlation.blocks());
  correlation.run(u.data());
}

WinogradGrid forward_grid(const ConvProblem& p) {
  return {p.n * p.in[0], p.in[1], p.in[2], p.out[1], p.out[2], p.pad_begin[1], p.pad_begin[2]};
}

WinogradGrid backward_grid(const ConvProblem& p) {
  return {p.n * p.in[0], p.out[1],           p.out[2],          p.in[1],
          p.in[2],       2 - p.pad_begin[1], 2 - p.pad_begin[2]};
}

const char* refuses(const ConvProblem& p, ConvDirection) {
  const bool two_dimensional =
      p.kernel[0] == 1 && p.stride[0] == 1 && p.pad_begin[0] == 0 && p.pad_end[0] == 0;
  if (!two_dimensional || p.kernel[1] != 3 || p.kernel[2] != 3) return "the kernel is not 3x3";
  if (p.stride[1] != 1 || p.stride[2] != 1) return "the stride is not 1";
  if (p.dilation[1] != 1 || p.dilation[2] != 1) return "the kernel is dilated";
  if (p.groups != 1) return "the channels are grouped";
  return nullptr;
}

// The products, and the transforms by vectors of channels: 65 ns for the 36 points of an input
// tile, 45 ns for an output tile, 25 ns for a filter, with vectors of 16 floats.
double cost(const ConvProblem& p, ConvDirection direction) {
  const WinogradGrid grid =
      direction == ConvDirection::backward_data ? backward_grid(p) : forward_grid(p);
  const double width = static_cast<double>(gemm_kernels().width);
  const double vector_time = 16.0 / width;
  const double in = std::ceil(double(p.c) / width);
  const double out = std::ceil(double(p.k) / width);
  const double tiles = static_cast<double>(grid.tiles());
  const double products = tiles * 36 * double(p.c) * out * width / nominal_multiply_adds;
  const double transforms = tiles * (65 * in + 45 * out) + 25 * double(p.c) * out;
  return 2e3 + products + transforms * vector_time;
}

index_t workspace(const ConvProblem& p, ConvDirection direction, int threads) {
  if (direction == ConvDirection::backward_weight) {
    return winograd_weight_gradient_workspace(p, threads);
  }
  const bool is_forward = direction == ConvDirection::forward;
  const Correlation job{is_forward ? forward_grid(p) : backward_grid(p),
                        is_forward ? p.c : p.k,
                        is_forward ? p.k : p.c,
                        nullptr,
                        nullptr,
                        nullptr};
  const WinogradCorrelation correlation(job);
  return correlation.filter_floats() * static_cast<index_t>(sizeof(float)) +
         threads * correlation.bytes_a_thread();
}

void forward(const ConvForward& conv) {
  const ConvProblem& p = conv.problem;
  const Correlation job{forward_grid(p),      p.c,        p.k,
                        conv.x.data<float>(), conv.stage, conv.y.data<float>()};
  run_correlation(job, conv.weight, conv.keep_weights, conv.stage, false);
}

void backward_data(const ConvBackwardData& conv) {
  const ConvProblem& p = conv.problem;
  const Correlation job{backward_grid(p),      p.k,        p.c,
                        conv.dy.data<float>(), conv.stage, conv.dx.data<float>()};
  run_correlation(job, conv.weight, conv.keep_weights, conv.stage, true);
}

}  // namespace

const ConvAlgorithm winograd4{"winograd4",   {false, true, {false, false, false}, false},
                              refuses,       cost,
                              workspace,     forward,
                              backward_data, winograd_weight_gradient};

}  // namespace tilewise
