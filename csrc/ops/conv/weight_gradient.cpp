// Weight gradient: a transposed GEMM over pixels.
//
//   dW[t, c, k] = sum over images n and output pixels o of  x[n, o*stride + t*dilation - pad, c]
//   dY[n, o, k]
//
// A tile of dW (max_rows channels x 2 vectors of output channels) stays in registers while the
// pixels of a strip run past; x is broadcast, dY is read as vectors in place (copying it to panels
// measured 3 % slower). Kernel positions that are neighbours along the width see contiguous floats
// and form one longer row of channels. Layers with few channels (the first layer) unfold a strip to
// rows of taps*C floats instead.
//
//   for each piece = (share of the strips) x (group of panels of k)      -> threads
//     for each strip of its share: pad x into L2, prefetch the next one meanwhile
//       for each kernel row, tile of channels, panel: accumulate
//   sum the shares in order, transpose to (k, c, taps)
//
// The number of shares depends on the problem only, so the sums have the same bits at any thread
// count. Float32 sums run over one strip at a time; shares add strips in float32, in order.
#include <algorithm>
#include <cstring>

#include "base/memory.h"
#include "base/threads.h"
#include "kernels/gemm.h"
#include "ops/conv/implicit_gemm.h"
#include "ops/conv/problem.h"
#include "ops/conv/strip.h"

namespace tilewise {
namespace {

constexpr index_t kStripBytes = 192 << 10;  // x and dY of a strip, in L2
constexpr index_t kWantedPieces = 16;
constexpr index_t kShareBytes = 8 << 20;  // of all shares together
constexpr index_t kMaxBlockCols = 224;
constexpr index_t kMaxSum = 512;        // pixels in one chain of float32 additions
constexpr index_t kUnfoldBelow = 3;     // floats in a run: fewer leave the FMA pipes idle
constexpr index_t kUnfoldAtMost = 192;  // floats of an unfolded pixel

constexpr index_t kLine = 16;        // floats
constexpr index_t kMergeBelow = 64;  // channels: neighbouring kernel positions form one row

struct Operands {
  const float* dy;
  const float* x;
  GradientGate gate;
};

class WeightGradient {
 public:
  WeightGradient(const ConvProblem& p, index_t group, Operands operands)
      : p_(p), kernels_(gemm_kernels()), cg_(p.group_c()), kg_(p.group_k()) {
    x_ = operands.x + group * cg_;
    dy_ = operands.dy + group * kg_;
    gate_ = operands.gate;
    if (gate_.y != nullptr) gate_.y += group * kg_;
    const bool aliases = pixels_alias(cg_ * p.stride[2]);
    merged_ = p.dilation[2] == 1 && p.kernel[2] > 1 && (cg_ < kMergeBelow || !aliases);
    run_ = merged_ ? p.kernel[2] * cg_ : cg_;
    unfold_ = run_ < kUnfoldBelow && p.taps() * cg_ <= kUnfoldAtMost && p.taps() > 1;
    if (unfold_) run_ = p.taps() * cg_;
    runs_ = p.taps() * cg_ / std::max<index_t>(1, run_);
    strip_pixel_ = cg_ + (aliases && !merged_ && !unfold_ ? kPixelPad : 0);
    choose_blocks();
  }

  index_t shares() const { return shares_; }
  index_t bytes_a_thread() const {
    return (strip_floats() + unfolded_floats() + gated_floats() + kg_) *
           static_cast<index_t>(sizeof(float));
  }

  // partial: [share][tap][c][k]; bias_partial: [share][k] or null.
  void run(float* partial, double* bias_partial) const {
    const index_t multiply_adds = checked_mul(p_.n * p_.out_pixels(), p_.taps() * cg_ * kg_);
    parallel_for(shares_ * panel_groups_, multiply_adds, [&](index_t piece) {
      const index_t share = piece / panel_groups_;
      run_piece(share, piece % panel_groups_, partial + share * p_.taps() * cg_ * kg_,
                bias_partial != nullptr ? bias_partial + share * kg_ : nullptr);
    });
  }

