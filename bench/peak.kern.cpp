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

template <int reads, int writes, bool past>
void move_of(const StreamLoop& loop, float* sink) {
  VecF last = set1(1.0F);
  for (index_t i = 0; i < loop.registers; ++i) {
    VecF value = reads > 0 ? load(loop.reads[0] + i * loop.read_step) : last;
    for (int r = 1; r < reads; ++r) value = max(value, load(loop.reads[r] + i * loop.read_step));
    for (int w = 0; w < writes; ++w) {
      float* p = loop.writes[w] + i * loop.write_step;
      if (past) {
        stream(p, value);
      } else {
        store(p, value);
      }
    }
    if (writes == 0) last = max(last, value);
  }
  if (past) stream_fence();
  *sink = reduce_add(last);
}

template <bool past>
bool move_as(const StreamLoop& loop, float* sink) {
  switch (loop.read_count * 10 + loop.write_count) {
    case 1:
      return move_of<0, 1, past>(loop, sink), true;
    case 10:
      return move_of<1, 0, past>(loop, sink), true;
    case 11:
      return move_of<1, 1, past>(loop, sink), true;
    case 14:
      return move_of<1, 4, past>(loop, sink), true;
    case 21:
      return move_of<2, 1, past>(loop, sink), true;
    case 40:
      return move_of<4, 0, past>(loop, sink), true;
    case 41:
      return move_of<4, 1, past>(loop, sink), true;
    case 42:
      return move_of<4, 2, past>(loop, sink), true;
    case 43:
      return move_of<4, 3, past>(loop, sink), true;
    case 61:
      return move_of<6, 1, past>(loop, sink), true;
    case 82:
      return move_of<8, 2, past>(loop, sink), true;
    default:
      return false;
  }
}

bool move(const StreamLoop& loop, float* sink) {
  return loop.past_caches ? move_as<true>(loop, sink) : move_as<false>(loop, sink);
}

}  // namespace

const PeakKernels peak_kernels{multiply_add, read, copy, move, VecF::width};

}  // namespace TW_ISA
}  // namespace tilewise
