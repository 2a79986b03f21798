#include "ops/scan.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"
#include "ops/copy.h"
#include "ops/reduce.h"
#include "ops/visit_dtype.h"
#include "ref/scan.h"

namespace tilewise {
namespace {

// A contiguous array as (outer, count, inner), the axis in the middle.
struct Extents {
  index_t outer = 1;
  index_t count = 1;
  index_t inner = 1;
};

Extents extents_of(const Array& a, int axis) {
  Extents e;
  for (int i = 0; i < a.rank(); ++i)
    (i < axis ? e.outer : i == axis ? e.count : e.inner) *= a.extent(i);
  return e;
}

constexpr index_t strip = 256;  // columns whose accumulators lie on the stack

template <typename Step, typename T, typename Acc>
void run(const T* x, T* y, const Extents& e) {
  if (e.inner == 1) {
    const index_t grain = round_up(ceil_div(elementwise_grain, e.count), 4);
    parallel_ranges(e.outer, grain, [&](index_t first, index_t last) {
      ref::scan_rows<Step, T, Acc>(x + first * e.count, y + first * e.count, last - first, e.count);
    });
    return;
  }
  const index_t strips = ceil_div(e.inner, strip);
  const index_t cost = e.count * std::min(strip, e.inner);
  parallel_ranges(e.outer * strips, ceil_div(elementwise_grain, cost),
                  [&](index_t first, index_t last) {
                    Acc total[strip];
                    for (index_t piece = first; piece < last; ++piece) {
                      const index_t col = piece % strips * strip;
                      const index_t start = piece / strips * e.count * e.inner + col;
                      ref::scan_cols<Step, T, Acc>(x + start, y + start, e.count,
                                                   std::min(strip, e.inner - col), e.inner, total);
                    }
                  });
}

template <typename Step>
void run_floating(const Array& x, const Array& y, const Extents& e) {
  if (x.dtype() == DType::float32) {
    run<Step, float, double>(x.data<const float>(), y.data<float>(), e);
  } else {
    run<Step, double, double>(x.data<const double>(), y.data<double>(), e);
  }
}

template <typename Step>
void run_numbers(const Array& x, const Array& y, const Extents& e) {
  if (is_floating(x.dtype())) return run_floating<Step>(x, y, e);
  run<Step, std::int64_t, std::int64_t>(x.data<const std::int64_t>(), y.data<std::int64_t>(), e);
}

}  // namespace

Array scan(Scan which, const Array& a, index_t axis) {
  const char* names[] = {"cumsum", "cumprod", "logcumsumexp"};
  const char* op = names[static_cast<int>(which)];
  const int dim = normalize_axis(op, axis, a.rank());
  TW_CHECK_TYPE(which != Scan::log_sum_exp || is_floating(a.dtype()), op,
                ": expected a floating tensor, got ", name_of(a.dtype()));
  const Array x = contiguous(is_floating(a.dtype()) ? a : cast(a, DType::int64));
  const Array y = Array::empty(x.shape(), x.dtype());
  if (x.size() == 0) return y;
  const Extents e = extents_of(x, dim);
  switch (which) {
    case Scan::sum:
      run_numbers<ref::SumStep>(x, y, e);
      break;
    case Scan::product:
      run_numbers<ref::ProductStep>(x, y, e);
      break;
    case Scan::log_sum_exp:
      run_floating<ref::LogAddStep>(x, y, e);
      break;
  }
  return y;
}

std::pair<Array, Array> scan_extreme(Extreme which, const Array& a, index_t axis) {
  const bool largest = which == Extreme::largest;
  const int dim = normalize_axis(largest ? "cummax" : "cummin", axis, a.rank());
  const Array x = contiguous(a);
  const Array y = Array::empty(x.shape(), x.dtype());
  const Array at = Array::empty(x.shape(), DType::int64);
  if (x.size() == 0) return {y, at};
  const Extents e = extents_of(x, dim);
  visit_dtype(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using Byte = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;
    parallel_ranges(
        e.outer * e.inner, ceil_div(elementwise_grain, e.count), [&](index_t first, index_t last) {
          for (index_t i = first; i < last; ++i) {
            const index_t start = i / e.inner * e.count * e.inner + i % e.inner;
            const Byte* run = x.data<const Byte>() + start;
            const auto scan =
                largest ? &ref::scan_extreme<true, Byte> : &ref::scan_extreme<false, Byte>;
            scan(run, y.data<Byte>() + start, at.data<std::int64_t>() + start, e.count, e.inner);
          }
        });
  });
  return {y, at};
}

}  // namespace tilewise
