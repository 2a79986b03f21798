// Weight gradient with Winograd, by transposing F(4x4, 3x3):
//
//   dG = G^T [ sum over tiles of (B^T d B) . (A dY A^T) ] G
//
// The 36 products of the bracket are transposed GEMMs over tiles, dU[xi][c][k] = V[xi]^T Z[xi];
// the inverse transform runs once, not per tile.
//
// Few channels (dU fits L2): each share of the tiles transforms a block of them and accumulates
// its own dU at once, so V and Z never leave L2. Many channels: V and Z of a chunk of tiles are
// transformed to L3 by all threads, then the products of each xi and group of panels are pieces.
// Shares and chunks depend on the problem only.
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/gemm.h"
#include "ops/conv/weight_shares.h"
#include "ops/conv/winograd.h"
#include "ops/conv/winograd_tiles.h"

namespace tilewise {
namespace {

constexpr index_t kPoints = 36;
constexpr index_t kRowPad = 16;
constexpr index_t kFusedChannels = 96 * 96;  // c * k up to which dU stays in L2
constexpr index_t kBlockBytes = 640 << 10;   // of V and Z of a block in the fused form
constexpr index_t kChunkBytes = 8 << 20;     // of V and Z of a chunk otherwise
constexpr index_t kLeastChunk = 64;          // tiles
constexpr index_t kShares = 16;

class WinogradWeightGradient {
 public:
  WinogradWeightGradient(const ConvProblem& p, const float* dy, const float* x)
      : p_(p),
        dy_(dy),
        x_(x),
        grid_{p.n * p.in[0], p.in[1], p.in[2], p.out[1], p.out[2], p.pad_begin[1], p.pad_begin[2]},
        gemm_(gemm_kernels()),
        winograd_(winograd_kernels()),
        v_row_(p.c + kRowPad),
        z_row_(p.k + kRowPad) {}

  void run(float* dweight) const {
    if (is_fused()) {
      run_fused(dweight);
    } else {
      run_chunked(dweight);
    }
  }

  index_t workspace(int threads) const {
    const index_t size = p_.c * p_.k * static_cast<index_t>(sizeof(float));
    if (!is_fused()) return chunk_tiles() * bytes_a_tile() + (kPoints + 9) * size;
    const index_t block = std::min(block_tiles(), ceil_div(grid_.tiles(), shares()));
    return shares() * 9 * size + threads * (block * bytes_a_tile() + kPoints * size);
  }

 private:
  bool is_fused() const { return p_.c * p_.k <= kFusedChannels; }
  index_t block_tiles() const { return std::max<index_t>(8, kBlockBytes / bytes_a_tile()); }
  index_t shares() const { return std::min(kShares, ceil_div(grid_.tiles(), block_tiles())); }
  index_t chunk_tiles() const {
    const index_t most = std::max(kLeastChunk, kChunkBytes / bytes_a_tile());
    return ceil_div(grid_.tiles(), ceil_div(grid_.tiles(), most));
  }

  index_t bytes_a_tile() const {
    return kPoints * (v_row_ + z_row_) * static_cast<index_t>(sizeof(float));
  }

  void transform(index_t first, index_t tiles, index_t offset, index_t total, float* v,
                 float* z) const {
    for (index_t i = 0; i < tiles; ++i) {
      const WinogradGrid::Tile t = grid_.tile(first + i);
      winograd_.input(grid_.input_patch(x_, p_.c, t), p_.c, v + (offset + i) * v_row_,
                      total * v_row_);
      winograd_.gradient(grid_.output_patch(dy_, p_.k, t), p_.k, z + (offset + i) * z_row_,
                         total * z_row_);
    }
  }

  // du[c][k] (+)= v^T z over `tiles` tiles, for output channels [k0, k1).
  void multiply(const float* v, const float* z, index_t tiles, index_t k0, index_t k1,
                bool accumulate, float* du) const {
    const index_t rows = ceil_div(p_.c, ceil_div(p_.c, gemm_.max_rows));
    GemmTransposedTile t{};
    t.lda = v_row_;
    t.ldb = z_row_;
    t.count = tiles;
    t.segments = 1;
    t.ldc = p_.k;
    t.accumulate = accumulate;
    for (index_t c = 0; c < p_.c; c += rows) {
      t.a = v + c;
      for (index_t k = k0; k < k1; k += gemm_.panel) {
        t.b = z + k;
        t.c = du + c * p_.k + k;
        t.columns = std::min(gemm_.panel, k1 - k);
        gemm_.tile_transposed(std::min(rows, p_.c - c), t);
      }
    }
  }

