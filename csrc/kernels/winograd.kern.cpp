// Winograd's transforms in two dimensions; kernels/simd/winograd_transforms.h has the matrices.
//
// Two passes of one-dimensional transforms. The stores are the limit (a 512-bit store takes two
// cycles): the first pass makes only one or two rows at a time, those of +p and -p that share even
// and odd parts, and these stay in registers for the second; columns are read again for each such
// group. Pixels outside the map are read from a row of zeros, through a table of pointers that is
// made once a tile.
#include "kernels/winograd.h"

#include "kernels/simd/simd.h"
//
#include "kernels/simd/gate.h"
#include "kernels/simd/winograd_transforms.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t W = VecF::width;

// Where the vectors of a patch are: at steps, or each at an address of its own.
template <int Rows>
struct Strided {
  const float* row[Rows];
  index_t pixel;

  TW_INLINE Strided(const float* src, index_t row_step, index_t pixel_step) : pixel(pixel_step) {
    for (int i = 0; i < Rows; ++i) row[i] = src + i * row_step;
  }
  TW_INLINE VecF get(int i, int j, index_t c) const { return load(row[i] + j * pixel + c); }
};

template <int Rows, int Cols>
struct Scattered {
  const float* address[Rows * Cols];

  TW_INLINE VecF get(int i, int j, index_t c) const { return load(address[i * Cols + j] + c); }
};

// The kinds of transforms, as functors over the group: to the points and back.
struct Input {
  static constexpr int size(int r) { return r + 2; }
  template <typename T, int g, int N>
  static TW_INLINE void apply(const VecF (&d)[N], VecF (&t)[2]) {
    T::template input<g>(d, t);
  }
};
struct Gradient {
  static constexpr int size(int r) { return r; }
  template <typename T, int g, int N>
  static TW_INLINE void apply(const VecF (&d)[N], VecF (&t)[2]) {
    T::template gradient<g>(d, t);
  }
};
struct Filter {
  static constexpr int size(int) { return 3; }
  template <typename T, int g, int N>
  static TW_INLINE void apply(const VecF (&d)[N], VecF (&t)[2]) {
    T::template filter<g>(d, t);
  }
};
struct Output {
  static constexpr int size(int r) { return r; }
  template <typename T, int g, int N>
  static TW_INLINE void apply(const VecF (&m)[N], VecF (&y)[2]) {
    T::template output<g>(m, y);
  }
};
struct FilterGradient {
  static constexpr int size(int) { return 3; }
  template <typename T, int g, int N>
  static TW_INLINE void apply(const VecF (&m)[N], VecF (&y)[2]) {
    T::template filter_gradient<g>(m, y);
  }
};

// The points of one row, from group g on.
template <typename Kind, typename T, int g, int N>
TW_INLINE void row_to_points(const VecF (&row)[N], float* dst, index_t stride) {
  if constexpr (g < T::groups) {
    if constexpr (T::size(g) > 0) {
      VecF t[2];
      Kind::template apply<T, g>(row, t);
      store(dst + T::slot(g) * stride, t[0]);
      if constexpr (T::size(g) == 2) store(dst + (T::slot(g) + 1) * stride, t[1]);
    }
    row_to_points<Kind, T, g + 1>(row, dst, stride);
  }
}

// All points of one vector of channels, from group g of rows on.
template <typename Kind, int M, int R, int C, int g, typename Source>
TW_INLINE void to_points(const Source& d, index_t c, float* dst, index_t stride) {
  using Rows = Transform<M, R>;
  using Cols = Transform<M, C>;
  constexpr int rows = Kind::size(R);
  constexpr int cols = Kind::size(C);
  if constexpr (g < Rows::groups) {
    if constexpr (Rows::size(g) > 0) {
      VecF half[2][cols];
#pragma GCC unroll 6
      for (int j = 0; j < cols; ++j) {
        VecF column[rows];
#pragma GCC unroll 6
        for (int i = 0; i < rows; ++i) column[i] = d.get(i, j, c);
        VecF t[2];
        Kind::template apply<Rows, g>(column, t);
        half[0][j] = t[0];
        if constexpr (Rows::size(g) == 2) half[1][j] = t[1];
      }
      float* row = dst + Rows::slot(g) * (M + 2) * stride;
      row_to_points<Kind, Cols, 0>(half[0], row, stride);
      if constexpr (Rows::size(g) == 2) {
        row_to_points<Kind, Cols, 0>(half[1], row + (M + 2) * stride, stride);
      }
    }
    to_points<Kind, M, R, C, g + 1>(d, c, dst, stride);
  }
}

constexpr index_t kZeros = 1024;
alignas(64) const float zeros[kZeros] = {};

// Walks the vectors of channels [0, count), of which `first` is the number in the tensor, and calls
// body(c, lanes, destination).
template <typename Body>
TW_INLINE void for_vectors(index_t first, index_t count, const WinogradPoints& out, Body body) {
  float* dst = out.v + first / out.panel * out.panel_stride + first % out.panel;
  index_t in_panel = first % out.panel;
  for (index_t c = 0; c < count; c += W) {
    body(c, count - c < W ? count - c : W, dst);
    dst += W;
    in_panel += W;
    if (in_panel == out.panel) {
      in_panel = 0;
      dst += out.panel_stride - out.panel;
    }
  }
}

