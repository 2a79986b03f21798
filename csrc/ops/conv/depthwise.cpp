// Depthwise convolution (one input channel a group), forward and gradient of the data.
//
//   y[n, o, k] = sum over taps t of x[n, o * stride + t * dilation - pad, k / m] w[k, t]
//
// with multiplier m = k / c.
//
//   for each piece = image x block of rows                     -> threads
//     for each output row, or two neighbours that share source rows
//       list the source rows that exist; for each class of columns (below): one kernel call, which
//       walks along the row, blocks of 8 columns by all channels: memory streams in its own order
//
// Weights are read as [tap][k]. Classes bring all strides and dilations to the kernels' few forms:
// columns of one residue modulo the dilation are a convolution without one, output columns of one
// residue modulo the stride meet the same taps in the gradient of the data (kernels of 3, 5 and 7
// with stride 2 do both residues at once), anything else goes tap by tap. Multipliers m > 1 repeat
// the source rows' channels into a buffer of the few rows in use; the gradient of the data sums m
// lanes where it stores. Gradients pass their gate on the way into the same buffer.
//
// Everything is bound by memory but kernels of 5x5 and more. With 40 GB/s of copy and 59 G
// multiply-adds/s a core (Zen 4), batch 16, the floor and what one core and two take in ms:
//
//                      floor: copy, arithmetic     1 core   2 cores
//   3x3 144@56             1.4   1.1                 1.9      1.1
//   3x3 stride 2 96@112    2.4   0.7                 4.2      2.5
//   3x3 576@14             0.4   0.3                 0.47     0.24   (in L3; 0.7, 0.4 from memory)
//   5x5 240@28             0.6   1.3                 1.8      0.9
//
// What mattered, 3x3 144@56: streaming stores 5.8 -> 3.3 ms; fetching the next rows into L2 in the
// order of addresses rather than in that of the loads 3.3 -> 2.4 (fetching every other line, or by
// loads, is no better than nothing); two rows at once 2.4 -> 1.9. With
// stride 2, four fifths of it reading, one core reaches 18 GB/s of reads by such fetches where a
// plain sum of an array reaches 32; two cores come to three quarters of the copy.
// Blocks of columns over all rows, to read the halo from L1, lost: the rows no longer stream.
//
// Error: sums of taps() products, in one order at any number of threads.
#include <algorithm>

#include "base/memory.h"
#include "base/threads.h"
#include "ops/conv/algorithm.h"
#include "ops/conv/depthwise_rows.h"
#include "ops/conv/packed_weights.h"
#include "ops/conv/problem.h"

namespace tilewise {
namespace {

constexpr index_t kPieceFloats = 128 << 10;  // of outputs

index_t packed_stride(const ConvProblem& p) { return round_up(p.k, depthwise_kernels().width); }

// Weights as [tap][k], rows of whole vectors.
void pack(const ConvProblem& p, const float* weight, float* packed) {
  const index_t stride = packed_stride(p);
  const index_t taps = p.taps();
  for (index_t tap = 0; tap < taps; ++tap) {
    float* row = packed + tap * stride;
    for (index_t k = 0; k < p.k; ++k) row[k] = weight[k * taps + tap];
    std::fill(row + p.k, row + stride, 0.0F);
  }
}

struct Target {
  float* y;
  index_t channels;  // in memory: k, or c where sums over the multiplier are stored
  OutputStage* stage;
};

class DepthwiseCorrelation {
 public:
  DepthwiseCorrelation(const DepthwiseGeometry& g, const DepthwiseSourceView& source,
                       const Target& target)
      : g_(g), source_(source), target_(target), pieces_(g, kPieceFloats) {
    const index_t bytes =
        g.p.n * g.out_rows() * g.out[2] * target.channels * static_cast<index_t>(sizeof(float));
    // Twice the bytes: the input is as large and passes through the same cache.
    streaming_ = stores_past_caches(target.stage, 2 * bytes) && target.channels == g.p.k &&
                 target.channels % depthwise_kernels().width == 0;
    // Neighbouring output rows share source rows.
    two_rows_ = !multiplied() && g.p.stride[1] == 1 && g.p.dilation[1] == 1 && g.p.kernel[1] > 1 &&
                g.p.stride[2] == 1 && depthwise_kernels().two_rows(g.chunk);
  }

  const DepthwisePieces& pieces() const { return pieces_; }
  index_t bytes_a_thread() const {
    const index_t sums = multiplied() ? pieces_.cols * g_.p.k : 0;
    return DepthwiseWalk::bytes(g_) + DepthwiseRows::bytes(g_, source_, pieces_.cols) +
           sums * static_cast<index_t>(sizeof(float));
  }

  void run(const float* weights) const {
    parallel_for(pieces_.count(), multiply_adds_, [&](index_t i) { run_piece(i, weights); });
  }

 private:
  bool multiplied() const { return target_.channels != g_.p.k; }

