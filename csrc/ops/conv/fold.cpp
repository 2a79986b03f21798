// Gradient of the data with few input channels (a first layer, the last transposed convolution of a
// generator): a product for each row of dY, folded at once.
//
//   P[w][tap, c] = sum over k of dY[o, w, k] W[k, c, tap]         taps*C columns instead of C lanes
//   dX[o*stride + t*dilation - pad][w*stride - pad ...] += P[w][t, ...]    kw*C floats in one run
//
//   for each piece = image x block of rows of dX                  -> threads
//     dX rows = bias
//     for each row of dY that reaches them: P (in L1 and L2), then the fold
//
// A panel of 2 vectors would hold C of 32 lanes; here all lanes work, and P never leaves L2. Rows
// of dY at the seam of two blocks are multiplied twice. Additions come in the order of the rows of
// dY, whatever the threads.
#include "ops/conv/fold.h"

#include <algorithm>

#include "base/memory.h"
#include "base/threads.h"
#include "kernels/fold.h"
#include "kernels/gemm.h"
#include "ops/conv/problem.h"

namespace tilewise {
namespace {

constexpr index_t kMostChannels = 8;
constexpr index_t kWantedPieces = 16;
constexpr index_t kFloat = sizeof(float);

class Fold {
 public:
  explicit Fold(const ConvProblem& p)
      : p_(p), kernels_(gemm_kernels()), columns_(p.taps() * p.c), run_(p.kernel[2] * p.c) {
    panels_ = ceil_div(columns_, kernels_.panel);
    images_ = p.n * p.in[0];
    // Blocks of several kernels' height, for the sake of the seams.
    const index_t reach = (p.kernel[1] - 1) * p.dilation[1] + p.stride[1];
    const index_t most = std::max<index_t>(1, p.in[1] / (4 * reach));
    blocks_ = std::clamp<index_t>(ceil_div(kWantedPieces, images_), 1, most);
    block_ = ceil_div(p.in[1], blocks_);
    blocks_ = ceil_div(p.in[1], block_);
  }

  index_t pieces() const { return images_ * blocks_; }
  index_t packed_floats() const { return panels_ * kernels_.panel * p_.k; }
  index_t bytes_a_thread(bool gated) const {
    return (p_.out[2] * columns_ + (gated ? p_.out[2] * p_.k : 0)) * kFloat;
  }

  // [panel][k][panel width], columns in the order (tap, c).
  void pack(const float* weight, float* packed) const {
    Scratch<float> rows(static_cast<std::size_t>(p_.k * columns_));
    for (index_t k = 0; k < p_.k; ++k) {
      for (index_t c = 0; c < p_.c; ++c) {
        for (index_t tap = 0; tap < p_.taps(); ++tap) {
          rows.data()[k * columns_ + tap * p_.c + c] = *weight++;
        }
      }
    }
    for (index_t panel = 0; panel < panels_; ++panel) {
      const index_t column = panel * kernels_.panel;
      kernels_.pack_rows(rows.data() + column, columns_, p_.k,
                         std::min(kernels_.panel, columns_ - column), packed + column * p_.k);
    }
  }

  void run(const ConvBackwardData& conv, const float* packed) const {
    parallel_for(pieces(), [&](index_t piece) { run_piece(conv, packed, piece); });
  }

 private:
  void run_piece(const ConvBackwardData& conv, const float* packed, index_t piece) const {
    const index_t image = piece / blocks_;
    const index_t row0 = piece % blocks_ * block_;
    const index_t row1 = std::min(row0 + block_, p_.in[1]);
    const index_t floats = p_.in[2] * p_.c;
    float* dx = conv.dx.data<float>() + image * p_.in[1] * floats;
    fill_bias(conv.stage, dx + row0 * floats, (row1 - row0) * p_.in[2]);
    Scratch<float> products(static_cast<std::size_t>(p_.out[2] * columns_));
    Scratch<float> gated(static_cast<std::size_t>(conv.gate.y != nullptr ? p_.out[2] * p_.k : 0));
    for (index_t o = 0; o < p_.out[1]; ++o) {
      const index_t top = o * p_.stride[1] - p_.pad_begin[1];
      // Kernel rows whose pixels lie in [row0, row1).
      const index_t d = p_.dilation[1];
      const index_t t0 = std::max<index_t>(0, ceil_div(std::max<index_t>(0, row0 - top), d));
      const index_t t1 = std::min(p_.kernel[1], ceil_div(std::max<index_t>(0, row1 - top), d));
      if (t0 >= t1) continue;
      const index_t at = (image * p_.out[1] + o) * p_.out[2] * p_.k;
      const float* dy = conv.dy.data<float>() + at;
      if (conv.gate.y != nullptr) {
        epilogue_kernels().gate(dy, {conv.gate.y + at, conv.gate.upper, conv.gate.slope},
                                gated.data(), p_.out[2] * p_.k);
        dy = gated.data();
      }
      multiply(dy, packed, products.data());
      fold_row(products.data() + t0 * run_, dx + (top + t0 * d) * floats, t1 - t0);
    }
    finish(conv.stage, piece, dx + row0 * floats, (row1 - row0) * p_.in[2]);
  }

