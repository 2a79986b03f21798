// In channels-last memory each is a transposition of small matrices, a pixel's own, in L1:
//
//   pixel_shuffle    y[h r + i, w r + j, c] = x[h, w, c r^2 + i r + j]
//   channel_shuffle  y[p, k g + i]          = x[p, i C / g + k]
#include "ops/shuffle.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"
#include "ops/copy.h"

namespace tilewise {
namespace {

struct Matrix {
  index_t rows;
  index_t cols;
  index_t src_stride;  // between rows
  index_t dst_stride;  // between columns, which are rows of the result
};

// dst[c, r] = src[r, c]; the longer side is the inner loop.
template <typename T>
void transpose(const T* src, const Matrix& m, T* dst) {
  if (m.rows >= m.cols) {
    for (index_t c = 0; c < m.cols; ++c) {
      for (index_t r = 0; r < m.rows; ++r) dst[c * m.dst_stride + r] = src[r * m.src_stride + c];
    }
  } else {
    for (index_t r = 0; r < m.rows; ++r) {
      for (index_t c = 0; c < m.cols; ++c) dst[c * m.dst_stride + r] = src[r * m.src_stride + c];
    }
  }
}

// body(T()) with an unsigned type of the element's size.
template <typename Body>
void visit_size(DType dtype, const Body& body) {
  const std::size_t bytes = itemsize(dtype);
  if (bytes == 8) return body(std::uint64_t{});
  if (bytes == 4) return body(std::uint32_t{});
  body(std::uint8_t{});
}

// Between (n, h, w, C r^2) and (n, h r, w r, C): `spread` makes the second from the first.
void shuffle_pixels(const Array& x, const Array& packed, index_t r, bool spread, const Array& y) {
  const index_t width = packed.extent(3);
  const index_t channels = packed.extent(1) / (r * r);
  const index_t rows = packed.extent(0) * packed.extent(2);
  const index_t row = width * packed.extent(1);
  visit_size(x.dtype(), [&](auto element) {
    using T = decltype(element);
    const T* src = x.data<T>();
    T* dst = y.data<T>();
    const index_t grain = std::max<index_t>(1, elementwise_grain / row);
    parallel_ranges(rows, grain, [&](index_t first, index_t last) {
      for (index_t n = first; n < last; ++n) {
        for (index_t i = 0; i < r; ++i) {
          const index_t wide = n * row + i * width * r * channels;
          for (index_t w = 0; w < width; ++w) {
            const index_t a = n * row + w * channels * r * r + i * r;
            const index_t b = wide + w * r * channels;
            if (spread) {
              transpose(src + a, {channels, r, r * r, channels}, dst + b);
            } else {
              transpose(src + b, {r, channels, channels, r * r}, dst + a);
            }
          }
        }
      }
    });
  });
}

void check_rank(const char* op, const Array& x, index_t factor) {
  constexpr index_t most = index_t{1} << 31;
  TW_CHECK(factor >= 1 && factor < most, op, ": expected a factor >= 1, got ", factor);
  TW_CHECK(x.rank() == 4, op, ": expected an input (N, C, H, W), got shape ", to_string(x.shape()));
}

}  // namespace

Array pixel_shuffle(const Array& x, index_t factor) {
  check_rank("pixel_shuffle", x, factor);
  const index_t square = factor * factor;
  TW_CHECK(x.extent(1) % square == 0, "pixel_shuffle: expected channels that ", factor,
           "^2 = ", square, " divides, got shape ", to_string(x.shape()));
  Array y = Array::empty_channels_last(
      {x.extent(0), x.extent(1) / square, checked_mul(x.extent(2), factor),
       checked_mul(x.extent(3), factor)},
      x.dtype());
  if (y.size() > 0) shuffle_pixels(channels_last(x), x, factor, true, y);
  return y;
}

Array pixel_unshuffle(const Array& x, index_t factor) {
  check_rank("pixel_unshuffle", x, factor);
  TW_CHECK(x.extent(2) % factor == 0 && x.extent(3) % factor == 0,
           "pixel_unshuffle: expected a height and width that ", factor, " divides, got shape ",
           to_string(x.shape()));
  Array y = Array::empty_channels_last({x.extent(0), checked_mul(x.extent(1), factor * factor),
                                        x.extent(2) / factor, x.extent(3) / factor},
                                       x.dtype());
  if (y.size() > 0) shuffle_pixels(channels_last(x), y, factor, false, y);
  return y;
}

Array channel_shuffle(const Array& input, index_t groups) {
  const char* op = "channel_shuffle";
  TW_CHECK(input.rank() >= 3 && input.rank() < Dims::max_rank, op,
           ": expected an input (N, C, spatial...), got shape ", to_string(input.shape()));
  TW_CHECK(groups >= 1 && input.extent(1) % groups == 0, op, ": expected groups that divide ",
           input.extent(1), " channels, got ", groups);
  Array y = Array::empty_channels_last(input.shape(), input.dtype());
  if (y.size() == 0) return y;
  const Array x = channels_last(input);
  const index_t channels = x.extent(1);
  const index_t inner = channels / groups;
  visit_size(x.dtype(), [&](auto element) {
    using T = decltype(element);
    const T* src = x.data<T>();
    T* dst = y.data<T>();
    const index_t grain = std::max<index_t>(1, elementwise_grain / channels);
    parallel_ranges(x.size() / channels, grain, [&](index_t first, index_t last) {
      for (index_t p = first; p < last; ++p) {
        transpose(src + p * channels, {groups, inner, inner, groups}, dst + p * channels);
      }
    });
  });
  return y;
}

}  // namespace tilewise
