#include "ops/conv/output_stage.h"

#include <algorithm>

#include "base/cpu.h"
#include "base/error.h"

namespace tilewise {
namespace {

enum { kSum, kSquares, kCount, kColumns };

}  // namespace

OutputStage::OutputStage(const ConvEpilogue& e, const Array& y)
    : kernels_(epilogue_kernels()),
      y_(y.data<float>()),
      bias_(e.bias ? e.bias->data<float>() : nullptr),
      residual_(e.residual ? e.residual->data<float>() : nullptr),
      activation_(e.activation),
      slope_(static_cast<float>(e.slope)),
      relu_(e.activation == Activation::relu && !e.residual),
      pending_(e.residual || e.statistics || (e.activation != Activation::none && !relu_)),
      collect_(e.statistics),
      channels_(y.extent(1)) {}

void OutputStage::expect_pieces(index_t pieces) {
  if (!collect_) return;
  pieces_ = pieces;
  partial_ = std::make_unique<Scratch<double>>(
      static_cast<std::size_t>(checked_mul(pieces, kColumns * channels_)));
  pivots_ =
      std::make_unique<Scratch<float>>(static_cast<std::size_t>(checked_mul(pieces, channels_)));
  std::fill_n(partial_->data(), pieces * kColumns * channels_, 0.0);
}

double* OutputStage::column(index_t piece, int which) const {
  return partial_->data() + (piece * kColumns + which) * channels_;
}

void OutputStage::finish_tile(index_t piece, const OutputTile& tile, index_t channel) const {
  if (!pending_ || tile.line.rows == 0 || tile.lines == 0) return;
  const bool activates = activation_ != Activation::none && !relu_;
  for (index_t l = 0; l < tile.lines && (residual_ != nullptr || activates); ++l) {
    OutputRows rows = tile.line;
    rows.y += l * tile.line_stride;
    const float* residual = residual_ != nullptr ? residual_ + (rows.y - y_) : nullptr;
    kernels_.finish(rows, residual, activation_, slope_);
  }
  if (collect_) collect(piece, tile, channel);
}

void OutputStage::collect(index_t piece, const OutputTile& tile, index_t channel) const {
  const OutputRows& line = tile.line;
  float* pivot = pivots_->data() + piece * channels_ + channel;
  double* count = column(piece, kCount) + channel;
  if (count[0] == 0.0) std::copy_n(line.y, line.columns, pivot);
  kernels_.column_sums(tile,
                       {pivot, column(piece, kSum) + channel, column(piece, kSquares) + channel});
  const auto rows = static_cast<double>(line.rows * tile.lines);
  for (index_t c = 0; c < line.columns; ++c) count[c] += rows;
}

// Merges the pieces in order (Chan, Golub, LeVeque, "Algorithms for computing the sample variance",
// 1983).
ChannelStatistics OutputStage::statistics() const {
  ChannelStatistics s{Array::empty({channels_}, DType::float64),
                      Array::empty({channels_}, DType::float64)};
  for (index_t c = 0; c < channels_; ++c) {
    double n = 0;
    double mean = 0;
    double squares = 0;  // sum of (y - mean)^2
    for (index_t piece = 0; piece < pieces_; ++piece) {
      const double count = column(piece, kCount)[c];
      if (count == 0) continue;
      const double shifted = column(piece, kSum)[c] / count;
      const double part_mean = double{pivots_->data()[piece * channels_ + c]} + shifted;
      const double part_squares = column(piece, kSquares)[c] - shifted * column(piece, kSum)[c];
      const double delta = part_mean - mean;
      n += count;
      mean += delta * (count / n);
      squares += part_squares + delta * delta * count * ((n - count) / n);
    }
    s.mean.data<double>()[c] = mean;
    s.variance.data<double>()[c] = n > 0 && !(squares < 0) ? squares / n : 0;
  }
  return s;
}

bool stores_past_caches(const OutputStage* stage, index_t bytes) {
  return bytes > cache_sizes().l3 && !(stage != nullptr && stage->pending());
}

}  // namespace tilewise
