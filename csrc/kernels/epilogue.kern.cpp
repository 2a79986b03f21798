// One read and one write of rows that were just stored: they come from L1 or L2, so a whole pass
// over memory is saved for each thing done here.
#include "kernels/epilogue.h"

#include "kernels/simd/simd.h"
//
#include "kernels/simd/gate.h"
#include "kernels/simd/math.h"
#include "kernels/simd/math_more.h"
// After the math, which it uses.
#include "kernels/simd/activations.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t W = VecF::width;

template <typename Function>
TW_INLINE void finish_rows(const OutputRows& out, const float* residual, Function f) {
  for (index_t r = 0; r < out.rows; ++r) {
    float* y = out.y + r * out.stride;
    const float* add = residual != nullptr ? residual + r * out.stride : nullptr;
    index_t i = 0;
    for (; i + W <= out.columns; i += W) {
      const VecF v = load(y + i);
      store(y + i, f(add != nullptr ? v + load(add + i) : v));
    }
    const index_t n = out.columns - i;
    if (n == 0) continue;
    const VecF v = load_partial(y + i, n);
    store_partial(y + i, f(add != nullptr ? v + load_partial(add + i, n) : v), n);
  }
}

template <typename Row>
struct Apply {
  Parameters p;
  TW_INLINE VecF operator()(VecF v) const { return Row::forward(v, p); }
};

void finish(const OutputRows& out, const float* residual, Activation activation, float slope) {
  const Parameters none{};
  switch (activation) {
    case Activation::none:
      return finish_rows(out, residual, Apply<None>{none});
    case Activation::relu:
      return finish_rows(out, residual, Apply<Relu>{none});
    case Activation::relu6:
      return finish_rows(out, residual, Apply<Hardtanh>{{zero(), set1(6.0F), zero()}});
    case Activation::leaky_relu:
      return finish_rows(out, residual, Apply<LeakyRelu>{{set1(slope), zero(), zero()}});
    case Activation::silu:
      return finish_rows(out, residual, Apply<Silu>{none});
    case Activation::hardswish:
      return finish_rows(out, residual, Apply<Hardswish>{none});
  }
}

// Rows that are summed in float32 before the sums go on in double: equal values round alike, and
// the error grows with their number. A tile of Winograd's.
constexpr index_t kRowsInFloat = 16;

template <bool partial>
TW_INLINE void add_sums(VecF sum, VecF squares, index_t n, const ColumnSums& sums, index_t c) {
  if (!partial) {
    accumulate(sums.sum + c, sum);
    accumulate(sums.squares + c, squares);
    return;
  }
  float lanes[2][W];
  store(lanes[0], sum);
  store(lanes[1], squares);
  for (index_t i = 0; i < n; ++i) {
    sums.sum[c + i] += double{lanes[0][i]};
    sums.squares[c + i] += double{lanes[1][i]};
  }
}

template <bool partial>
TW_INLINE void sum_columns(const OutputTile& out, index_t c, index_t n, const ColumnSums& sums) {
  const VecF pivot = partial ? load_partial(sums.pivot + c, n) : load(sums.pivot + c);
  VecF sum = zero();
  VecF squares = zero();
  index_t held = 0;
  for (index_t l = 0; l < out.lines; ++l) {
    const float* y = out.line.y + l * out.line_stride + c;
    for (index_t r = 0; r < out.line.rows;) {
      const index_t room = r + kRowsInFloat - held;
      const index_t last = out.line.rows < room ? out.line.rows : room;
      held += last - r;
      for (; r < last; ++r) {
        const VecF d = (partial ? load_partial(y, n) : load(y)) - pivot;
        sum = sum + d;
        squares = fmadd(d, d, squares);
        y += out.line.stride;
      }
      if (held < kRowsInFloat) continue;
      add_sums<partial>(sum, squares, n, sums, c);
      sum = squares = zero();
      held = 0;
    }
  }
  if (held > 0) add_sums<partial>(sum, squares, n, sums, c);
}

void column_sums(const OutputTile& out, const ColumnSums& sums) {
  index_t c = 0;
  for (; c + W <= out.line.columns; c += W) sum_columns<false>(out, c, W, sums);
  if (c < out.line.columns) sum_columns<true>(out, c, out.line.columns - c, sums);
}

void gate(const float* dy, const GradientGate& gate, float* dx, index_t count) {
  const VecF upper = set1(gate.upper);
  const VecF slope = set1(gate.slope);
  index_t i = 0;
  for (; i + W <= count; i += W) {
    store(dx + i, gated(load(dy + i), load(gate.y + i), upper, slope));
  }
  const index_t n = count - i;
  store_partial(dx + i, gated(load_partial(dy + i, n), load_partial(gate.y + i, n), upper, slope),
                n);
}

}  // namespace

const EpilogueKernels epilogue_kernels{finish, column_sums, gate};

}  // namespace TW_ISA
}  // namespace tilewise
