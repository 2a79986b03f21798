#include "ops/pool_geometry.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace tilewise {
namespace {

index_t floor_div(index_t a, index_t b) { return a >= 0 ? a / b : -ceil_div(-a, b); }

void check_rank(const std::string& op, const Dims& input) {
  TW_CHECK(input.size() >= 3 && input.size() <= 5, op,
           ": expected an input (N, C, spatial...) with 1 to 3 spatial dimensions, got shape ",
           to_string(input));
}

void check_entries(const std::string& op, const char* name, const Dims& values, const Dims& input,
                   index_t least) {
  TW_CHECK(values.size() == input.size() - 2, op, ": expected ", input.size() - 2, " values of ",
           name, " for an input of shape ", to_string(input), ", got ", to_string(values));
  for (const index_t value : values) {
    TW_CHECK(value >= least, op, ": expected ", name, " >= ", least, ", got ", to_string(values));
  }
}

index_t output_extent(const std::string& op, index_t in, int i, const PoolShape& p) {
  const index_t reach = checked_add(checked_mul(p.dilation[i], p.kernel[i] - 1), 1);
  TW_CHECK(p.padding[i] <= p.kernel[i] / 2, op,
           ": expected padding of at most half the kernel, got padding ", p.padding[i],
           " with kernel ", p.kernel[i]);
  const index_t padded = checked_add(in, checked_mul(2, p.padding[i]));
  const index_t stride = p.stride[i];
  const index_t slack = p.ceil_mode ? stride - 1 : 0;
  // Not padded - reach + slack: slack may be near the largest integer.
  index_t out = padded >= reach ? (padded - reach) / stride + 1 : 0;
  if (p.ceil_mode && (padded < reach ? reach - padded <= slack : (padded - reach) % stride != 0)) {
    out += 1;
  }
  // The last window must start inside the input or the padding before it.
  if (p.ceil_mode && out > 0 && floor_div(checked_add(in, p.padding[i]) - 1, stride) < out - 1) {
    out -= 1;
  }
  TW_CHECK(out >= 1, op, ": a window of ", reach, " does not fit the input size ", in,
           " with padding ", p.padding[i]);
  return out;
}

void check_positions(const std::string& op, const Dims& input) {
  index_t pixels = 1;
  for (int i = 2; i < input.size(); ++i) pixels = checked_mul(pixels, input[i]);
  TW_CHECK(pixels <= std::numeric_limits<std::int32_t>::max(), op,
           ": expected fewer than 2^31 pixels, got shape ", to_string(input));
}

void reserve(PoolAxis& axis) {
  const auto outputs = static_cast<std::size_t>(axis.out);
  axis.first.reserve(outputs);
  axis.count.reserve(outputs);
  axis.padded.reserve(outputs);
}

PoolWindows empty_windows(const Dims& input) {
  PoolWindows w;
  w.samples = input[0];
  w.channels = input[1];
  const int absent = 5 - input.size();
  for (int i = 0; i < absent; ++i) {
    w.axes[i].first = {0};
    w.axes[i].count = {1};
    w.axes[i].padded = {1};
  }
  return w;
}

}  // namespace

Dims pool_output_shape(const std::string& op, const Dims& input, const PoolShape& pool) {
  check_rank(op, input);
  check_entries(op, "kernel", pool.kernel, input, 1);
  check_entries(op, "stride", pool.stride, input, 1);
  check_entries(op, "padding", pool.padding, input, 0);
  check_entries(op, "dilation", pool.dilation, input, 1);
  check_positions(op, input);
  Dims output = input;
  for (int i = 0; i < pool.kernel.size(); ++i) {
    output[i + 2] = output_extent(op, input[i + 2], i, pool);
  }
  return output;
}

PoolWindows pool_windows(const std::string& op, const Dims& input, const Dims& output,
                         const PoolShape& pool) {
  PoolWindows w = empty_windows(input);
  for (int i = 0; i < pool.kernel.size(); ++i) {
    PoolAxis& axis = w.axes[i + 5 - input.size()];
    axis.in = input[i + 2];
    axis.out = output[i + 2];
    axis.step = pool.dilation[i];
    reserve(axis);
    const index_t kernel = pool.kernel[i];
    const index_t padding = pool.padding[i];
    for (index_t o = 0; o < axis.out; ++o) {
      const index_t start = o * pool.stride[i] - padding;
      const index_t skipped = start < 0 ? ceil_div(-start, axis.step) : 0;
      const index_t inside = start < axis.in ? (axis.in - start - 1) / axis.step + 1 : 0;
      const index_t count = std::min(kernel, inside) - skipped;
      TW_CHECK(count >= 1, op, ": window ", o, " of spatial dimension ", i,
               " lies in the padding alone, for an input of shape ", to_string(input));
      axis.first.push_back(start + skipped * axis.step);
      axis.count.push_back(count);
      axis.padded.push_back(std::min(kernel, axis.in + padding - start));
    }
  }
  return w;
}

Dims adaptive_output_shape(const std::string& op, const Dims& input, const Dims& output_size) {
  check_rank(op, input);
  check_entries(op, "output_size", output_size, input, 0);
  check_positions(op, input);
  Dims output = input;
  for (int i = 0; i < output_size.size(); ++i) {
    TW_CHECK(input[i + 2] > 0 || output_size[i] == 0, op,
             ": expected an input with pixels, got shape ", to_string(input));
    output[i + 2] = output_size[i];
  }
  return output;
}

PoolWindows adaptive_windows(const Dims& input, const Dims& output) {
  PoolWindows w = empty_windows(input);
  for (int i = 2; i < input.size(); ++i) {
    PoolAxis& axis = w.axes[i + 3 - input.size()];
    axis.in = input[i];
    axis.out = output[i];
    checked_mul(axis.in, axis.out);
    reserve(axis);
    for (index_t o = 0; o < axis.out; ++o) {
      const index_t first = o * axis.in / axis.out;
      const index_t count = ceil_div((o + 1) * axis.in, axis.out) - first;
      axis.first.push_back(first);
      axis.count.push_back(count);
      axis.padded.push_back(count);
    }
  }
  return w;
}

PoolCovers covers_of(const PoolAxis& axis) {
  const auto extent = static_cast<std::size_t>(axis.in);
  PoolCovers covers{PoolCovers::Table(extent), PoolCovers::Table(extent), 0};
  index_t scanned = 0;
  for (std::size_t o = 0; o < axis.first.size(); ++o) {
    scanned += axis.count[o];
    if (scanned > PoolCovers::most_covers * (axis.in + axis.out)) {
      covers.most = PoolCovers::most_covers + 1;
      return covers;
    }
    for (index_t k = 0; k < axis.count[o]; ++k) {
      const auto i = static_cast<std::size_t>(axis.first[o] + k * axis.step);
      if (covers.high[i] == 0) covers.low[i] = static_cast<std::int32_t>(o);
      covers.high[i] = static_cast<std::int32_t>(o + 1);
    }
  }
  for (std::size_t i = 0; i < extent; ++i) {
    covers.most = std::max<index_t>(covers.most, covers.high[i] - covers.low[i]);
  }
  return covers;
}

}  // namespace tilewise
