// Weight gradient with Winograd, by transposing F(m x m, 3x3):
//
//   dG = G^T [ sum over tiles of (B^T d B) . (A dY A^T) ] G
//
// The products of the bracket are transposed GEMMs over tiles, dU[xi][c][k] = V[xi]^T Z[xi]; the
// inverse transform runs once, not per tile. Layouts, so that what a product reads is contiguous:
//
//   V[xi][c / 64][tile][64]   Z[xi][k / panel][tile][panel]   dU[c / 64][k / panel][xi][64][panel]
//
// Few channels (dU fits L2): each share of the tiles transforms a block of them and accumulates
// its own dU at once, so V and Z never leave L2. Many channels: V and Z of a chunk of tiles are
// transformed to L3 by all threads, then the blocks of dU are pieces; with the last chunk each is
// transformed back while it lies in L2. Shares and chunks depend on the problem only.
//
// Measured (Zen 4, one core): products at 100-107 of 118 GFLOP/s. What counted besides: inputs
// asked for while products run (64 channels of 56x56, batch 16: 15.9 to 12.6 ms) or, where none ran
// before, two tiles ahead (32 of 28x28, whose shares are one block: 1.27 to 0.91), steps between
// points that are no multiple of 4 KB (512 of 7x7: the transform of dU 1.7 to 0.5 ms), the lines of
// the result asked for before they are written (1.5 to 0.4 ms).
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/gemm.h"
#include "ops/conv/winograd.h"

namespace tilewise {
namespace {

constexpr index_t kFloat = sizeof(float);
constexpr index_t kBlockC = 64;              // input channels of a block of dU
constexpr index_t kFusedChannels = 96 * 96;  // c * k up to which dU stays in L2
constexpr index_t kBlockBytes = 640 << 10;   // of V and Z of a block in the fused form
// Of V and Z of a chunk otherwise: larger ones lose to other programs' share of the last cache, but
// dU is read and written once a chunk, so that a chunk is not to be smaller than dU.
constexpr index_t kChunkBytes = 5 << 20;
constexpr index_t kMostChunkBytes = 40 << 20;
constexpr index_t kLeastChunk = 64;  // tiles
constexpr index_t kShares = 16;
constexpr index_t kAhead = 2;  // tiles whose inputs are asked for before their turn

class WeightGradient {
 public:
  // `grid` has one kernel plane.
  WeightGradient(const WinogradKernels& kernels, const WinogradGrid& grid, const ConvProblem& p)
      : p_(p),
        grid_(grid),
        gemm_(gemm_kernels()),
        winograd_(kernels),
        points_(kernels.points),
        rows_(ceil_div(p.c, kBlockC)),
        panels_(ceil_div(p.k, gemm_.panel)),
        block_c_(std::min(kBlockC, round_up(p.c, gemm_.width))),
        du_stride_(block_c_ * gemm_.panel + winograd_row_pad) {}

  struct Maps {
    const float* dy;
    const GradientGate& gate;
    const float* x;
  };

  void run(const Maps& maps, float* dweight) const {
    if (is_fused()) {
      run_fused(maps, dweight);
    } else {
      run_chunked(maps, dweight);
    }
  }

  index_t workspace(int threads) const {
    const index_t du = blocks() * points_ * du_stride_ * kFloat;
    const index_t sums = 9 * du_stride_ * kFloat;
    const index_t border = grid_.border_floats(p_.c) * kFloat;
    if (is_fused()) {
      const index_t block = std::min(block_tiles(), ceil_div(grid_.tiles(), shares()));
      return shares() * blocks() * sums + threads * (operand_floats(block) * kFloat + du + border);
    }
    const index_t held = chunks() > 1 ? du : threads * points_ * du_stride_ * kFloat;
    return operand_floats(chunk_tiles()) * kFloat + held + threads * std::max(sums, border);
  }

