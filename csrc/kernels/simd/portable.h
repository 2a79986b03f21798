// Portable form of simd.h through the vector extensions of gcc and clang: 4 floats, which is SSE2
// on x86-64 and NEON on 64-bit Arm. Right everywhere; fast only where the compiler makes it so.
#pragma once

namespace tilewise {
namespace TW_ISA {
namespace {

typedef float Float4 __attribute__((vector_size(16)));
typedef std::int32_t Int4 __attribute__((vector_size(16)));
typedef std::uint32_t UInt4 __attribute__((vector_size(16)));

struct VecF {
  static constexpr index_t width = 4;
  Float4 v;
};
struct VecI {
  static constexpr index_t width = 4;
  Int4 v;
};
struct Mask {
  Int4 m;
};

TW_INLINE VecF load(const float* p) {
  VecF a;
  __builtin_memcpy(&a.v, p, sizeof(a.v));
  return a;
}
TW_INLINE VecF load_partial(const float* p, index_t n) {
  VecF a{Float4{0, 0, 0, 0}};
  for (index_t i = 0; i < n; ++i) a.v[i] = p[i];
  return a;
}
TW_INLINE void store(float* p, VecF a) { __builtin_memcpy(p, &a.v, sizeof(a.v)); }
TW_INLINE void store_partial(float* p, VecF a, index_t n) {
  for (index_t i = 0; i < n; ++i) p[i] = a.v[i];
}
TW_INLINE void stream(float* p, VecF a) { store(p, a); }
TW_INLINE void stream_fence() {}
TW_INLINE VecF set1(float x) { return {Float4{x, x, x, x}}; }
TW_INLINE VecF zero() { return set1(0.0F); }

TW_INLINE VecF operator+(VecF a, VecF b) { return {a.v + b.v}; }
TW_INLINE VecF operator-(VecF a, VecF b) { return {a.v - b.v}; }
TW_INLINE VecF operator*(VecF a, VecF b) { return {a.v * b.v}; }
TW_INLINE VecF operator/(VecF a, VecF b) { return {a.v / b.v}; }
TW_INLINE VecF fmadd(VecF a, VecF b, VecF c) { return {a.v * b.v + c.v}; }
TW_INLINE VecF fnmadd(VecF a, VecF b, VecF c) { return {c.v - a.v * b.v}; }
// No such instruction here.
constexpr bool scales_by_powers = false;
TW_INLINE VecF scale_by_power(VecF a, VecF /*n*/) { return a; }

TW_INLINE Mask operator<(VecF a, VecF b) { return {a.v < b.v}; }
TW_INLINE Mask operator<=(VecF a, VecF b) { return {a.v <= b.v}; }
TW_INLINE Mask operator>(VecF a, VecF b) { return {a.v > b.v}; }
TW_INLINE Mask operator>=(VecF a, VecF b) { return {a.v >= b.v}; }
TW_INLINE Mask operator==(VecF a, VecF b) { return {a.v == b.v}; }
TW_INLINE Mask operator!=(VecF a, VecF b) { return {a.v != b.v}; }
TW_INLINE Mask is_nan(VecF a) { return {a.v != a.v}; }
TW_INLINE Mask operator&(Mask a, Mask b) { return {a.m & b.m}; }
TW_INLINE Mask operator|(Mask a, Mask b) { return {a.m | b.m}; }
TW_INLINE VecF bit_cast_f(VecI a) { return {(Float4)a.v}; }
TW_INLINE VecI bit_cast_i(VecF a) { return {(Int4)a.v}; }
TW_INLINE VecF select(Mask mask, VecF a, VecF b) {
  return {(Float4)(((Int4)a.v & mask.m) | ((Int4)b.v & ~mask.m))};
}
TW_INLINE VecI select(Mask mask, VecI a, VecI b) { return {(a.v & mask.m) | (b.v & ~mask.m)}; }
TW_INLINE std::uint32_t mask_bits(Mask mask) {  // bit i is lane i
  const Int4 bits = mask.m & Int4{1, 2, 4, 8};
  return static_cast<std::uint32_t>(bits[0] | bits[1] | bits[2] | bits[3]);
}
// True where the byte is not 0.
TW_INLINE Mask load_bools(const std::uint8_t* p) {
  return {Int4{p[0], p[1], p[2], p[3]} != Int4{0, 0, 0, 0}};
}
TW_INLINE Mask mask_from_bits(std::uint32_t bits) {
  const Int4 lane_bits{1, 2, 4, 8};
  const std::int32_t b = static_cast<std::int32_t>(bits);
  return {(Int4{b, b, b, b} & lane_bits) == lane_bits};
}
TW_INLINE bool any(Mask mask) { return (mask.m[0] | mask.m[1] | mask.m[2] | mask.m[3]) != 0; }
// Bytes of 0 and 1, as NumPy's bool.
TW_INLINE void store_bools_partial(std::uint8_t* p, Mask mask, index_t n) {
  for (index_t i = 0; i < n; ++i) p[i] = mask.m[i] != 0;
}
TW_INLINE void store_bools(std::uint8_t* p, Mask mask) { store_bools_partial(p, mask, 4); }

TW_INLINE VecF max(VecF a, VecF b) { return select(a > b, a, b); }
TW_INLINE VecF min(VecF a, VecF b) { return select(a < b, a, b); }
TW_INLINE VecF abs(VecF a) { return {(Float4)((Int4)a.v & 0x7fffffff)}; }
TW_INLINE VecF sqrt(VecF a) {
  for (int i = 0; i < 4; ++i) a.v[i] = __builtin_sqrtf(a.v[i]);
  return a;
}
TW_INLINE VecF inverse_sqrt(VecF a) { return set1(1.0F) / sqrt(a); }
TW_INLINE VecF round_nearest(VecF a) {
  for (int i = 0; i < 4; ++i) a.v[i] = __builtin_rintf(a.v[i]);
  return a;
}
TW_INLINE VecF floor(VecF a) {
  for (int i = 0; i < 4; ++i) a.v[i] = __builtin_floorf(a.v[i]);
  return a;
}
TW_INLINE VecF ceil(VecF a) {
  for (int i = 0; i < 4; ++i) a.v[i] = __builtin_ceilf(a.v[i]);
  return a;
}

// p[i] += a[i] in double.
TW_INLINE void accumulate(double* p, VecF a) {
  for (index_t i = 0; i < 4; ++i) p[i] += static_cast<double>(a.v[i]);
}
// Sums lanes pairwise in a fixed order.
TW_INLINE float reduce_add(VecF a) { return (a.v[0] + a.v[2]) + (a.v[1] + a.v[3]); }
// out[i] = the sum of the lanes of rows[i].
TW_INLINE void reduce_add4(const VecF (&rows)[4], float* out) {
  for (int i = 0; i < 4; ++i) out[i] = reduce_add(rows[i]);
}
TW_INLINE float reduce_max(VecF a) {
  const float x = a.v[0] > a.v[1] ? a.v[0] : a.v[1];
  const float y = a.v[2] > a.v[3] ? a.v[2] : a.v[3];
  return x > y ? x : y;
}
TW_INLINE float reduce_min(VecF a) {
  const float x = a.v[0] < a.v[1] ? a.v[0] : a.v[1];
  const float y = a.v[2] < a.v[3] ? a.v[2] : a.v[3];
  return x < y ? x : y;
}

TW_INLINE VecI set1i(std::int32_t x) { return {Int4{x, x, x, x}}; }
TW_INLINE VecI load_i(const std::int32_t* p) {
  VecI a;
  __builtin_memcpy(&a.v, p, sizeof(a.v));
  return a;
}
TW_INLINE VecI load_partial_i(const std::int32_t* p, index_t n) {
  VecI a{Int4{0, 0, 0, 0}};
  for (index_t i = 0; i < n; ++i) a.v[i] = p[i];
  return a;
}
TW_INLINE void store_i(std::int32_t* p, VecI a) { __builtin_memcpy(p, &a.v, sizeof(a.v)); }
TW_INLINE void store_partial_i(std::int32_t* p, VecI a, index_t n) {
  for (index_t i = 0; i < n; ++i) p[i] = a.v[i];
}
// Through unsigned lanes: signed overflow must wrap, as the instructions do.
TW_INLINE VecI operator+(VecI a, VecI b) { return {(Int4)((UInt4)a.v + (UInt4)b.v)}; }
TW_INLINE VecI operator-(VecI a, VecI b) { return {(Int4)((UInt4)a.v - (UInt4)b.v)}; }
TW_INLINE VecI operator^(VecI a, VecI b) { return {a.v ^ b.v}; }
TW_INLINE VecI operator&(VecI a, VecI b) { return {a.v & b.v}; }
TW_INLINE VecI operator|(VecI a, VecI b) { return {a.v | b.v}; }
// Lane i is a[from[i]]; from[i] in [0, width).
TW_INLINE VecF permute(VecF a, VecI from) {
  return {Float4{a.v[from.v[0]], a.v[from.v[1]], a.v[from.v[2]], a.v[from.v[3]]}};
}
TW_INLINE Mask operator==(VecI a, VecI b) { return {a.v == b.v}; }
// Unsigned a >= b, and the 16-bit halves of each lane exchanged.
TW_INLINE Mask at_least(VecI a, VecI b) { return {(Int4)((UInt4)a.v >= (UInt4)b.v)}; }
TW_INLINE VecI swap_halves(VecI a) { return {(Int4)(((UInt4)a.v << 16) | ((UInt4)a.v >> 16))}; }
TW_INLINE VecI mul_low(VecI a, VecI b) { return {(Int4)((UInt4)a.v * (UInt4)b.v)}; }
// The low and high words of the 64-bit products of unsigned lanes.
TW_INLINE void mul_wide(VecI a, VecI b, VecI& low, VecI& high) {
  for (int i = 0; i < 4; ++i) {
    const std::uint64_t product =
        std::uint64_t{static_cast<std::uint32_t>(a.v[i])} * static_cast<std::uint32_t>(b.v[i]);
    low.v[i] = static_cast<std::int32_t>(product);
    high.v[i] = static_cast<std::int32_t>(product >> 32);
  }
}
template <int bits>
TW_INLINE VecI shift_left(VecI a) {
  return {(Int4)((UInt4)a.v << bits)};
}
template <int bits>
TW_INLINE VecI shift_right(VecI a) {  // logical
  return {(Int4)((UInt4)a.v >> bits)};
}
TW_INLINE VecF convert_f(VecI a) { return {__builtin_convertvector(a.v, Float4)}; }
TW_INLINE VecI convert_i(VecF a) {  // rounds to nearest
  return {__builtin_convertvector(round_nearest(a).v, Int4)};
}

// In place: rows[i][j] <-> rows[j][i].
TW_INLINE void transpose(VecF (&rows)[4]) {
  const VecF in[4] = {rows[0], rows[1], rows[2], rows[3]};
  for (int i = 0; i < 4; ++i) rows[i].v = Float4{in[0].v[i], in[1].v[i], in[2].v[i], in[3].v[i]};
}

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
