// Weight and bias gradients of the depthwise convolution.
//
//   dW[k, t] = sum over images n and output pixels o of x[n, o * stride + t * dilation - pad, k /
//   m] dY[n, o, k]
//
//   for each share of the pieces (image x block of rows)        -> threads
//     for each piece: sums [tap][k] = 0
//       for each output row: list the source rows that exist; for each class of columns one kernel
//       call adds the row's products: for each vector of channels, 3 rows of taps (as many as fit
//       the registers) stay in registers along the row
//     add the sums to the share's
//   add the shares in order, transpose to (k, taps)
//
// x and dY stream once, the next rows of both fetched into L2 in the order of addresses; the other
// rows of x that an output row meets come from L2. The bias gradient is one more row of sums.
//
// Error: float32 sums run over a piece (8192 pixels at most), then over the pieces of a share, then
// over the shares: within 3e-6 sqrt(pixels / 576) of the RMS. Share and piece depend on the problem
// alone, so the bits do not depend on the number of threads.
#include <algorithm>

#include "base/memory.h"
#include "base/threads.h"
#include "kernels/gemm.h"
#include "ops/conv/depthwise_rows.h"
#include "ops/conv/problem.h"

namespace tilewise {
namespace {

constexpr index_t kPieceFloats = 128 << 10;  // of dY
constexpr index_t kPiecePixels = 8192;       // a bound on the length of sums in float32
constexpr index_t kShares = 16;
constexpr index_t kShareBytes = 8 << 20;  // of all shares together

class DepthwiseWeightGradient {
 public:
  DepthwiseWeightGradient(const ConvProblem& p, const DepthwiseSourceView& x,
                          const DepthwiseSourceView& dy)
      : g_(p, false), x_(x), dy_(dy), pieces_(g_, std::min(kPieceFloats, kPiecePixels * p.k)) {
    stride_ = round_up(p.k, depthwise_kernels().width);
    size_ = checked_mul(p.taps() + 1, stride_);  // the bias gradient as one more tap
    const index_t affordable =
        std::max<index_t>(1, kShareBytes / (size_ * static_cast<index_t>(sizeof(float))));
    shares_ = std::min({kShares, affordable, pieces_.count()});
  }

  index_t shares() const { return shares_; }
  index_t size() const { return size_; }
  index_t stride() const { return stride_; }
  index_t bytes_a_thread() const {
    const index_t gated = dy_.prepared() ? pieces_.cols * g_.p.k : 0;
    return DepthwiseWalk::bytes(g_) + DepthwiseRows::bytes(g_, x_, pieces_.cols) +
           (size_ + gated) * static_cast<index_t>(sizeof(float));
  }

  // partial: [share][taps + 1][stride]
  void run(float* partial, bool with_bias) const {
    const index_t multiply_adds = checked_mul(g_.p.n * g_.p.out_pixels(), g_.p.taps() * g_.p.k);
    parallel_for(shares_, multiply_adds, [&](index_t share) {
      float* total = partial + share * size_;
      const index_t first = pieces_.count() * share / shares_;
      const index_t last = pieces_.count() * (share + 1) / shares_;
      std::fill_n(total, size_, 0.0F);
      Scratch<float> sums(static_cast<std::size_t>(size_));
      for (index_t i = first; i < last; ++i) {
        std::fill_n(sums.data(), size_, 0.0F);
        run_piece(pieces_.piece(i), sums.data(), with_bias);
        gemm_kernels().add(total, sums.data(), size_);
      }
    });
  }

 private:
  void run_piece(const DepthwisePieces::Piece& piece, float* sums, bool with_bias) const {
    const index_t k = g_.p.k;
    DepthwiseRows rows(g_, x_, piece);
    DepthwiseWalk walk(g_, piece, {nullptr, sums, stride_});
    Scratch<float> gated(static_cast<std::size_t>(dy_.prepared() ? piece.cols * k : 0));
    DepthwiseSource source{};
    source.bias_sums = with_bias ? sums + g_.p.taps() * stride_ : nullptr;
    for (index_t r = piece.row0; r < piece.row0 + piece.rows; ++r) {
      walk.start_row(r, false, rows);
      const index_t offset = ((piece.image * g_.out_rows() + r) * g_.out[2] + piece.col0) * k;
      const float* dy = dy_.data + offset;
      if (dy_.prepared()) {
        const GradientGate& gate = dy_.gate;
        epilogue_kernels().gate(dy, {gate.y + offset, gate.upper, gate.slope}, gated.data(),
                                piece.cols * k);
        dy = gated.data();
      }
      for (const DepthwiseColumns& columns : g_.classes) {
        DepthwiseRow run{};
        const index_t column = walk.run(columns, rows, k, run);
        if (column < 0) continue;
        if (!dy_.prepared() && offset + (g_.out[2] + piece.cols) * k <= dy_floats_) {
          const index_t share = piece.cols * k / static_cast<index_t>(g_.classes.size());
          run.ahead[1] = {dy + g_.out[2] * k + share * (&columns - g_.classes.data()), share};
        }
        source.dy = dy + (column - piece.col0) * k;
        depthwise_kernels().weight_gradient(run, source);
      }
    }
  }

  const DepthwiseGeometry g_;
  const DepthwiseSourceView& x_;
  const DepthwiseSourceView& dy_;
  DepthwisePieces pieces_;
  index_t stride_;
  index_t size_;
  index_t shares_;
  index_t dy_floats_ = g_.p.n * g_.p.out_pixels() * g_.p.k;
};

}  // namespace

void depthwise_weight_gradient(const ConvBackwardWeight& conv) {
  const ConvProblem p = simplified(conv.problem);
  const DepthwiseSourceView x{conv.x.data<float>(), p.c, p.group_k(), {}};
  const DepthwiseSourceView dy{conv.dy.data<float>(), p.k, 1, conv.gate};
  const DepthwiseWeightGradient gradient(p, x, dy);
  const index_t shares = gradient.shares();
  const index_t size = gradient.size();
  Scratch<float> partial(static_cast<std::size_t>(checked_mul(shares, size)));
  gradient.run(partial.data(), conv.dbias != nullptr);
  for (index_t share = 1; share < shares; ++share) {
    gemm_kernels().add(partial.data(), partial.data() + share * size, size);
  }
  const index_t taps = p.taps();
  float* dw = conv.dweight.data<float>();
  for (index_t tap = 0; tap < taps; ++tap) {
    const float* row = partial.data() + tap * gradient.stride();
    for (index_t k = 0; k < p.k; ++k) dw[k * taps + tap] = row[k];
  }
  if (conv.dbias != nullptr) {
    std::copy_n(partial.data() + taps * gradient.stride(), p.k, conv.dbias);
  }
}

index_t depthwise_weight_gradient_workspace(const ConvProblem& p, int threads) {
  const GradientGate worst{reinterpret_cast<const float*>(&p), 0, 0};  // as if there were one
  const DepthwiseSourceView x{nullptr, p.c, p.group_k(), {}};
  const DepthwiseSourceView dy{nullptr, p.k, 1, worst};
  const DepthwiseWeightGradient gradient(p, x, dy);
  return gradient.shares() * gradient.size() * static_cast<index_t>(sizeof(float)) +
         threads * gradient.bytes_a_thread();
}

}  // namespace tilewise
