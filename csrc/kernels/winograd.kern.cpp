// F(4x4, 3x3) by the Toom-Cook construction (S. Winograd, "Arithmetic complexity of computations",
// SIAM 1980; Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016).
//
// Interpolation points 0, +-a, +-b, infinity with a = sqrt(1/2), b = sqrt(2): a third to a seventh
// of the error of the usual 0, +-1, +-2, at the same cost, since a*a*b*b = 1 keeps the entries of
// all three matrices between 1/6 and 2.83:
//
//   B^T = 1  0  -5/2  0    1  0      G =   1      0     0       A^T = 1 1    1     1   1   0
//         0 -b  -2    a    1  0          -2/3 -2a/3  -1/3             0 a   -a     b  -b   0
//         0  b  -2   -a    1  0          -2/3  2a/3  -1/3             0 1/2  1/2   2   2   0
//         0 -a  -1/2  b    1  0           1/6   b/6   1/3             0 a/2 -a/2  2b -2b   1
//         0  a  -1/2 -b    1  0           1/6  -b/6   1/3
//         0  1   0   -5/2  0  1           0      0     1
//
// Two passes of one-dimensional transforms; the 36 intermediate vectors live in L1, since they do
// not fit the registers. Even and odd parts are shared between the rows of +a and -a.
#include "kernels/winograd.h"

#include "kernels/simd/simd.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t W = VecF::width;
constexpr float kA = 0.70710678118654752440F;
constexpr float kB = 1.41421356237309504880F;

TW_INLINE VecF scaled(float factor, VecF x) { return set1(factor) * x; }

// B^T d
TW_INLINE void input_1d(const VecF (&d)[6], VecF (&t)[6]) {
  const VecF even_a = fnmadd(set1(2.0F), d[2], d[4]);
  const VecF odd_a = fnmadd(set1(kB), d[1], scaled(kA, d[3]));
  const VecF even_b = fnmadd(set1(0.5F), d[2], d[4]);
  const VecF odd_b = fnmadd(set1(kA), d[1], scaled(kB, d[3]));
  t[0] = fnmadd(set1(2.5F), d[2], d[0] + d[4]);
  t[1] = even_a + odd_a;
  t[2] = even_a - odd_a;
  t[3] = even_b + odd_b;
  t[4] = even_b - odd_b;
  t[5] = fnmadd(set1(2.5F), d[3], d[1] + d[5]);
}

// A^T m
TW_INLINE void output_1d(const VecF (&m)[6], VecF (&y)[4]) {
  const VecF sum_a = m[1] + m[2];
  const VecF difference_a = m[1] - m[2];
  const VecF sum_b = m[3] + m[4];
  const VecF difference_b = m[3] - m[4];
  y[0] = (m[0] + sum_a) + sum_b;
  y[1] = fmadd(set1(kA), difference_a, scaled(kB, difference_b));
  y[2] = fmadd(set1(0.5F), sum_a, scaled(2.0F, sum_b));
  y[3] = fmadd(set1(0.5F * kA), difference_a, fmadd(set1(2.0F * kB), difference_b, m[5]));
}

// A y
TW_INLINE void gradient_1d(const VecF (&y)[4], VecF (&t)[6]) {
  const VecF even_a = fmadd(set1(0.5F), y[2], y[0]);
  const VecF odd_a = fmadd(set1(0.5F * kA), y[3], scaled(kA, y[1]));
  const VecF even_b = fmadd(set1(2.0F), y[2], y[0]);
  const VecF odd_b = fmadd(set1(2.0F * kB), y[3], scaled(kB, y[1]));
  t[0] = y[0];
  t[1] = even_a + odd_a;
  t[2] = even_a - odd_a;
  t[3] = even_b + odd_b;
  t[4] = even_b - odd_b;
  t[5] = y[3];
}

// G g
TW_INLINE void filter_1d(const VecF (&g)[3], VecF (&u)[6]) {
  const VecF even_a = scaled(-2.0F / 3.0F, fmadd(set1(0.5F), g[2], g[0]));
  const VecF odd_a = scaled(-2.0F / 3.0F * kA, g[1]);
  const VecF even_b = scaled(1.0F / 6.0F, fmadd(set1(2.0F), g[2], g[0]));
  const VecF odd_b = scaled(1.0F / 6.0F * kB, g[1]);
  u[0] = g[0];
  u[1] = even_a + odd_a;
  u[2] = even_a - odd_a;
  u[3] = even_b + odd_b;
  u[4] = even_b - odd_b;
  u[5] = g[2];
}

// G^T u
TW_INLINE void filter_gradient_1d(const VecF (&u)[6], VecF (&g)[3]) {
  const VecF sum_a = u[1] + u[2];
  const VecF difference_a = u[1] - u[2];
  const VecF sum_b = u[3] + u[4];
  const VecF difference_b = u[3] - u[4];
  g[0] = fmadd(set1(-2.0F / 3.0F), sum_a, fmadd(set1(1.0F / 6.0F), sum_b, u[0]));
  g[1] = fmadd(set1(-2.0F / 3.0F * kA), difference_a, scaled(1.0F / 6.0F * kB, difference_b));
  g[2] = fmadd(set1(1.0F / 3.0F), sum_b - sum_a, u[5]);
}

enum class Patch { inside, border, partial };  // all there; cut by the border; fewer lanes

