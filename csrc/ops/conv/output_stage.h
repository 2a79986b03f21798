// What a convolution does to its outputs before they leave the cache:
//
//   y = activation(sum + bias[channel] + residual), and the mean and variance of y per channel.
//
// An algorithm adds the bias, and applies a lone ReLU, where it has the sums in registers. All else
// is done by finish(), which the algorithm calls on each block of rows as soon as it has written
// them, while they lie in L1.
#pragma once

#include <memory>
#include <optional>

#include "base/activation.h"
#include "base/array.h"
#include "base/memory.h"
#include "kernels/epilogue.h"

namespace tilewise {

// Mean and biased variance over images and pixels, (channels) in double.
struct ChannelStatistics {
  Array mean;
  Array variance;
};

// Public form: arguments of the op. `residual` has the output's shape.
struct ConvEpilogue {
  std::optional<Array> bias;
  std::optional<Array> residual;
  Activation activation = Activation::none;
  double slope = 0.01;  // of leaky_relu
  bool statistics = false;
};

// For the float32 algorithms. `y` is the dense channels-last output.
class OutputStage {
 public:
  OutputStage(const ConvEpilogue& epilogue, const Array& y);

  // One value a channel, or null.
  const float* bias() const { return bias_; }
  // ReLU and nothing before it but the bias: to be applied in registers.
  bool relu() const { return relu_; }
  // Whether finish() has anything to do.
  bool pending() const { return pending_; }

  // Whether pieces are counted: statistics are collected.
  bool collects() const { return collect_; }
  // Before the first finish(): pieces of work, a number that depends on the problem only. Rows that
  // are finished under one piece number must be finished by one thread, in a fixed order.
  void expect_pieces(index_t pieces);
  // Rows just written (bias included) whose first column is channel `channel`.
  void finish(index_t piece, const OutputRows& rows, index_t channel) const {
    finish_tile(piece, {rows, 1, 0}, channel);
  }
  void finish_tile(index_t piece, const OutputTile& tile, index_t channel) const;
  // After the last.
  ChannelStatistics statistics() const;

 private:
  double* column(index_t piece, int which) const;
  void collect(index_t piece, const OutputTile& tile, index_t channel) const;

  const EpilogueKernels& kernels_;
  const float* y_;
  const float* bias_;
  const float* residual_;
  Activation activation_;
  float slope_;
  bool relu_;
  bool pending_;
  bool collect_;
  index_t channels_;
  index_t pieces_ = 0;
  std::unique_ptr<Scratch<double>> partial_;  // [piece][sum, squares, count][channel]
  std::unique_ptr<Scratch<float>> pivots_;    // [piece][channel]: of the piece's first row
};

// Whether to store outputs past the caches, where an algorithm can (whole vectors at aligned
// addresses, each written once): no cache could keep them, so that fetching their lines first would
// cost as much again as writing them, and the stage, or null, does not read them again.
bool stores_past_caches(const OutputStage* stage, index_t bytes);

}  // namespace tilewise
