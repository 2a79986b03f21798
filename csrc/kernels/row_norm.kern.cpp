// Moments: sums of x - pivot and its square, where the pivot is the mean of the run's first
// register, so that sum(d^2) - sum(d)^2 / n does not cancel when the mean is large beside the
// deviation. Chunks of long runs combine in double (Chan, Golub, LeVeque, "Algorithms for computing
// the sample variance", 1983). Four rows at a time hide the latency of the additions.
//
// Gradients take four rows at a time: the sums of the rows stay in registers, those of the columns
// are loaded and stored once in four rows.
#include "kernels/row_norm.h"

#include "kernels/simd/simd.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t w = VecF::width;
constexpr index_t chunk = 4096;
constexpr index_t group = 4;   // rows that are taken together,
constexpr index_t wide = 128;  // unless they are so wide: one row after the other is fetched sooner

TW_INLINE index_t smaller(index_t a, index_t b) { return a < b ? a : b; }

template <bool partial>
TW_INLINE VecF load_n(const float* p, index_t n) {
  return partial ? load_partial(p, n) : load(p);
}
template <bool partial>
TW_INLINE void store_n(float* p, VecF a, index_t n) {
  if (partial) {
    store_partial(p, a, n);
  } else {
    store(p, a);
  }
}

// The mean of the first register of a run: no single number is far from the others by itself.
TW_INLINE float pivot_of(const float* x, index_t count) {
  const index_t n = smaller(w, count);
  return reduce_add(load_partial(x, n)) / static_cast<float>(n);
}

// The moments of runs of at most `chunk` numbers, from the sums of x - pivot and its square.
template <int rows, int unroll>
TW_INLINE void chunk_moments(const float* x, RowBlock block, bool centred, Moments* out) {
  VecF pivot[rows];
  VecF sum[rows][unroll];
  VecF squares[rows][unroll];
  float pivots[rows];
  for (int r = 0; r < rows; ++r) {
    pivots[r] = centred ? pivot_of(x + r * block.stride, block.columns) : 0.0F;
    pivot[r] = set1(pivots[r]);
    for (int u = 0; u < unroll; ++u) sum[r][u] = squares[r][u] = zero();
  }
  index_t c = 0;
  for (; c + unroll * w <= block.columns; c += unroll * w) {
    for (int r = 0; r < rows; ++r) {
      for (int u = 0; u < unroll; ++u) {
        const VecF d = load(x + r * block.stride + c + u * w) - pivot[r];
        sum[r][u] = sum[r][u] + d;
        squares[r][u] = fmadd(d, d, squares[r][u]);
      }
    }
  }
  for (; c < block.columns; c += w) {
    const index_t n = smaller(w, block.columns - c);
    const Mask inside = mask_from_bits(n == w ? ~0U : (1U << n) - 1U);
    for (int r = 0; r < rows; ++r) {
      const VecF d = select(inside, load_partial(x + r * block.stride + c, n) - pivot[r], zero());
      sum[r][0] = sum[r][0] + d;
      squares[r][0] = fmadd(d, d, squares[r][0]);
    }
  }
  const double share = 1.0 / static_cast<double>(block.columns);
  for (int r = 0; r < rows; ++r) {
    for (int u = 1; u < unroll; ++u) {
      sum[r][0] = sum[r][0] + sum[r][u];
      squares[r][0] = squares[r][0] + squares[r][u];
    }
    const double q = static_cast<double>(reduce_add(squares[r][0]));
    const double s = centred ? static_cast<double>(reduce_add(sum[r][0])) : 0.0;
    out[r] = {static_cast<double>(pivots[r]) + s * share, q - s * s * share};
  }
}

Moments long_moments(const float* x, index_t count, bool centred) {
  Moments total;
  chunk_moments<1, 4>(x, {1, chunk, chunk, false}, centred, &total);
  for (index_t i = chunk; i < count; i += chunk) {
    const index_t n = smaller(chunk, count - i);
    Moments m;
    chunk_moments<1, 4>(x + i, {1, n, n, false}, centred, &m);
    const double before = static_cast<double>(i);
    const double added = static_cast<double>(n);
    const double gap = m.mean - total.mean;
    total.mean += gap * (added / (before + added));
    total.deviations += m.deviations + gap * gap * (before * added / (before + added));
  }
  return total;
}

void moments(const float* x, RowBlock block, bool centred, Moments* out) {
  index_t r = 0;
  if (block.columns < wide) {
    for (; r + group <= block.rows; r += group) {
      chunk_moments<group, 1>(x + r * block.stride, block, centred, out + r);
    }
  }
  for (; r < block.rows; ++r) {
    const float* row = x + r * block.stride;
    if (block.columns <= chunk) {
      chunk_moments<1, 4>(row, block, centred, out + r);
    } else {
      out[r] = long_moments(row, block.columns, centred);
    }
  }
}

// Past the caches where so asked, to an aligned address.
template <bool partial, bool streaming>
TW_INLINE void put(float* p, VecF a, index_t n) {
  if (streaming) {
    stream(p, a);
  } else {
    store_n<partial>(p, a, n);
  }
}

template <bool partial, bool streaming>
TW_INLINE void normalise_vector(const float* x, VecF mean, VecF scale, const ColumnVectors& v,
                                index_t c, index_t n, float* y) {
  const VecF d = (load_n<partial>(x + c, n) - mean) * scale;
  const VecF bias = v.bias ? load_n<partial>(v.bias + c, n) : zero();
  const VecF result = v.weight ? fmadd(d, load_n<partial>(v.weight + c, n), bias) : d + bias;
  put<partial, streaming>(y + c, result, n);
}