 private:
  bool is_fused() const { return p_.c * p_.k <= kFusedChannels; }
  index_t blocks() const { return rows_ * panels_; }
  index_t bytes_a_tile() const {
    return points_ * (rows_ * block_c_ + panels_ * gemm_.panel) * kFloat;
  }
  index_t block_tiles() const { return std::max<index_t>(8, kBlockBytes / bytes_a_tile()); }
  index_t shares() const { return std::min(kShares, ceil_div(grid_.tiles(), block_tiles())); }
  index_t chunks() const {
    const index_t du = blocks() * points_ * du_stride_ * kFloat;
    const index_t bytes = std::clamp(du, kChunkBytes, kMostChunkBytes);
    return ceil_div(grid_.tiles(), std::max(kLeastChunk, bytes / bytes_a_tile()));
  }
  index_t chunk_tiles() const { return ceil_div(grid_.tiles(), chunks()); }

  // V and Z of some tiles.
  struct Operands {
    WinogradPoints v;
    WinogradPoints z;
  };
  index_t operand_floats(index_t tiles) const {
    return points_ * (rows_ * v_panel(tiles) + panels_ * z_panel(tiles));
  }
  index_t v_panel(index_t tiles) const { return tiles * block_c_ + winograd_row_pad; }
  index_t z_panel(index_t tiles) const { return tiles * gemm_.panel + winograd_row_pad; }
  Operands operands(index_t tiles, float* memory) const {
    const index_t v_stride = rows_ * v_panel(tiles);
    return {{memory, v_stride, block_c_, v_panel(tiles)},
            {memory + points_ * v_stride, panels_ * z_panel(tiles), gemm_.panel, z_panel(tiles)}};
  }

  void transform(const Maps& maps, const WinogradBlock& tiles, index_t first, index_t last,
                 const Operands& o) const {
    Scratch<float> border(static_cast<std::size_t>(grid_.border_floats(p_.c)));
    for (index_t i = first; i < last; ++i) {
      const WinogradGrid::Tile& t = tiles[i];
      const WinogradExtent extent = grid_.extent(t);
      WinogradPoints v = o.v;
      WinogradPoints z = o.z;
      v.v += i * v.panel;
      z.v += i * z.panel;
      winograd_.input(grid_.input_patch(maps.x, p_.c, t, 0, border.data()), extent, p_.c, {}, v);
      const WinogradPatch patch = grid_.output_patch(maps.dy, p_.k, t);
      winograd_.gradient(patch, extent, p_.k, gate_of(maps.gate, maps.dy, patch), z);
    }
  }

  // Asks for the inputs of a tile.
  void fetch(const Maps& maps, const WinogradGrid::Tile& t) const {
    winograd_.prefetch(grid_.input_patch(maps.x, p_.c, t), 2, p_.c);
    winograd_.prefetch(grid_.output_patch(maps.dy, p_.k, t), 0, p_.k);
    if (maps.gate.y == nullptr) return;
    winograd_.prefetch(grid_.output_patch(maps.gate.y, p_.k, t), 0, p_.k);
  }

  void fetch_and_transform(const Maps& maps, const WinogradBlock& tiles, index_t first,
                           index_t last, const Operands& o) const {
    for (index_t i = first; i < last; ++i) {
      fetch(maps, tiles[std::min(i + kAhead, tiles.count() - 1)]);
      transform(maps, tiles, i, i + 1, o);
    }
  }

  // Asks for the lines of a block of the result, a part with each point.
  void fetch_block(index_t block, index_t xi, const float* dweight) const {
    const index_t row = block / panels_;
    const index_t k0 = block % panels_ * gemm_.panel;
    const auto part = part_of(std::min(gemm_.panel, p_.k - k0), xi, points_);
    winograd_.prefetch(
        {dweight + (k0 * p_.c + row * block_c_) * 9, p_.c * 9, 0, part.begin, part.end, 0, 1}, 0,
        channels(row) * 9);
  }

  index_t channels(index_t row) const { return std::min(block_c_, p_.c - row * block_c_); }

