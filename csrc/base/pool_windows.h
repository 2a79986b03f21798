// The windows of a pooling operation: which input pixels each output pixel looks at.
#pragma once

#include "base/small_vector.h"
#include "base/types.h"

namespace tilewise {

// Along one spatial axis. Padding is cut off: only coordinates inside the input are listed.
using PoolTable = SmallVector<index_t, 16>;
struct PoolAxis {
  index_t in = 1;
  index_t out = 1;
  index_t step = 1;  // between the coordinates of a window (dilation)
  PoolTable first;   // of each window: its first coordinate,
  PoolTable count;   // how many it has,
  PoolTable padded;  // and how many with padding
};

// Three axes, depth, height, width; those that an operation lacks have size 1.
struct PoolWindows {
  index_t samples = 0;
  index_t channels = 0;
  PoolAxis axes[3];

  index_t in_pixels() const { return axes[0].in * axes[1].in * axes[2].in; }
  index_t out_pixels() const { return axes[0].out * axes[1].out * axes[2].out; }
};

// The input pixels of one output pixel, as flat positions in row-major order.
class PoolTaps {
 public:
  using Positions = SmallVector<std::int32_t, 32>;

  explicit PoolTaps(const PoolWindows& windows) : windows_(windows) {}

  // Of output pixel `out` (flat): fills positions() and padded_count().
  void visit(index_t out) {
    const PoolAxis& d = windows_.axes[0];
    const PoolAxis& h = windows_.axes[1];
    const PoolAxis& w = windows_.axes[2];
    const auto ow = static_cast<std::size_t>(out % w.out);
    const auto oh = static_cast<std::size_t>(out / w.out % h.out);
    const auto od = static_cast<std::size_t>(out / w.out / h.out);
    positions_.clear();
    for (index_t i = 0; i < d.count[od]; ++i) {
      for (index_t j = 0; j < h.count[oh]; ++j) {
        const index_t row = ((d.first[od] + i * d.step) * h.in + h.first[oh] + j * h.step) * w.in;
        for (index_t k = 0; k < w.count[ow]; ++k) {
          positions_.push_back(static_cast<std::int32_t>(row + w.first[ow] + k * w.step));
        }
      }
    }
    padded_count_ = d.padded[od] * h.padded[oh] * w.padded[ow];
  }

  const Positions& positions() const { return positions_; }
  index_t padded_count() const { return padded_count_; }

 private:
  const PoolWindows& windows_;
  Positions positions_;
  index_t padded_count_ = 0;
};

}  // namespace tilewise
