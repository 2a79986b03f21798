// Padding moves rows. Dimensions are taken as they lie in memory; what is not padded at the end is
// the unit that moves, the last padded dimension makes a row of units, and each row of the output
// has one row of the input (or none) behind it: for NHWC the unit is a pixel's channels and the
// inside of a row is one copy.
//
// Backward, a row of dx gathers the rows of dy that show it, in ascending order: no two threads
// write to one place, and the bits depend on nothing but the shapes.
#include "ops/pad.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/pad.h"
#include "ops/copy.h"
#include "ops/operand.h"
#include "ops/visit_dtype.h"
#include "ref/pad.h"

namespace tilewise {
namespace {

constexpr index_t kLargest = index_t{1} << 40;
constexpr index_t kMostElements = index_t{1} << 60;

bool lies_channels_last(const Array& a) { return !a.is_contiguous() && a.is_channels_last(); }

// Dimension i of `dims` as it lies in memory, channels last.
Dims in_memory(const Dims& dims, bool channels_last) {
  if (!channels_last) return dims;
  Dims out{dims[0]};
  for (int i = 2; i < dims.size(); ++i) out.push_back(dims[i]);
  out.push_back(dims[1]);
  return out;
}

Dims checked_shape(const char* op, const Dims& in, const PadAmounts& a) {
  TW_CHECK(a.before.size() == in.size() && a.after.size() == in.size(), op, ": expected ",
           in.size(), " amounts for shape ", to_string(in), ", got ", to_string(a.before), " and ",
           to_string(a.after));
  Dims out = in;
  for (int i = 0; i < in.size(); ++i) {
    const index_t before = a.before[i];
    const index_t after = a.after[i];
    TW_CHECK(std::max(std::abs(before), std::abs(after)) <= kLargest, op,
             ": expected amounts of at most 2^40, got ", before, " and ", after);
    check_border(op, a.border, in[i], before, after);
    out[i] = checked_add(in[i], before + after);
    const index_t kept = in[i] + std::min<index_t>(before, 0) + std::min<index_t>(after, 0);
    const bool pads = before != 0 || after != 0;
    const bool fits = a.border == Border::zeros ? kept >= 0 && out[i] >= 0 : !pads || out[i] >= 1;
    TW_CHECK(fits, op, ": expected to cut away no more than there is, got ", before, " and ", after,
             " for dimension ", i, " of shape ", to_string(in));
  }
  index_t count = 1;
  for (index_t extent : out) {
    TW_CHECK(extent == 0 || count <= kMostElements / extent, op,
             ": expected a result of at most 2^60 elements, got shape ", to_string(out));
    count *= extent;
  }
  return out;
}

// The same with fewer dimensions: those without a border are merged with their neighbours.
PadGeometry merged(const PadGeometry& g, index_t& unit) {
  PadGeometry m{{}, {}, {}, g.border};
  const auto unpadded = [&](int i) { return g.before[i] == 0 && g.in[i] == g.out[i]; };
  int rank = g.in.size();
  unit = 1;
  while (rank > 0 && unpadded(rank - 1)) unit *= g.in[--rank];
  bool joins = false;  // the dimension before had no border
  for (int i = 0; i < rank; ++i) {
    if (joins && unpadded(i)) {
      const int last = m.in.size() - 1;
      m.in[last] *= g.in[i];
      m.out[last] *= g.in[i];
    } else {
      m.in.push_back(g.in[i]);
      m.out.push_back(g.out[i]);
      m.before.push_back(g.before[i]);
    }
    joins = unpadded(i);
  }
  if (m.in.empty()) {
    m.in = m.out = {1};
    m.before = {0};
  }
  return m;
}

// A tensor of `dims` cut into rows of the last dimension, and rows into blocks of columns.
struct Pieces {
  Pieces(const Dims& dims, index_t unit)
      : rows(element_count(dims.slice(0, dims.size() - 1))), cols(dims.back()) {
    col_grain = std::clamp<index_t>(elementwise_grain / std::max<index_t>(1, unit), 1,
                                    std::max<index_t>(1, cols));
    row_grain = std::max<index_t>(1, elementwise_grain / std::max<index_t>(1, col_grain * unit));
  }

