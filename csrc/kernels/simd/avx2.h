// AVX2 + FMA form of simd.h: 8 floats, masks as all-ones lanes.
#pragma once

#include <immintrin.h>

namespace tilewise {
namespace TW_ISA {
namespace {

struct VecF {
  static constexpr index_t width = 8;
  __m256 v;
};
struct VecI {
  static constexpr index_t width = 8;
  __m256i v;
};
struct Mask {
  __m256 m;
};

TW_INLINE __m256i first_lanes(index_t n) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lanes);
}

TW_INLINE VecF load(const float* p) { return {_mm256_loadu_ps(p)}; }
TW_INLINE VecF load_partial(const float* p, index_t n) {
  return {_mm256_maskload_ps(p, first_lanes(n))};
}
TW_INLINE void store(float* p, VecF a) { _mm256_storeu_ps(p, a.v); }
TW_INLINE void store_partial(float* p, VecF a, index_t n) {
  _mm256_maskstore_ps(p, first_lanes(n), a.v);
}
TW_INLINE void stream(float* p, VecF a) { _mm256_stream_ps(p, a.v); }  // p is 32-byte aligned
// Orders streaming stores before what other threads read.
TW_INLINE void stream_fence() { _mm_sfence(); }
TW_INLINE VecF set1(float x) { return {_mm256_set1_ps(x)}; }
TW_INLINE VecF zero() { return {_mm256_setzero_ps()}; }

TW_INLINE VecF operator+(VecF a, VecF b) { return {_mm256_add_ps(a.v, b.v)}; }
TW_INLINE VecF operator-(VecF a, VecF b) { return {_mm256_sub_ps(a.v, b.v)}; }
TW_INLINE VecF operator*(VecF a, VecF b) { return {_mm256_mul_ps(a.v, b.v)}; }
TW_INLINE VecF operator/(VecF a, VecF b) { return {_mm256_div_ps(a.v, b.v)}; }
TW_INLINE VecF fmadd(VecF a, VecF b, VecF c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
TW_INLINE VecF fnmadd(VecF a, VecF b, VecF c) { return {_mm256_fnmadd_ps(a.v, b.v, c.v)}; }
TW_INLINE VecF max(VecF a, VecF b) { return {_mm256_max_ps(a.v, b.v)}; }
TW_INLINE VecF min(VecF a, VecF b) { return {_mm256_min_ps(a.v, b.v)}; }
TW_INLINE VecF sqrt(VecF a) { return {_mm256_sqrt_ps(a.v)}; }
TW_INLINE VecF abs(VecF a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0F), a.v)}; }
TW_INLINE VecF inverse_sqrt(VecF a) { return set1(1.0F) / sqrt(a); }
TW_INLINE VecF round_nearest(VecF a) {
  return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
TW_INLINE VecF floor(VecF a) { return {_mm256_floor_ps(a.v)}; }
TW_INLINE VecF ceil(VecF a) { return {_mm256_ceil_ps(a.v)}; }
// No such instruction here.
constexpr bool scales_by_powers = false;
TW_INLINE VecF scale_by_power(VecF a, VecF /*n*/) { return a; }

TW_INLINE Mask operator<(VecF a, VecF b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
TW_INLINE Mask operator<=(VecF a, VecF b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)}; }
TW_INLINE Mask operator>(VecF a, VecF b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ)}; }
TW_INLINE Mask operator>=(VecF a, VecF b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GE_OQ)}; }
TW_INLINE Mask operator==(VecF a, VecF b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)}; }
TW_INLINE Mask operator!=(VecF a, VecF b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_NEQ_UQ)}; }
TW_INLINE Mask is_nan(VecF a) { return {_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q)}; }
TW_INLINE Mask operator&(Mask a, Mask b) { return {_mm256_and_ps(a.m, b.m)}; }
TW_INLINE Mask operator|(Mask a, Mask b) { return {_mm256_or_ps(a.m, b.m)}; }
TW_INLINE VecF select(Mask mask, VecF a, VecF b) { return {_mm256_blendv_ps(b.v, a.v, mask.m)}; }
TW_INLINE bool any(Mask mask) { return _mm256_movemask_ps(mask.m) != 0; }
// Bytes of 0 and 1, as NumPy's bool.
TW_INLINE void store_bools(std::uint8_t* p, Mask mask) {
  const __m256i ones = _mm256_srli_epi32(_mm256_castps_si256(mask.m), 31);
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(ones), _mm256_extracti128_si256(ones, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(words, words));
}
TW_INLINE void store_bools_partial(std::uint8_t* p, Mask mask, index_t n) {
  const int bits = _mm256_movemask_ps(mask.m);
  for (index_t i = 0; i < n; ++i) p[i] = static_cast<std::uint8_t>((bits >> i) & 1);
}
// True where the byte is not 0.
TW_INLINE Mask load_bools(const std::uint8_t* p) {
  const __m256i lanes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(lanes, _mm256_setzero_si256()))};
}
// Bit i is lane i.
TW_INLINE std::uint32_t mask_bits(Mask mask) {
  return static_cast<std::uint32_t>(_mm256_movemask_ps(mask.m));
}
TW_INLINE Mask mask_from_bits(std::uint32_t bits) {
  const __m256i lane_bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i set = _mm256_and_si256(_mm256_set1_epi32(static_cast<int>(bits)), lane_bits);
  return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(set, lane_bits))};
}

