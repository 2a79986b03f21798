#include "base/resample_axis.h"

#include <algorithm>

namespace tilewise {

ResampleAxis ResampleAxis::identity(index_t extent) {
  ResampleAxis axis;
  axis.in = axis.out = extent;
  axis.reserve(extent, 1);
  axis.weight.push_back(1.0);
  for (index_t i = 0; i < extent; ++i) axis.add(i, 1, 0);
  return axis;
}

bool ResampleAxis::is_identity() const {
  if (in != out) return false;
  for (std::size_t o = 0; o < first.size(); ++o) {
    if (first[o] != static_cast<std::int32_t>(o) || count[o] != 1) return false;
    if (weight[static_cast<std::size_t>(begin[o])] != 1.0) return false;
  }
  return true;
}

std::int32_t ResampleAxis::most_taps() const {
  return count.empty() ? 0 : *std::max_element(count.begin(), count.end());
}

namespace {

// Windows rise, so those that contain coordinate i are the outputs [low, high).
template <typename First, typename Count, typename Visit>
void for_each_coordinate(index_t in, const First& first, const Count& count, const Visit& visit) {
  std::size_t low = 0;
  std::size_t high = 0;
  for (index_t i = 0; i < in; ++i) {
    while (low < first.size() && first[low] + count[low] <= i) ++low;
    high = std::max(high, low);
    while (high < first.size() && first[high] <= i) ++high;
    visit(i, low, high);
  }
}

}  // namespace

ResampleAxis transposed(const ResampleAxis& axis) {
  ResampleAxis t;
  t.in = axis.out;
  t.out = axis.in;
  t.reserve(t.out, static_cast<index_t>(axis.weight.size()));
  for_each_coordinate(
      axis.in, axis.first, axis.count, [&](index_t i, std::size_t low, std::size_t high) {
        t.add(low, high - low, t.weight.size());
        for (std::size_t o = low; o < high; ++o) {
          t.weight.push_back(
              axis.weight[static_cast<std::size_t>(axis.begin[o] + i - axis.first[o])]);
        }
      });
  return t;
}

ResampleAxis averaging(const PoolAxis& windows, const ResampleAxis::Weights& divisor) {
  ResampleAxis axis;
  axis.in = windows.in;
  axis.out = windows.out;
  axis.reserve(axis.out, windows.count.empty() ? 0 : windows.count.front());
  for (std::size_t o = 0; o < windows.first.size(); ++o) {
    const auto count = static_cast<std::int32_t>(windows.count[o]);
    const double weight = 1.0 / divisor[o];
    std::size_t at = axis.weight.size();
    // Windows are of few forms, which follow each other or take turns.
    constexpr std::size_t looked_at = 4;
    for (std::size_t before = o; before > 0 && o - before < looked_at; --before) {
      const auto begin = static_cast<std::size_t>(axis.begin[before - 1]);
      if (axis.count[before - 1] < count || axis.weight[begin] != weight) continue;
      at = begin;
      break;
    }
    if (at == axis.weight.size()) axis.weight.append(static_cast<std::size_t>(count), weight);
    axis.add(windows.first[o], count, at);
  }
  return axis;
}

ResampleAxis averaging_transposed(const PoolAxis& windows, const ResampleAxis::Weights& divisor) {
  ResampleAxis t;
  t.in = windows.out;
  t.out = windows.in;
  t.reserve(t.out, t.in);
  for (const double q : divisor) t.weight.push_back(1.0 / q);
  for_each_coordinate(
      windows.in, windows.first, windows.count,
      [&](index_t, std::size_t low, std::size_t high) { t.add(low, high - low, low); });
  return t;
}

}  // namespace tilewise