  // body(row, first column, last column)
  template <typename Body>
  void for_each(const Body& body) const {
    const index_t col_blocks = ceil_div(cols, col_grain);
    parallel_for(ceil_div(rows, row_grain) * col_blocks, [&](index_t piece) {
      const index_t first = piece / col_blocks * row_grain;
      const index_t col = piece % col_blocks * col_grain;
      const index_t last = std::min(first + row_grain, rows);
      for (index_t row = first; row < last; ++row) body(row, col, std::min(col + col_grain, cols));
      pad_kernels().fence();
    });
  }

  index_t rows;
  index_t cols;
  index_t row_grain;
  index_t col_grain;
};

template <typename T>
void copy_run(const T* src, T* dst, index_t count, bool streaming) {
  if constexpr (sizeof(T) % sizeof(float) == 0) {
    const index_t words = count * static_cast<index_t>(sizeof(T) / sizeof(float));
    pad_kernels().copy(reinterpret_cast<const float*>(src), reinterpret_cast<float*>(dst), words,
                       streaming);
  } else {
    std::memcpy(dst, src, static_cast<std::size_t>(count) * sizeof(T));
  }
}

// T: an unsigned integer of the elements' size.
template <typename T>
class Forward {
 public:
  Forward(const PadGeometry& geometry, const T* x, T value, T* y, bool streaming)
      : g_(merged(geometry, unit_)), x_(x), value_(value), y_(y), streaming_(streaming) {}

  void run() const {
    const int last = g_.in.size() - 1;
    Pieces(g_.out, unit_).for_each([&](index_t row, index_t first, index_t end) {
      T* dst = y_ + (row * g_.out[last] + first) * unit_;
      const index_t source = source_row(row);
      if (source < 0) {
        std::fill_n(dst, (end - first) * unit_, value_);
      } else {
        copy_row(x_ + source * g_.in[last] * unit_, dst, first, end);
      }
    });
  }

 private:
  index_t source_row(index_t row) const {
    index_t source = 0;
    index_t step = 1;
    for (int i = g_.in.size() - 2; i >= 0; --i) {
      const index_t at = border_source(g_.border, row % g_.out[i] - g_.before[i], g_.in[i]);
      if (at < 0) return -1;
      source += at * step;
      step *= g_.in[i];
      row /= g_.out[i];
    }
    return source;
  }

  // Columns [first, end) of an output row, the first at dst.
  void copy_row(const T* src, T* dst, index_t first, index_t end) const {
    const int last = g_.in.size() - 1;
    const index_t before = g_.before[last];
    const index_t inside = std::clamp(before, first, end);
    const index_t beyond = std::clamp(before + g_.in[last], inside, end);
    copy_border(src, dst, first, inside);
    copy_run(src + (inside - before) * unit_, dst + (inside - first) * unit_,
             (beyond - inside) * unit_, streaming_);
    copy_border(src, dst + (beyond - first) * unit_, beyond, end);
  }

  void copy_border(const T* src, T* dst, index_t first, index_t end) const {
    const int last = g_.in.size() - 1;
    if (g_.border == Border::zeros) {
      std::fill_n(dst, (end - first) * unit_, value_);
      return;
    }
    for (index_t col = first; col < end; ++col, dst += unit_) {
      const index_t at = border_source(g_.border, col - g_.before[last], g_.in[last]);
      std::copy_n(src + at * unit_, unit_, dst);
    }
  }

  index_t unit_ = 1;
  PadGeometry g_;
  const T* x_;
  T value_;
  T* y_;
  bool streaming_;
};

// The output places that show each place of one dimension, ascending.
struct Shown {
  std::vector<index_t> start;
  std::vector<index_t> places;