// p[i] += a[i] in double.
TW_INLINE void accumulate(double* p, VecF a) {
  const __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(a.v));
  const __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(a.v, 1));
  _mm256_storeu_pd(p, _mm256_add_pd(_mm256_loadu_pd(p), low));
  _mm256_storeu_pd(p + 4, _mm256_add_pd(_mm256_loadu_pd(p + 4), high));
}
// Sums lanes pairwise in a fixed order.
TW_INLINE float reduce_add(VecF a) {
  const __m128 quad = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  const __m128 pair = _mm_add_ps(quad, _mm_movehl_ps(quad, quad));
  return _mm_cvtss_f32(_mm_add_ss(pair, _mm_shuffle_ps(pair, pair, 1)));
}
// out[i] = the sum of the lanes of rows[i], lanes added in one order for all four.
TW_INLINE void reduce_add4(const VecF (&rows)[4], float* out) {
  const __m256 a = _mm256_add_ps(_mm256_unpacklo_ps(rows[0].v, rows[1].v),
                                 _mm256_unpackhi_ps(rows[0].v, rows[1].v));
  const __m256 b = _mm256_add_ps(_mm256_unpacklo_ps(rows[2].v, rows[3].v),
                                 _mm256_unpackhi_ps(rows[2].v, rows[3].v));
  const __m256 quad = _mm256_add_ps(_mm256_shuffle_ps(a, b, 0x44), _mm256_shuffle_ps(a, b, 0xee));
  _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(quad), _mm256_extractf128_ps(quad, 1)));
}
TW_INLINE float reduce_max(VecF a) {
  const __m128 quad = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  const __m128 pair = _mm_max_ps(quad, _mm_movehl_ps(quad, quad));
  return _mm_cvtss_f32(_mm_max_ss(pair, _mm_shuffle_ps(pair, pair, 1)));
}
TW_INLINE float reduce_min(VecF a) {
  const __m128 quad = _mm_min_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  const __m128 pair = _mm_min_ps(quad, _mm_movehl_ps(quad, quad));
  return _mm_cvtss_f32(_mm_min_ss(pair, _mm_shuffle_ps(pair, pair, 1)));
}

TW_INLINE VecI set1i(std::int32_t x) { return {_mm256_set1_epi32(x)}; }
TW_INLINE VecI load_i(const std::int32_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
}
TW_INLINE VecI load_partial_i(const std::int32_t* p, index_t n) {
  return {_mm256_maskload_epi32(p, first_lanes(n))};
}
TW_INLINE void store_i(std::int32_t* p, VecI a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.v);
}
TW_INLINE void store_partial_i(std::int32_t* p, VecI a, index_t n) {
  _mm256_maskstore_epi32(p, first_lanes(n), a.v);
}
TW_INLINE VecI operator+(VecI a, VecI b) { return {_mm256_add_epi32(a.v, b.v)}; }
TW_INLINE VecI operator-(VecI a, VecI b) { return {_mm256_sub_epi32(a.v, b.v)}; }
TW_INLINE VecI operator^(VecI a, VecI b) { return {_mm256_xor_si256(a.v, b.v)}; }
TW_INLINE VecI operator&(VecI a, VecI b) { return {_mm256_and_si256(a.v, b.v)}; }
TW_INLINE VecI operator|(VecI a, VecI b) { return {_mm256_or_si256(a.v, b.v)}; }
// Lane i is a[from[i]]; from[i] in [0, width).
TW_INLINE VecF permute(VecF a, VecI from) { return {_mm256_permutevar8x32_ps(a.v, from.v)}; }
TW_INLINE Mask operator==(VecI a, VecI b) {
  return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(a.v, b.v))};
}
// Unsigned a >= b, and the 16-bit halves of each lane exchanged.
TW_INLINE Mask at_least(VecI a, VecI b) {
  return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_max_epu32(a.v, b.v), a.v))};
}
TW_INLINE VecI swap_halves(VecI a) {
  return {_mm256_or_si256(_mm256_slli_epi32(a.v, 16), _mm256_srli_epi32(a.v, 16))};
}
TW_INLINE VecI mul_low(VecI a, VecI b) { return {_mm256_mullo_epi32(a.v, b.v)}; }
// The low and high words of the 64-bit products of unsigned lanes.
TW_INLINE void mul_wide(VecI a, VecI b, VecI& low, VecI& high) {
  const __m256i even = _mm256_mul_epu32(a.v, b.v);
  const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a.v, 32), _mm256_srli_epi64(b.v, 32));
  low.v = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
  high.v = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
}
template <int bits>
TW_INLINE VecI shift_left(VecI a) {
  return {_mm256_slli_epi32(a.v, bits)};
}
template <int bits>
TW_INLINE VecI shift_right(VecI a) {  // logical
  return {_mm256_srli_epi32(a.v, bits)};
}
TW_INLINE VecI select(Mask mask, VecI a, VecI b) {
  return {_mm256_blendv_epi8(b.v, a.v, _mm256_castps_si256(mask.m))};
}
TW_INLINE VecF bit_cast_f(VecI a) { return {_mm256_castsi256_ps(a.v)}; }
TW_INLINE VecI bit_cast_i(VecF a) { return {_mm256_castps_si256(a.v)}; }
TW_INLINE VecF convert_f(VecI a) { return {_mm256_cvtepi32_ps(a.v)}; }
TW_INLINE VecI convert_i(VecF a) { return {_mm256_cvtps_epi32(a.v)}; }  // rounds to nearest

// In place: rows[i][j] <-> rows[j][i].
TW_INLINE void transpose(VecF (&rows)[8]) {
  __m256 pairs[8];
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_ps(rows[i].v, rows[i + 1].v);
    pairs[i + 1] = _mm256_unpackhi_ps(rows[i].v, rows[i + 1].v);
  }
  __m256 quads[8];
  for (int i = 0; i < 8; i += 4) {
    quads[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
    quads[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
    quads[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
    quads[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    rows[i].v = _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x20);
    rows[i + 4].v = _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x31);
  }
}

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
