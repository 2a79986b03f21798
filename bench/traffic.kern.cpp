// A sum stands for the arithmetic, so that no load can be left out.
#include "kernels/simd/simd.h"
#include "traffic_kernels.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t line = 16;

template <int arrays, int asked>
void pass(float* const* given, index_t count) {
  float* x[arrays];
  for (int j = 0; j < arrays; ++j) x[j] = given[j];
  for (index_t first = 0; first + line <= count; first += line) {
    for (int j = 0; j < arrays; ++j) {
      if (asked > 1) prefetch_to_l2(x[j] + first + 384);
      if (asked > 0) prefetch(x[j] + first + 64);
    }
    for (index_t i = first; i < first + line; i += VecF::width) {
      const VecF g = load(x[1] + i);
      VecF p = load(x[0] + i);
      for (int j = 2; j < arrays; ++j) {
        const VecF state = load(x[j] + i) + g;
        store(x[j] + i, state);
        p = p + state;
      }
      store(x[0] + i, p);
    }
  }
}

template <int arrays>
void pass_by(float* const* given, index_t count, int asked) {
  if (asked == 0) {
    pass<arrays, 0>(given, count);
  } else if (asked == 1) {
    pass<arrays, 1>(given, count);
  } else {
    pass<arrays, 2>(given, count);
  }
}

float read_four(const float* const* given, index_t count) {
  VecF sums[4] = {zero(), zero(), zero(), zero()};
  for (index_t i = 0; i + VecF::width <= count; i += VecF::width) {
    for (int j = 0; j < 4; ++j) sums[j] = sums[j] + load(given[j] + i);
  }
  return reduce_add((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

}  // namespace

const TrafficKernels traffic_kernels{pass_by<3>, pass_by<4>, read_four};

}  // namespace TW_ISA
}  // namespace tilewise
