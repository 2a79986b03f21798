// AVX-512 (F, BW, DQ, VL) form of simd.h: 16 floats, mask registers.
#pragma once

#include <immintrin.h>

namespace tilewise {
namespace TW_ISA {
namespace {

struct VecF {
  static constexpr index_t width = 16;
  __m512 v;
};
struct VecI {
  static constexpr index_t width = 16;
  __m512i v;
};
struct Mask {
  __mmask16 m;
};

TW_INLINE __mmask16 first_lanes(index_t n) { return static_cast<__mmask16>((1U << n) - 1U); }

TW_INLINE VecF load(const float* p) { return {_mm512_loadu_ps(p)}; }
TW_INLINE VecF load_partial(const float* p, index_t n) {
  return {_mm512_maskz_loadu_ps(first_lanes(n), p)};
}
TW_INLINE void store(float* p, VecF a) { _mm512_storeu_ps(p, a.v); }
TW_INLINE void store_partial(float* p, VecF a, index_t n) {
  _mm512_mask_storeu_ps(p, first_lanes(n), a.v);
}
TW_INLINE void stream(float* p, VecF a) { _mm512_stream_ps(p, a.v); }  // p is 64-byte aligned
// Orders streaming stores before what other threads read.
TW_INLINE void stream_fence() { _mm_sfence(); }
TW_INLINE VecF set1(float x) { return {_mm512_set1_ps(x)}; }
TW_INLINE VecF zero() { return {_mm512_setzero_ps()}; }

TW_INLINE VecF operator+(VecF a, VecF b) { return {_mm512_add_ps(a.v, b.v)}; }
TW_INLINE VecF operator-(VecF a, VecF b) { return {_mm512_sub_ps(a.v, b.v)}; }
TW_INLINE VecF operator*(VecF a, VecF b) { return {_mm512_mul_ps(a.v, b.v)}; }
TW_INLINE VecF operator/(VecF a, VecF b) { return {_mm512_div_ps(a.v, b.v)}; }
TW_INLINE VecF fmadd(VecF a, VecF b, VecF c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
TW_INLINE VecF fnmadd(VecF a, VecF b, VecF c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
TW_INLINE VecF max(VecF a, VecF b) { return {_mm512_max_ps(a.v, b.v)}; }
TW_INLINE VecF min(VecF a, VecF b) { return {_mm512_min_ps(a.v, b.v)}; }
TW_INLINE VecF sqrt(VecF a) { return {_mm512_sqrt_ps(a.v)}; }
TW_INLINE VecF abs(VecF a) { return {_mm512_abs_ps(a.v)}; }
TW_INLINE VecF round_nearest(VecF a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
TW_INLINE VecF floor(VecF a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)};
}
TW_INLINE VecF ceil(VecF a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)};
}
// a 2^n for a whole n: infinity above the largest float, 0 below the smallest normal one.
constexpr bool scales_by_powers = true;
TW_INLINE VecF scale_by_power(VecF a, VecF n) { return {_mm512_scalef_ps(a.v, n.v)}; }

TW_INLINE Mask operator<(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
TW_INLINE Mask operator<=(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
TW_INLINE Mask operator>(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ)}; }
TW_INLINE Mask operator>=(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ)}; }
TW_INLINE Mask operator==(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
TW_INLINE Mask operator!=(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_NEQ_UQ)}; }
TW_INLINE Mask is_nan(VecF a) { return {_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q)}; }
TW_INLINE Mask operator&(Mask a, Mask b) { return {static_cast<__mmask16>(a.m & b.m)}; }
TW_INLINE Mask operator|(Mask a, Mask b) { return {static_cast<__mmask16>(a.m | b.m)}; }
TW_INLINE VecF select(Mask mask, VecF a, VecF b) {
  return {_mm512_mask_blend_ps(mask.m, b.v, a.v)};
}
// 1 / sqrt(a) within 1.6 units in the last place: a step of Newton's after 14 bits, in a third of
// the time of the square root and the quotient. At 0 and infinity the first value stands.
TW_INLINE VecF inverse_sqrt(VecF a) {
  const VecF r = {_mm512_rsqrt14_ps(a.v)};
  const VecF refined = fmadd(r * set1(0.5F), fnmadd(a * r, r, set1(1.0F)), r);
  return select(is_nan(refined), r, refined);
}
TW_INLINE bool any(Mask mask) { return mask.m != 0; }
// Bytes of 0 and 1, as NumPy's bool.
TW_INLINE void store_bools(std::uint8_t* p, Mask mask) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_maskz_set1_epi8(mask.m, 1));
}
TW_INLINE void store_bools_partial(std::uint8_t* p, Mask mask, index_t n) {
  _mm_mask_storeu_epi8(p, first_lanes(n), _mm_maskz_set1_epi8(mask.m, 1));
}
// True where the byte is not 0.
TW_INLINE Mask load_bools(const std::uint8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm_test_epi8_mask(bytes, bytes)};
}
TW_INLINE std::uint32_t mask_bits(Mask mask) { return mask.m; }
TW_INLINE Mask mask_from_bits(std::uint32_t bits) { return {static_cast<__mmask16>(bits)}; }

