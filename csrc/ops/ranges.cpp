#include "ops/ranges.h"

#include <algorithm>

#include "base/convert.h"
#include "base/error.h"
#include "base/threads.h"
#include "ops/visit_dtype.h"

namespace tilewise {
namespace {

// out[i] = origin + (first + i) step for a part of a range; the position within it is a 32-bit
// number, whose conversion is a vector instruction.
template <typename T>
void fill_evenly(T* out, index_t first, index_t count, double origin, double step) {
  const auto start = static_cast<double>(first);
  const auto length = static_cast<std::int32_t>(count);
  for (std::int32_t i = 0; i < length; ++i) {
    out[i] = converted<T>(origin + (start + static_cast<double>(i)) * step);
  }
}

}  // namespace

Array arange(const Scalar& start, const Scalar& step, index_t count, DType dtype) {
  TW_CHECK(count >= 0, "arange: expected a count >= 0, got ", count);
  Array a = Array::empty({count}, dtype);
  visit_dtype(dtype, [&](auto tag) {
    using T = decltype(tag);
    T* out = a.data<T>();
    parallel_ranges(count, elementwise_grain, [&](index_t first, index_t last) {
      if constexpr (std::is_floating_point_v<T>) {
        fill_evenly(out + first, first, last - first, start.floating, step.floating);
      } else {
        const auto from = static_cast<std::uint64_t>(start.integer);
        const auto delta = static_cast<std::uint64_t>(step.integer);
        for (index_t i = first; i < last; ++i) {
          out[i] = static_cast<T>(
              static_cast<std::int64_t>(from + static_cast<std::uint64_t>(i) * delta));
        }
      }
    });
  });
  return a;
}

Array linspace(double first, double last, index_t count, DType dtype) {
  TW_CHECK(count >= 0, "linspace: expected steps >= 0, got ", count);
  Array a = Array::empty({count}, dtype);
  const double step = count > 1 ? (last - first) / static_cast<double>(count - 1) : 0.0;
  const index_t middle = (count + 1) / 2;
  visit_dtype(dtype, [&](auto tag) {
    using T = decltype(tag);
    T* out = a.data<T>();
    parallel_ranges(count, elementwise_grain, [&](index_t begin, index_t end) {
      const index_t left = std::clamp(middle, begin, end);
      fill_evenly(out + begin, begin, left - begin, first, step);
      // last - (count - 1 - i) step
      fill_evenly(out + left, left - (count - 1), end - left, last, step);
    });
  });
  return a;
}

}  // namespace tilewise