  Shown(Border border, index_t in, index_t out, index_t before)
      : start(static_cast<std::size_t>(in) + 1, 0), places(static_cast<std::size_t>(out)) {
    for (index_t o = 0; o < out; ++o) ++start[at(border, o - before, in) + 1];
    for (std::size_t i = 1; i < start.size(); ++i) start[i] += start[i - 1];
    std::vector<index_t> next(start.begin(), start.end() - 1);
    for (index_t o = 0; o < out; ++o) {
      places[static_cast<std::size_t>(next[at(border, o - before, in)]++)] = o;
    }
  }

 private:
  static std::size_t at(Border border, index_t i, index_t in) {
    return static_cast<std::size_t>(border_source(border, i, in));
  }
};

class Backward {
 public:
  Backward(const PadGeometry& geometry, const float* dy, float* dx, bool streaming)
      : g_(merged(geometry, unit_)), dy_(dy), dx_(dx), streaming_(streaming) {
    const int last = g_.in.size() - 1;
    shown_.reserve(static_cast<std::size_t>(last));
    for (int i = 0; i < last; ++i) {
      shown_.emplace_back(g_.border, g_.in[i], g_.out[i], g_.before[i]);
    }
    // Columns [quiet_, noisy_) show in the inside of a row only.
    const index_t middle = g_.in[last] / 2;
    noisy_ = g_.in[last];
    for (index_t o = 0; o < g_.out[last]; ++o) {
      const index_t i = o - g_.before[last];
      if (i >= 0 && i < g_.in[last]) continue;
      const index_t at = border_source(g_.border, i, g_.in[last]);
      border_.push_back({at, o});
      if (at < middle) quiet_ = std::max(quiet_, at + 1);
      if (at >= middle) noisy_ = std::min(noisy_, at);
    }
  }

  void run() const {
    Pieces(g_.in, unit_).for_each([&](index_t row, index_t first, index_t end) {
      gather_row(row, first, end);
    });
  }

 private:
  struct BorderColumn {
    index_t in;
    index_t out;
  };

  // Sums the rows of dy behind row `row` of dx: every combination of the dimensions' places.
  void gather_row(index_t row, index_t first, index_t end) const {
    const int outer = g_.in.size() - 1;
    const index_t* places[Dims::max_rank];
    index_t counts[Dims::max_rank];
    index_t sources = 1;
    index_t rest = row;
    for (int i = outer - 1; i >= 0; --i) {
      const Shown& s = shown_[static_cast<std::size_t>(i)];
      const auto at = static_cast<std::size_t>(rest % g_.in[i]);
      places[i] = s.places.data() + s.start[at];
      counts[i] = s.start[at + 1] - s.start[at];
      sources *= counts[i];
      rest /= g_.in[i];
    }
    float* dst = dx_ + row * g_.in[outer] * unit_;
    if (sources == 0) std::fill(dst + first * unit_, dst + end * unit_, 0.0F);
    for (index_t n = 0; n < sources; ++n) {
      index_t source = 0;
      index_t step = 1;
      index_t which = n;
      for (int i = outer - 1; i >= 0; --i) {
        source += places[i][which % counts[i]] * step;
        which /= counts[i];
        step *= g_.out[i];
      }
      fold_row(dy_ + source * g_.out[outer] * unit_, dst, {first, end, n > 0, sources == 1});
    }
  }

  struct Columns {
    index_t first, end;
    bool accumulate;
    bool once;  // no other row comes after this one
  };

  // Adds a row of dy to columns of a row of dx.
  void fold_row(const float* src, float* dst, const Columns& c) const {
    const int last = g_.in.size() - 1;
    const index_t before = g_.before[last];
    const index_t lo = std::clamp(-before, c.first, c.end);  // columns that the inside shows
    const index_t hi = std::clamp(g_.out[last] - before, lo, c.end);
    const PadKernels& k = pad_kernels();
    const float* inside = src + before * unit_;
    if (c.accumulate) {
      k.add(inside + lo * unit_, dst + lo * unit_, (hi - lo) * unit_);
    } else {
      const bool past_caches = streaming_ && c.once;
      const index_t cuts[] = {lo, std::clamp(quiet_, lo, hi),
                              std::clamp(noisy_, std::clamp(quiet_, lo, hi), hi), hi};
      std::fill(dst + c.first * unit_, dst + lo * unit_, 0.0F);
      for (int i = 0; i < 3; ++i) {
        k.copy(inside + cuts[i] * unit_, dst + cuts[i] * unit_, (cuts[i + 1] - cuts[i]) * unit_,
               past_caches && i == 1);
      }
      std::fill(dst + hi * unit_, dst + c.end * unit_, 0.0F);
    }
    for (const BorderColumn& b : border_) {
      if (b.in < c.first || b.in >= c.end) continue;
      if (unit_ == 1) {
        dst[b.in] += src[b.out];
      } else {
        k.add(src + b.out * unit_, dst + b.in * unit_, unit_);
      }
    }
  }