 private:
  index_t strip_floats() const { return p_.kernel[0] * strip_rows_ * strip_cols_ * strip_pixel_; }
  index_t gated_floats() const {
    const index_t columns = panels_a_group_ * kernels_.panel;
    return gate_.y != nullptr ? block_rows_ * block_cols_ * columns : 0;
  }
  index_t unfolded_floats() const { return unfold_ ? block_rows_ * block_cols_ * run_ : 0; }

  index_t region_extent(int dim, index_t outputs) const {
    return (outputs - 1) * p_.stride[dim] + (p_.kernel[dim] - 1) * p_.dilation[dim] + 1;
  }

  void choose_blocks() {
    col_blocks_ = ceil_div(p_.out[2], kMaxBlockCols);
    block_cols_ = ceil_div(p_.out[2], col_blocks_);
    col_blocks_ = ceil_div(p_.out[2], block_cols_);
    strip_cols_ = region_extent(2, block_cols_);
    const auto bytes = [&](index_t rows) {
      const index_t x_pixels = p_.kernel[0] * region_extent(1, rows) * strip_cols_;
      return checked_mul(checked_mul(x_pixels, cg_) + rows * block_cols_ * kg_,
                         static_cast<index_t>(sizeof(float)));
    };
    block_rows_ = 1;
    while (block_rows_ < p_.out[1] && (block_rows_ + 1) * block_cols_ <= kMaxSum &&
           bytes(block_rows_ + 1) <= kStripBytes) {
      ++block_rows_;
    }
    row_blocks_ = ceil_div(p_.out[1], block_rows_);
    block_rows_ = ceil_div(p_.out[1], row_blocks_);
    row_blocks_ = ceil_div(p_.out[1], block_rows_);
    strip_rows_ = region_extent(1, block_rows_);
    strips_ = checked_mul(p_.n * p_.out[0], row_blocks_ * col_blocks_);

    const index_t share_bytes =
        std::max<index_t>(1, p_.taps() * cg_ * kg_ * static_cast<index_t>(sizeof(float)));
    const index_t affordable = std::max<index_t>(1, kShareBytes / share_bytes);
    shares_ = std::min({kWantedPieces, affordable, std::max<index_t>(1, strips_)});
    const index_t panels = ceil_div(kg_, kernels_.panel);
    panel_groups_ = std::clamp<index_t>(ceil_div(kWantedPieces, shares_), 1, panels);
    panels_a_group_ = ceil_div(panels, panel_groups_);
    panel_groups_ = ceil_div(panels, panels_a_group_);
  }

  void run_piece(index_t share, index_t group, float* sums, double* bias_sums) const {
    const index_t first = strips_ * share / shares_;
    const index_t last = strips_ * (share + 1) / shares_;
    const index_t k0 = group * panels_a_group_ * kernels_.panel;
    const index_t k1 = std::min(k0 + panels_a_group_ * kernels_.panel, kg_);
    if (first == last) {
      for (index_t row = 0; row < p_.taps() * cg_; ++row) {
        std::fill(sums + row * kg_ + k0, sums + row * kg_ + k1, 0.0F);
      }
    }
    if (bias_sums != nullptr) std::fill(bias_sums + k0, bias_sums + k1, 0.0);
    Scratch<float> strip(static_cast<std::size_t>(strip_floats()));
    Scratch<float> unfolded(static_cast<std::size_t>(unfolded_floats()));
    Scratch<float> gated(static_cast<std::size_t>(gated_floats()));
    Scratch<float> column_sums(static_cast<std::size_t>(k1 - k0));
    for (index_t i = first; i < last; ++i) {
      const Block b = block(i);
      Gradient dy{dy_at(b) + k0, p_.k, p_.out[2] * p_.k};
      if (gate_.y != nullptr) dy = pass_gate(b, k0, k1, gated.data());
      Products products{dy, k0, k1, i > first, sums, {}};
      if (i + 1 < last) products.ahead = lines_of(block(i + 1));
      run_strip(b, products, strip.data(), unfolded.data());
      if (bias_sums != nullptr) add_bias(b, products, column_sums.data(), bias_sums);
    }
  }

  struct Block {
    index_t image, plane, row0, rows, col0, cols;
  };

