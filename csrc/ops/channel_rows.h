// What the normalisations by channel share: a channels-last activation as a matrix whose rows are
// pixels and whose columns are channels, its pieces, and numbers a channel in double.
#pragma once

#include <algorithm>

#include "base/array.h"
#include "base/memory.h"
#include "base/small_vector.h"
#include "base/threads.h"
#include "kernels/batch_norm.h"

namespace tilewise {

using Doubles = SmallVector<double, 64>;
using Floats = SmallVector<float, 128>;

inline std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

// Channels fewer than a few registers are folded: `fold` rows count as one row of fold * channels.
// Pieces of rows depend on the shape alone, so the sums have the same bits at any thread count.
struct Rows {
  index_t rows;  // pixels
  index_t channels;
  index_t fold = 1;
  index_t piece;  // folded rows of a piece
  index_t pieces;

  Rows(index_t row_count, index_t channel_count) : rows(row_count), channels(channel_count) {
    while (fold * channels < 64 && fold < 64) fold *= 2;
    if (fold > rows) fold = 1;  // none would be whole
    const index_t whole = rows / fold;
    piece =
        std::max<index_t>({64, ceil_div(elementwise_grain, fold * channels), ceil_div(whole, 64)});
    pieces = std::max<index_t>(1, ceil_div(whole, piece));
  }

  index_t width() const { return fold * channels; }

  // body(first element, shape) for the rows of a piece; the last one also has the rows that are
  // too few to fold.
  template <typename Body>
  void visit(index_t p, const Body& body) const {
    const index_t whole = rows / fold;
    const index_t first = p * piece;
    const index_t count = std::min(piece, whole - first);
    if (count > 0) body(first * width(), RowsShape{count, width()});
    const index_t rest = rows - whole * fold;
    if (p == pieces - 1 && rest > 0) body(whole * width(), RowsShape{rest, channels});
  }

  // The numbers of the channels, once for each row that is folded into one.
  void tile(const double* values, float* out) const {
    for (index_t c = 0; c < channels; ++c) out[c] = static_cast<float>(values[c]);
    for (index_t i = channels; i < width(); ++i) out[i] = out[i - channels];
  }
  Floats tiled(const Doubles& values) const {
    Floats out(at(width()));
    tile(values.data(), out.data());
    return out;
  }
};

// first[c] and second[c] += the sums of the folded rows: `sums` holds width() of each.
inline void add_folded(const Rows& r, const double* sums, double* first, double* second) {
  for (index_t f = 0; f < r.fold; ++f) {
    for (index_t c = 0; c < r.channels; ++c) {
      first[c] += sums[f * r.channels + c];
      second[c] += sums[r.width() + f * r.channels + c];
    }
  }
}

// Runs accumulate(piece, first sums, second sums) on every piece and adds up, in piece order.
template <typename Accumulate>
void reduce_pieces(const Rows& r, Doubles& first, Doubles& second, const Accumulate& accumulate) {
  const index_t width = r.width();
  Scratch<double> partial(at(checked_mul(r.pieces, 2 * width)));
  parallel_for(r.pieces, [&](index_t p) {
    double* sums = partial.data() + p * 2 * width;
    std::fill(sums, sums + 2 * width, 0.0);
    accumulate(p, sums, sums + width);
  });
  for (index_t p = 0; p < r.pieces; ++p) {
    add_folded(r, partial.data() + p * 2 * width, first.data(), second.data());
  }
}

// 40 MB: beyond, non-temporal stores are 1.5 times as fast; below, the next layer would miss the
// output in the caches.
inline constexpr index_t streaming_elements = 10 * 1000 * 1000;

// Two passes over every sample with something to finish between them. Where there are samples
// enough for all threads, each takes its sample through both passes while it lies in the caches,
// the second pass backwards; otherwise the pieces of all samples are shared out twice. What a piece
// adds up does not depend on that.
template <typename First, typename Finish, typename Second>
void two_passes(index_t samples, index_t pieces, const First& first, const Finish& finish,
                const Second& second) {
  const index_t threads = num_threads();
  if (samples % threads == 0 || samples >= 4 * threads || pieces == 1) {
    parallel_for(samples, [&](index_t n) {
      for (index_t p = 0; p < pieces; ++p) first(n, p);
      finish(n);
      for (index_t p = pieces - 1; p >= 0; --p) second(n, p);
    });
    return;
  }
  parallel_for(samples * pieces, [&](index_t i) { first(i / pieces, i % pieces); });
  parallel_for(samples, [&](index_t n) { finish(n); });
  parallel_for(samples * pieces, [&](index_t i) { second(i / pieces, i % pieces); });
}

// A vector (or any one-dimensional view) in double; `otherwise` for an undefined array.
Doubles to_doubles(const Array& a, index_t count, double otherwise);
// Writes to it; the tape notices.
void assign(const Array& a, const Doubles& values);
Array from_doubles(const Doubles& values, DType dtype);

// Results of the layout of activations.
Array empty_as(const Array& x);

}  // namespace tilewise
