// Y = A^T [ (G g G^T) . (B^T d B) ] A over tiles, in one of two forms:
//
// Few filters for the tiles (most layers): they are transformed first, for all.
//   U[panel of k][xi][c][panel] = G g G^T
//   for each piece = block of tiles x group of panels          -> threads
//     V[xi][tile][c] = B^T d B                                -> L2
//     for each panel of output channels
//       M[xi][tile][panel] = V[xi] U[xi], a product for each xi -> L2
//       Y = A^T M A + bias, activation                        -> memory, each output written once
//
// Many filters (512 channels of 7x7): U would be written to memory and read back, four times the
// bytes of the weights, so a panel's filters are transformed by slices and used while in L2.
//   for each chunk of tiles
//     V[xi][tile][c] = B^T d B for all                         -> L3; threads
//     for each panel of output channels                        -> threads
//       for each slice of c: U[xi][c][panel], M += V U         -> U and M in L2
//       Y = A^T M A + bias, activation
// Kept weights are transformed already: then U is read once a chunk, which a few tiles need.
//
// The input gradient is the same correlation of dY with reflected filters, channels exchanged.
//
// Measured (Zen 4, one core, batch 16): products at 105-110 of 118 GFLOP/s, 80 % of the time at 64
// channels of 56x56 and 90 % from 128 on. The transforms alone take 60 and 40 ns for a tile and 16
// channels; waiting for memory doubled that, until the next inputs and the lines of the outputs
// were asked for during the products (64 of 56x56: 12.8 to 10.9 ms; 32 of 28x28, batch 128: 8.4 to
// 7.0). Tiles cut to the map: 14x14 12.9 to 11.3 ms, 7x7 17.3 to 13.4 with filters by slices.
// Outputs larger than the last cache are stored past it (64 of 224x224, batch 8: 102 to 96).
#include "base/cpu.h"
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/gemm.h"
#include "ops/conv/packed_weights.h"
#include "ops/conv/winograd.h"

namespace tilewise {
namespace {

constexpr index_t kWantedPieces = 8;
// Input channels that are summed in registers and then added to what came before, which halves the
// error of long sums; also those whose filters are in L2 at a time.
constexpr index_t kSlice = 128;
constexpr index_t kManyFilters = 12 << 20;  // bytes of transformed filters
constexpr index_t kFewTiles = 128;
constexpr index_t kFloat = sizeof(float);

class Correlator {
 public:
  explicit Correlator(const WinogradCorrelation& job)
      : job_(job),
        gemm_(gemm_kernels()),
        winograd_(job.kernels),
        points_(job.kernels.points),
        panels_(ceil_div(job.out_channels, gemm_.panel)),
        panel_floats_(points_ * u_stride(job.in_channels)),
        row_(job.in_channels + winograd_row_pad),
        src_channels_(job.in_channels / job.grid.planes.taps) {
    const index_t tiles = job.grid.tiles();
    const index_t output_bytes =
        job.grid.images * job.grid.out_height * job.grid.out_width * job.out_channels * kFloat;
    // Streaming stores take whole lines.
    past_caches_ = stores_past_caches(job.stage, output_bytes) && job.out_channels % 16 == 0;
    by_filters_ = tiles <= kFewTiles && filter_floats() * kFloat >= kManyFilters;
    if (by_filters_) {
      block_ = tiles;
    } else {
      // V takes a third of L2; the size of a block changes no result.
      const index_t fitting = cache_sizes().l2 / 3 / (points_ * row_ * kFloat) / gemm_.max_rows;
      const index_t most = std::clamp<index_t>(fitting, 1, 4) * gemm_.max_rows;
      const index_t blocks = ceil_div(tiles, most);
      block_ = ceil_div(tiles, blocks > 4 ? round_up(blocks, 2) : blocks);
    }
    blocks_ = ceil_div(tiles, block_);
    const index_t groups = std::clamp<index_t>(ceil_div(kWantedPieces, blocks_), 1, panels_);
    panels_a_group_ = ceil_div(panels_, groups);
    groups_ = ceil_div(panels_, panels_a_group_);
  }