  Block block(index_t i) const {
    Block b{};
    b.col0 = i % col_blocks_ * block_cols_;
    i /= col_blocks_;
    b.row0 = i % row_blocks_ * block_rows_;
    i /= row_blocks_;
    b.plane = i % p_.out[0];
    b.image = i / p_.out[0];
    b.rows = std::min(block_rows_, p_.out[1] - b.row0);
    b.cols = std::min(block_cols_, p_.out[2] - b.col0);
    return b;
  }

  const float* dy_at(const Block& b) const {
    return dy_ +
           (((b.image * p_.out[0] + b.plane) * p_.out[1] + b.row0) * p_.out[2] + b.col0) * p_.k;
  }

  // dY of a strip, at its first pixel and column.
  struct Gradient {
    const float* dy;
    index_t pixel;  // floats between pixels
    index_t row;    // and rows
  };

  // Lines of memory to prefetch: those of x and of dY under the next strip.
  struct Lines {
    const float* at[2] = {nullptr, nullptr};
    index_t left[2] = {0, 0};

    // Up to `most` lines in one piece.
    const float* take(index_t most, index_t& count) {
      const int i = left[0] > 0 ? 0 : 1;
      count = std::min(most, left[i]);
      const float* lines = at[i];
      at[i] += count * kLine;
      left[i] -= count;
      return lines;
    }
  };

  // The products of a strip with columns [k0, k1) of dY.
  struct Products {
    Gradient gradient;
    index_t k0, k1;
    bool accumulate;
    float* sums;
    Lines ahead;
  };

  Lines lines_of(const Block& b) const {
    const index_t row = p_.in[2] * p_.c;
    const index_t row0 = std::max<index_t>(0, b.row0 * p_.stride[1] - p_.pad_begin[1]);
    const index_t col0 = std::max<index_t>(0, b.col0 * p_.stride[2] - p_.pad_begin[2]);
    const index_t plane =
        std::clamp<index_t>(b.plane * p_.stride[0] - p_.pad_begin[0], 0, p_.in[0] - 1);
    const index_t x_floats =
        b.rows * p_.stride[1] > 1 ? b.rows * p_.stride[1] * row : b.cols * p_.stride[2] * p_.c;
    Lines lines;
    lines.at[0] =
        x_ + b.image * p_.in_pixels() * p_.c + (plane * p_.in[1] + row0) * row + col0 * p_.c;
    lines.at[1] = dy_at(b);
    lines.left[0] = x_floats / kLine;
    lines.left[1] = (b.rows > 1 ? b.rows * p_.out[2] : b.cols) * p_.k / kLine;
    return lines;
  }

  // Columns [k0, k1) of a strip of dY as they are before the activation.
  Gradient pass_gate(const Block& b, index_t k0, index_t k1, float* out) const {
    const index_t columns = k1 - k0;
    for (index_t h = 0; h < b.rows; ++h) {
      for (index_t w = 0; w < b.cols; ++w) {
        const index_t at = (h * p_.out[2] + w) * p_.k + k0;
        const GradientGate gate{gate_.y + (dy_at(b) - dy_) + at, gate_.upper, gate_.slope};
        epilogue_kernels().gate(dy_at(b) + at, gate, out + (h * b.cols + w) * columns, columns);
      }
    }
    return {out, columns, b.cols * columns};
  }

  void run_strip(const Block& b, Products& products, float* strip, float* unfolded) const {
    const StripSource source{
        {p_.in[0], p_.in[1], p_.in[2]}, p_.c, cg_, strip_pixel_, {}, p_.border};
    const StripRegion region{b.plane * p_.stride[0] - p_.pad_begin[0],
                             p_.dilation[0],
                             p_.kernel[0],
                             b.row0 * p_.stride[1] - p_.pad_begin[1],
                             region_extent(1, b.rows),
                             b.col0 * p_.stride[2] - p_.pad_begin[2],
                             region_extent(2, b.cols)};
    const float* image = x_ + b.image * p_.in_pixels() * p_.c;
    // Distances between pixels, rows and planes of what the kernel reads.
    index_t pixel = p_.c;
    index_t row = p_.in[2] * p_.c;
    index_t plane = p_.dilation[0] * p_.in[1] * row;
    const float* src = image + (region.plane0 * p_.in[1] + region.row0) * row + region.col0 * pixel;
    const bool in_place = p_.c == cg_ && strip_pixel_ == cg_;
    if (!in_place || !strip_is_inside(source, region)) {
      pack_strip(source, region, image, strip);
      src = strip;
      pixel = strip_pixel_;
      row = region.cols * strip_pixel_;
      plane = region.rows * row;
    }
    GemmTransposedTile t{};
    t.ldb = products.gradient.pixel;
    t.b_segment = products.gradient.row;
    t.count = b.cols;
    t.segments = b.rows;
    t.accumulate = products.accumulate;
    t.ldc = kg_;
    if (unfold_) unfold(b, src, pixel, row, plane, unfolded);
    t.lda = unfold_ ? run_ : p_.stride[2] * pixel;
    t.a_segment = unfold_ ? b.cols * run_ : p_.stride[1] * row;
    for (index_t r = 0; r < runs_; ++r) {
      const float* a = unfold_ ? unfolded : src + run_offset(r, pixel, row, plane);
      accumulate_run(t, a, products, products.sums + r * run_ * kg_);
    }
  }