template <bool streaming>
TW_INLINE void normalise_rows(const float* x, RowBlock block, const RowScale* rows,
                              const ColumnVectors& columns, float* y) {
  for (index_t r = 0; r < block.rows; ++r, x += block.stride, y += block.stride) {
    const VecF mean = set1(rows[r].mean);
    const VecF scale = set1(rows[r].scale);
    index_t c = 0;
    for (; c + w <= block.columns; c += w) {
      normalise_vector<false, streaming>(x, mean, scale, columns, c, w, y);
    }
    if (c < block.columns) {
      normalise_vector<true, streaming>(x, mean, scale, columns, c, block.columns - c, y);
    }
  }
}

// Whole aligned registers only: rows begin at multiples of a register.
TW_INLINE bool can_stream(const RowBlock& block, const float* result) {
  return block.streaming && block.columns % w == 0 && block.stride % w == 0 &&
         reinterpret_cast<std::uintptr_t>(result) % (w * sizeof(float)) == 0;
}

void normalise(const float* x, RowBlock block, const RowScale* rows, ColumnVectors columns,
               float* y) {
  if (can_stream(block, y)) {
    normalise_rows<true>(x, block, rows, columns, y);
  } else {
    normalise_rows<false>(x, block, rows, columns, y);
  }
}

// The sums of `rows` rows.
template <int rows>
struct SumsStep {
  const float* dy;
  const float* x;
  index_t stride;
  const RowScale* scales;
  const float* weight;
  float* dweight;
  float* dbias;

  template <bool partial>
  TW_INLINE void run(index_t c, index_t n, VecF (&sum)[rows], VecF (&sum_x)[rows]) const {
    const VecF factor = weight ? load_n<partial>(weight + c, n) : set1(1.0F);
    VecF dw = zero();
    VecF db = zero();
    for (int r = 0; r < rows; ++r) {
      const VecF gradient = load_n<partial>(dy + r * stride + c, n);
      const VecF d = load_n<partial>(x + r * stride + c, n) - set1(scales[r].mean);
      const VecF g = gradient * factor;
      sum[r] = sum[r] + g;
      sum_x[r] = fmadd(g, d, sum_x[r]);
      if (dweight) {
        dw = fmadd(gradient, d * set1(scales[r].scale), dw);
        db = db + gradient;
      }
    }
    if (dweight) {
      store_n<partial>(dweight + c, load_n<partial>(dweight + c, n) + dw, n);
      store_n<partial>(dbias + c, load_n<partial>(dbias + c, n) + db, n);
    }
  }

  void columns(index_t count, double* sums) const {
    for (int r = 0; r < 2 * rows; ++r) sums[r] = 0.0;
    for (index_t first = 0; first < count; first += chunk) {
      const index_t last = smaller(first + chunk, count);
      VecF sum[rows];
      VecF sum_x[rows];
      for (int r = 0; r < rows; ++r) sum[r] = sum_x[r] = zero();
      index_t c = first;
      for (; c + w <= last; c += w) run<false>(c, w, sum, sum_x);
      if (c < last) run<true>(c, last - c, sum, sum_x);
      for (int r = 0; r < rows; ++r) {
        sums[2 * r] += static_cast<double>(reduce_add(sum[r]));
        sums[2 * r + 1] += static_cast<double>(reduce_add(sum_x[r]));
      }
    }
  }
};

void backward_sums(const float* dy, const float* x, RowBlock block, const RowScale* rows,
                   const float* weight, double* sums, float* dweight, float* dbias) {
  index_t r = 0;
  const bool together = block.columns < wide || block.stride != block.columns;
  for (; together && r + group <= block.rows; r += group) {
    const index_t at = r * block.stride;
    SumsStep<group>{dy + at, x + at, block.stride, rows + r, weight, dweight, dbias}.columns(
        block.columns, sums + 2 * r);
  }
  for (; r < block.rows; ++r) {
    const index_t at = r * block.stride;
    SumsStep<1>{dy + at, x + at, block.stride, rows + r, weight, dweight, dbias}.columns(
        block.columns, sums + 2 * r);
  }
}

template <bool partial, bool streaming>
TW_INLINE void input_vector(const float* dy, const float* x, const RowGrad& row,
                            const float* weight, index_t c, index_t n, float* dx) {
  const VecF gradient = load_n<partial>(dy + c, n);
  const VecF g = weight ? gradient * load_n<partial>(weight + c, n) : gradient;
  const VecF d = load_n<partial>(x + c, n) - set1(row.mean);
  const VecF rest = fnmadd(set1(row.slope), d, g - set1(row.offset));
  put<partial, streaming>(dx + c, set1(row.scale) * rest, n);
}

template <bool streaming>
TW_INLINE void input_rows(const float* dy, const float* x, RowBlock block, const RowGrad* rows,
                          const float* weight, float* dx) {
  for (index_t r = 0; r < block.rows; ++r) {
    const index_t at = r * block.stride;
    index_t c = 0;
    for (; c + w <= block.columns; c += w) {
      input_vector<false, streaming>(dy + at, x + at, rows[r], weight, c, w, dx + at);
    }
    if (c < block.columns) {
      input_vector<true, streaming>(dy + at, x + at, rows[r], weight, c, block.columns - c,
                                    dx + at);
    }
  }
}

void backward_input(const float* dy, const float* x, RowBlock block, const RowGrad* rows,
                    const float* weight, float* dx) {
  if (can_stream(block, dx)) {
    input_rows<true>(dy, x, block, rows, weight, dx);
  } else {
    input_rows<false>(dy, x, block, rows, weight, dx);
  }
}

void fence() { stream_fence(); }

}  // namespace

const RowNormKernels row_norm_kernels{moments, normalise, backward_sums, backward_input, fence};

}  // namespace TW_ISA
}  // namespace tilewise
