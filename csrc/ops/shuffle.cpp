// Each is a copy between two views of the same six (three) indices.
#include "ops/shuffle.h"

#include "base/error.h"
#include "ops/copy.h"

namespace tilewise {
namespace {

// A (N, C r^2, H, W) array as (N, H, i, W, j, C).
Array packed_view(const Array& a, index_t r) {
  const Dims& s = a.strides();
  const Dims shape{a.extent(0), a.extent(2), r, a.extent(3), r, a.extent(1) / (r * r)};
  return a.with_layout(shape, {s[0], s[2], s[1] * r, s[3], s[1], s[1] * r * r});
}

// A (N, C, H r, W r) array as (N, H, i, W, j, C).
Array spread_view(const Array& a, index_t r) {
  const Dims& s = a.strides();
  const Dims shape{a.extent(0), a.extent(2) / r, r, a.extent(3) / r, r, a.extent(1)};
  return a.with_layout(shape, {s[0], s[2] * r, s[2], s[3] * r, s[3], s[1]});
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
  if (y.size() > 0) copy_into(spread_view(y, factor), packed_view(x, factor));
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
  if (y.size() > 0) copy_into(packed_view(y, factor), spread_view(x, factor));
  return y;
}

Array channel_shuffle(const Array& x, index_t groups) {
  const char* op = "channel_shuffle";
  TW_CHECK(x.rank() >= 3 && x.rank() < Dims::max_rank, op,
           ": expected an input (N, C, spatial...), got shape ", to_string(x.shape()));
  TW_CHECK(groups >= 1 && x.extent(1) % groups == 0, op, ": expected groups that divide ",
           x.extent(1), " channels, got ", groups);
  Array y = Array::empty_channels_last(x.shape(), x.dtype());
  if (y.size() == 0) return y;
  const auto split = [](const Array& a, index_t outer, bool turned) {  // (N, spatial..., C/g, g)
    const index_t inner = a.extent(1) / outer;
    const index_t step = a.strides()[1];
    Dims shape{a.extent(0)};
    Dims strides{a.strides()[0]};
    for (int i = 2; i < a.rank(); ++i) {
      shape.push_back(a.extent(i));
      strides.push_back(a.strides()[i]);
    }
    shape.push_back(turned ? inner : outer);
    strides.push_back(turned ? step : step * inner);
    shape.push_back(turned ? outer : inner);
    strides.push_back(turned ? step * inner : step);
    return a.with_layout(shape, strides);
  };
  copy_into(split(y, x.extent(1) / groups, false), split(x, groups, true));
  return y;
}

}  // namespace tilewise
