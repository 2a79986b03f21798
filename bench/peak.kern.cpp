// The multiply-add unit has a latency of 4 or 5 cycles and issues two a cycle, so ten independent
// chains keep it busy; twelve leave a reserve and fit the sixteen registers of AVX2.
#include "kernels/simd/simd.h"
#include "peak_kernels.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr int chains = 12;

double multiply_add(index_t rounds, float* sink) {
  VecF sums[chains];
  for (int i = 0; i < chains; ++i) sums[i] = set1(static_cast<float>(i) * 0.01F);
  const VecF factor = set1(0.9999F);
  const VecF term = set1(0.0001F);
  for (index_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < chains; ++i) sums[i] = fmadd(sums[i], factor, term);
  }
  VecF total = sums[0];
  for (int i = 1; i < chains; ++i) total = total + sums[i];
  *sink = reduce_add(total);
  return 2.0 * static_cast<double>(rounds) * chains * static_cast<double>(VecF::width);
}

float read(const float* x, index_t count) {
  constexpr int streams = 4;
  VecF sums[streams] = {zero(), zero(), zero(), zero()};
  for (index_t i = 0; i + streams * VecF::width <= count; i += streams * VecF::width) {
    for (int j = 0; j < streams; ++j) sums[j] = sums[j] + load(x + i + j * VecF::width);
  }
  return reduce_add((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

void copy(const float* x, float* y, index_t count) {
  for (index_t i = 0; i + VecF::width <= count; i += VecF::width) stream(y + i, load(x + i));
}

}  // namespace

const PeakKernels peak_kernels{multiply_add, read, copy};

}  // namespace TW_ISA
}  // namespace tilewise
