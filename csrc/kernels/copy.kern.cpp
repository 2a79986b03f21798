// A transposition moves squares of one register by one register: `width` columns are loaded, the
// square is turned in registers and its rows stored. The loop runs down the source's columns, so
// that each of the `width` streams is read in order; a result past the caches is written by whole
// cache lines.
#include "kernels/copy.h"

#include "kernels/simd/simd.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t w = VecF::width;

TW_INLINE bool aligned(const float* p) {
  return reinterpret_cast<std::uintptr_t>(p) % (w * sizeof(float)) == 0;
}

template <bool streaming>
TW_INLINE void square(const float* src, index_t src_col, float* dst, index_t dst_row) {
  VecF rows[w];
  for (index_t i = 0; i < w; ++i) rows[i] = load(src + i * src_col);
  transpose(rows);
  for (index_t i = 0; i < w; ++i) {
    if constexpr (streaming) {
      stream(dst + i * dst_row, rows[i]);
    } else {
      store(dst + i * dst_row, rows[i]);
    }
  }
}

// Squares side by side until they fill a cache line of the result.
template <bool streaming>
void transpose_squares(const TransposeBlock& b, index_t rows, index_t cols) {
  constexpr index_t line = 16;
  index_t c = 0;
  for (; c + line <= cols; c += line) {
    for (index_t r = 0; r < rows; r += w) {
      for (index_t k = c; k < c + line; k += w) {
        square<streaming>(b.src + r + k * b.src_col, b.src_col, b.dst + r * b.dst_row + k,
                          b.dst_row);
      }
    }
  }
  for (; c < cols; c += w) {
    for (index_t r = 0; r < rows; r += w) {
      square<false>(b.src + r + c * b.src_col, b.src_col, b.dst + r * b.dst_row + c, b.dst_row);
    }
  }
}

void transpose_block(const TransposeBlock& b) {
  const index_t rows = b.rows / w * w;
  const index_t cols = b.cols / w * w;
  if (b.stream && aligned(b.dst) && b.dst_row % w == 0) {
    transpose_squares<true>(b, rows, cols);
    stream_fence();
  } else {
    transpose_squares<false>(b, rows, cols);
  }
  for (index_t r = 0; r < b.rows; ++r) {
    for (index_t c = r < rows ? cols : 0; c < b.cols; ++c) {
      b.dst[r * b.dst_row + c] = b.src[r + c * b.src_col];
    }
  }
}

void stream_copy(const float* src, float* dst, index_t count) {
  index_t i = 0;
  for (; i < count && !aligned(dst + i); ++i) dst[i] = src[i];
  for (; i + w <= count; i += w) stream(dst + i, load(src + i));
  for (; i < count; ++i) dst[i] = src[i];
}

void fill(float* dst, float value, index_t count, bool streaming) {
  const VecF v = set1(value);
  index_t i = 0;
  if (streaming) {
    for (; i < count && !aligned(dst + i); ++i) dst[i] = value;
    for (; i + w <= count; i += w) stream(dst + i, v);
  }
  for (; i + w <= count; i += w) store(dst + i, v);
  store_partial(dst + i, v, count - i);
}

void fence() { stream_fence(); }

}  // namespace

const CopyKernels copy_kernels{transpose_block, stream_copy, fill, fence};

}  // namespace TW_ISA
}  // namespace tilewise