  void run_fused(float* dweight) const {
    const index_t size = p_.c * p_.k;
    const index_t tiles = grid_.tiles();
    const index_t most = block_tiles();
    const index_t share_count = shares();
    Scratch<float> partial(static_cast<std::size_t>(share_count * 9 * size));
    parallel_for(share_count, [&](index_t share) {
      const index_t first = tiles * share / share_count;
      const index_t last = tiles * (share + 1) / share_count;
      const index_t block = ceil_div(last - first, ceil_div(last - first, most));
      Scratch<float> v(static_cast<std::size_t>(kPoints * block * v_row_));
      Scratch<float> z(static_cast<std::size_t>(kPoints * block * z_row_));
      Scratch<float> du(static_cast<std::size_t>(kPoints * size));
      for (index_t i = first; i < last; i += block) {
        const index_t count = std::min(block, last - i);
        transform(i, count, 0, count, v.data(), z.data());
        for (index_t xi = 0; xi < kPoints; ++xi) {
          multiply(v.data() + xi * count * v_row_, z.data() + xi * count * z_row_, count, 0, p_.k,
                   i > first, du.data() + xi * size);
        }
      }
      winograd_.filter_gradient(du.data(), size, size, partial.data() + share * 9 * size, size);
    });
    combine_weight_shares(p_, share_count, partial.data(), dweight);
  }

  void run_chunked(float* dweight) const {
    const index_t size = p_.c * p_.k;
    const index_t tiles = grid_.tiles();
    const index_t chunk = chunk_tiles();
    const index_t panels = ceil_div(p_.k, gemm_.panel);
    const index_t groups = std::min<index_t>(2, panels);
    const index_t group_columns = ceil_div(panels, groups) * gemm_.panel;
    constexpr index_t transform_grain = 4;
    Scratch<float> v(static_cast<std::size_t>(kPoints * chunk * v_row_));
    Scratch<float> z(static_cast<std::size_t>(kPoints * chunk * z_row_));
    Scratch<float> du(static_cast<std::size_t>(checked_mul(kPoints, size)));
    for (index_t first = 0; first < tiles; first += chunk) {
      const index_t count = std::min(chunk, tiles - first);
      parallel_ranges(count, transform_grain, [&](index_t i0, index_t i1) {
        transform(first + i0, i1 - i0, i0, count, v.data(), z.data());
      });
      parallel_for(kPoints * groups, [&](index_t piece) {
        const index_t xi = piece / groups;
        const index_t k0 = piece % groups * group_columns;
        multiply(v.data() + xi * count * v_row_, z.data() + xi * count * z_row_, count, k0,
                 std::min(k0 + group_columns, p_.k), first > 0, du.data() + xi * size);
      });
    }
    Scratch<float> sums(static_cast<std::size_t>(9 * size));
    parallel_ranges(p_.c, 8, [&](index_t c0, index_t c1) {
      winograd_.filter_gradient(du.data() + c0 * p_.k, size, (c1 - c0) * p_.k,
                                sums.data() + c0 * p_.k, size);
    });
    combine_weight_shares(p_, 1, sums.data(), dweight);
  }

  const ConvProblem& p_;
  const float* dy_;
  const float* x_;
  WinogradGrid grid_;
  const GemmKernels& gemm_;
  const WinogradKernels& winograd_;
  index_t v_row_;  // floats of a tile's row in V
  index_t z_row_;
};

}  // namespace

void winograd_weight_gradient(const ConvBackwardWeight& conv) {
  WinogradWeightGradient(conv.problem, conv.dy.data<float>(), conv.x.data<float>())
      .run(conv.dweight.data<float>());
}

index_t winograd_weight_gradient_workspace(const ConvProblem& p, int threads) {
  return WinogradWeightGradient(p, nullptr, nullptr).workspace(threads);
}

}  // namespace tilewise