  // A block of du (+)= V^T Z over the tiles. Calls fetch(xi) with each point.
  template <typename Fetch>
  void multiply(const WinogradBlock& tiles, const Operands& o, index_t block, bool accumulate,
                float* du, const Fetch& fetch) const {
    const index_t row = block / panels_;
    const index_t panel = block % panels_;
    const index_t count = channels(row);
    const index_t step = ceil_div(count, ceil_div(count, gemm_.max_rows));
    GemmTransposedTile t{};
    t.lda = o.v.panel;
    t.ldb = o.z.panel;
    t.segments = 1;
    t.ldc = gemm_.panel;
    t.columns = std::min(gemm_.panel, p_.k - panel * gemm_.panel);
    t.accumulate = accumulate;
    for (index_t xi = 0; xi < points_; ++xi) {
      fetch(xi);
      const WinogradBlock::Range range = tiles.range(winograd_, xi);
      t.count = range.end - range.begin;
      const float* v = o.v.v + xi * o.v.stride + row * o.v.panel_stride + range.begin * t.lda;
      t.b = o.z.v + xi * o.z.stride + panel * o.z.panel_stride + range.begin * t.ldb;
      for (index_t c = 0; c < count; c += step) {
        t.a = v + c;
        t.c = du + xi * du_stride_ + c * gemm_.panel;
        gemm_.tile_transposed(std::min(step, count - c), t);
      }
    }
  }

  // sums[c][tap][panel]
  void transform_back(const float* du, index_t block, float* sums) const {
    for (index_t c = 0; c < channels(block / panels_); ++c) {
      winograd_.filter_gradient(du + c * gemm_.panel, du_stride_, gemm_.panel,
                                sums + c * 9 * gemm_.panel, gemm_.panel);
    }
  }

  void store_block(const float* sums, index_t block, float* dweight) const {
    const index_t c0 = block / panels_ * block_c_;
    const index_t k0 = block % panels_ * gemm_.panel;
    const index_t rows = channels(block / panels_) * 9;
    const index_t lanes = std::min(gemm_.panel, p_.k - k0);
    float* out = dweight + (k0 * p_.c + c0) * 9;
    PackTransposed t{sums, gemm_.panel, gemm_.panel, lanes, out, lanes, p_.c * 9, 0};
    index_t row = 0;
    for (; row + gemm_.panel <= rows; row += gemm_.panel) {
      t.src = sums + row * gemm_.panel;
      t.dst = out + row;
      gemm_.pack_transposed(t);
    }
    if (row == rows) return;
    Scratch<float> tail(static_cast<std::size_t>(gemm_.panel * gemm_.panel));
    t.src = sums + row * gemm_.panel;
    t.rows = rows - row;
    t.dst = tail.data();
    t.inner_step = gemm_.panel;
    gemm_.pack_transposed(t);
    for (index_t k = 0; k < lanes; ++k) {
      std::copy_n(tail.data() + k * gemm_.panel, rows - row, out + k * p_.c * 9 + row);
    }
  }

  void run_fused(const Maps& maps, float* dweight) const {
    const index_t tiles = grid_.tiles();
    const index_t most = block_tiles();
    const index_t share_count = shares();
    const index_t size = blocks() * 9 * du_stride_;
    Scratch<float> partial(static_cast<std::size_t>(share_count * size));
    parallel_for(share_count, [&](index_t share) {
      const index_t first = tiles * share / share_count;
      const index_t last = tiles * (share + 1) / share_count;
      const index_t step = ceil_div(last - first, ceil_div(last - first, most));
      Scratch<float> memory(static_cast<std::size_t>(operand_floats(step)));
      Scratch<float> du(static_cast<std::size_t>(blocks() * points_ * du_stride_));
      for (index_t i = first; i < last; i += step) {
        const WinogradBlock block(grid_, i, std::min(step, last - i));
        const Operands o = operands(block.count(), memory.data());
        if (i == first) {
          fetch_and_transform(maps, block, 0, block.count(), o);
        } else {  // the products before have asked for its inputs
          transform(maps, block, 0, block.count(), o);
        }
        const index_t next = std::min(step, last - i - block.count());
        for (index_t b = 0; b < blocks(); ++b) {
          multiply(block, o, b, i > first, du.data() + b * points_ * du_stride_, [&](index_t xi) {
            const auto part = part_of(next, b * points_ + xi, blocks() * points_);
            for (index_t j = part.begin; j < part.end; ++j)
              fetch(maps, grid_.tile(i + block.count() + j));
          });
        }
      }
      for (index_t b = 0; b < blocks(); ++b) {
        transform_back(du.data() + b * points_ * du_stride_, b,
                       partial.data() + share * size + b * 9 * du_stride_);
      }
    });
    parallel_for(blocks(), [&](index_t b) {
      float* sums = partial.data() + b * 9 * du_stride_;
      for (index_t share = 1; share < share_count; ++share) {
        gemm_.add(sums, sums + share * size, 9 * du_stride_);
      }
      store_block(sums, b, dweight);
    });
  }

