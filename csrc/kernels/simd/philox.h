// Philox4x32-10 (base/random.h), one counter a lane. Include after kernels/simd/simd.h.
#pragma once

namespace tilewise {
namespace TW_ISA {
namespace {

struct PhiloxWords {
  VecI v[4];  // v[j][i]: word j of lane i's counter
};

// The key of each round, the same in all lanes.
struct PhiloxKeys {
  TW_INLINE explicit PhiloxKeys(std::uint64_t key) {
    std::uint32_t k0 = static_cast<std::uint32_t>(key);
    std::uint32_t k1 = static_cast<std::uint32_t>(key >> 32);
    for (int round = 0; round < 10; ++round) {
      v[round][0] = set1i(static_cast<std::int32_t>(k0));
      v[round][1] = set1i(static_cast<std::int32_t>(k1));
      k0 += 0x9E3779B9U;
      k1 += 0xBB67AE85U;
    }
  }
  VecI v[10][2];
};

// `low` and `high` are the words of the counters. Several sets take their rounds together: one
// alone waits for its multiplications.
template <int sets>
TW_INLINE void philox(const PhiloxKeys& keys, const VecI (&low)[sets], VecI high,
                      PhiloxWords (&out)[sets]) {
  const VecI m0 = set1i(static_cast<std::int32_t>(0xD2511F53U));
  const VecI m1 = set1i(static_cast<std::int32_t>(0xCD9E8D57U));
  for (int s = 0; s < sets; ++s) out[s] = {{low[s], high, set1i(0), set1i(0)}};
  for (int round = 0; round < 10; ++round) {
    for (int s = 0; s < sets; ++s) {
      VecI(&c)[4] = out[s].v;
      VecI low0;
      VecI high0;
      VecI low1;
      VecI high1;
      mul_wide(c[0], m0, low0, high0);
      mul_wide(c[2], m1, low1, high1);
      c[0] = high1 ^ c[1] ^ keys.v[round][0];
      c[1] = low1;
      c[2] = high0 ^ c[3] ^ keys.v[round][1];
      c[3] = low0;
    }
  }
}

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
