// Philox4x32-10 (base/random.h), one counter a lane. Include after kernels/simd/simd.h.
#pragma once

namespace tilewise {
namespace TW_ISA {
namespace {

struct PhiloxWords {
  VecI v[4];  // v[j][i]: word j of lane i's counter
};

// `key` is the same in all lanes; `low` and `high` are the words of the counters.
TW_INLINE PhiloxWords philox(std::uint64_t key, VecI low, VecI high) {
  VecI c0 = low;
  VecI c1 = high;
  VecI c2 = set1i(0);
  VecI c3 = set1i(0);
  std::uint32_t k0 = static_cast<std::uint32_t>(key);
  std::uint32_t k1 = static_cast<std::uint32_t>(key >> 32);
  const VecI m0 = set1i(static_cast<std::int32_t>(0xD2511F53U));
  const VecI m1 = set1i(static_cast<std::int32_t>(0xCD9E8D57U));
  for (int round = 0; round < 10; ++round) {
    VecI low0;
    VecI high0;
    VecI low1;
    VecI high1;
    mul_wide(c0, m0, low0, high0);
    mul_wide(c2, m1, low1, high1);
    c0 = high1 ^ c1 ^ set1i(static_cast<std::int32_t>(k0));
    c1 = low1;
    c2 = high0 ^ c3 ^ set1i(static_cast<std::int32_t>(k1));
    c3 = low0;
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  return {{c0, c1, c2, c3}};
}

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
