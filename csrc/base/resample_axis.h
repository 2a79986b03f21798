// One spatial axis of a linear resampling: which input coordinates an output coordinate sums, and
// with which weights.
#pragma once

#include "base/pool_windows.h"
#include "base/small_vector.h"
#include "base/types.h"

namespace tilewise {

// Output o is the sum over k < count[o] of weight[begin[o] + k] * input[first[o] + k]. Outputs may
// share weights; a count may be 0.
struct ResampleAxis {
  using Weights = SmallVector<double, 32>;

  index_t in = 1;
  index_t out = 1;
  SmallVector<std::int32_t, 16> first;
  SmallVector<std::int32_t, 16> count;
  SmallVector<std::int32_t, 16> begin;
  Weights weight;

  template <typename First, typename Taps, typename At>
  void add(First first_coordinate, Taps taps, At weights_at) {
    first.push_back(static_cast<std::int32_t>(first_coordinate));
    count.push_back(static_cast<std::int32_t>(taps));
    begin.push_back(static_cast<std::int32_t>(weights_at));
  }
  void reserve(index_t outputs, index_t weights) {
    const auto count_of = static_cast<std::size_t>(outputs);
    first.reserve(count_of);
    count.reserve(count_of);
    begin.reserve(count_of);
    weight.reserve(static_cast<std::size_t>(weights));
  }
  static ResampleAxis identity(index_t extent);
  bool is_identity() const;
  std::int32_t most_taps() const;
};

// Depth, height, width; those that an operation lacks have size 1.
struct ResampleAxes {
  ResampleAxis axes[3];
};

// The axis of the gradient: output and input change places. Both ends of the windows must rise
// with the output coordinate.
ResampleAxis transposed(const ResampleAxis& axis);

// Windows whose elements all weigh 1 / divisor[o], and the axis of their gradient. Weights are
// shared, so the tables stay as short as the axis however large the windows are.
ResampleAxis averaging(const PoolAxis& windows, const ResampleAxis::Weights& divisor);
ResampleAxis averaging_transposed(const PoolAxis& windows, const ResampleAxis::Weights& divisor);

}  // namespace tilewise
