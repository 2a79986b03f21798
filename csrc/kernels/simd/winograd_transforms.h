// The one-dimensional transforms of F(4x4, 3x3) and F(2x2, 3x3) by the Toom-Cook construction (S.
// Winograd, "Arithmetic complexity of computations", SIAM 1980; Lavin and Gray, "Fast algorithms
// for convolutional neural networks", CVPR 2016). Include after kernels/simd/simd.h.
//
// F(4x4): interpolation points 0, +-a, +-b, infinity with a = sqrt(1/2), b = sqrt(2): a third to a
// seventh of the error of the usual 0, +-1, +-2, at the same cost, since a*a*b*b = 1 keeps the
// entries of all three matrices between 1/6 and 2.83:
//
//   B^T = 1  0  -5/2  0    1  0      G =   1      0     0       A^T = 1 1    1     1   1   0
//         0 -b  -2    a    1  0          -2/3 -2a/3  -1/3             0 a   -a     b  -b   0
//         0  b  -2   -a    1  0          -2/3  2a/3  -1/3             0 1/2  1/2   2   2   0
//         0 -a  -1/2  b    1  0           1/6   b/6   1/3             0 a/2 -a/2  2b -2b   1
//         0  a  -1/2 -b    1  0           1/6  -b/6   1/3
//         0  1   0   -5/2  0  1           0      0     1
//
// F(2x2): points 0, +-1, infinity.
//
// A tile with r < m outputs in a direction is an F(r, 3) over the first r + 1 finite points and
// infinity. Its filters are those of the whole tile, since G's rows belong to points: only the
// factors that normalize them differ, and these go into B^T. So all tiles share U, and a map of
// 14x14 takes 484 products a channel pair instead of 576, of 7x7 121 instead of 144.
#pragma once

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr float kA = 0.70710678118654752440F;
constexpr float kB = 1.41421356237309504880F;

TW_INLINE VecF scaled(float factor, VecF x) { return set1(factor) * x; }

// The one-dimensional transforms of F(M, 3) for R <= M outputs. Points come in groups: 0; +p and
// -p; ...; infinity. `slot(g)` is the row of the first of group g, `size(g)` how many it has.
// input<g> and gradient<g> compute the points of a group, output<g> the outputs g and g + 2.
template <int M, int R>
struct Transform;

// F(4, 3), and the groups of all that are cut from it.
template <int R>
struct Groups4 {
  static constexpr int groups = 4;
  static constexpr int slot(int g) { return g == 0 ? 0 : 2 * g - 1; }
  static constexpr int size(int g) {
    return g == 0 || g == 3 ? 1 : g == 1 ? (R > 1 ? 2 : 1) : R > 2 ? R - 2 : 0;
  }
};