// Loads an N x N patch, columns first, applying `transform` down each column.
template <int N, Patch kind, typename Transform>
TW_INLINE void columns_pass(const WinogradPatch& p, index_t c, index_t lanes, VecF (&out)[6][N],
                            Transform transform) {
  for (int j = 0; j < N; ++j) {
    if (kind != Patch::inside && (j < p.col0 || j >= p.col1)) {
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) out[i][j] = zero();
      continue;
    }
    const float* src = p.src + j * p.pixel + c;
    VecF column[N];
#pragma GCC unroll 6
    for (int i = 0; i < N; ++i) {
      if (kind == Patch::inside) {
        column[i] = load(src + i * p.row);
      } else if (i < p.row0 || i >= p.row1) {
        column[i] = zero();
      } else {
        column[i] =
            kind == Patch::border ? load(src + i * p.row) : load_partial(src + i * p.row, lanes);
      }
    }
    VecF t[6];
    transform(column, t);
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) out[i][j] = t[i];
  }
}

template <int N, typename Transform>
TW_INLINE void patch_transform(const WinogradPatch& p, index_t channels, float* v,
                               index_t xi_stride, Transform transform) {
  const bool inside = p.row0 == 0 && p.row1 == N && p.col0 == 0 && p.col1 == N;
  for (index_t c = 0; c < channels; c += W) {
    const index_t lanes = channels - c < W ? channels - c : W;
    VecF half[6][N];
    if (lanes < W) {
      columns_pass<N, Patch::partial>(p, c, lanes, half, transform);
    } else if (inside) {
      columns_pass<N, Patch::inside>(p, c, lanes, half, transform);
    } else {
      columns_pass<N, Patch::border>(p, c, lanes, half, transform);
    }
    for (int i = 0; i < 6; ++i) {
      VecF t[6];
      transform(half[i], t);
      float* dst = v + 6 * i * xi_stride + c;
      if (lanes == W) {
#pragma GCC unroll 6
        for (int j = 0; j < 6; ++j) store(dst + j * xi_stride, t[j]);
      } else {
#pragma GCC unroll 6
        for (int j = 0; j < 6; ++j) store_partial(dst + j * xi_stride, t[j], lanes);
      }
    }
  }
}

void input(const WinogradPatch& patch, index_t channels, float* v, index_t xi_stride) {
  patch_transform<6>(patch, channels, v, xi_stride,
                     [](const VecF(&d)[6], VecF(&t)[6]) { input_1d(d, t); });
}

void gradient(const WinogradPatch& patch, index_t channels, float* v, index_t xi_stride) {
  patch_transform<4>(patch, channels, v, xi_stride,
                     [](const VecF(&d)[4], VecF(&t)[6]) { gradient_1d(d, t); });
}

void output(const float* m, index_t xi_stride, index_t channels, const WinogradOutput& out) {
  for (index_t k = 0; k < channels; k += W) {
    const index_t lanes = channels - k < W ? channels - k : W;
    VecF half[4][6];
    for (int j = 0; j < 6; ++j) {
      VecF column[6];
      VecF t[4];
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) column[i] = load(m + (6 * i + j) * xi_stride + k);
      output_1d(column, t);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) half[i][j] = t[i];
    }
    const VecF bias = out.bias != nullptr ? load_partial(out.bias + k, lanes) : zero();
    for (index_t i = 0; i < out.rows; ++i) {
      VecF y[4];
      output_1d(half[i], y);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        y[j] = y[j] + bias;
        if (out.relu) y[j] = max(zero(), y[j]);
      }
      float* dst = out.dst + i * out.row + k;
      if (out.cols == 4 && lanes == W) {
#pragma GCC unroll 4
        for (index_t j = 0; j < 4; ++j) store(dst + j * out.pixel, y[j]);
        continue;
      }
#pragma GCC unroll 4
      for (index_t j = 0; j < 4; ++j) {
        if (j < out.cols) store_partial(dst + j * out.pixel, y[j], lanes);
      }
    }
  }
}

void filter(const float* g, index_t channels, float* u, index_t xi_stride) {
  constexpr index_t panel = 2 * W;
  for (index_t c = 0; c < channels; ++c) {
    for (index_t j0 = 0; j0 < panel; j0 += W) {
      const float* src = g + c * 9 * panel + j0;
      VecF half[6][3];
      for (int s = 0; s < 3; ++s) {
        const VecF column[3] = {load(src + s * panel), load(src + (3 + s) * panel),
                                load(src + (6 + s) * panel)};
        VecF t[6];
        filter_1d(column, t);
#pragma GCC unroll 6
        for (int i = 0; i < 6; ++i) half[i][s] = t[i];
      }
      for (int i = 0; i < 6; ++i) {
        VecF t[6];
        filter_1d(half[i], t);
#pragma GCC unroll 6
        for (int j = 0; j < 6; ++j) store(u + (6 * i + j) * xi_stride + c * panel + j0, t[j]);
      }
    }
  }
}

void filter_gradient(const float* du, index_t xi_stride, index_t count, float* dg,
                     index_t tap_stride) {
  for (index_t i0 = 0; i0 < count; i0 += W) {
    const index_t lanes = count - i0 < W ? count - i0 : W;
    VecF half[3][6];
    for (int j = 0; j < 6; ++j) {
      VecF column[6];
      VecF t[3];
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) {
        column[i] = load_partial(du + (6 * i + j) * xi_stride + i0, lanes);
      }
      filter_gradient_1d(column, t);
#pragma GCC unroll 3
      for (int i = 0; i < 3; ++i) half[i][j] = t[i];
    }
    for (int i = 0; i < 3; ++i) {
      VecF t[3];
      filter_gradient_1d(half[i], t);
#pragma GCC unroll 3
      for (int j = 0; j < 3; ++j) store_partial(dg + (3 * i + j) * tap_stride + i0, t[j], lanes);
    }
  }
}

}  // namespace

const WinogradKernels winograd_kernels{input, gradient, output, filter, filter_gradient};

}  // namespace TW_ISA
}  // namespace tilewise
