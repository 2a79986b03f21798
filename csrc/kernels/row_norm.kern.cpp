// Moments: chunks that lie in L1 are passed over twice, for a pivot near the mean and for the sums
// of x - pivot and its square; the second sum corrects the pivot, so that its rounding does not
// count. Chunks combine in double (Chan, Golub, LeVeque 1983).
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
constexpr index_t group = 4;  // rows

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

float sum_of(const float* x, index_t count) {
  VecF s0 = zero();
  VecF s1 = zero();
  VecF s2 = zero();
  VecF s3 = zero();
  index_t i = 0;
  for (; i + 4 * w <= count; i += 4 * w) {
    s0 = s0 + load(x + i);
    s1 = s1 + load(x + i + w);
    s2 = s2 + load(x + i + 2 * w);
    s3 = s3 + load(x + i + 3 * w);
  }
  for (; i + w <= count; i += w) s0 = s0 + load(x + i);
  if (i < count) s1 = s1 + load_partial(x + i, count - i);
  return reduce_add((s0 + s1) + (s2 + s3));
}

struct ShiftedSums {
  double sum;
  double squares;
};

// The sums of x - pivot and of its square.
TW_INLINE ShiftedSums shifted_sums(const float* x, index_t count, float pivot) {
  const VecF p = set1(pivot);
  VecF s0 = zero();
  VecF s1 = zero();
  VecF q0 = zero();
  VecF q1 = zero();
  index_t i = 0;
  for (; i + 2 * w <= count; i += 2 * w) {
    const VecF d0 = load(x + i) - p;
    const VecF d1 = load(x + i + w) - p;
    s0 = s0 + d0;
    s1 = s1 + d1;
    q0 = fmadd(d0, d0, q0);
    q1 = fmadd(d1, d1, q1);
  }
  for (; i < count; i += w) {
    const index_t n = smaller(w, count - i);
    const VecF inside = n == w ? load(x + i) - p : load_partial(x + i, n) - p;
    const VecF d = n == w ? inside : select(mask_from_bits((1U << n) - 1U), inside, zero());
    s0 = s0 + d;
    q0 = fmadd(d, d, q0);
  }
  return {static_cast<double>(reduce_add(s0 + s1)), static_cast<double>(reduce_add(q0 + q1))};
}

Moments chunk_moments(const float* x, index_t count, bool centred) {
  if (!centred) return {0.0, shifted_sums(x, count, 0.0F).squares};
  const double n = static_cast<double>(count);
  const float pivot = sum_of(x, count) / static_cast<float>(count);
  const ShiftedSums s = shifted_sums(x, count, pivot);
  const double shift = s.sum / n;
  return {static_cast<double>(pivot) + shift, s.squares - s.sum * shift};
}

Moments moments(const float* x, index_t count, bool centred) {
  Moments total = chunk_moments(x, smaller(chunk, count), centred);
  for (index_t i = chunk; i < count; i += chunk) {
    const index_t n = smaller(chunk, count - i);
    const Moments m = chunk_moments(x + i, n, centred);
    const double before = static_cast<double>(i);
    const double added = static_cast<double>(n);
    const double gap = m.mean - total.mean;
    total.mean += gap * (added / (before + added));
    total.deviations += m.deviations + gap * gap * (before * added / (before + added));
  }
  return total;
}

template <bool partial>
TW_INLINE void normalise_vector(const float* x, VecF mean, VecF scale, const ColumnVectors& v,
                                index_t c, index_t n, float* y) {
  const VecF d = (load_n<partial>(x + c, n) - mean) * scale;
  const VecF bias = v.bias ? load_n<partial>(v.bias + c, n) : zero();
  const VecF result = v.weight ? fmadd(d, load_n<partial>(v.weight + c, n), bias) : d + bias;
  store_n<partial>(y + c, result, n);
}

void normalise(const float* x, RowBlock block, const RowScale* rows, ColumnVectors columns,
               float* y) {
  for (index_t r = 0; r < block.rows; ++r, x += block.stride, y += block.stride) {
    const VecF mean = set1(rows[r].mean);
    const VecF scale = set1(rows[r].scale);
    index_t c = 0;
    for (; c + w <= block.columns; c += w) {
      normalise_vector<false>(x, mean, scale, columns, c, w, y);
    }
    if (c < block.columns) {
      normalise_vector<true>(x, mean, scale, columns, c, block.columns - c, y);
    }
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
  for (; r + group <= block.rows; r += group) {
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

template <bool partial>
TW_INLINE void input_vector(const float* dy, const float* x, const RowGrad& row,
                            const float* weight, index_t c, index_t n, float* dx) {
  const VecF gradient = load_n<partial>(dy + c, n);
  const VecF g = weight ? gradient * load_n<partial>(weight + c, n) : gradient;
  const VecF d = load_n<partial>(x + c, n) - set1(row.mean);
  const VecF scaled = fmadd(set1(row.scale), g, zero() - set1(row.offset));
  store_n<partial>(dx + c, fnmadd(set1(row.slope), d, scaled), n);
}

void backward_input(const float* dy, const float* x, RowBlock block, const RowGrad* rows,
                    const float* weight, float* dx) {
  for (index_t r = 0; r < block.rows; ++r) {
    const index_t at = r * block.stride;
    index_t c = 0;
    for (; c + w <= block.columns; c += w) {
      input_vector<false>(dy + at, x + at, rows[r], weight, c, w, dx + at);
    }
    if (c < block.columns) {
      input_vector<true>(dy + at, x + at, rows[r], weight, c, block.columns - c, dx + at);
    }
  }
}

}  // namespace

const RowNormKernels row_norm_kernels{moments, normalise, backward_sums, backward_input};

}  // namespace TW_ISA
}  // namespace tilewise