  void fill_bias(const OutputStage* stage, float* dx, index_t pixels) const {
    std::fill_n(dx, pixels * p_.c, 0.0F);
    if (stage == nullptr || stage->bias() == nullptr) return;
    for (index_t i = 0; i < pixels; ++i) std::copy_n(stage->bias(), p_.c, dx + i * p_.c);
  }

  void finish(const OutputStage* stage, index_t piece, float* dx, index_t pixels) const {
    if (stage == nullptr) return;
    if (stage->relu()) {
      epilogue_kernels().finish({dx, 1, 0, pixels * p_.c}, nullptr, Activation::relu, 0);
    }
    stage->finish(piece, {dx, pixels, p_.c, p_.c}, 0);
  }

  void multiply(const float* dy, const float* packed, float* products) const {
    const GemmTap tap{0, 0};
    const index_t rows = ceil_div(p_.out[2], ceil_div(p_.out[2], kernels_.max_rows));
    GemmTile t{};
    t.lda = p_.k;
    t.taps = &tap;
    t.tap_count = 1;
    t.run = p_.k;
    t.ldb = kernels_.panel;
    t.ldc = columns_;
    for (index_t w = 0; w < p_.out[2]; w += rows) {
      const index_t count = std::min(rows, p_.out[2] - w);
      t.a = dy + w * p_.k;
      t.next = w + rows < p_.out[2] ? t.a + rows * p_.k : nullptr;
      for (index_t panel = 0; panel < panels_; ++panel) {
        const index_t column = panel * kernels_.panel;
        t.b = packed + column * p_.k;
        t.c = products + w * columns_ + column;
        t.columns = std::min(kernels_.panel, columns_ - column);
        kernels_.tile(count, t);
      }
    }
  }

  // Adds kernel rows of every pixel's products to the rows of dX from `dx` on.
  void fold_row(const float* products, float* dx, index_t rows) const {
    const index_t floats = p_.in[2] * p_.c;
    FoldRow f{products, columns_, 1, dx, p_.stride[2] * p_.c, p_.dilation[1] * floats, rows, run_};
    if (p_.dilation[2] != 1) {
      for (index_t w = 0; w < p_.out[2]; ++w) fold_border(f, w);
      return;
    }
    // Pixels whose run lies inside: first <= w < last.
    const index_t s = p_.stride[2];
    const index_t pad = p_.pad_begin[2];
    const index_t room = p_.in[2] + pad - p_.kernel[2];
    const index_t last = room < 0 ? 0 : std::min(p_.out[2], room / s + 1);
    const index_t first = std::min(ceil_div(pad, s), last);
    for (index_t w = 0; w < first; ++w) fold_border(f, w);
    f.src += first * columns_;
    f.dst += (first * s - pad) * p_.c;
    f.pixels = last - first;
    fold_kernels().add(f);
    f.src = products;
    f.dst = dx;
    for (index_t w = last; w < p_.out[2]; ++w) fold_border(f, w);
  }

  void fold_border(const FoldRow& f, index_t w) const {
    for (index_t r = 0; r < f.rows; ++r) {
      for (index_t t = 0; t < p_.kernel[2]; ++t) {
        const index_t col = w * p_.stride[2] - p_.pad_begin[2] + t * p_.dilation[2];
        if (col < 0 || col >= p_.in[2]) continue;
        const float* src = f.src + w * columns_ + r * run_ + t * p_.c;
        float* dst = f.dst + r * f.dst_row + col * p_.c;
        for (index_t c = 0; c < p_.c; ++c) dst[c] += src[c];
      }
    }
  }

  const ConvProblem& p_;
  const GemmKernels& kernels_;
  index_t columns_;  // taps * C
  index_t run_;      // floats of a kernel row
  index_t panels_;
  index_t images_;
  index_t block_;  // rows of dX
  index_t blocks_;
};

}  // namespace

bool fold_applies(const ConvProblem& p) {
  const bool flat =
      p.kernel[0] == 1 && p.stride[0] == 1 && p.pad_begin[0] == 0 && p.pad_end[0] == 0;
  return flat && p.groups == 1 && p.c <= kMostChannels && p.taps() > 1;
}

void fold_backward_data(const ConvBackwardData& conv) {
  const Fold fold(conv.problem);
  Scratch<float> packed(static_cast<std::size_t>(fold.packed_floats()));
  fold.pack(conv.weight.data<float>(), packed.data());
  if (conv.stage != nullptr) conv.stage->expect_pieces(fold.pieces());
  fold.run(conv, packed.data());
}

index_t fold_workspace(const ConvProblem& p, int threads) {
  const Fold fold(p);
  return 2 * fold.packed_floats() * kFloat + threads * fold.bytes_a_thread(false);
}

}  // namespace tilewise