  // Of the first float of run r under the first output pixel.
  index_t run_offset(index_t r, index_t pixel, index_t row, index_t plane) const {
    const index_t taps_a_row = merged_ ? 1 : p_.kernel[2];
    const index_t tap_w = r % taps_a_row;
    const index_t tap_h = r / taps_a_row % p_.kernel[1];
    const index_t tap_d = r / taps_a_row / p_.kernel[1];
    return tap_d * plane + tap_h * p_.dilation[1] * row + tap_w * p_.dilation[2] * pixel;
  }

  void accumulate_run(GemmTransposedTile t, const float* a, Products& products, float* sums) const {
    const index_t tile = ceil_div(run_, ceil_div(run_, kernels_.max_rows));
    for (index_t i = 0; i < run_; i += tile) {
      t.a = a + i;
      for (index_t k = products.k0; k < products.k1; k += kernels_.panel) {
        t.b = products.gradient.dy + (k - products.k0);
        t.c = sums + i * kg_ + k;
        t.columns = std::min(kernels_.panel, products.k1 - k);
        t.ahead = products.ahead.take(t.count * t.segments, t.ahead_lines);
        kernels_.tile_transposed(std::min(tile, run_ - i), t);
      }
    }
  }

  // im2col of one strip: a row of taps*C floats per output pixel.
  void unfold(const Block& b, const float* src, index_t pixel, index_t row, index_t plane,
              float* out) const {
    for (index_t h = 0; h < b.rows; ++h) {
      for (index_t w = 0; w < b.cols; ++w) {
        const float* at = src + h * p_.stride[1] * row + w * p_.stride[2] * pixel;
        for (index_t td = 0; td < p_.kernel[0]; ++td) {
          for (index_t th = 0; th < p_.kernel[1]; ++th) {
            const float* tap_row = at + td * plane + th * p_.dilation[1] * row;
            for (index_t tw = 0; tw < p_.kernel[2]; ++tw) {
              const float* tap = tap_row + tw * p_.dilation[2] * pixel;
              for (index_t c = 0; c < cg_; ++c) *out++ = tap[c];
            }
          }
        }
      }
    }
  }

  void add_bias(const Block& b, const Products& products, float* column_sums,
                double* bias_sums) const {
    const Gradient& g = products.gradient;
    const index_t columns = products.k1 - products.k0;
    std::fill_n(column_sums, columns, 0.0F);
    for (index_t h = 0; h < b.rows; ++h) {
      for (index_t w = 0; w < b.cols; ++w) {
        kernels_.add(column_sums, g.dy + h * g.row + w * g.pixel, columns);
      }
    }
    for (index_t k = 0; k < columns; ++k) bias_sums[products.k0 + k] += double(column_sums[k]);
  }