  void run_piece(index_t number, const float* weights) const {
    const DepthwisePieces::Piece piece = pieces_.piece(number);
    DepthwiseRows rows(g_, source_, piece);
    DepthwiseWalk walk(g_, piece, {weights, nullptr, packed_stride(g_.p)});
    Scratch<float> sums(static_cast<std::size_t>(multiplied() ? piece.cols * g_.p.k : 0));
    const OutputStage* stage = target_.stage;
    DepthwiseOutput out{};
    out.bias = stage != nullptr ? stage->bias() : nullptr;
    out.relu = stage != nullptr && stage->relu();
    out.streaming = streaming_;
    const index_t row_floats = g_.out[2] * target_.channels;
    const index_t end = piece.row0 + piece.rows;
    for (index_t r = piece.row0; r < end;) {
      const bool two = two_rows_ && r + 1 < end && (r + 1) % g_.out[1] != 0;
      walk.start_row(r, two, rows);
      float* y = target_.y + (piece.image * g_.out_rows() + r) * row_floats;
      out.second = two ? row_floats : 0;
      if (multiplied()) {
        run_classes(walk, rows, sums.data() - piece.col0 * g_.p.k, {});
        out.y = y + piece.col0 * target_.channels;
        depthwise_kernels().sum_multiples(sums.data(), piece.cols, target_.channels, g_.p.group_k(),
                                          out);
      } else {
        run_classes(walk, rows, y, out);
      }
      for (const index_t last = r + (two ? 2 : 1); r < last; ++r, y += row_floats) {
        if (stage == nullptr || !stage->pending()) continue;
        stage->finish(
            number,
            {y + piece.col0 * target_.channels, piece.cols, target_.channels, target_.channels}, 0);
      }
    }
  }

  void run_classes(DepthwiseWalk& walk, const DepthwiseRows& rows, float* y,
                   DepthwiseOutput out) const {
    for (const DepthwiseColumns& columns : g_.classes) {
      DepthwiseRow run{};
      const index_t column = walk.run(columns, rows, g_.p.k, run);
      if (column < 0) continue;
      out.y = y + column * g_.p.k;
      depthwise_kernels().forward(run, out);
    }
  }

  const DepthwiseGeometry& g_;
  const DepthwiseSourceView& source_;
  const Target& target_;
  DepthwisePieces pieces_;
  index_t multiply_adds_ = checked_mul(g_.p.n * g_.p.out_pixels(), g_.p.taps() * g_.p.k);
  bool streaming_;
  bool two_rows_;
};

const char* refuses(const ConvProblem& p, ConvDirection) {
  if (p.group_c() != 1) return "groups have more than one input channel";
  return nullptr;
}

// A tail of channels takes a whole vector. A single input channel is better read in place by the
// GEMM, whose columns are the filters, than repeated for each filter.
double cost(const ConvProblem& p, ConvDirection direction) {
  const double waste = double(packed_stride(p)) / double(p.k);
  const bool repeats = p.groups == 1 && direction != ConvDirection::backward_data;
  return 1e3 + multiply_adds(p) * waste * (repeats ? 2.0 : 1.0) / nominal_multiply_adds;
}

DepthwiseSourceView forward_source(const ConvProblem& p, const float* x) {
  return {x, p.c, p.group_k(), {}};
}

index_t packed(const ConvProblem& problem, ConvDirection direction) {
  const ConvProblem p = simplified(problem);
  if (direction == ConvDirection::backward_weight) return 0;
  return p.taps() * packed_stride(p) * static_cast<index_t>(sizeof(float));
}

index_t workspace(const ConvProblem& problem, ConvDirection direction, int threads) {
  const ConvProblem p = simplified(problem);
  if (direction == ConvDirection::backward_weight) {
    return depthwise_weight_gradient_workspace(p, threads);
  }
  const bool is_forward = direction == ConvDirection::forward;
  const DepthwiseGeometry g(p, !is_forward);
  const GradientGate worst{reinterpret_cast<const float*>(&p), 0, 0};  // as if there were one
  const DepthwiseSourceView source =
      is_forward ? forward_source(p, nullptr) : DepthwiseSourceView{nullptr, p.k, 1, worst};
  const Target target{nullptr, is_forward ? p.k : p.c, nullptr};
  const DepthwiseCorrelation correlation(g, source, target);
  return packed(p, direction) + threads * correlation.bytes_a_thread();
}

void run_correlation(const DepthwiseGeometry& g, const DepthwiseSourceView& source,
                     const Target& target, const Array& weight, bool keep) {
  const PackedWeights packed(
      weight, keep, "depthwise", depthwise_kernels().width,
      checked_mul(g.p.taps(), packed_stride(g.p)),
      [&](float* out) { pack(g.p, weight.data<float>(), out); }, g.p.groups);
  const DepthwiseCorrelation correlation(g, source, target);
  if (target.stage != nullptr) target.stage->expect_pieces(correlation.pieces().count());
  correlation.run(packed.data());
}

void forward(const ConvForward& conv) {
  const ConvProblem p = simplified(conv.problem);
  const DepthwiseGeometry g(p, false);
  run_correlation(g, forward_source(p, conv.x.data<float>()),
                  {conv.y.data<float>(), p.k, conv.stage}, conv.weight, conv.keep_weights);
}

void backward_data(const ConvBackwardData& conv) {
  const ConvProblem p = simplified(conv.problem);
  const DepthwiseGeometry g(p, true);
  run_correlation(g, {conv.dy.data<float>(), p.k, 1, conv.gate},
                  {conv.dx.data<float>(), p.c, conv.stage}, conv.weight, conv.keep_weights);
}

}  // namespace

const ConvAlgorithm depthwise{"depthwise",
                              {false, true, {false, true, true}, true},
                              refuses,
                              cost,
                              workspace,
                              packed,
                              forward,
                              backward_data,
                              depthwise_weight_gradient};

}  // namespace tilewise