// p[i] += a[i] in double.
TW_INLINE void accumulate(double* p, VecF a) {
  const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(a.v));
  const __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v, 1));
  _mm512_storeu_pd(p, _mm512_add_pd(_mm512_loadu_pd(p), low));
  _mm512_storeu_pd(p + 8, _mm512_add_pd(_mm512_loadu_pd(p + 8), high));
}
// Sums lanes pairwise in a fixed order.
TW_INLINE float reduce_add(VecF a) {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 quad = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  const __m128 pair = _mm_add_ps(quad, _mm_movehl_ps(quad, quad));
  return _mm_cvtss_f32(_mm_add_ss(pair, _mm_shuffle_ps(pair, pair, 1)));
}
// out[i] = the sum of the lanes of rows[i], lanes added in one order for all four.
TW_INLINE void reduce_add4(const VecF (&rows)[4], float* out) {
  __m256 half[4];
  for (int i = 0; i < 4; ++i) {
    half[i] =
        _mm256_add_ps(_mm512_castps512_ps256(rows[i].v), _mm512_extractf32x8_ps(rows[i].v, 1));
  }
  const __m256 a =
      _mm256_add_ps(_mm256_unpacklo_ps(half[0], half[1]), _mm256_unpackhi_ps(half[0], half[1]));
  const __m256 b =
      _mm256_add_ps(_mm256_unpacklo_ps(half[2], half[3]), _mm256_unpackhi_ps(half[2], half[3]));
  const __m256 quad = _mm256_add_ps(_mm256_shuffle_ps(a, b, 0x44), _mm256_shuffle_ps(a, b, 0xee));
  _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(quad), _mm256_extractf128_ps(quad, 1)));
}
TW_INLINE float reduce_max(VecF a) { return _mm512_reduce_max_ps(a.v); }
TW_INLINE float reduce_min(VecF a) { return _mm512_reduce_min_ps(a.v); }