  void run_chunked(const Maps& maps, float* dweight) const {
    const index_t tiles = grid_.tiles();
    const index_t step = chunk_tiles();
    const index_t block_floats = points_ * du_stride_;
    const bool several = chunks() > 1;
    Scratch<float> memory(static_cast<std::size_t>(operand_floats(step)));
    Scratch<float> held(static_cast<std::size_t>(several ? blocks() * block_floats : 0));
    for (index_t first = 0; first < tiles; first += step) {
      const WinogradBlock chunk(grid_, first, std::min(step, tiles - first));
      const Operands o = operands(chunk.count(), memory.data());
      parallel_ranges(chunk.count(), 4,
                      [&](index_t i0, index_t i1) { fetch_and_transform(maps, chunk, i0, i1, o); });
      const bool is_last = first + step >= tiles;
      parallel_for(blocks(), [&](index_t b) {
        if (several) {
          float* du = held.data() + b * block_floats;
          multiply(chunk, o, b, first > 0, du, [&](index_t xi) {
            if (is_last) fetch_block(b, xi, dweight);
          });
          if (is_last) finish_block(du, b, dweight);
        } else {
          Scratch<float> du(static_cast<std::size_t>(block_floats));
          multiply(chunk, o, b, false, du.data(), [&](index_t xi) { fetch_block(b, xi, dweight); });
          finish_block(du.data(), b, dweight);
        }
      });
    }
  }

  void finish_block(const float* du, index_t block, float* dweight) const {
    Scratch<float> sums(static_cast<std::size_t>(9 * du_stride_));
    transform_back(du, block, sums.data());
    store_block(sums.data(), block, dweight);
  }

  const ConvProblem& p_;
  WinogradGrid grid_;
  const GemmKernels& gemm_;
  const WinogradKernels& winograd_;
  index_t points_;
  index_t rows_;     // blocks of input channels
  index_t panels_;   // of output channels
  index_t block_c_;  // input channels of a block
  index_t du_stride_;
};

}  // namespace

namespace {

// One of the kernel's planes, as a 2-D kernel.
WinogradGrid grid_of_plane(const WinogradGrid& grid, index_t tap) {
  WinogradGrid g = grid;
  g.planes.taps = 1;
  g.planes.first += tap * grid.planes.step;
  return g;
}

}  // namespace

void winograd_weight_gradient(const WinogradKernels& kernels, const WinogradGrid& grid,
                              const ConvBackwardWeight& conv) {
  const ConvProblem& p = conv.problem;
  const index_t planes = grid.planes.taps;
  float* dweight = conv.dweight.data<float>();
  const index_t filters = p.k * p.c;
  Scratch<float> plane(static_cast<std::size_t>(planes > 1 ? filters * 9 : 0));
  for (index_t tap = 0; tap < planes; ++tap) {
    float* out = planes > 1 ? plane.data() : dweight;
    WeightGradient(kernels, grid_of_plane(grid, tap), p)
        .run({conv.dy.data<float>(), conv.gate, conv.x.data<float>()}, out);
    if (planes == 1) return;
    for (index_t i = 0; i < filters; ++i) {
      std::copy_n(out + i * 9, 9, dweight + (i * planes + tap) * 9);
    }
  }
}

index_t winograd_weight_gradient_workspace(const WinogradKernels& kernels, const WinogradGrid& grid,
                                           const ConvProblem& p, int threads) {
  const index_t plane = grid.planes.taps > 1 ? p.k * p.c * 9 * kFloat : 0;
  return plane + WeightGradient(kernels, grid_of_plane(grid, 0), p).workspace(threads);
}

}  // namespace tilewise
