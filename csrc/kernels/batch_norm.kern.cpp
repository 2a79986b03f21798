// Batch normalisation is bound by memory: each pass reads whole rows, four at a time, so that the
// loads run through memory in order, and touches the per-channel vectors (in L1) once in four rows.
//
// Sums: float32 over blocks of 256 rows, float64 across blocks. Squares are taken of x minus the
// block's first row, which keeps sum(d^2) - sum(d)^2 / n from cancelling when the mean is large
// beside the deviation (Chan, Golub, LeVeque, "Algorithms for computing the sample variance",
// 1983: shifted data).
#include "kernels/batch_norm.h"

#include "kernels/simd/simd.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t block_rows = 256;
constexpr index_t panel_channels = 1024;  // three vectors of it: 12 KB of L1

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

// Runs a step on every register of channels, the last one perhaps partial. A step holds a number of
// consecutive rows that is known at compile time.
template <typename Step>
TW_INLINE void each_vector(index_t channels, const Step& step) {
  index_t c = 0;
  for (; c + VecF::width <= channels; c += VecF::width) step.template run<false>(c, VecF::width);
  if (c < channels) step.template run<true>(c, channels - c);
}

template <int rows>
struct StatisticsStep {
  const float* x;
  index_t stride;
  const float* shift;
  float* sum;
  float* squares;

  template <bool partial>
  TW_INLINE void run(index_t c, index_t n) const {
    const VecF base = load_n<partial>(shift + c, n);
    VecF s = zero();  // of these rows alone: short chains of additions round less
    VecF q = zero();
    for (int r = 0; r < rows; ++r) {
      const VecF d = load_n<partial>(x + r * stride + c, n) - base;
      s = s + d;
      q = fmadd(d, d, q);
    }
    store_n<partial>(sum + c, load_n<partial>(sum + c, n) + s, n);
    store_n<partial>(squares + c, load_n<partial>(squares + c, n) + q, n);
  }
};

void block_statistics(const float* x, index_t rows, index_t stride, index_t channels, float* sum,
                      float* squares) {
  for (index_t c = 0; c < channels; ++c) sum[c] = squares[c] = 0.0F;
  index_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    each_vector(channels, StatisticsStep<4>{x + r * stride, stride, x, sum, squares});
  }
  for (; r < rows; ++r) {
    each_vector(channels, StatisticsStep<1>{x + r * stride, stride, x, sum, squares});
  }
}

void statistics(const float* x, RowsShape shape, const float* pivot, double* sum,
                double* sum_squares) {
  alignas(64) float block_sum[panel_channels];
  alignas(64) float block_squares[panel_channels];
  for (index_t r = 0; r < shape.rows; r += block_rows) {
    const index_t rows = smaller(block_rows, shape.rows - r);
    for (index_t c0 = 0; c0 < shape.channels; c0 += panel_channels) {
      const index_t channels = smaller(panel_channels, shape.channels - c0);
      const float* block = x + r * shape.channels + c0;
      block_statistics(block, rows, shape.channels, channels, block_sum, block_squares);
      // Moves the origin from the block's first row to the pivot.
      const double n = static_cast<double>(rows);
      for (index_t c = 0; c < channels; ++c) {
        const double d = double{block[c]} - double{pivot[c0 + c]};
        const double s = block_sum[c];
        sum[c0 + c] += s + n * d;
        sum_squares[c0 + c] += double{block_squares[c]} + d * (2.0 * s + n * d);
      }
    }
  }
}

template <int rows, bool relu>
struct NormaliseStep {
  const float* x;
  index_t stride;
  NormaliseVectors v;
  float* y;

  template <bool partial>
  TW_INLINE void run(index_t c, index_t n) const {
    const VecF mean = load_n<partial>(v.mean + c, n);
    const VecF scale = load_n<partial>(v.scale + c, n);
    const VecF bias = load_n<partial>(v.bias + c, n);
    for (int r = 0; r < rows; ++r) {
      const VecF d = load_n<partial>(x + r * stride + c, n) - mean;
      const VecF value = fmadd(d, scale, bias);
      store_n<partial>(y + r * stride + c, relu ? max(zero(), value) : value, n);
    }
  }
};

template <bool relu>
TW_INLINE void normalise_of(const float* x, RowsShape shape, const NormaliseVectors& v, float* y) {
  const index_t stride = shape.channels;
  index_t r = 0;
  for (; r + 4 <= shape.rows; r += 4) {
    each_vector(stride, NormaliseStep<4, relu>{x + r * stride, stride, v, y + r * stride});
  }
  for (; r < shape.rows; ++r) {
    each_vector(stride, NormaliseStep<1, relu>{x + r * stride, stride, v, y + r * stride});
  }
}

void normalise(const float* x, RowsShape shape, NormaliseVectors v, float* y) {
  if (v.relu) {
    normalise_of<true>(x, shape, v, y);
  } else {
    normalise_of<false>(x, shape, v, y);
  }
}

// dy, or 0 where the relu after the normalisation gave 0.
template <bool relu>
TW_INLINE VecF gated(VecF dy, VecF d, VecF scale, VecF bias) {
  return relu ? select(fmadd(d, scale, bias) > zero(), dy, zero()) : dy;
}

template <int rows, bool relu>
struct BackwardSumsStep {
  const float* dy;
  const float* x;
  index_t stride;
  NormaliseVectors v;
  float* sum_dy;
  float* sum_dy_x;