TW_INLINE VecI set1i(std::int32_t x) { return {_mm512_set1_epi32(x)}; }
TW_INLINE VecI load_i(const std::int32_t* p) { return {_mm512_loadu_si512(p)}; }
TW_INLINE VecI load_partial_i(const std::int32_t* p, index_t n) {
  return {_mm512_maskz_loadu_epi32(first_lanes(n), p)};
}
TW_INLINE void store_i(std::int32_t* p, VecI a) { _mm512_storeu_si512(p, a.v); }
TW_INLINE void store_partial_i(std::int32_t* p, VecI a, index_t n) {
  _mm512_mask_storeu_epi32(p, first_lanes(n), a.v);
}
TW_INLINE VecI operator+(VecI a, VecI b) { return {_mm512_add_epi32(a.v, b.v)}; }
TW_INLINE VecI operator-(VecI a, VecI b) { return {_mm512_sub_epi32(a.v, b.v)}; }
TW_INLINE VecI operator^(VecI a, VecI b) { return {_mm512_xor_si512(a.v, b.v)}; }
TW_INLINE VecI operator&(VecI a, VecI b) { return {_mm512_and_si512(a.v, b.v)}; }
TW_INLINE VecI operator|(VecI a, VecI b) { return {_mm512_or_si512(a.v, b.v)}; }
// Lane i is a[from[i]]; from[i] in [0, width).
TW_INLINE VecF permute(VecF a, VecI from) { return {_mm512_permutexvar_ps(from.v, a.v)}; }
TW_INLINE Mask operator==(VecI a, VecI b) { return {_mm512_cmpeq_epi32_mask(a.v, b.v)}; }
// Unsigned a >= b.
TW_INLINE Mask at_least(VecI a, VecI b) { return {_mm512_cmpge_epu32_mask(a.v, b.v)}; }
TW_INLINE VecI swap_halves(VecI a) { return {_mm512_rol_epi32(a.v, 16)}; }
TW_INLINE VecI mul_low(VecI a, VecI b) { return {_mm512_mullo_epi32(a.v, b.v)}; }
// The low and high words of the 64-bit products of unsigned lanes.
TW_INLINE void mul_wide(VecI a, VecI b, VecI& low, VecI& high) {
  const __m512i even = _mm512_mul_epu32(a.v, b.v);
  const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a.v, 32), _mm512_srli_epi64(b.v, 32));
  // CDAB swaps the words of each pair; the mask blends in the same instruction.
  low.v = _mm512_mask_shuffle_epi32(even, 0xaaaa, odd, _MM_PERM_CDAB);
  high.v = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_CDAB);
}
template <int bits>
TW_INLINE VecI shift_left(VecI a) {
  return {_mm512_slli_epi32(a.v, bits)};
}
template <int bits>
TW_INLINE VecI shift_right(VecI a) {  // logical
  return {_mm512_srli_epi32(a.v, bits)};
}
TW_INLINE VecI select(Mask mask, VecI a, VecI b) {
  return {_mm512_mask_blend_epi32(mask.m, b.v, a.v)};
}
TW_INLINE VecF bit_cast_f(VecI a) { return {_mm512_castsi512_ps(a.v)}; }
TW_INLINE VecI bit_cast_i(VecF a) { return {_mm512_castps_si512(a.v)}; }
TW_INLINE VecF convert_f(VecI a) { return {_mm512_cvtepi32_ps(a.v)}; }
TW_INLINE VecI convert_i(VecF a) { return {_mm512_cvtps_epi32(a.v)}; }  // rounds to nearest

// In place: rows[i][j] <-> rows[j][i].
TW_INLINE void transpose(VecF (&rows)[16]) {
  __m512 pairs[16];
  for (int i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_unpacklo_ps(rows[i].v, rows[i + 1].v);
    pairs[i + 1] = _mm512_unpackhi_ps(rows[i].v, rows[i + 1].v);
  }
  __m512 quads[16];  // quads[4g + j], 128-bit lane q: column 4q + j of rows 4g .. 4g+3
  for (int i = 0; i < 16; i += 4) {
    quads[i] = _mm512_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
    quads[i + 1] = _mm512_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
    quads[i + 2] = _mm512_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
    quads[i + 3] = _mm512_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
  }
  for (int j = 0; j < 4; ++j) {
    const __m512 low01 = _mm512_shuffle_f32x4(quads[j], quads[j + 4], 0x44);
    const __m512 high01 = _mm512_shuffle_f32x4(quads[j], quads[j + 4], 0xee);
    const __m512 low23 = _mm512_shuffle_f32x4(quads[j + 8], quads[j + 12], 0x44);
    const __m512 high23 = _mm512_shuffle_f32x4(quads[j + 8], quads[j + 12], 0xee);
    rows[j].v = _mm512_shuffle_f32x4(low01, low23, 0x88);
    rows[j + 4].v = _mm512_shuffle_f32x4(low01, low23, 0xdd);
    rows[j + 8].v = _mm512_shuffle_f32x4(high01, high23, 0x88);
    rows[j + 12].v = _mm512_shuffle_f32x4(high01, high23, 0xdd);
  }
}

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
