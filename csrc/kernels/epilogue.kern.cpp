// One read and one write of rows that were just stored: they come from L1 or L2, so a whole pass
// over memory is saved for each thing done here.
//
//   silu(v) = v / (1 + exp(-v))      hardswish(v) = v min(max(v + 3, 0), 6) / 6
#include "kernels/epilogue.h"

#include "kernels/simd/simd.h"
//
#include "kernels/simd/gate.h"
#include "kernels/simd/math.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t W = VecF::width;

struct None {
  TW_INLINE VecF operator()(VecF v) const { return v; }
};
struct Relu {
  TW_INLINE VecF operator()(VecF v) const { return max(zero(), v); }
};
struct Relu6 {
  TW_INLINE VecF operator()(VecF v) const { return min(set1(6.0F), max(zero(), v)); }
};
struct LeakyRelu {
  VecF slope;
  TW_INLINE VecF operator()(VecF v) const { return select(v > zero(), v, v * slope); }
};
struct Silu {
  TW_INLINE VecF operator()(VecF v) const { return v * sigmoid(v); }
};
struct Hardswish {
  TW_INLINE VecF operator()(VecF v) const {
    const VecF inner = min(set1(6.0F), max(zero(), v + set1(3.0F)));
    return v * inner * set1(1.0F / 6.0F);
  }
};

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

void finish(const OutputRows& out, const float* residual, Activation activation, float slope) {
  switch (activation) {
    case Activation::none:
      return finish_rows(out, residual, None{});
    case Activation::relu:
      return finish_rows(out, residual, Relu{});
    case Activation::relu6:
      return finish_rows(out, residual, Relu6{});
    case Activation::leaky_relu:
      return finish_rows(out, residual, LeakyRelu{set1(slope)});
    case Activation::silu:
      return finish_rows(out, residual, Silu{});
    case Activation::hardswish:
      return finish_rows(out, residual, Hardswish{});
  }
}

// Rows that are summed in float32 before the sums go on in double: equal values round alike, and
// the error grows with their number.
constexpr index_t kRowsInFloat = 16;

void column_sums(const OutputRows& out, const ColumnSums& sums) {
  for (index_t c = 0; c < out.columns; c += W) {
    const index_t n = out.columns - c < W ? out.columns - c : W;
    const VecF pivot = load_partial(sums.pivot + c, n);
    const float* y = out.y + c;
    for (index_t r = 0; r < out.rows;) {
      VecF sum = zero();
      VecF squares = zero();
      const index_t last = out.rows - r < kRowsInFloat ? out.rows : r + kRowsInFloat;
      for (; r < last; ++r) {
        const VecF d = (n == W ? load(y) : load_partial(y, n)) - pivot;
        sum = sum + d;
        squares = fmadd(d, d, squares);
        y += out.stride;
      }
      if (n == W) {
        accumulate(sums.sum + c, sum);
        accumulate(sums.squares + c, squares);
        continue;
      }
      float lanes[2][W];
      store(lanes[0], sum);
      store(lanes[1], squares);
      for (index_t i = 0; i < n; ++i) {
        sums.sum[c + i] += double{lanes[0][i]};
        sums.squares[c + i] += double{lanes[1][i]};
      }
    }
  }
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
