#include "base/resample_axis.h"

#include <algorithm>
#include <map>
#include <utility>

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

ResampleAxis averaging(const PoolAxis& windows, const std::vector<double>& divisor) {
  ResampleAxis axis;
  axis.in = windows.in;
  axis.out = windows.out;
  axis.reserve(axis.out, windows.count.empty() ? 0 : windows.count.front());
  std::map<std::pair<index_t, double>, std::size_t> known;
  for (std::size_t o = 0; o < windows.first.size(); ++o) {
    const index_t count = windows.count[o];
    const auto [at, fresh] = known.try_emplace({count, divisor[o]}, axis.weight.size());
    if (fresh)
      axis.weight.insert(axis.weight.end(), static_cast<std::size_t>(count), 1.0 / divisor[o]);
    axis.add(windows.first[o], count, at->second);
  }
  return axis;
}

ResampleAxis averaging_transposed(const PoolAxis& windows, const std::vector<double>& divisor) {
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
