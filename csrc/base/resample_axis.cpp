#include "base/resample_axis.h"

#include <algorithm>

namespace tilewise {

ResampleAxis ResampleAxis::identity(index_t extent) {
  ResampleAxis axis;
  axis.in = axis.out = extent;
  axis.weight = {1.0};
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

ResampleAxis transposed(const ResampleAxis& axis) {
  ResampleAxis t;
  t.in = axis.out;
  t.out = axis.in;
  // Windows rise, so those that contain coordinate i are the outputs [low, high).
  index_t low = 0;
  index_t high = 0;
  const auto end_of = [&](index_t o) {
    const auto at = static_cast<std::size_t>(o);
    return axis.first[at] + axis.count[at];
  };
  for (index_t i = 0; i < axis.in; ++i) {
    while (low < axis.out && end_of(low) <= i) ++low;
    high = std::max(high, low);
    while (high < axis.out && axis.first[static_cast<std::size_t>(high)] <= i) ++high;
    const auto at = static_cast<index_t>(t.weight.size());
    for (index_t o = low; o < high; ++o) {
      const auto output = static_cast<std::size_t>(o);
      t.weight.push_back(
          axis.weight[static_cast<std::size_t>(axis.begin[output] + i - axis.first[output])]);
    }
    t.add(low, high - low, at);
  }
  return t;
}

}  // namespace tilewise
