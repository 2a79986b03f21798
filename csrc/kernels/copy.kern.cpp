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
constexpr index_t line = 16;  // floats

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

// One register of `runs` runs: what a step reads beside its source is loaded once for all of them.
template <int runs>
TW_INLINE void permuted(const PermuteSteps& s, const PermuteRuns& r, index_t block,
                        VecF (&out)[runs]) {
  index_t i = s.begin[block];
  const VecI first = load_i(s.lane + i * w);
  for (int u = 0; u < runs; ++u) out[u] = permute(load(r.src + u * r.src_step + s.base[i]), first);
  for (++i; i < s.begin[block + 1]; ++i) {
    const VecI lane = load_i(s.lane + i * w);
    const Mask mask = mask_from_bits(s.mask[i]);
    const float* src = r.src + s.base[i];
    for (int u = 0; u < runs; ++u) {
      out[u] = select(mask, permute(load(src + u * r.src_step), lane), out[u]);
    }
  }
}

template <int runs, bool streaming>
TW_INLINE void permute_some(const PermuteSteps& s, const PermuteRuns& r) {
  const index_t blocks = s.length / w;
  if (r.ahead > 0) {
    for (int u = 0; u < runs; ++u) {
      const float* later = r.src + (u + r.ahead) * r.src_step;
      for (index_t i = 0; i < s.lines; ++i) prefetch(later + s.line[i]);
    }
  }
  VecF out[runs];
  for (index_t b = 0; b < blocks; ++b) {
    permuted<runs>(s, r, b, out);
    for (int u = 0; u < runs; ++u) {
      float* dst = r.dst + u * r.dst_step + b * w;
      if constexpr (streaming) {
        stream(dst, out[u]);
      } else {
        store(dst, out[u]);
      }
    }
  }
  const index_t rest = s.length - blocks * w;
  if (rest == 0) return;
  permuted<runs>(s, r, blocks, out);
  for (int u = 0; u < runs; ++u) {
    store_partial(r.dst + u * r.dst_step + blocks * w, out[u], rest);
  }
}

// Several short runs at once; of long ones, one after the other, so that the memory sees one
// stream.
template <bool streaming>
void permute_all(const PermuteSteps& s, PermuteRuns r) {
  constexpr int together = 4;
  constexpr index_t short_run = 128;
  for (; s.length <= short_run && r.runs >= together; r.runs -= together) {
    permute_some<together, streaming>(s, r);
    r.src += together * r.src_step;
    r.dst += together * r.dst_step;
  }
  for (; r.runs > 0; --r.runs) {
    permute_some<1, streaming>(s, r);
    r.src += r.src_step;
    r.dst += r.dst_step;
  }
}

void permute_runs(const PermuteSteps& steps, const PermuteRuns& runs) {
  if (runs.stream && aligned(runs.dst) && (runs.dst_step % w == 0 || runs.runs == 1)) {
    permute_all<true>(steps, runs);
  } else {
    permute_all<false>(steps, runs);
  }
}

void stream_copy(const float* src, float* dst, index_t count) {
  index_t i = 0;
  for (; i < count && !aligned(dst + i); ++i) dst[i] = src[i];
  for (; i + w <= count; i += w) stream(dst + i, load(src + i));
  for (; i < count; ++i) dst[i] = src[i];
}

void stream_rows(const LineRows& b) {
  for (index_t r = 0; r < b.rows; ++r) {
    const float* x = b.src + r * b.src_row;
    float* z = b.dst + r * b.dst_row;
    const index_t beyond = r + b.ahead - b.rows;
    const float* later = beyond < 0 ? x + b.ahead * b.src_row : b.next + beyond * b.src_row;
    for (index_t c = 0; c < b.cols; c += line) {
      if (b.ahead > 0) prefetch(later + c);
      for (index_t i = c; i < c + line; i += w) stream(z + i, load(x + i));
    }
  }
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

template <bool streaming>
void spread_to(const float* x, float* z, index_t count, index_t step) {
  constexpr index_t ahead = 256;  // floats
  std::int32_t lanes[most_spread * w];
  std::uint32_t masks[most_spread] = {};
  for (index_t i = 0; i < step * w; ++i) lanes[i] = 0;
  for (index_t i = 0; i < w; ++i) {
    lanes[i * step] = static_cast<std::int32_t>(i);
    masks[i * step / w] |= 1U << (i * step % w);
  }
  index_t first = 0;
  for (; first + w <= count; first += w) {
    if (streaming) prefetch(x + first + ahead);
    const VecF values = load(x + first);
    for (index_t r = 0; r < step; ++r) {
      const VecF moved = permute(values, load_i(lanes + r * w));
      const VecF among_zeros = select(mask_from_bits(masks[r]), moved, zero());
      if (streaming) {
        stream(z + first * step + r * w, among_zeros);
      } else {
        store(z + first * step + r * w, among_zeros);
      }
    }
  }
  for (; first < count; ++first) {
    for (index_t i = 0; i < step; ++i) z[first * step + i] = i == 0 ? x[first] : 0.0F;
  }
}

void spread(const float* x, float* z, index_t count, index_t step, bool streaming) {
  if (streaming && aligned(z)) {
    spread_to<true>(x, z, count, step);
  } else {
    spread_to<false>(x, z, count, step);
  }
}

template <bool a_repeats, bool b_repeats>
void select_of(const SelectRow& r) {
  const float* a = r.a;
  const float* b = r.b;
  const VecF all_a = set1(*a);
  const VecF all_b = set1(*b);
  const auto one = [&](index_t i) {
    r.z[i] = r.flags[i] != 0 ? a[a_repeats ? 0 : i] : b[b_repeats ? 0 : i];
  };
  index_t i = 0;
  if (r.stream) {
    for (; i < r.count && !aligned(r.z + i); ++i) one(i);
  }
  for (; i + w <= r.count; i += w) {
    const VecF x = a_repeats ? all_a : load(a + i);
    const VecF z = select(load_bools(r.flags + i), x, b_repeats ? all_b : load(b + i));
    if (r.stream) {
      stream(r.z + i, z);
    } else {
      store(r.z + i, z);
    }
  }
  for (; i < r.count; ++i) one(i);
}

void select_row(const SelectRow& r) {
  if (r.a_repeats) return r.b_repeats ? select_of<true, true>(r) : select_of<true, false>(r);
  return r.b_repeats ? select_of<false, true>(r) : select_of<false, false>(r);
}

void fence() { stream_fence(); }

}  // namespace

const CopyKernels copy_kernels{w,    transpose_block, permute_runs, stream_rows, stream_copy,
                               fill, spread,          select_row,   fence};

}  // namespace TW_ISA
}  // namespace tilewise
