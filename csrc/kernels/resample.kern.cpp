// Loop order of `combine`: runs, registers of a run, rows. Up to eight rows are summed in registers
// for each time that the result is written; the sums of further eights are added to it.
// Of `pair`: blocks of a cache line or more of channels, pixels, rows of the result.
// Of `along`: pixels, channels (four registers at a time, then one), taps.
#include "kernels/resample.h"

#include "kernels/simd/simd.h"
// After simd.h:
#include "kernels/simd/ahead.h"
#include "kernels/simd/partial.h"

namespace tilewise {
namespace TW_ISA {
namespace {

TW_INLINE bool aligned(const float* p) {
  return reinterpret_cast<std::uintptr_t>(p) % (VecF::width * sizeof(float)) == 0;
}

constexpr index_t most_rows = 8;

// `rows` is the number of sources where it is known at compile time, else 0.
template <int rows>
TW_INLINE void combine_of(const float* const* row, const float* weight, index_t count,
                          index_t offset, index_t length, bool add, float* out) {
  const index_t n = rows > 0 ? rows : count;
  VecF w[most_rows];
  for (index_t r = 0; r < n; ++r) w[r] = set1(weight[r]);
  index_t i = 0;
  for (; i + VecF::width <= length; i += VecF::width) {
    // The first rows were read for the row of the result before, the others come from memory.
    for (index_t r = n / 2; r < n; ++r) ask_far_ahead(row[r] + offset + i);
    VecF sum = add ? load(out + i) : zero();
    sum = add ? fmadd(w[0], load(row[0] + offset + i), sum) : w[0] * load(row[0] + offset + i);
    for (index_t r = 1; r < n; ++r) sum = fmadd(w[r], load(row[r] + offset + i), sum);
    store(out + i, sum);
  }
  const index_t rest = length - i;
  if (rest == 0) return;
  VecF sum = add ? load_partial(out + i, rest) : zero();
  for (index_t r = 0; r < n; ++r) sum = fmadd(w[r], load_partial(row[r] + offset + i, rest), sum);
  store_partial(out + i, sum, rest);
}

void combine_some(const float* const* row, const float* weight, index_t count, index_t offset,
                  index_t length, bool add, float* out) {
  if (count == 1) return combine_of<1>(row, weight, count, offset, length, add, out);
  if (count == 2) return combine_of<2>(row, weight, count, offset, length, add, out);
  if (count == 4) return combine_of<4>(row, weight, count, offset, length, add, out);
  if (count == 8) return combine_of<8>(row, weight, count, offset, length, add, out);
  combine_of<0>(row, weight, count, offset, length, add, out);
}

void combine(const float* const* rows, const float* weight, index_t count, const ResampleRuns& runs,
             float* out) {
  for (index_t run = 0; run < runs.runs; ++run, out += runs.length) {
    if (count == 0) {
      for (index_t i = 0; i < runs.length; ++i) out[i] = 0.0F;
    }
    for (index_t r = 0; r < count; r += most_rows) {
      combine_some(rows + r, weight + r, count - r < most_rows ? count - r : most_rows,
                   run * runs.stride, runs.length, r > 0, out);
    }
  }
}

// `taps` is their number where it is known at compile time, else 0.
template <int registers, int taps>
TW_INLINE void weighted_sum(const float* x, index_t stride, const float* weight, index_t count,
                            float* y, bool past_caches) {
  if (taps > 0) count = taps;
  VecF sum[registers];
  for (int v = 0; v < registers; ++v) sum[v] = zero();
  for (index_t k = 0; k < count; ++k) {
    const VecF w = set1(weight[k]);
    for (int v = 0; v < registers; ++v) {
      sum[v] = fmadd(w, load(x + k * stride + v * VecF::width), sum[v]);
    }
  }
  for (int v = 0; v < registers; ++v) {
    if (past_caches) {
      stream(y + v * VecF::width, sum[v]);
    } else {
      store(y + v * VecF::width, sum[v]);
    }
  }
}

TW_INLINE void along_of(const float* x, index_t x_stride, const ResampleTaps& t, index_t channels,
                        float* y, index_t y_stride, bool past_caches) {
  constexpr index_t width = VecF::width;
  for (index_t o = 0; o < t.outputs; ++o) {
    const float* src = x + t.first[o] * x_stride;
    const float* weight = t.weight + t.begin[o];
    const index_t count = t.count[o];
    float* dst = y + o * y_stride;
    index_t c = 0;
    for (; c + 4 * width <= channels; c += 4 * width) {
      if (count == 2) {
        weighted_sum<4, 2>(src + c, x_stride, weight, count, dst + c, past_caches);
      } else {
        weighted_sum<4, 0>(src + c, x_stride, weight, count, dst + c, past_caches);
      }
    }
    for (; c + width <= channels; c += width) {
      weighted_sum<1, 0>(src + c, x_stride, weight, count, dst + c, past_caches);
    }
    const index_t rest = channels - c;
    if (rest == 0) continue;
    VecF sum = zero();
    for (index_t k = 0; k < count; ++k) {
      sum = fmadd(set1(weight[k]), load_partial(src + k * x_stride + c, rest), sum);
    }
    store_partial(dst + c, sum, rest);
  }
}

void along(const float* x, index_t x_stride, const ResampleTaps& taps, index_t channels, float* y,
           index_t y_stride, bool past_caches) {
  if (past_caches && aligned(y) && y_stride % VecF::width == 0) {
    along_of(x, x_stride, taps, channels, y, y_stride, true);
  } else {
    along_of(x, x_stride, taps, channels, y, y_stride, false);
  }
}

TW_INLINE VecF block_of(const float* x, const ResampleSteps& s, index_t block) {
  constexpr index_t width = VecF::width;
  VecF sum = zero();
  for (index_t i = s.begin[block]; i < s.begin[block + 1]; ++i) {
    const VecF value = permute(load(x + s.base[i]), load_i(s.lane + i * width));
    const VecF more = fmadd(value, load(s.weight + i * width), sum);
    sum = select(mask_from_bits(s.mask[i]), more, sum);
  }
  return sum;
}

void along_steps(const float* x, const ResampleSteps& s, float* y, bool past_caches) {
  constexpr index_t width = VecF::width;
  const index_t blocks = s.length / width;
  if (past_caches && aligned(y)) {
    for (index_t b = 0; b < blocks; ++b) stream(y + b * width, block_of(x, s, b));
  } else {
    for (index_t b = 0; b < blocks; ++b) store(y + b * width, block_of(x, s, b));
  }
  const index_t rest = s.length - blocks * width;
  if (rest > 0) store_partial(y + blocks * width, block_of(x, s, blocks), rest);
}

// The sums of one pixel of the rows of x, for each row of the result.
template <int results, int registers>
struct Column {
  VecF sum[results][registers];
};

template <int sources, int results, int registers>
TW_INLINE void add_rows(const ResamplePair& p, const VecF (&weight)[2][2], index_t at, index_t n,
                        Column<results, registers>& column) {
  for (int v = 0; v < registers; ++v) {
    const index_t i = at + v * VecF::width;
    const VecF upper = load_n(p.x[0] + i, n);
    for (int r = 0; r < results; ++r) column.sum[r][v] = weight[r][0] * upper;
    if (sources == 2) {
      ask_far_ahead(p.x[1] + i);
      const VecF lower = load_n(p.x[1] + i, n);
      for (int r = 0; r < results; ++r) {
        column.sum[r][v] = fmadd(weight[r][1], lower, column.sum[r][v]);
      }
    }
  }
}

// `n` channels from c on in each register. Neighbouring pixels of the result lie between the same
// pixels of x, or between the next ones: columns are made once.
template <int sources, int results, int registers, bool past>
TW_INLINE void pair_strip(const ResamplePair& p, const ResampleTaps& t, index_t c, index_t n) {
  VecF weight[2][2];
  for (int r = 0; r < results; ++r) {
    for (int s = 0; s < sources; ++s) weight[r][s] = set1(p.weight[r][s]);
  }
  Column<results, registers> left;
  Column<results, registers> right;
  for (int r = 0; r < results; ++r) {
    for (int v = 0; v < registers; ++v) left.sum[r][v] = right.sum[r][v] = zero();
  }
  index_t left_at = -1;
  index_t right_at = -1;
  for (index_t o = 0; o < t.outputs; ++o) {
    const index_t first = t.first[o];
    if (left_at != first) {
      if (right_at == first) {
        left = right;
      } else {
        add_rows<sources>(p, weight, first * p.pixel_stride + c, n, left);
      }
      left_at = first;
    }
    const bool two = t.count[o] == 2;
    if (two && right_at != first + 1) {
      right_at = first + 1;
      add_rows<sources>(p, weight, right_at * p.pixel_stride + c, n, right);
    }
    const VecF near = set1(t.weight[t.begin[o]]);
    const VecF far = set1(two ? t.weight[t.begin[o] + 1] : 0.0F);
    for (int r = 0; r < results; ++r) {
      for (int v = 0; v < registers; ++v) {
        VecF sum = near * left.sum[r][v];
        if (two) sum = fmadd(far, right.sum[r][v], sum);
        float* y = p.y[r] + o * p.pixel_stride + c + v * VecF::width;
        if constexpr (past) {
          stream(y, sum);
        } else {
          store_n(y, sum, n);
        }
      }
    }
  }
}

template <int sources, int results>
void pair_of(const ResamplePair& p, const ResampleTaps& t, index_t channels, bool past_caches) {
  constexpr index_t width = VecF::width;
  constexpr int wide = width == 16 ? 4 : 2;  // what the registers hold
  const bool past = past_caches && aligned(p.y[0]) && p.pixel_stride % width == 0 &&
                    (results == 1 || aligned(p.y[1]));
  index_t c = 0;
  for (; c + wide * width <= channels; c += wide * width) {
    if (past) {
      pair_strip<sources, results, wide, true>(p, t, c, width);
    } else {
      pair_strip<sources, results, wide, false>(p, t, c, width);
    }
  }
  for (; c < channels; c += width) {
    pair_strip<sources, results, 1, false>(p, t, c, channels - c);
  }
}

void pair(const ResamplePair& p, const ResampleTaps& t, index_t channels, bool past_caches) {
  if (p.sources == 2) {
    if (p.results == 2) return pair_of<2, 2>(p, t, channels, past_caches);
    return pair_of<2, 1>(p, t, channels, past_caches);
  }
  if (p.results == 2) return pair_of<1, 2>(p, t, channels, past_caches);
  pair_of<1, 1>(p, t, channels, past_caches);
}

}  // namespace

const ResampleKernels resample_kernels{VecF::width, combine, along,
                                       along_steps, pair,    stream_fence};

}  // namespace TW_ISA
}  // namespace tilewise