// A patch whose pixels all exist, without a gate: whole vectors straight from the tensor.
template <typename Kind, int M, int R, int C>
void strided_patch(const WinogradPatch& p, index_t channels, const WinogradPoints& out) {
  const Strided<Kind::size(R)> d(p.src, p.row, p.pixel);
  for_vectors(0, channels, out, [&](index_t c, index_t, float* dst) __attribute__((always_inline)) {
    to_points<Kind, M, R, C, 0>(d, c, dst, out.stride);
  });
}

// Any patch. Vectors that are gated or partial go through a copy.
template <typename Kind, int M, int R, int C>
void any_patch(const WinogradPatch& p, index_t channels, const GradientGate& gate,
               const WinogradPoints& out) {
  constexpr int rows = Kind::size(R);
  constexpr int cols = Kind::size(C);
  const VecF upper = set1(gate.upper);
  const VecF slope = set1(gate.slope);
  const index_t to_gate = gate.y != nullptr ? gate.y - p.src : 0;
  alignas(64) float copy[rows * cols * W];
  Scattered<rows, cols> copied;
  for (int i = 0; i < rows * cols; ++i) copied.address[i] = copy + i * W;
  for (index_t first = 0; first < channels; first += kZeros) {
    Scattered<rows, cols> d;
    bool exists[rows * cols];
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < cols; ++j) {
        const bool inside = i >= p.row0 && i < p.row1 && j >= p.col0 && j < p.col1;
        exists[i * cols + j] = inside;
        d.address[i * cols + j] = inside ? p.src + i * p.row + j * p.pixel + first : zeros;
      }
    }
    const index_t count = channels - first < kZeros ? channels - first : kZeros;
    for_vectors(first, count, out,
                [&](index_t c, index_t lanes, float* dst) __attribute__((always_inline)) {
                  const bool direct = gate.y == nullptr && lanes == W;
                  if (!direct) {
                    for (int i = 0; i < rows * cols; ++i) {
                      const float* src = d.address[i] + c;
                      VecF v = load_partial(src, lanes);
                      if (gate.y != nullptr && exists[i]) {
                        v = gated(v, load_partial(src + to_gate, lanes), upper, slope);
                      }
                      store(copy + i * W, v);
                    }
                  }
                  to_points<Kind, M, R, C, 0>(direct ? d : copied, direct ? c : 0, dst, out.stride);
                });
  }
}

template <typename Kind, int M, int R, int C>
void patch(const WinogradPatch& p, index_t channels, const GradientGate& gate,
           const WinogradPoints& out) {
  if constexpr (R == M && C == M) {
    const bool inside = p.row0 == 0 && p.row1 == Kind::size(M) && p.col0 == 0 &&
                        p.col1 == Kind::size(M) && channels % W == 0;
    if (inside && gate.y == nullptr) return strided_patch<Kind, M, R, C>(p, channels, out);
  }
  any_patch<Kind, M, R, C>(p, channels, gate, out);
}

// One row of outputs from a row of half-transformed points.
template <typename Kind, typename T, int count, int g, int N>
TW_INLINE void row_from_points(const VecF (&row)[N], VecF (&y)[count]) {
  if constexpr (g < 2 && g < count) {
    VecF t[2];
    Kind::template apply<T, g>(row, t);
    y[g] = t[0];
    if constexpr (g + 2 < count) y[g + 2] = t[1];
    row_from_points<Kind, T, count, g + 1>(row, y);
  }
}

// Calls put(row, values) for the rows of one vector, rows g and g + 2 together.
template <typename Kind, int M, int R, int C, int g, typename Put>
TW_INLINE void from_points(const float* m, index_t stride, Put put) {
  using Rows = Transform<M, R>;
  using Cols = Transform<M, C>;
  constexpr int rows = Kind::size(R);
  constexpr int cols = Kind::size(C);
  if constexpr (g < 2 && g < rows) {
    VecF half[2][M + 2];
#pragma GCC unroll 6
    for (int j = 0; j < M + 2; ++j) {
      VecF column[M + 2];
#pragma GCC unroll 6
      for (int i = 0; i < M + 2; ++i) column[i] = load(m + ((M + 2) * i + j) * stride);
      VecF t[2];
      Kind::template apply<Rows, g>(column, t);
      half[0][j] = t[0];
      if constexpr (g + 2 < rows) half[1][j] = t[1];
    }
    VecF y[cols];
    row_from_points<Kind, Cols, cols, 0>(half[0], y);
    put(g, y);
    if constexpr (g + 2 < rows) {
      row_from_points<Kind, Cols, cols, 0>(half[1], y);
      put(g + 2, y);
    }
    from_points<Kind, M, R, C, g + 1>(m, stride, put);
  }
}

