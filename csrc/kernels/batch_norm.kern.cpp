// Batch normalisation is bound by memory, and goes through it in order, row by row: eight rows at a
// time, which would need fewer stores of sums, kept the hardware from fetching ahead (1.3 to 1.5
// times slower at 256 channels). Rows as narrow as four registers keep their sums in registers;
// those of wider rows lie in L1, and memory is asked 8 KB ahead: 1.4 times as fast at 256 channels.
//
// Sums: float32 over blocks of 256 rows, float64 across blocks. Squares are taken of x minus the
// block's first row, which keeps sum(d^2) - sum(d)^2 / n from cancelling when the mean is large
// beside the deviation (Chan, Golub, LeVeque, "Algorithms for computing the sample variance",
// 1983: shifted data).
#include "kernels/batch_norm.h"

#include "kernels/simd/simd.h"
// After simd.h:
#include "kernels/simd/ahead.h"
#include "kernels/simd/partial.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t block_rows = 256;
constexpr index_t group_rows = 8;
constexpr index_t narrow = 4;             // registers of a row whose sums stay in registers
constexpr index_t panel_channels = 1024;  // three vectors of it: 12 KB of L1

// Where a row stands in its group of rows, whose sums are made apart: short chains of additions
// round less.
enum class Place { only, first, middle, last };

// total[c] += the sums of a group; `part` holds those of the rows so far.
template <Place place, bool partial>
TW_INLINE void add_to_group(VecF value, index_t c, index_t n, float* part, float* total) {
  const bool begins = place == Place::first || place == Place::only;
  const VecF sum = begins ? value : load_n<partial>(part + c, n) + value;
  if (place == Place::only || place == Place::last) {
    store_n<partial>(total + c, load_n<partial>(total + c, n) + sum, n);
  } else {
    store_n<partial>(part + c, sum, n);
  }
}

// The sums of a block of rows over a panel of channels.
struct PanelSums {
  float* first;
  float* second;
  alignas(64) float group_first[panel_channels];
  alignas(64) float group_second[panel_channels];
};

template <Place place>
struct StatisticsStep {
  const float* x;
  index_t stride;
  const float* shift;
  PanelSums& sums;

  template <bool partial>
  TW_INLINE void run(index_t c, index_t n) const {
    ask_far_ahead(x + c);
    const VecF d = load_n<partial>(x + c, n) - load_n<partial>(shift + c, n);
    add_to_group<place, partial>(d, c, n, sums.group_first, sums.first);
    add_to_group<place, partial>(d * d, c, n, sums.group_second, sums.second);
  }
};

// Runs Step<place>, made by make(row), on every row.
template <template <Place> class Step, typename Make>
TW_INLINE void each_row(index_t rows, index_t channels, const Make& make) {
  for (index_t first = 0; first < rows; first += group_rows) {
    const index_t last = smaller(first + group_rows, rows) - 1;
    if (first == last) {
      each_register(channels, make.template at<Step<Place::only>>(first));
      continue;
    }
    each_register(channels, make.template at<Step<Place::first>>(first));
    for (index_t r = first + 1; r < last; ++r) {
      each_register(channels, make.template at<Step<Place::middle>>(r));
    }
    each_register(channels, make.template at<Step<Place::last>>(last));
  }
}

struct StatisticsRows {
  const float* x;
  index_t stride;
  PanelSums& sums;
  template <typename Step>
  TW_INLINE Step at(index_t r) const {
    return {x + r * stride, stride, x, sums};
  }
};

// Rows of four registers without gaps: two levels of sums, as in StatisticsStep.
void narrow_statistics(const float* x, index_t rows, float* sum, float* squares) {
  constexpr index_t stride = narrow * VecF::width;
  VecF shift[narrow];
  VecF total[narrow];
  VecF total_squares[narrow];
  for (index_t v = 0; v < narrow; ++v) {
    shift[v] = load(x + v * VecF::width);
    total[v] = total_squares[v] = zero();
  }
  for (index_t first = 0; first < rows; first += group_rows) {
    VecF s[narrow];
    VecF q[narrow];
    for (index_t v = 0; v < narrow; ++v) s[v] = q[v] = zero();
    const index_t last = smaller(first + group_rows, rows);
    for (index_t r = first; r < last; ++r) {
      for (index_t v = 0; v < narrow; ++v) {
        const VecF d = load(x + r * stride + v * VecF::width) - shift[v];
        s[v] = s[v] + d;
        q[v] = fmadd(d, d, q[v]);
      }
    }
    for (index_t v = 0; v < narrow; ++v) {
      total[v] = total[v] + s[v];
      total_squares[v] = total_squares[v] + q[v];
    }
  }
  for (index_t v = 0; v < narrow; ++v) {
    store(sum + v * VecF::width, total[v]);
    store(squares + v * VecF::width, total_squares[v]);
  }
}