template <>
struct Transform<4, 4> : Groups4<4> {
  template <int g>
  static TW_INLINE void input(const VecF (&d)[6], VecF (&t)[2]) {
    if constexpr (g == 0) {
      t[0] = fnmadd(set1(2.5F), d[2], d[0] + d[4]);
    } else if constexpr (g == 1) {
      const VecF even = fnmadd(set1(2.0F), d[2], d[4]);
      const VecF odd = fnmadd(set1(kB), d[1], scaled(kA, d[3]));
      t[0] = even + odd;
      t[1] = even - odd;
    } else if constexpr (g == 2) {
      const VecF even = fnmadd(set1(0.5F), d[2], d[4]);
      const VecF odd = fnmadd(set1(kA), d[1], scaled(kB, d[3]));
      t[0] = even + odd;
      t[1] = even - odd;
    } else {
      t[0] = fnmadd(set1(2.5F), d[3], d[1] + d[5]);
    }
  }
  template <int g>
  static TW_INLINE void gradient(const VecF (&y)[4], VecF (&t)[2]) {
    if constexpr (g == 0 || g == 3) {
      t[0] = y[g];
    } else if constexpr (g == 1) {
      const VecF even = fmadd(set1(0.5F), y[2], y[0]);
      const VecF odd = fmadd(set1(0.5F * kA), y[3], scaled(kA, y[1]));
      t[0] = even + odd;
      t[1] = even - odd;
    } else {
      const VecF even = fmadd(set1(2.0F), y[2], y[0]);
      const VecF odd = fmadd(set1(2.0F * kB), y[3], scaled(kB, y[1]));
      t[0] = even + odd;
      t[1] = even - odd;
    }
  }
  template <int g>
  static TW_INLINE void output(const VecF (&m)[6], VecF (&y)[2]) {
    if constexpr (g == 0) {
      const VecF sum_a = m[1] + m[2];
      const VecF sum_b = m[3] + m[4];
      y[0] = (m[0] + sum_a) + sum_b;
      y[1] = fmadd(set1(0.5F), sum_a, scaled(2.0F, sum_b));
    } else {
      const VecF difference_a = m[1] - m[2];
      const VecF difference_b = m[3] - m[4];
      y[0] = fmadd(set1(kA), difference_a, scaled(kB, difference_b));
      y[1] = fmadd(set1(0.5F * kA), difference_a, fmadd(set1(2.0F * kB), difference_b, m[5]));
    }
  }
  template <int g>
  static TW_INLINE void filter(const VecF (&w)[3], VecF (&u)[2]) {
    if constexpr (g == 0 || g == 3) {
      u[0] = w[g == 0 ? 0 : 2];
    } else if constexpr (g == 1) {
      const VecF even = scaled(-2.0F / 3.0F, fmadd(set1(0.5F), w[2], w[0]));
      const VecF odd = scaled(-2.0F / 3.0F * kA, w[1]);
      u[0] = even + odd;
      u[1] = even - odd;
    } else {
      const VecF even = scaled(1.0F / 6.0F, fmadd(set1(2.0F), w[2], w[0]));
      const VecF odd = scaled(1.0F / 6.0F * kB, w[1]);
      u[0] = even + odd;
      u[1] = even - odd;
    }
  }
  template <int g>
  static TW_INLINE void filter_gradient(const VecF (&u)[6], VecF (&w)[2]) {
    if constexpr (g == 0) {
      const VecF sum_a = u[1] + u[2];
      const VecF sum_b = u[3] + u[4];
      w[0] = fmadd(set1(-2.0F / 3.0F), sum_a, fmadd(set1(1.0F / 6.0F), sum_b, u[0]));
      w[1] = fmadd(set1(1.0F / 3.0F), sum_b - sum_a, u[5]);
    } else {
      const VecF difference_a = u[1] - u[2];
      const VecF difference_b = u[3] - u[4];
      w[0] = fmadd(set1(-2.0F / 3.0F * kA), difference_a, scaled(1.0F / 6.0F * kB, difference_b));
    }
  }
};

// Points 0, a, -a, b, infinity.
template <>
struct Transform<4, 3> : Groups4<3> {
  template <int g>
  static TW_INLINE void input(const VecF (&d)[5], VecF (&t)[2]) {
    if constexpr (g == 0) {
      t[0] = fnmadd(set1(2.0F), d[2], fnmadd(set1(kA), d[1], fmadd(set1(kB), d[3], d[0])));
    } else if constexpr (g == 1) {
      t[0] = scaled(1.5F * kB, fnmadd(set1(kA), d[2], d[3] - d[1]));
      t[1] = fnmadd(set1(1.5F), d[2], scaled(kA, d[1] + d[3]));
    } else if constexpr (g == 2) {
      t[0] = scaled(2.0F * kB, fnmadd(set1(0.5F), d[1], d[3]));
    } else {
      t[0] = fnmadd(set1(0.5F), d[2], fmadd(set1(kA), d[1], fnmadd(set1(kB), d[3], d[4])));
    }
  }
  template <int g>
  static TW_INLINE void gradient(const VecF (&y)[3], VecF (&t)[2]) {
    if constexpr (g == 0) {
      t[0] = y[0];
    } else if constexpr (g == 1) {
      const VecF even = fmadd(set1(0.5F), y[2], y[0]);
      t[0] = fmadd(set1(kA), y[1], even);
      t[1] = fnmadd(set1(kA), y[1], even);
    } else if constexpr (g == 2) {
      t[0] = fmadd(set1(kB), y[1], fmadd(set1(2.0F), y[2], y[0]));
    } else {
      t[0] = y[2];
    }
  }
  template <int g>
  static TW_INLINE void output(const VecF (&m)[6], VecF (&y)[2]) {
    if constexpr (g == 0) {
      const VecF sum = m[1] + m[2];
      y[0] = (m[0] + sum) + m[3];
      y[1] = fmadd(set1(0.5F), sum, fmadd(set1(2.0F), m[3], m[5]));
    } else {
      y[0] = fmadd(set1(kA), m[1] - m[2], scaled(kB, m[3]));
    }
  }
};