  index_t filter_bytes() const { return filter_floats() * kFloat; }

  index_t workspace(int threads) const {
    const index_t m = points_ * m_stride(block_) * kFloat;
    const index_t v = points_ * v_stride(block_) * kFloat;
    const index_t gathered = transform_filters_floats() * kFloat;
    const index_t order = block_ * static_cast<index_t>(sizeof(WinogradGrid::Tile));
    const index_t border = job_.grid.border_floats(src_channels_) * kFloat;
    if (!by_filters_) {
      return filter_floats() * kFloat + threads * std::max(v + m + order + border, gathered);
    }
    return v + order + threads * (m + points_ * u_stride(slice()) * kFloat + gathered + border);
  }

  void run(const WinogradFilters& filters, bool keep) const {
    if (job_.stage != nullptr) job_.stage->expect_pieces(blocks_);
    if (by_filters_ && !(keep && filters.weight.storage()->keeps_forms())) {
      for (index_t block = 0; block < blocks_; ++block) run_by_filters(block, filters, nullptr);
      return;
    }
    const PackedWeights u(filters.weight, keep, form(filters.reflected), gemm_.panel,
                          filter_floats(), [&](float* out) { transform_all(filters, out); });
    if (by_filters_) {
      for (index_t block = 0; block < blocks_; ++block) run_by_filters(block, filters, u.data());
      return;
    }
    parallel_for(blocks_ * groups_,
                 [&](index_t piece) { run_block(piece / groups_, piece % groups_, u.data()); });
  }

 private:
  // Transformed filters: panels of [xi][c][panel].
  index_t filter_floats() const { return checked_mul(panels_, panel_floats_); }
  // Floats from a point to the next.
  index_t v_stride(index_t tiles) const { return tiles * row_ + winograd_row_pad; }
  index_t m_stride(index_t tiles) const { return tiles * gemm_.panel + winograd_row_pad; }
  index_t u_stride(index_t channels) const { return channels * gemm_.panel + winograd_row_pad; }
  index_t slice() const { return std::min(kSlice, job_.in_channels); }

  const char* form(bool reflected) const {
    if (winograd_.tile == 2) return reflected ? "winograd2 reflected" : "winograd2";
    return reflected ? "winograd4 reflected" : "winograd4";
  }

  WinogradBlock block_of(index_t number) const {
    const index_t first = number * block_;
    return {job_.grid, first, std::min(block_, job_.grid.tiles() - first)};
  }

  void transform_all(const WinogradFilters& filters, float* u) const {
    constexpr index_t channels = 32;
    const index_t slices = ceil_div(job_.in_channels, channels);
    parallel_for(panels_ * slices, [&](index_t i) {
      const index_t panel = i / slices;
      const index_t c = i % slices * channels;
      transform_filters(winograd_, filters, panel, c, std::min(c + channels, job_.in_channels),
                        u + panel * panel_floats_ + c * gemm_.panel, u_stride(job_.in_channels));
    });
  }

  void run_block(index_t number, index_t group, const float* filters) const {
    const WinogradBlock block = block_of(number);
    Scratch<float> v(static_cast<std::size_t>(points_ * v_stride(block.count())));
    Scratch<float> m(static_cast<std::size_t>(points_ * m_stride(block.count())));
    transform_inputs(block, 0, block.count(), v.data());
    const index_t begin = group * panels_a_group_;
    const index_t end = std::min(begin + panels_a_group_, panels_);
    for (index_t p = begin; p < end; ++p) {
      multiply(block, v.data(), {0, job_.in_channels}, filters + p * panel_floats_, p, m.data(),
               [&](index_t xi) {
                 if (!past_caches_) fetch_outputs(block, p, xi);
                 if (groups_ > 1) return;
                 fetch_inputs(number + threads_, p * points_ + xi, panels_ * points_);
               });
      store_outputs(block, number, m.data(), p);
    }
  }

