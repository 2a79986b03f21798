#include "ops/conv/weight_shares.h"

#include <algorithm>

#include "base/threads.h"
#include "kernels/gemm.h"

namespace tilewise {

void combine_weight_shares(const ConvProblem& p, index_t shares, float* partial, float* out) {
  const index_t cg = p.group_c();
  const index_t kg = p.group_k();
  const index_t taps = p.taps();
  const index_t size = taps * cg * kg;
  const auto add = gemm_kernels().add;
  parallel_ranges(taps * cg, std::max<index_t>(1, 16384 / std::max<index_t>(1, kg)),
                  [&](index_t first, index_t last) {
                    for (index_t share = 1; share < shares; ++share) {
                      add(partial + first * kg, partial + share * size + first * kg,
                          (last - first) * kg);
                    }
                  });
  constexpr index_t block = 16;
  parallel_ranges(kg, block, [&](index_t k0, index_t k1) {
    for (index_t c = 0; c < cg; ++c) {
      for (index_t tap = 0; tap < taps; ++tap) {
        const float* src = partial + (tap * cg + c) * kg;
        for (index_t k = k0; k < k1; ++k) out[(k * cg + c) * taps + tap] = src[k];
      }
    }
  });
}

}  // namespace tilewise