// Points 0, a, -a, infinity.
template <>
struct Transform<4, 2> : Groups4<2> {
  template <int g>
  static TW_INLINE void input(const VecF (&d)[4], VecF (&t)[2]) {
    if constexpr (g == 0) {
      t[0] = fnmadd(set1(2.0F), d[2], d[0]);
    } else if constexpr (g == 1) {
      const VecF even = scaled(-1.5F, d[2]);
      t[0] = fnmadd(set1(1.5F * kA), d[1], even);
      t[1] = fmadd(set1(1.5F * kA), d[1], even);
    } else if constexpr (g == 3) {
      t[0] = fnmadd(set1(0.5F), d[1], d[3]);
    }
  }
  template <int g>
  static TW_INLINE void gradient(const VecF (&y)[2], VecF (&t)[2]) {
    if constexpr (g == 0) {
      t[0] = y[0];
    } else if constexpr (g == 1) {
      t[0] = fmadd(set1(kA), y[1], y[0]);
      t[1] = fnmadd(set1(kA), y[1], y[0]);
    } else if constexpr (g == 3) {
      t[0] = y[1];
    }
  }
  template <int g>
  static TW_INLINE void output(const VecF (&m)[6], VecF (&y)[2]) {
    if constexpr (g == 0) {
      y[0] = m[0] + (m[1] + m[2]);
    } else {
      y[0] = fmadd(set1(kA), m[1] - m[2], m[5]);
    }
  }
};

// Points 0, a, infinity.
template <>
struct Transform<4, 1> : Groups4<1> {
  template <int g>
  static TW_INLINE void input(const VecF (&d)[3], VecF (&t)[2]) {
    if constexpr (g == 0) {
      t[0] = fnmadd(set1(kB), d[1], d[0]);
    } else if constexpr (g == 1) {
      t[0] = scaled(-1.5F * kB, d[1]);
    } else if constexpr (g == 3) {
      t[0] = fnmadd(set1(kA), d[1], d[2]);
    }
  }
  template <int g>
  static TW_INLINE void gradient(const VecF (&y)[1], VecF (&t)[2]) {
    t[0] = y[0];
  }
  template <int g>
  static TW_INLINE void output(const VecF (&m)[6], VecF (&y)[2]) {
    if constexpr (g == 0) y[0] = m[0] + (m[1] + m[5]);
  }
};

template <int R>
struct Groups2 {
  static constexpr int groups = 3;
  static constexpr int slot(int g) { return g == 2 ? 3 : g; }
  static constexpr int size(int g) { return g == 1 ? R : 1; }
};

template <>
struct Transform<2, 2> : Groups2<2> {
  template <int g>
  static TW_INLINE void input(const VecF (&d)[4], VecF (&t)[2]) {
    if constexpr (g == 0) {
      t[0] = d[0] - d[2];
    } else if constexpr (g == 1) {
      t[0] = d[2] + d[1];
      t[1] = d[2] - d[1];
    } else {
      t[0] = d[3] - d[1];
    }
  }
  template <int g>
  static TW_INLINE void gradient(const VecF (&y)[2], VecF (&t)[2]) {
    if constexpr (g == 0) {
      t[0] = y[0];
    } else if constexpr (g == 1) {
      t[0] = y[0] + y[1];
      t[1] = y[0] - y[1];
    } else {
      t[0] = y[1];
    }
  }
  template <int g>
  static TW_INLINE void output(const VecF (&m)[4], VecF (&y)[2]) {
    if constexpr (g == 0) {
      y[0] = m[0] + (m[1] + m[2]);
    } else {
      y[0] = (m[1] - m[2]) + m[3];
    }
  }
  template <int g>
  static TW_INLINE void filter(const VecF (&w)[3], VecF (&u)[2]) {
    if constexpr (g == 1) {
      const VecF even = scaled(0.5F, w[0] + w[2]);
      u[0] = fmadd(set1(0.5F), w[1], even);
      u[1] = fnmadd(set1(0.5F), w[1], even);
    } else {
      u[0] = w[g];
    }
  }
  template <int g>
  static TW_INLINE void filter_gradient(const VecF (&u)[4], VecF (&w)[2]) {
    if constexpr (g == 0) {
      const VecF sum = u[1] + u[2];
      w[0] = fmadd(set1(0.5F), sum, u[0]);
      w[1] = fmadd(set1(0.5F), sum, u[3]);
    } else {
      w[0] = scaled(0.5F, u[1] - u[2]);
    }
  }
};

// Points 0, 1, infinity.
template <>
struct Transform<2, 1> : Groups2<1> {
  template <int g>
  static TW_INLINE void input(const VecF (&d)[3], VecF (&t)[2]) {
    t[0] = g == 0 ? d[0] - d[1] : g == 1 ? d[1] + d[1] : d[2] - d[1];
  }
  template <int g>
  static TW_INLINE void gradient(const VecF (&y)[1], VecF (&t)[2]) {
    t[0] = y[0];
  }
  template <int g>
  static TW_INLINE void output(const VecF (&m)[4], VecF (&y)[2]) {
    if constexpr (g == 0) y[0] = m[0] + (m[1] + m[3]);
  }
};

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