  template <bool partial>
  TW_INLINE void run(index_t c, index_t n) const {
    const VecF mean = load_n<partial>(v.mean + c, n);
    const VecF scale = relu ? load_n<partial>(v.scale + c, n) : zero();
    const VecF bias = relu ? load_n<partial>(v.bias + c, n) : zero();
    VecF s = zero();
    VecF q = zero();
    for (int r = 0; r < rows; ++r) {
      const VecF d = load_n<partial>(x + r * stride + c, n) - mean;
      const VecF g = gated<relu>(load_n<partial>(dy + r * stride + c, n), d, scale, bias);
      s = s + g;
      q = fmadd(g, d, q);
    }
    store_n<partial>(sum_dy + c, load_n<partial>(sum_dy + c, n) + s, n);
    store_n<partial>(sum_dy_x + c, load_n<partial>(sum_dy_x + c, n) + q, n);
  }
};

NormaliseVectors from_channel(const NormaliseVectors& v, index_t c) {
  return {v.mean + c, v.scale ? v.scale + c : v.scale, v.bias ? v.bias + c : v.bias, v.relu};
}

template <bool relu>
TW_INLINE void backward_sums_of(const float* dy, const float* x, RowsShape shape,
                                const NormaliseVectors& v, double* sum_dy, double* sum_dy_x) {
  alignas(64) float block_dy[panel_channels];
  alignas(64) float block_dy_x[panel_channels];
  const index_t stride = shape.channels;
  for (index_t r0 = 0; r0 < shape.rows; r0 += block_rows) {
    const index_t rows = smaller(block_rows, shape.rows - r0);
    for (index_t c0 = 0; c0 < stride; c0 += panel_channels) {
      const index_t channels = smaller(panel_channels, stride - c0);
      const float* g = dy + r0 * stride + c0;
      const float* a = x + r0 * stride + c0;
      for (index_t c = 0; c < channels; ++c) block_dy[c] = block_dy_x[c] = 0.0F;
      const NormaliseVectors panel = from_channel(v, c0);
      index_t r = 0;
      for (; r + 4 <= rows; r += 4) {
        each_vector(channels, BackwardSumsStep<4, relu>{g + r * stride, a + r * stride, stride,
                                                        panel, block_dy, block_dy_x});
      }
      for (; r < rows; ++r) {
        each_vector(channels, BackwardSumsStep<1, relu>{g + r * stride, a + r * stride, stride,
                                                        panel, block_dy, block_dy_x});
      }
      for (index_t c = 0; c < channels; ++c) {
        sum_dy[c0 + c] += double{block_dy[c]};
        sum_dy_x[c0 + c] += double{block_dy_x[c]};
      }
    }
  }
}

void backward_sums(const float* dy, const float* x, RowsShape shape, NormaliseVectors forward,
                   double* sum_dy, double* sum_dy_x) {
  if (forward.relu) {
    backward_sums_of<true>(dy, x, shape, forward, sum_dy, sum_dy_x);
  } else {
    backward_sums_of<false>(dy, x, shape, forward, sum_dy, sum_dy_x);
  }
}

template <int rows, bool relu, bool input_relu>
struct BackwardInputStep {
  const float* dy;
  const float* x;
  index_t stride;
  NormaliseGradVectors v;
  float* dx;

  template <bool partial>
  TW_INLINE void run(index_t c, index_t n) const {
    const VecF mean = load_n<partial>(v.forward.mean + c, n);
    const VecF scale = load_n<partial>(v.forward.scale + c, n);
    const VecF bias = relu ? load_n<partial>(v.forward.bias + c, n) : zero();
    const VecF slope = load_n<partial>(v.slope + c, n);
    const VecF offset = load_n<partial>(v.offset + c, n);
    for (int r = 0; r < rows; ++r) {
      const VecF value = load_n<partial>(x + r * stride + c, n);
      const VecF d = value - mean;
      const VecF g = gated<relu>(load_n<partial>(dy + r * stride + c, n), d, scale, bias);
      const VecF full = fnmadd(slope, d, fmadd(scale, g, zero() - offset));
      store_n<partial>(dx + r * stride + c,
                       input_relu ? select(value > zero(), full, zero()) : full, n);
    }
  }
};

template <bool relu, bool input_relu>
TW_INLINE void backward_input_of(const float* dy, const float* x, RowsShape shape,
                                 const NormaliseGradVectors& v, float* dx) {
  const index_t stride = shape.channels;
  index_t r = 0;
  for (; r + 4 <= shape.rows; r += 4) {
    const index_t at = r * stride;
    each_vector(stride,
                BackwardInputStep<4, relu, input_relu>{dy + at, x + at, stride, v, dx + at});
  }
  for (; r < shape.rows; ++r) {
    const index_t at = r * stride;
    each_vector(stride,
                BackwardInputStep<1, relu, input_relu>{dy + at, x + at, stride, v, dx + at});
  }
}

void backward_input(const float* dy, const float* x, RowsShape shape, NormaliseGradVectors v,
                    float* dx) {
  if (v.forward.relu) {
    if (v.input_relu) {
      backward_input_of<true, true>(dy, x, shape, v, dx);
    } else {
      backward_input_of<true, false>(dy, x, shape, v, dx);
    }
  } else if (v.input_relu) {
    backward_input_of<false, true>(dy, x, shape, v, dx);
  } else {
    backward_input_of<false, false>(dy, x, shape, v, dx);
  }
}

}  // namespace

const BatchNormKernels batch_norm_kernels{statistics, normalise, backward_sums, backward_input};

}  // namespace TW_ISA
}  // namespace tilewise
