// Rows that lie in L1 take one pass over memory, which is gone through in order: while a group of
// four rows is normalised, the next group is read and summed, so that reads and writes come evenly.
// Rows that were read side by side, or blocks that were read first and written afterwards, took 1.2
// to 2 times as long at 96 columns. The deviations are taken from L1, about the mean.
#include "kernels/row_norm.h"

#include "kernels/simd/simd.h"
// After simd.h:
#include "kernels/simd/moments.h"
#include "kernels/simd/partial.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t w = VecF::width;
constexpr index_t chunk = moments_chunk;
constexpr int group = 4;       // rows that are taken together,
constexpr index_t wide = 128;  // unless they are so wide: one row after the other is fetched sooner

void moments(const float* x, RowBlock block, bool centred, Moments* out) {
  for (index_t r = 0; r < block.rows; ++r, x += block.stride) {
    out[r] = centred ? long_moments<true>(x, block.columns) : long_moments<false>(x, block.columns);
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

// ---------------------------------------------------------------- rows in L1, one pass

constexpr index_t longest_row = 128 * w;
constexpr index_t longest_grouped = 512;  // columns of rows that are taken in groups

template <int rows>
TW_INLINE void reduce_rows(const VecF (&sums)[rows], float* out) {
  if constexpr (rows == group) {
    reduce_add4(sums, out);
  } else {
    out[0] = reduce_add(sums[0]);
  }
}

// sum += x, or its square where not centred.
template <bool centred>
struct FirstSum {
  const float* x;
  VecF& sum;

  template <bool partial>
  TW_INLINE void run(index_t c, index_t n) const {
    const VecF v = load_n<partial>(x + c, n);
    sum = centred ? sum + v : fmadd(v, v, sum);
  }
};

struct DeviationSums {
  const float* x;
  VecF mean;
  VecF& sum;
  VecF& squares;

  template <bool partial>
  TW_INLINE void run(index_t c, index_t n) const {
    VecF d = load_n<partial>(x + c, n) - mean;
    if (partial) d = select(mask_from_bits((1U << n) - 1U), d, zero());
    sum = sum + d;
    squares = fmadd(d, d, squares);
  }
};

template <bool streaming>
struct NormaliseVector {
  const float* x;
  VecF mean;
  VecF scale;
  const ColumnVectors& columns;
  float* y;

  template <bool partial>
  TW_INLINE void run(index_t c, index_t n) const {
    normalise_vector<partial, streaming>(x, mean, scale, columns, c, n, y);
  }
};

// The first row does both, register by register.
template <typename First, typename Second>
struct Both {
  const First& first;
  const Second& second;

  template <bool partial>
  TW_INLINE void run(index_t c, index_t n) const {
    first.template run<partial>(c, n);
    second.template run<partial>(c, n);
  }
};

// The moments of `rows` rows from their first sums. The sum of the deviations from the rounded mean
// corrects what rounding did to it.
template <int rows, bool centred>
TW_INLINE void moments_from(const float* x, index_t columns, const VecF (&first)[rows],
                            Moments* out) {
  float sums[rows];
  reduce_rows(first, sums);
  if (!centred) {
    for (int r = 0; r < rows; ++r) out[r] = {0.0, static_cast<double>(sums[r])};
    return;
  }
  float mean[rows];
  VecF rest[rows];
  VecF squares[rows];
  for (int r = 0; r < rows; ++r) {
    mean[r] = sums[r] / static_cast<float>(columns);
    rest[r] = squares[r] = zero();
    each_register(columns, DeviationSums{x + r * columns, set1(mean[r]), rest[r], squares[r]});
  }
  float rests[rows];
  float deviations[rows];
  reduce_rows(rest, rests);
  reduce_rows(squares, deviations);
  const double share = 1.0 / static_cast<double>(columns);
  for (int r = 0; r < rows; ++r) {
    const double s = static_cast<double>(rests[r]);
    out[r] = {static_cast<double>(mean[r]) + s * share,
              static_cast<double>(deviations[r]) - s * s * share};
  }
}

struct ForwardPass {
  ColumnVectors columns;
  RowScaling scaling;
  RowScale* rows;
};

// From row `first` on, as many groups of `size` rows as there are; returns the first row left over.
template <int size, bool centred, bool streaming>
TW_INLINE index_t forward_groups(const float* x, RowBlock block, index_t first,
                                 const ForwardPass& pass, float* y) {
  const index_t count = block.columns;
  VecF sums[size];
  index_t row = first;
  if (row + size > block.rows) return row;
  for (int r = 0; r < size; ++r) {
    sums[r] = zero();
    each_register(count, FirstSum<centred>{x + (row + r) * count, sums[r]});
  }
  for (; row + size <= block.rows; row += size) {
    Moments moments[size];
    moments_from<size, centred>(x + row * count, count, sums, moments);
    pass.scaling.make(pass.scaling.context, row, size, moments, pass.rows + row);
    const index_t next = row + 2 * size <= block.rows ? size : 0;  // after the last group: unused
    for (int r = 0; r < size; ++r) {
      const index_t at = (row + r) * count;
      VecF sum = zero();
      const FirstSum<centred> read{x + at + next * count, sum};
      const NormaliseVector<streaming> write{x + at, set1(pass.rows[row + r].mean),
                                             set1(pass.rows[row + r].scale), pass.columns, y + at};
      each_register(count, Both<FirstSum<centred>, NormaliseVector<streaming>>{read, write});
      sums[r] = sum;
    }
  }
  return row;
}

template <bool centred, bool streaming>
void forward_rows(const float* x, RowBlock block, const ForwardPass& pass, float* y) {
  index_t row = 0;
  if (block.columns <= longest_grouped) {
    row = forward_groups<group, centred, streaming>(x, block, row, pass, y);
  }
  forward_groups<1, centred, streaming>(x, block, row, pass, y);
}

void forward(const float* x, RowBlock block, bool centred, ColumnVectors columns,
             RowScaling scaling, RowScale* rows, float* y) {
  const ForwardPass pass{columns, scaling, rows};
  const bool streaming = can_stream(block, y);
  const auto run = centred ? (streaming ? forward_rows<true, true> : forward_rows<true, false>)
                           : (streaming ? forward_rows<false, true> : forward_rows<false, false>);
  run(x, block, pass, y);
}

// sum += g and sum_x += g (x - mean).
struct GradientSums {
  const float* dy;
  const float* x;
  VecF mean;
  const float* weight;
  VecF& sum;
  VecF& sum_x;

  template <bool partial>
  TW_INLINE void run(index_t c, index_t n) const {
    const VecF gradient = load_n<partial>(dy + c, n);
    const VecF g = weight ? gradient * load_n<partial>(weight + c, n) : gradient;
    sum = sum + g;
    sum_x = fmadd(g, load_n<partial>(x + c, n) - mean, sum_x);
  }
};

// dx of a row, and its part of the columns' sums.
template <bool streaming>
struct InputVector {
  const float* dy;
  const float* x;
  VecF mean;
  VecF scale;
  VecF slope;
  VecF offset;
  const float* weight;
  float* dweight;
  float* dbias;
  float* dx;

  template <bool partial>
  TW_INLINE void run(index_t c, index_t n) const {
    const VecF gradient = load_n<partial>(dy + c, n);
    const VecF g = weight ? gradient * load_n<partial>(weight + c, n) : gradient;
    const VecF d = load_n<partial>(x + c, n) - mean;
    if (dweight) {
      store_n<partial>(dweight + c, fmadd(gradient, d * scale, load_n<partial>(dweight + c, n)), n);
      store_n<partial>(dbias + c, load_n<partial>(dbias + c, n) + gradient, n);
    }
    put<partial, streaming>(dx + c, scale * fnmadd(slope, d, g - offset), n);
  }
};

template <int size, bool streaming>
TW_INLINE index_t backward_groups(const RowNormGradients& g, RowBlock block, index_t first,
                                  const RowGrading& grading) {
  const index_t count = block.columns;
  VecF sum[size];
  VecF sum_x[size];
  const auto sums_of = [&](index_t row, VecF& s, VecF& s_x) {
    s = s_x = zero();
    return GradientSums{
        g.dy + row * count, g.x + row * count, set1(g.rows[row].mean), g.weight, s, s_x};
  };
  index_t row = first;
  if (row + size > block.rows) return row;
  for (int r = 0; r < size; ++r) each_register(count, sums_of(row + r, sum[r], sum_x[r]));
  for (; row + size <= block.rows; row += size) {
    float totals[size];
    float totals_x[size];
    float sums[2 * size];
    RowGrad grads[size];
    reduce_rows(sum, totals);
    reduce_rows(sum_x, totals_x);
    for (int r = 0; r < size; ++r) {
      sums[2 * r] = totals[r];
      sums[2 * r + 1] = totals_x[r];
    }
    grading.make(grading.context, row, size, sums, grads);
    const index_t next = row + 2 * size <= block.rows ? size : 0;  // after the last group: unused
    for (int r = 0; r < size; ++r) {
      const index_t at = (row + r) * count;
      VecF s;
      VecF s_x;
      const GradientSums read = sums_of(row + r + next, s, s_x);
      const InputVector<streaming> write{g.dy + at,
                                         g.x + at,
                                         set1(grads[r].mean),
                                         set1(grads[r].scale),
                                         set1(grads[r].slope),
                                         set1(grads[r].offset),
                                         g.weight,
                                         g.dweight,
                                         g.dbias,
                                         g.dx + at};
      each_register(count, Both<GradientSums, InputVector<streaming>>{read, write});
      sum[r] = s;
      sum_x[r] = s_x;
    }
  }
  return row;
}

template <bool streaming>
void backward_rows(const RowNormGradients& g, RowBlock block, const RowGrading& grading) {
  index_t row = 0;
  if (block.columns <= longest_grouped) {
    row = backward_groups<group, streaming>(g, block, row, grading);
  }
  backward_groups<1, streaming>(g, block, row, grading);
}

void backward(const RowNormGradients& g, RowBlock block, RowGrading grading) {
  if (can_stream(block, g.dx)) {
    backward_rows<true>(g, block, grading);
  } else {
    backward_rows<false>(g, block, grading);
  }
}

void fence() { stream_fence(); }

}  // namespace

const RowNormKernels row_norm_kernels{longest_row, forward,       backward,       moments,
                                      normalise,   backward_sums, backward_input, fence};

}  // namespace TW_ISA
}  // namespace tilewise
