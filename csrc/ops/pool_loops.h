// How pooling is cut into pieces for the threads: by the shape alone.
#pragma once

#include <algorithm>

#include "base/pool_windows.h"
#include "base/threads.h"
#include "kernels/pooling.h"

namespace tilewise {

// Rows of outputs that are made side by side: the input is then read as several streams, which
// the processor fetches faster than one or two, and windows that overlap read it from L1.
constexpr index_t rows_together = 2;

// How many output rows from `row` on, of a sample, have windows of one form at even distances.
inline index_t rows_alike(const PoolWindows& w, index_t row, index_t limit) {
  const PoolAxis& h = w.axes[1];
  const auto first = static_cast<std::size_t>(row % h.out);
  index_t rows = 1;
  for (auto next = first + 1; rows < limit && next < h.first.size(); ++next, ++rows) {
    if (h.count[next] != h.count[first] || h.padded[next] != h.padded[first] ||
        h.first[next] - h.first[next - 1] != h.first[first + 1] - h.first[first]) {
      break;
    }
  }
  return rows;
}

// The input rows (along H) that the windows of the output rows from `next` on show, as many as are
// made together, and those of the row before do not.
struct RowsAhead {
  index_t first = 0;  // of the sample, depth and height together
  index_t count = 0;  // 0 where they are not neighbours, or many

  RowsAhead() = default;
  RowsAhead(const PoolWindows& w, index_t next) {
    const PoolAxis& h = w.axes[1];
    const auto oh = static_cast<std::size_t>(next % h.out);
    if (oh == 0 || h.step != 1) return;
    const auto last = std::min(oh + static_cast<std::size_t>(rows_together), h.first.size()) - 1;
    const index_t seen = std::max(h.first[oh - 1] + h.count[oh - 1], h.first[oh]);
    const index_t end = h.first[last] + h.count[last];
    constexpr index_t most = 8;
    if (end <= seen || end - seen > most) return;
    const PoolAxis& d = w.axes[0];
    const auto od = static_cast<std::size_t>(next / h.out);
    first = (d.first[od] + (d.count[od] - 1) * d.step) * h.in + seen;
    count = end - seen;
  }
};

// body(first output of the row's run, window, taps) for each run of output pixels in `rows` output
// rows from `row` on of a sample (depth and height together) that have windows of one form at even
// distances.
template <typename Body>
void for_each_run(const PoolWindows& w, index_t row, index_t rows, index_t channels,
                  bool past_caches, PoolTaps& taps, const Body& body) {
  const PoolAxis& axis = w.axes[2];
  const PoolAxis& h = w.axes[1];
  const auto oh = static_cast<std::size_t>(row % h.out);
  const index_t down = rows > 1 ? h.first[oh + 1] - h.first[oh] : index_t{0};
  const RowsAhead ahead = past_caches ? RowsAhead(w, row + rows) : RowsAhead();
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
                            rows,
                            down * axis.in,
                            w.channels,
                            axis.out * w.channels,
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
  const index_t grain = std::max<index_t>({1, elementwise_grain / reads, rows / 64});
  const index_t groups = ceil_div(rows, grain);
  const index_t block = channel_block(w, groups);
  const index_t blocks = ceil_div(w.channels, block);
  parallel_for(groups * blocks, [&](index_t piece) {
    const index_t c = piece % blocks * block;
    const index_t channels = std::min(block, w.channels - c);
    const index_t first = piece / blocks * grain;
    const index_t last = std::min(first + grain, rows);
    PoolTaps taps(w);
    for (index_t row = first, together = 1; row < last; row += together) {
      const index_t n = row / sample_rows;
      together = rows_alike(w, row % sample_rows, std::min(rows_together, last - row));
      const index_t in = n * w.in_pixels() * w.channels + c;
      const index_t out = n * w.out_pixels() * w.channels + c;
      for_each_run(w, row % sample_rows, together, channels, past_caches, taps,
                   [&](index_t o, const PoolWindow& window) {
                     body(in, out + o * w.channels, window, taps);
                   });
    }
    if (past_caches) pooling_kernels().fence();
  });
}

}  // namespace tilewise
