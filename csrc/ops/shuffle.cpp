// Each is a copy between two views, which copy.cpp does by permutations of registers:
//
//   pixel_shuffle    y[n, c, h r + i, w r + j] = x[n, c r^2 + i r + j, h, w]
//   channel_shuffle  y[n, k g + i, p]          = x[n, i C / g + k, p]
#include "ops/shuffle.h"

#include "base/error.h"
#include "ops/copy.h"

namespace tilewise {
namespace {

// The packed array (N, C r^2, H, W) as (N, C, r, r, H, W).
Array packed_view(const Array& a, index_t r) {
  const Dims& s = a.strides();
  return a.with_layout({a.extent(0), a.extent(1) / (r * r), r, r, a.extent(2), a.extent(3)},
                       {s[0], s[1] * r * r, s[1] * r, s[1], s[2], s[3]});
}

// The spread array (N, C, H r, W r) in the same order of dimensions.
Array spread_view(const Array& a, index_t r) {
  const Dims& s = a.strides();
  return a.with_layout({a.extent(0), a.extent(1), r, r, a.extent(2) / r, a.extent(3) / r},
                       {s[0], s[1], s[2], s[3], s[2] * r, s[3] * r});
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
  if (y.size() > 0) copy_into(spread_view(y, factor), packed_view(channels_last(x), factor));
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
  if (y.size() > 0) copy_into(packed_view(y, factor), spread_view(channels_last(x), factor));
  return y;
}

Array channel_shuffle(const Array& input, index_t groups) {
  const char* op = "channel_shuffle";
  TW_CHECK(input.rank() >= 3 && input.rank() < Dims::max_rank, op,
           ": expected an input (N, C, spatial...), got shape ", to_string(input.shape()));
  TW_CHECK(groups >= 1 && input.extent(1) % groups == 0, op, ": expected groups that divide ",
           input.extent(1), " channels, got ", groups);
  const bool plain = input.is_contiguous() && !input.is_channels_last();
  Array y = plain ? Array::empty(input.shape(), input.dtype())
                  : Array::empty_channels_last(input.shape(), input.dtype());
  if (y.size() == 0) return y;
  const Array x = plain ? input : channels_last(input);
  const index_t channels = x.extent(1);
  const index_t inner = channels / groups;
  const index_t pixels = x.size() / channels;
  if (plain) {  // whole maps move
    const index_t map = pixels / x.extent(0);
    const Dims shape{x.extent(0), inner, groups, map};
    copy_into(y.with_layout(shape, {channels * map, groups * map, map, 1}),
              x.with_layout(shape, {channels * map, map, inner * map, 1}));
    return y;
  }
  copy_into(y.with_layout({pixels, inner, groups}, {channels, groups, 1}),
            x.with_layout({pixels, inner, groups}, {channels, 1, inner}));
  return y;
}

}  // namespace tilewise