template <int M, int R, int C>
void output(const float* m, index_t xi_stride, index_t channels, const WinogradOutput& out) {
  for (index_t k = 0; k < channels; k += W) {
    const index_t lanes = channels - k < W ? channels - k : W;
    const VecF bias = out.bias != nullptr ? load_partial(out.bias + k, lanes) : zero();
    from_points<Output, M, R, C, 0>(m + k, xi_stride,
                                    [&](int row, VecF(&y)[C]) __attribute__((always_inline)) {
#pragma GCC unroll 4
                                      for (int j = 0; j < C; ++j) {
                                        y[j] = y[j] + bias;
                                        if (out.relu) y[j] = max(zero(), y[j]);
                                      }
                                      float* dst = out.dst + row * out.row + k;
                                      if (out.past_caches) {
#pragma GCC unroll 4
                                        for (int j = 0; j < C; ++j)
                                          stream(dst + j * out.pixel, y[j]);
                                      } else if (lanes == W) {
#pragma GCC unroll 4
                                        for (int j = 0; j < C; ++j)
                                          store(dst + j * out.pixel, y[j]);
                                      } else {
#pragma GCC unroll 4
                                        for (int j = 0; j < C; ++j)
                                          store_partial(dst + j * out.pixel, y[j], lanes);
                                      }
                                    });
  }
  if (out.past_caches) stream_fence();
}

template <int M>
void filter(const float* g, index_t channels, float* u, index_t xi_stride) {
  constexpr index_t panel = 2 * W;
  for (index_t c = 0; c < channels; ++c) {
    for (index_t j = 0; j < panel; j += W) {
      const Strided<3> d(g + c * 9 * panel + j, 3 * panel, panel);
      to_points<Filter, M, M, M, 0>(d, 0, u + c * panel + j, xi_stride);
    }
  }
}

template <int M>
void filter_gradient(const float* du, index_t xi_stride, index_t count, float* dg,
                     index_t tap_stride) {
  for (index_t i = 0; i < count; i += W) {
    const index_t lanes = count - i < W ? count - i : W;
    from_points<FilterGradient, M, M, M, 0>(
        du + i, xi_stride, [&](int row, const VecF(&y)[3]) __attribute__((always_inline)) {
          float* dst = dg + 3 * row * tap_stride + i;
#pragma GCC unroll 3
          for (int j = 0; j < 3; ++j) {
            if (lanes == W) {
              store(dst + j * tap_stride, y[j]);
            } else {
              store_partial(dst + j * tap_stride, y[j], lanes);
            }
          }
        });
  }
}

template <int M>
bool needs(index_t count, index_t i) {
  return i <= count || i == M + 1;
}

void prefetch(const WinogradPatch& p, index_t col, index_t channels) {
  constexpr index_t line = 16;
  for (index_t i = p.row0; i < p.row1; ++i) {
    for (index_t j = p.col0 > col ? p.col0 : col; j < p.col1; ++j) {
      const float* pixel = p.src + i * p.row + j * p.pixel;
      for (index_t c = 0; c < channels; c += line) __builtin_prefetch(pixel + c, 0, 2);
    }
  }
}

// The functions of a tile's extent, whole tiles first.
template <typename Kind, int M, int R = M, int C = M>
void run_patch(const WinogradPatch& p, WinogradExtent extent, index_t channels,
               const GradientGate& gate, const WinogradPoints& out) {
  if (extent.rows < R) {
    if constexpr (R > 1) run_patch<Kind, M, R - 1, M>(p, extent, channels, gate, out);
  } else if (extent.cols < C) {
    if constexpr (C > 1) run_patch<Kind, M, R, C - 1>(p, extent, channels, gate, out);
  } else {
    patch<Kind, M, R, C>(p, channels, gate, out);
  }
}

template <int M, int R = M, int C = M>
void run_output(const float* m, index_t xi_stride, index_t channels, WinogradExtent extent,
                const WinogradOutput& out) {
  if (extent.rows < R) {
    if constexpr (R > 1) run_output<M, R - 1, M>(m, xi_stride, channels, extent, out);
  } else if (extent.cols < C) {
    if constexpr (C > 1) run_output<M, R, C - 1>(m, xi_stride, channels, extent, out);
  } else {
    output<M, R, C>(m, xi_stride, channels, out);
  }
}

}  // namespace

const WinogradKernels winograd4_kernels{4,
                                        36,
                                        needs<4>,
                                        prefetch,
                                        run_patch<Input, 4>,
                                        run_patch<Gradient, 4>,
                                        run_output<4>,
                                        filter<4>,
                                        filter_gradient<4>};
const WinogradKernels winograd2_kernels{2,
                                        16,
                                        needs<2>,
                                        prefetch,
                                        run_patch<Input, 2>,
                                        run_patch<Gradient, 2>,
                                        run_output<2>,
                                        filter<2>,
                                        filter_gradient<2>};

}  // namespace TW_ISA
}  // namespace tilewise