  const ConvProblem& p_;
  const GemmKernels& kernels_;
  const float* x_;
  const float* dy_;
  GradientGate gate_;
  index_t cg_;
  index_t kg_;
  index_t run_ = 1;   // floats of one run of A
  index_t runs_ = 1;  // runs that make up taps * C
  bool merged_ = false;
  bool unfold_ = false;
  index_t strip_pixel_ = 0;  // floats between pixels of a strip
  index_t block_rows_ = 1;
  index_t block_cols_ = 1;
  index_t row_blocks_ = 1;
  index_t col_blocks_ = 1;
  index_t strip_rows_ = 1;
  index_t strip_cols_ = 1;
  index_t strips_ = 0;
  index_t shares_ = 1;
  index_t panel_groups_ = 1;
  index_t panels_a_group_ = 1;
};

// partial[0] += the other shares, in order.
void add_shares(index_t shares, index_t size, float* partial) {
  constexpr index_t grain = 16384;
  const auto add = gemm_kernels().add;
  parallel_ranges(size, grain, [&](index_t first, index_t last) {
    for (index_t share = 1; share < shares; ++share) {
      add(partial + first, partial + share * size + first, last - first);
    }
  });
}

// out[k][c][tap] = sums[tap][c][k] for one group. Rows (c, tap) are gathered side by side and
// transposed through registers.
void transpose_sums(const ConvProblem& p, const float* sums, float* out) {
  constexpr index_t most_columns = 1024;
  const GemmKernels& kernels = gemm_kernels();
  const index_t taps = p.taps();
  const index_t cg = p.group_c();
  const index_t kg = p.group_k();
  const index_t rows = cg * taps;
  const index_t panel = kernels.panel;
  const index_t column_blocks = ceil_div(kg, most_columns);
  parallel_for(ceil_div(rows, panel) * column_blocks, rows * kg, [&](index_t piece) {
    const index_t row0 = piece / column_blocks * panel;
    const index_t k0 = piece % column_blocks * most_columns;
    const index_t count = std::min(panel, rows - row0);
    const index_t columns = std::min(most_columns, kg - k0);
    Scratch<float> gathered(static_cast<std::size_t>(taps > 1 ? count * columns : 0));
    PackTransposed t{sums + row0 * kg + k0, kg, count, columns, nullptr, 1, panel, rows};
    if (taps > 1) {
      for (index_t i = 0; i < count; ++i) {
        const index_t row = (row0 + i) % taps * cg + (row0 + i) / taps;
        std::copy_n(sums + row * kg + k0, columns, gathered.data() + i * columns);
      }
      t.src = gathered.data();
      t.row_stride = columns;
    }
    float* dst = out + k0 * rows + row0;
    if (count == panel) {
      t.dst = dst;
      kernels.pack_transposed(t);
      return;
    }
    for (index_t k = 0; k < columns; ++k) {
      for (index_t i = 0; i < count; ++i) dst[k * rows + i] = t.src[i * t.row_stride + k];
    }
  });
}

}  // namespace

void weight_gradient(const ConvBackwardWeight& conv) {
  const ConvProblem p = simplified(conv.problem);
  const index_t kg = p.group_k();
  const index_t size = p.taps() * p.group_c() * kg;
  for (index_t group = 0; group < p.groups; ++group) {
    const WeightGradient gradient(p, group,
                                  {conv.dy.data<float>(), conv.x.data<float>(), conv.gate});
    const index_t shares = gradient.shares();
    Scratch<float> partial(static_cast<std::size_t>(checked_mul(shares, size)));
    Scratch<double> bias_partial(conv.dbias != nullptr ? static_cast<std::size_t>(shares * kg) : 0);
    gradient.run(partial.data(), conv.dbias != nullptr ? bias_partial.data() : nullptr);
    add_shares(shares, size, partial.data());
    transpose_sums(p, partial.data(), conv.dweight.data<float>() + group * size);
    if (conv.dbias == nullptr) continue;
    for (index_t k = 0; k < kg; ++k) {
      double sum = 0;
      for (index_t share = 0; share < shares; ++share) sum += bias_partial.data()[share * kg + k];
      conv.dbias[group * kg + k] = static_cast<float>(sum);
    }
  }
}

index_t weight_gradient_workspace(const ConvProblem& p, int threads) {
  const WeightGradient gradient(p, 0, {nullptr, nullptr, {}});
  const index_t size = p.taps() * p.group_c() * p.group_k();
  return gradient.shares() * (size * static_cast<index_t>(sizeof(float)) +
                              p.group_k() * static_cast<index_t>(sizeof(double))) +
         threads * gradient.bytes_a_thread();
}

}  // namespace tilewise
