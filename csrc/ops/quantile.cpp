#include "ops/quantile.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "ops/copy.h"
#include "ops/reduce.h"
#include "ops/sort_keys.h"
#include "ops/visit_dtype.h"

namespace tilewise {
namespace {

template <typename T>
T rounded(T rank, Interpolation between) {
  switch (between) {
    case Interpolation::lower:
      return std::floor(rank);
    case Interpolation::higher:
      return std::ceil(rank);
    case Interpolation::nearest:
      return std::nearbyint(rank);
    default:
      return rank;
  }
}

// One row: results lie `step` apart, one for each fraction.
template <typename T>
struct Place {
  T* value;
  std::int64_t* low;
  std::int64_t* high;
  T* weight;
  T* slope;
};

template <typename T, typename Entry>
void find(const T* row, index_t length, Entry* entries, const Array& fractions, bool ignore_nan,
          Interpolation between, const Place<T>& out, index_t step) {
  sorting::make_entries(row, length, false, entries);
  const index_t numbers = sorting::count_numbers<T>(entries, length);
  const index_t count = ignore_nan ? numbers : length;
  const auto last = static_cast<T>(std::max<index_t>(count - 1, 0));
  constexpr index_t few = 4;  // fractions that are found one by one
  const bool sorted = fractions.size() > few;
  if (sorted) sorting::sort_entries(entries, length);
  for (index_t q = 0; q < fractions.size(); ++q) {
    T rank = last * fractions.data<const T>()[q];
    if (!ignore_nan && numbers < length) rank = static_cast<T>(length - 1);  // NaN is last in order
    rank = rounded(rank, between);
    const auto below = std::clamp<index_t>(static_cast<index_t>(std::floor(rank)), 0, length - 1);
    const auto above = std::clamp<index_t>(static_cast<index_t>(std::ceil(rank)), 0, length - 1);
    if (!sorted) {
      std::nth_element(entries, entries + below, entries + length);
      if (above > below) {
        std::iter_swap(entries + above, std::min_element(entries + above, entries + length));
      }
    }
    const index_t low = entries[below].at();
    const index_t high = entries[above].at();
    T weight = rank - static_cast<T>(below);
    if (between == Interpolation::midpoint) weight = weight > 0 ? T(0.5) : weight;
    const T distance = row[high] - row[low];
    const index_t at = q * step;
    out.value[at] = row[low] == row[high] ? row[low] : row[low] + weight * distance;
    out.low[at] = low;
    out.high[at] = high;
    out.weight[at] = weight;
    out.slope[at] = between == Interpolation::linear ? last * distance : T{0};
  }
}

template <typename T>
Quantiles quantiles_of(const Array& rows, const Array& fractions, bool ignore_nan,
                       Interpolation between) {
  const index_t length = rows.shape().back();
  const index_t count = rows.size() / length;
  Dims shape{fractions.size()};
  for (int i = 0; i < rows.rank() - 1; ++i) shape.push_back(rows.extent(i));
  const DType dtype = rows.dtype();
  Quantiles out{Array::empty(shape, dtype), Array::empty(shape, DType::int64),
                Array::empty(shape, DType::int64), Array::empty(shape, dtype),
                Array::empty(shape, dtype)};
  TW_CHECK(length < sorting::longest_packed, "quantile: expected fewer elements than 2^32, got ",
           length);
  parallel_ranges(count, ceil_div(elementwise_grain / 8, length), [&](index_t first, index_t last) {
    using Entry = sorting::EntryOf<T>;
    SmallScratch<Entry, 256> entries(static_cast<std::size_t>(length));
    for (index_t i = first; i < last; ++i) {
      find(rows.data<const T>() + i * length, length, entries.data(), fractions, ignore_nan,
           between,
           Place<T>{out.values.data<T>() + i, out.low.data<std::int64_t>() + i,
                    out.high.data<std::int64_t>() + i, out.weight.data<T>() + i,
                    out.slope.data<T>() + i},
           count);
    }
  });
  return out;
}

}  // namespace

Quantiles quantiles(const Array& a, const Array& fractions_input, index_t axis, bool ignore_nan,
                    Interpolation between) {
  const char* op = "quantile";
  TW_CHECK_TYPE(is_floating(a.dtype()), op, ": expected a floating-point tensor, got ",
                name_of(a.dtype()));
  TW_CHECK(a.rank() > 0, op, ": expected at least 1 dimension, got a scalar");
  const int dim = normalize_axis(op, axis, a.rank());
  TW_CHECK(a.extent(dim) > 0, op, ": expected at least one element, got shape ",
           to_string(a.shape()));
  TW_CHECK(fractions_input.dtype() == a.dtype() && fractions_input.rank() <= 1, op,
           ": expected q of ", name_of(a.dtype()), " and at most 1 dimension");
  const Array fractions = contiguous(fractions_input);
  Dims order;
  for (int i = 0; i < a.rank(); ++i) {
    if (i != dim) order.push_back(i);
  }
  order.push_back(dim);
  const Array rows = contiguous(a.permute(order));
  const auto as = [&](auto tag) {
    using T = decltype(tag);
    for (index_t q = 0; q < fractions.size(); ++q) {
      const T fraction = fractions.data<const T>()[q];
      TW_CHECK(fraction >= 0 && fraction <= 1, op, ": expected q between 0 and 1");
    }
    return quantiles_of<T>(rows, fractions, ignore_nan, between);
  };
  return a.dtype() == DType::float32 ? as(float{}) : as(double{});
}

namespace {

// Blocks are counted apart and added in whole numbers, whose order does not matter.
template <typename T>
void count_parts(const Array& x, index_t bins, double low, double high, Array& out) {
  const index_t grain = std::max<index_t>(elementwise_grain, 4 * bins);
  const index_t blocks = ceil_div(x.size(), grain);
  Array partial = Array::empty({std::max<index_t>(blocks, 1), bins}, DType::int64);
  fill(partial, 0.0);
  const auto bottom = static_cast<T>(low);
  const auto top = static_cast<T>(high);
  const auto scale = static_cast<T>(static_cast<double>(bins) / (high - low));
  parallel_ranges(x.size(), grain, [&](index_t first, index_t last) {
    auto* counts = partial.data<std::int64_t>() + first / grain * bins;
    const T* values = x.data<const T>();
    for (index_t i = first; i < last; ++i) {
      const T value = values[i];
      if (!(value >= bottom && value <= top)) continue;
      ++counts[std::clamp<index_t>(static_cast<index_t>((value - bottom) * scale), 0, bins - 1)];
    }
  });
  const auto* counts = partial.data<const std::int64_t>();
  for (index_t i = 0; i < bins; ++i) {
    std::int64_t total = 0;
    for (index_t b = 0; b < blocks; ++b) total += counts[b * bins + i];
    out.data<T>()[i] = static_cast<T>(total);
  }
}

}  // namespace

Array histogram(const Array& a, index_t bins, double low, double high) {
  TW_CHECK_TYPE(is_floating(a.dtype()), "histc: expected a floating-point tensor, got ",
                name_of(a.dtype()));
  TW_CHECK(bins >= 1, "histc: expected bins >= 1, got ", bins);
  TW_CHECK(low < high && std::isfinite(low) && std::isfinite(high),
           "histc: expected finite min <= max, got ", low, " and ", high);
  const Array x = contiguous(a);
  Array out = Array::empty({bins}, a.dtype());
  if (a.dtype() == DType::float32) {
    count_parts<float>(x, bins, low, high, out);
  } else {
    count_parts<double>(x, bins, low, high, out);
  }
  return out;
}

Array bincount(const Array& input, const std::optional<Array>& weights_input, index_t least) {
  const char* op = "bincount";
  TW_CHECK(input.rank() == 1 && !is_floating(input.dtype()), op,
           ": expected a vector of integers, got ", name_of(input.dtype()), " ",
           to_string(input.shape()));
  TW_CHECK(least >= 0, op, ": expected minlength >= 0, got ", least);
  TW_CHECK(!weights_input || weights_input->shape() == input.shape(), op, ": expected weights of ",
           to_string(input.shape()), ", got ",
           to_string(weights_input ? weights_input->shape() : Dims()));
  Array a = contiguous(cast(input, DType::int64));
  const index_t size = a.size();
  const auto* x = a.data<const std::int64_t>();
  std::int64_t smallest = 0;
  std::int64_t largest = -1;
  for (index_t i = 0; i < size; ++i) {
    smallest = std::min(smallest, x[i]);
    largest = std::max(largest, x[i]);
  }
  TW_CHECK(smallest >= 0, op, ": expected integers >= 0, got a negative one");
  const index_t length = std::max(least, checked_add(largest, 1));
  // Another thread may write to the numbers meanwhile.
  const auto place = [&](index_t i) { return std::clamp<index_t>(x[i], 0, length - 1); };
  if (!weights_input) {
    Array out = Array::empty({length}, DType::int64);
    fill(out, 0.0);
    for (index_t i = 0; i < size; ++i) ++out.data<std::int64_t>()[place(i)];
    return out;
  }
  const DType dtype = is_floating(weights_input->dtype()) ? weights_input->dtype() : DType::float64;
  const Array weights = contiguous(cast(*weights_input, dtype));
  Array out = Array::empty({length}, dtype);
  fill(out, 0.0);
  const auto add = [&](auto tag) {
    using T = decltype(tag);
    for (index_t i = 0; i < size; ++i) out.data<T>()[place(i)] += weights.data<const T>()[i];
  };
  if (dtype == DType::float32) {
    add(float{});
  } else {
    add(double{});
  }
  return out;
}

}  // namespace tilewise