  // While the multipliers work, memory delivers what comes after them: the inputs of the block that
  // this thread is likely to take next, and the lines of this block's outputs.
  void fetch_inputs(index_t number, index_t step, index_t steps) const {
    const index_t first = number * block_;
    const index_t count = std::clamp<index_t>(job_.grid.tiles() - first, 0, block_);
    const WinogradBlock::Range part = part_of(count, step, steps);
    // The tile before it has the first two columns; the plane before it, the other planes.
    const index_t tap = job_.grid.planes.taps - 1;
    for (index_t i = part.begin; i < part.end; ++i) {
      WinogradPatch patch =
          job_.grid.input_patch(job_.src, src_channels_, job_.grid.tile(first + i), tap);
      winograd_.prefetch(patch, 2, src_channels_);
      if (job_.gate.y == nullptr) continue;
      patch.src += job_.gate.y - job_.src;
      winograd_.prefetch(patch, 2, src_channels_);
    }
  }
  void fetch_outputs(const WinogradBlock& block, index_t panel, index_t xi) const {
    const index_t k0 = panel * gemm_.panel;
    const index_t channels = std::min(gemm_.panel, job_.out_channels - k0);
    const WinogradBlock::Range part = part_of(block.count(), xi, points_);
    for (index_t i = part.begin; i < part.end; ++i) {
      winograd_.prefetch(job_.grid.output_patch(job_.dst + k0, job_.out_channels, block[i]), 0,
                         channels);
    }
  }

  // `u`: kept filters, or null.
  void run_by_filters(index_t number, const WinogradFilters& filters, const float* u) const {
    const WinogradBlock block = block_of(number);
    Scratch<float> v(static_cast<std::size_t>(points_ * v_stride(block.count())));
    parallel_ranges(block.count(), 2, [&](index_t first, index_t last) {
      transform_inputs(block, first, last, v.data());
    });
    parallel_for(panels_, [&](index_t p) {
      Scratch<float> m(static_cast<std::size_t>(points_ * m_stride(block.count())));
      if (u != nullptr) {
        multiply(block, v.data(), {0, job_.in_channels}, u + p * panel_floats_, p, m.data(),
                 [&](index_t xi) { fetch_outputs(block, p, xi); });
      } else {
        Scratch<float> part(static_cast<std::size_t>(points_ * u_stride(slice())));
        for (index_t c = 0; c < job_.in_channels; c += slice()) {
          const index_t end = std::min(c + slice(), job_.in_channels);
          transform_filters(winograd_, filters, p, c, end, part.data(), u_stride(end - c));
          multiply(block, v.data(), {c, end}, part.data(), p, m.data(), [&](index_t xi) {
            if (c == 0) fetch_outputs(block, p, xi);
          });
        }
      }
      store_outputs(block, number, m.data(), p);
    });
  }

  void transform_inputs(const WinogradBlock& block, index_t first, index_t last, float* v) const {
    const index_t whole_row = round_up(src_channels_, gemm_.width);
    Scratch<float> border(static_cast<std::size_t>(job_.grid.border_floats(src_channels_)));
    for (index_t i = first; i < last; ++i) {
      const WinogradGrid::Tile& t = block[i];
      for (index_t tap = 0; tap < job_.grid.planes.taps; ++tap) {
        const WinogradPatch patch =
            job_.grid.input_patch(job_.src, src_channels_, t, tap, border.data());
        winograd_.input(
            patch, job_.grid.extent(t), src_channels_, gate_of(job_.gate, job_.src, patch),
            {v + i * row_ + tap * src_channels_, v_stride(block.count()), whole_row, 0});
      }
    }
  }