void block_statistics(const float* x, index_t rows, index_t stride, index_t channels, float* sum,
                      float* squares) {
  if (channels == narrow * VecF::width && stride == channels) {
    narrow_statistics(x, rows, sum, squares);
    return;
  }
  for (index_t c = 0; c < channels; ++c) sum[c] = squares[c] = 0.0F;
  PanelSums sums;
  sums.first = sum;
  sums.second = squares;
  each_row<StatisticsStep>(rows, channels, StatisticsRows{x, stride, sums});
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

template <bool relu, bool streaming>
struct NormaliseStep {
  const float* x;
  NormaliseVectors v;
  float* y;

  template <bool partial>
  TW_INLINE void run(index_t c, index_t n) const {
    ask_far_ahead(x + c);
    const VecF d = load_n<partial>(x + c, n) - load_n<partial>(v.mean + c, n);
    const VecF value = fmadd(d, load_n<partial>(v.scale + c, n), load_n<partial>(v.bias + c, n));
    const VecF result = relu ? max(zero(), value) : value;
    if (streaming) {
      stream(y + c, result);
    } else {
      store_n<partial>(y + c, result, n);
    }
  }
};

template <bool relu, bool streaming>
TW_INLINE void normalise_of(const float* x, RowsShape shape, const NormaliseVectors& v, float* y) {
  for (index_t r = 0; r < shape.rows; ++r) {
    const index_t at = r * shape.channels;
    each_register(shape.channels, NormaliseStep<relu, streaming>{x + at, v, y + at});
  }
  if (streaming) stream_fence();
}

void normalise(const float* x, RowsShape shape, NormaliseVectors v, float* y) {
  if (v.relu) {
    normalise_of<true, false>(x, shape, v, y);
  } else {
    normalise_of<false, false>(x, shape, v, y);
  }
}

void normalise_streaming(const float* x, RowsShape shape, NormaliseVectors v, float* y) {
  if (shape.channels % VecF::width != 0) {  // stream() writes whole aligned registers
    normalise(x, shape, v, y);
  } else if (v.relu) {
    normalise_of<true, true>(x, shape, v, y);
  } else {
    normalise_of<false, true>(x, shape, v, y);
  }
}

// dy, or 0 where the relu after the normalisation gave 0.
template <bool relu>
TW_INLINE VecF gated(VecF dy, VecF d, VecF scale, VecF bias) {
  return relu ? select(fmadd(d, scale, bias) > zero(), dy, zero()) : dy;
}

template <bool relu, Place place>
struct BackwardSumsStep {
  const float* dy;
  const float* x;
  index_t stride;
  const NormaliseVectors& v;
  PanelSums& sums;

  template <bool partial>
  TW_INLINE void run(index_t c, index_t n) const {
    ask_far_ahead(x + c);
    ask_far_ahead(dy + c);
    const VecF scale = relu ? load_n<partial>(v.scale + c, n) : zero();
    const VecF bias = relu ? load_n<partial>(v.bias + c, n) : zero();
    const VecF d = load_n<partial>(x + c, n) - load_n<partial>(v.mean + c, n);
    const VecF g = gated<relu>(load_n<partial>(dy + c, n), d, scale, bias);
    add_to_group<place, partial>(g, c, n, sums.group_first, sums.first);
    add_to_group<place, partial>(g * d, c, n, sums.group_second, sums.second);
  }
};
template <Place place>
using PlainSumsStep = BackwardSumsStep<false, place>;
template <Place place>
using ReluSumsStep = BackwardSumsStep<true, place>;

struct BackwardRows {
  const float* dy;
  const float* x;
  index_t stride;
  const NormaliseVectors& v;
  PanelSums& sums;
  template <typename Step>
  TW_INLINE Step at(index_t r) const {
    return {dy + r * stride, x + r * stride, stride, v, sums};
  }
};

// As narrow_statistics.
template <bool relu>
TW_INLINE void narrow_backward_sums(const float* dy, const float* x, index_t rows,
                                    const NormaliseVectors& v, float* sum_dy, float* sum_dy_x) {
  constexpr index_t stride = narrow * VecF::width;
  VecF total[narrow];
  VecF total_x[narrow];
  for (index_t i = 0; i < narrow; ++i) total[i] = total_x[i] = zero();
  for (index_t first = 0; first < rows; first += group_rows) {
    VecF s[narrow];
    VecF q[narrow];
    for (index_t i = 0; i < narrow; ++i) s[i] = q[i] = zero();
    const index_t last = smaller(first + group_rows, rows);
    for (index_t r = first; r < last; ++r) {
      for (index_t i = 0; i < narrow; ++i) {
        const index_t c = i * VecF::width;
        const VecF d = load(x + r * stride + c) - load(v.mean + c);
        const VecF scale = relu ? load(v.scale + c) : zero();
        const VecF bias = relu ? load(v.bias + c) : zero();
        const VecF g = gated<relu>(load(dy + r * stride + c), d, scale, bias);
        s[i] = s[i] + g;
        q[i] = fmadd(g, d, q[i]);
      }
    }
    for (index_t i = 0; i < narrow; ++i) {
      total[i] = total[i] + s[i];
      total_x[i] = total_x[i] + q[i];
    }
  }
  for (index_t i = 0; i < narrow; ++i) {
    store(sum_dy + i * VecF::width, total[i]);
    store(sum_dy_x + i * VecF::width, total_x[i]);
  }
}

template <bool relu>
TW_INLINE void block_backward_sums(const float* dy, const float* x, RowsShape block, index_t stride,
                                   const NormaliseVectors& v, float* sum_dy, float* sum_dy_x) {
  if (block.channels == narrow * VecF::width && stride == block.channels) {
    narrow_backward_sums<relu>(dy, x, block.rows, v, sum_dy, sum_dy_x);
    return;
  }
  for (index_t c = 0; c < block.channels; ++c) sum_dy[c] = sum_dy_x[c] = 0.0F;
  PanelSums sums;
  sums.first = sum_dy;
  sums.second = sum_dy_x;
  const BackwardRows rows{dy, x, stride, v, sums};
  if (relu) {
    each_row<ReluSumsStep>(block.rows, block.channels, rows);
  } else {
    each_row<PlainSumsStep>(block.rows, block.channels, rows);
  }
}

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
      const index_t first = r0 * stride + c0;
      block_backward_sums<relu>(dy + first, x + first, {rows, channels}, stride,
                                from_channel(v, c0), block_dy, block_dy_x);
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

template <bool relu, bool input_relu, bool streaming>
struct BackwardInputStep {
  const float* dy;
  const float* x;
  NormaliseGradVectors v;
  float* dx;

  template <bool partial>
  TW_INLINE void run(index_t c, index_t n) const {
    const VecF scale = load_n<partial>(v.forward.scale + c, n);
    const VecF bias = relu ? load_n<partial>(v.forward.bias + c, n) : zero();
    const VecF slope = load_n<partial>(v.slope + c, n);
    const VecF offset = load_n<partial>(v.offset + c, n);
    const VecF value = load_n<partial>(x + c, n);
    const VecF d = value - load_n<partial>(v.forward.mean + c, n);
    const VecF g = gated<relu>(load_n<partial>(dy + c, n), d, scale, bias);
    const VecF full = fnmadd(slope, d, fmadd(scale, g, zero() - offset));
    const VecF result = input_relu ? select(value > zero(), full, zero()) : full;
    if (streaming) {
      stream(dx + c, result);
    } else {
      store_n<partial>(dx + c, result, n);
    }
  }
};

template <bool relu, bool input_relu, bool streaming>
TW_INLINE void backward_input_of(const float* dy, const float* x, RowsShape shape,
                                 const NormaliseGradVectors& v, float* dx) {
  for (index_t r = 0; r < shape.rows; ++r) {
    const index_t at = r * shape.channels;
    each_register(shape.channels,
                  BackwardInputStep<relu, input_relu, streaming>{dy + at, x + at, v, dx + at});
  }
  if (streaming) stream_fence();
}

template <bool streaming>
TW_INLINE void backward_input_as(const float* dy, const float* x, RowsShape shape,
                                 const NormaliseGradVectors& v, float* dx) {
  if (v.forward.relu) {
    if (v.input_relu) {
      backward_input_of<true, true, streaming>(dy, x, shape, v, dx);
    } else {
      backward_input_of<true, false, streaming>(dy, x, shape, v, dx);
    }
  } else if (v.input_relu) {
    backward_input_of<false, true, streaming>(dy, x, shape, v, dx);
  } else {
    backward_input_of<false, false, streaming>(dy, x, shape, v, dx);
  }
}

void backward_input(const float* dy, const float* x, RowsShape shape, NormaliseGradVectors v,
                    float* dx) {
  backward_input_as<false>(dy, x, shape, v, dx);
}

void backward_input_streaming(const float* dy, const float* x, RowsShape shape,
                              NormaliseGradVectors v, float* dx) {
  if (shape.channels % VecF::width != 0) {  // stream() writes whole aligned registers
    backward_input_as<false>(dy, x, shape, v, dx);
  } else {
    backward_input_as<true>(dy, x, shape, v, dx);
  }
}

}  // namespace

const BatchNormKernels batch_norm_kernels{statistics,    normalise,      normalise_streaming,
                                          backward_sums, backward_input, backward_input_streaming};

}  // namespace TW_ISA
}  // namespace tilewise