  index_t unit_ = 1;
  PadGeometry g_;
  const float* dy_;
  float* dx_;
  bool streaming_;
  std::vector<Shown> shown_;
  std::vector<BorderColumn> border_;
  index_t quiet_ = 0;
  index_t noisy_ = 0;
};

template <typename T>
void forward(const PadGeometry& g, const Array& x, const std::optional<Array>& value,
             const Array& y) {
  T constant{};
  if (value) std::memcpy(&constant, value->bytes(), sizeof(T));
  Forward<T>(g, x.data<T>(), constant, y.data<T>(), larger_than_caches(y)).run();
}

Array empty_in(const Dims& shape, DType dtype, bool channels_last) {
  return channels_last ? Array::empty_channels_last(shape, dtype) : Array::empty(shape, dtype);
}

}  // namespace

Array pad(const Array& input, const PadAmounts& amounts, const std::optional<Array>& value) {
  const Dims shape = checked_shape("pad", input.shape(), amounts);
  TW_CHECK(!value || (value->rank() == 0 && value->dtype() == input.dtype()),
           "pad: expected a value of no dimensions and the input's dtype");
  const Array x = dense(input);
  const bool last = lies_channels_last(x);
  const Array y = empty_in(shape, x.dtype(), last);
  if (y.size() == 0) return y;
  const PadGeometry g{in_memory(x.shape(), last), in_memory(shape, last),
                      in_memory(amounts.before, last), amounts.border};
  if (x.dtype() == DType::float64) {
    ref::pad_forward(g, x.data<double>(), value ? *value->data<double>() : 0.0, y.data<double>());
    return y;
  }
  switch (itemsize(x.dtype())) {
    case 1:
      forward<std::uint8_t>(g, x, value, y);
      break;
    case 4:
      forward<std::uint32_t>(g, x, value, y);
      break;
    default:
      forward<std::uint64_t>(g, x, value, y);
  }
  return y;
}

Array pad_backward(const Array& grad_output, const Dims& input_shape, const PadAmounts& amounts) {
  const Dims shape = checked_shape("pad backward", input_shape, amounts);
  TW_CHECK(grad_output.shape() == shape, "pad backward: expected a gradient of shape ",
           to_string(shape), ", got ", to_string(grad_output.shape()));
  TW_CHECK_TYPE(is_floating(grad_output.dtype()),
                "pad backward: expected a floating gradient, got ", name_of(grad_output.dtype()));
  const Array dy = dense(grad_output);
  const bool last = lies_channels_last(dy);
  const Array dx = empty_in(input_shape, dy.dtype(), last);
  if (dx.size() == 0) return dx;
  const PadGeometry g{in_memory(input_shape, last), in_memory(shape, last),
                      in_memory(amounts.before, last), amounts.border};
  if (dy.dtype() == DType::float64) {
    ref::pad_backward(g, dy.data<double>(), dx.data<double>());
    return dx;
  }
  if (dy.size() == 0) {
    fill(dx, 0);
  } else if (amounts.border == Border::zeros) {  // cut what was added, add zeros for what was cut
    PadGeometry inverse{g.out, g.in, g.before, g.border};
    for (index_t& before : inverse.before) before = -before;
    forward<std::uint32_t>(inverse, dy, std::nullopt, dx);
  } else {
    Backward(g, dy.data<float>(), dx.data<float>(), larger_than_caches(dx)).run();
  }
  return dx;
}

}  // namespace tilewise