  struct Channels {
    index_t first;
    index_t last;
  };

  // m = v u over a range of input channels, added to m from the second range on. Calls fetch(xi)
  // with each point.
  template <typename Fetch>
  void multiply(const WinogradBlock& block, const float* v, const Channels& c, const float* u,
                index_t panel, float* m, const Fetch& fetch) const {
    const GemmTap tap{0, 0};
    GemmTile t{};
    t.lda = row_;
    t.taps = &tap;
    t.tap_count = 1;
    t.ldb = gemm_.panel;
    t.ldc = gemm_.panel;
    t.columns = std::min(gemm_.panel, job_.out_channels - panel * gemm_.panel);
    const index_t stride = u_stride(c.last - c.first);
    for (index_t xi = 0; xi < points_; ++xi) {
      const WinogradBlock::Range range = block.range(winograd_, xi);
      const index_t tiles = range.end - range.begin;
      fetch(xi);
      if (tiles == 0) continue;
      const index_t rows = ceil_div(tiles, ceil_div(tiles, gemm_.max_rows));
      for (index_t i = range.begin; i < range.end; i += rows) {
        t.c = m + xi * m_stride(block.count()) + i * gemm_.panel;
        for (index_t c0 = c.first; c0 < c.last; c0 += slice()) {
          t.run = std::min(slice(), c.last - c0);
          t.a = v + xi * v_stride(block.count()) + i * row_ + c0;
          t.b = u + xi * stride + (c0 - c.first) * gemm_.panel;
          t.accumulate = c0 > 0;
          gemm_.tile(std::min(rows, range.end - i), t);
        }
      }
    }
  }

  void store_outputs(const WinogradBlock& block, index_t number, const float* m,
                     index_t panel) const {
    const WinogradGrid& grid = job_.grid;
    const index_t k0 = panel * gemm_.panel;
    const index_t channels = std::min(gemm_.panel, job_.out_channels - k0);
    const OutputStage* stage = job_.stage;
    WinogradOutput out{};
    out.row = grid.output_row(job_.out_channels);
    out.pixel = grid.output_pixel(job_.out_channels);
    out.past_caches = past_caches_ && channels % gemm_.width == 0;
    out.bias = stage != nullptr && stage->bias() != nullptr ? stage->bias() + k0 : nullptr;
    out.relu = stage != nullptr && stage->relu();
    for (index_t i = 0; i < block.count(); ++i) {
      const WinogradGrid::Tile& t = block[i];
      const WinogradExtent extent = grid.extent(t);
      out.dst = job_.dst + grid.output_offset(job_.out_channels, t) + k0;
      winograd_.output(m + i * gemm_.panel, m_stride(block.count()), channels, extent, out);
      if (stage == nullptr || !stage->pending()) continue;
      const OutputRows line{out.dst, extent.cols, out.pixel, channels};
      stage->finish_tile(number, {line, extent.rows, out.row}, k0);
    }
  }

  const WinogradCorrelation& job_;
  const GemmKernels& gemm_;
  const WinogradKernels& winograd_;
  index_t points_;
  index_t panels_;
  index_t panel_floats_;
  index_t row_;  // floats of a tile's row in V
  index_t src_channels_;
  bool by_filters_;  // the second form
  bool past_caches_;
  index_t block_;  // tiles
  index_t blocks_;
  index_t groups_;  // of panels
  index_t panels_a_group_;
  int threads_ = num_threads();  // for prefetching only
};

}  // namespace

void winograd_correlate(const WinogradCorrelation& job, const WinogradFilters& filters, bool keep) {
  Correlator(job).run(filters, keep);
}

index_t winograd_correlate_workspace(const WinogradCorrelation& job, int threads) {
  return Correlator(job).workspace(threads);
}

index_t winograd_filter_bytes(const WinogradCorrelation& job) {
  return Correlator(job).filter_bytes();
}

}  // namespace tilewise
