// How pooling is cut into pieces for the threads: by the shape alone.
#pragma once

#include <algorithm>

#include "base/pool_windows.h"
#include "base/threads.h"
#include "kernels/pooling.h"

namespace tilewise {

// The input rows (along H) that the windows of output row `row` + 1 show and those of `row` do not.
struct RowsAhead {
  index_t first = 0;  // of the sample, depth and height together
  index_t count = 0;  // 0 where they are not neighbours, or many

  RowsAhead() = default;
  RowsAhead(const PoolWindows& w, index_t row) {
    const PoolAxis& h = w.axes[1];
    const auto oh = static_cast<std::size_t>(row % h.out);
    if (oh + 1 >= h.first.size() || h.step != 1) return;
    const index_t seen = std::max(h.first[oh] + h.count[oh], h.first[oh + 1]);
    const index_t end = h.first[oh + 1] + h.count[oh + 1];
    constexpr index_t most = 4;
    if (end <= seen || end - seen > most) return;
    const PoolAxis& d = w.axes[0];
    const auto od = static_cast<std::size_t>(row / h.out);
    first = (d.first[od] + (d.count[od] - 1) * d.step) * h.in + seen;
    count = end - seen;
  }
};

// body(first output of the row's run, window, taps) for each run of output pixels in output row
// `row` of a sample (depth and height together) that have windows of one form at even distances.
template <typename Body>
void for_each_run(const PoolWindows& w, index_t row, index_t channels, bool past_caches,
                  PoolTaps& taps, const Body& body) {
  const PoolAxis& axis = w.axes[2];
  const RowsAhead ahead = past_caches ? RowsAhead(w, row) : RowsAhead();
  for (index_t o = 0; o < axis.out;) {
    taps.visit(row * axis.out + o);
    const auto first = static_cast<std::size_t>(o);
    const index_t shift = o + 1 < axis.out ? axis.first[first + 1] - axis.first[first] : index_t{0};
    index_t run = 1;
    for (auto next = first + 1; next < axis.first.size(); ++next, ++run) {
      if (axis.count[next] != axis.count[first] || axis.padded[next] != axis.padded[first] ||
          axis.first[next] - axis.first[next - 1] != shift) {
        break;
      }
    }
    const PoolWindow window{taps.positions().data(),
                            static_cast<index_t>(taps.positions().size()),
                            run,
                            shift,
                            w.channels,
                            channels,
                            past_caches,
                            static_cast<std::int32_t>(ahead.first * axis.in + axis.first[first]),
                            ahead.count,
                            axis.in};
    body(row * axis.out + o, window);
    o += run;
  }
}

// Channels of a piece: all of them unless there are too few other pieces to share out.
inline index_t channel_block(const PoolWindows& w, index_t pieces) {
  constexpr index_t block = 64;  // four AVX-512 registers, two cache lines
  return pieces >= 16 || w.channels <= block ? w.channels : block;
}

// body(input offset, output offset, window, taps) for each run of output pixels, where offsets
// count elements and include the first channel of the piece. `past_caches`: the results are stored
// past them.
template <typename Body>
void for_each_output(const PoolWindows& w, bool past_caches, const Body& body) {
  const index_t sample_rows = w.axes[0].out * w.axes[1].out;
  const index_t rows = w.samples * sample_rows;
  const index_t reads = std::max<index_t>(1, w.in_pixels() / sample_rows) * w.channels;
  const index_t grain = std::max<index_t>(1, elementwise_grain / reads);
  const index_t groups = ceil_div(rows, grain);
  const index_t block = channel_block(w, groups);
  const index_t blocks = ceil_div(w.channels, block);
  parallel_for(groups * blocks, [&](index_t piece) {
    const index_t c = piece % blocks * block;
    const index_t channels = std::min(block, w.channels - c);
    const index_t first = piece / blocks * grain;
    const index_t last = std::min(first + grain, rows);
    PoolTaps taps(w);
    for (index_t row = first; row < last; ++row) {
      const index_t n = row / sample_rows;
      const index_t in = n * w.in_pixels() * w.channels + c;
      const index_t out = n * w.out_pixels() * w.channels + c;
      for_each_run(w, row % sample_rows, channels, past_caches, taps,
                   [&](index_t o, const PoolWindow& window) {
                     body(in, out + o * w.channels, window, taps);
                   });
    }
    if (past_caches) pooling_kernels().fence();
  });
}

}  // namespace tilewise
