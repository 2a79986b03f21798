// The tables of each mode. Output coordinate o has its centre at s = scale * (o + 1/2) - 1/2 of the
// input, or at scale * o where the corners are aligned, with scale = in / out or
// (in - 1) / (out - 1). The arithmetic is done in the tensor's own type T, as in PyTorch, so that
// both round to the same pixel.
#include "ops/interpolate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "ops/resample.h"

namespace tilewise {
namespace {

enum class Mode { nearest, nearest_exact, linear, cubic, lanczos };

Mode mode_of(const char* op, const std::string& name) {
  if (name == "nearest") return Mode::nearest;
  if (name == "nearest-exact") return Mode::nearest_exact;
  if (name == "linear") return Mode::linear;
  if (name == "cubic") return Mode::cubic;
  if (name == "lanczos") return Mode::lanczos;
  throw ValueError(concat(op, ": unknown mode '", name, "'"));
}

struct AxisSetting {
  Mode mode;
  bool align_corners;
  bool antialias;
  double factor;  // out / in as the caller gave it; 0: not given
};

template <typename T>
T scale_of(index_t in, index_t out, const AxisSetting& s) {
  if (s.align_corners) return out > 1 ? static_cast<T>(in - 1) / static_cast<T>(out - 1) : T(0);
  return s.factor > 0 ? static_cast<T>(1.0 / s.factor) : static_cast<T>(in) / static_cast<T>(out);
}

// |x| < 1 and 1 <= |x| < 2 of Keys' cubic convolution (1981).
double cubic_near(double x, double a) { return ((a + 2) * x - (a + 3)) * x * x + 1; }
double cubic_far(double x, double a) { return (((x - 5) * x + 8) * x - 4) * a; }

double sinc(double x) {
  constexpr double pi = 3.14159265358979323846;
  return x == 0 ? 1.0 : std::sin(pi * x) / (pi * x);
}

// The filters of antialiasing, which are stretched by the scale when it shrinks.
double filter_of(Mode mode, double x) {
  x = std::abs(x);
  if (mode == Mode::linear) return x < 1 ? 1 - x : 0;
  if (mode == Mode::lanczos) return x < 3 ? sinc(x) * sinc(x / 3) : 0;
  return x < 1 ? cubic_near(x, -0.5) : x < 2 ? cubic_far(x, -0.5) : 0;
}

// Appends a window whose weights are those of the coordinates from `low` on; what lies outside the
// input counts for the nearest pixel inside.
void add_clamped(ResampleAxis& axis, index_t low, const double* weights, index_t taps) {
  const auto inside = [&](index_t i) { return std::clamp<index_t>(i, 0, axis.in - 1); };
  const index_t first = inside(low);
  const index_t count = inside(low + taps - 1) - first + 1;
  const std::size_t at = axis.weight.size();
  axis.add(first, count, static_cast<index_t>(at));
  axis.weight.resize(at + static_cast<std::size_t>(count), 0.0);
  for (index_t k = 0; k < taps; ++k) {
    axis.weight[at + static_cast<std::size_t>(inside(low + k) - first)] += weights[k];
  }
}

template <typename T>
void add_point_sampled(ResampleAxis& axis, index_t o, T scale, const AxisSetting& s) {
  if (s.mode == Mode::nearest || s.mode == Mode::nearest_exact) {
    const T centre = static_cast<T>(o) + (s.mode == Mode::nearest ? T(0) : T(0.5));
    axis.add(std::min(static_cast<index_t>(std::floor(centre * scale)), axis.in - 1), 1, 0);
    return;
  }
  const bool cubic = s.mode == Mode::cubic;
  T at =
      s.align_corners ? scale * static_cast<T>(o) : scale * (static_cast<T>(o) + T(0.5)) - T(0.5);
  if (!cubic) at = std::max(at, T(0));
  const index_t i = std::min(static_cast<index_t>(std::floor(at)), axis.in - 1);
  const double t = std::clamp<double>(static_cast<double>(at - static_cast<T>(i)), 0.0, 1.0);
  if (cubic) {
    constexpr double a = -0.75;
    const double weights[4] = {cubic_far(1 + t, a), cubic_near(t, a), cubic_near(1 - t, a),
                               cubic_far(2 - t, a)};
    add_clamped(axis, i - 1, weights, 4);
  } else {
    const double weights[2] = {1 - t, t};
    add_clamped(axis, i, weights, 2);
  }
}

template <typename T>
void add_antialiased(ResampleAxis& axis, index_t o, T scale, Mode mode) {
  const T reach = mode == Mode::linear ? T(1) : mode == Mode::cubic ? T(2) : T(3);
  const T support = scale >= T(1) ? reach * scale : reach;
  const T shrink = scale >= T(1) ? T(1) / scale : T(1);
  const T centre = scale * (static_cast<T>(o) + T(0.5));
  const index_t low = std::max<index_t>(static_cast<index_t>(centre - support + T(0.5)), 0);
  const index_t high = std::min(static_cast<index_t>(centre + support + T(0.5)), axis.in);
  const std::size_t at = axis.weight.size();
  double total = 0;
  for (index_t i = low; i < high; ++i) {
    axis.weight.push_back(
        filter_of(mode, static_cast<double>((static_cast<T>(i) - centre + T(0.5)) * shrink)));
    total += axis.weight.back();
  }
  for (std::size_t i = at; total != 0 && i < axis.weight.size(); ++i) axis.weight[i] /= total;
  axis.add(low, std::max<index_t>(high - low, 0), static_cast<index_t>(at));
}

template <typename T>
ResampleAxis axis_of(index_t in, index_t out, const AxisSetting& s) {
  // Linear interpolation between as many points is the identity, whatever scale was named.
  if (in == out && s.mode == Mode::linear && !s.antialias) return ResampleAxis::identity(in);
  ResampleAxis axis;
  axis.in = in;
  axis.out = out;
  const bool nearest = s.mode == Mode::nearest || s.mode == Mode::nearest_exact;
  axis.reserve(out, nearest ? 1 : 2 * out);
  if (nearest) axis.weight.push_back(1.0);
  const T scale = scale_of<T>(in, out, s);
  for (index_t o = 0; o < out; ++o) {
    if (s.antialias) {
      add_antialiased<T>(axis, o, scale, s.mode);
    } else {
      add_point_sampled<T>(axis, o, scale, s);
    }
  }
  return axis;
}

Dims output_shape(const char* op, const Dims& input, const Dims& size, const Interpolation& how) {
  TW_CHECK(input.size() >= 3 && input.size() <= 5, op,
           ": expected an input (N, C, spatial...) with 1 to 3 spatial dimensions, got shape ",
           to_string(input));
  const int dims = input.size() - 2;
  TW_CHECK(size.size() == dims &&
               (how.scales.empty() || how.scales.size() == static_cast<std::size_t>(dims)),
           op, ": expected ", dims, " sizes and scales for an input of shape ", to_string(input),
           ", got size ", to_string(size));
  Dims output = input;
  for (int i = 0; i < dims; ++i) {
    constexpr index_t most = std::numeric_limits<std::int32_t>::max();
    TW_CHECK(input[i + 2] > 0 && input[i + 2] <= most && size[i] > 0 && size[i] <= most, op,
             ": expected input and output sizes above 0, got input ", to_string(input),
             " and output size ", to_string(size));
    output[i + 2] = size[i];
  }
  return output;
}

ResampleAxes tables(const char* op, const Dims& input, const Dims& output, DType dtype,
                    const Interpolation& how) {
  const Mode mode = mode_of(op, how.mode);
  TW_CHECK(how.antialias || mode != Mode::lanczos, op, ": mode lanczos needs antialias");
  TW_CHECK(!how.antialias || mode >= Mode::linear, op, ": a nearest mode has no antialias");
  ResampleAxes r;
  for (int i = 0; i < 3; ++i) {
    const int dim = input.size() - 3 + i;
    if (dim < 2) {
      r.axes[i] = ResampleAxis::identity(1);
      continue;
    }
    const double factor = how.scales.empty() ? 0.0 : how.scales[static_cast<std::size_t>(dim - 2)];
    const AxisSetting setting{mode, how.align_corners, how.antialias, factor};
    r.axes[i] = dtype == DType::float64 ? axis_of<double>(input[dim], output[dim], setting)
                                        : axis_of<float>(input[dim], output[dim], setting);
  }
  return r;
}

void check_floating(const char* op, const Array& x) {
  TW_CHECK_TYPE(is_floating(x.dtype()), op, ": expected a floating tensor, got ",
                name_of(x.dtype()));
}

}  // namespace

Array interpolate_forward(const Array& x, const Dims& output_size, const Interpolation& how) {
  const char* op = "interpolate";
  check_floating(op, x);
  const Dims shape = output_shape(op, x.shape(), output_size, how);
  Array y = Array::empty_channels_last(shape, x.dtype());
  if (y.size() > 0) resample(x, tables(op, x.shape(), shape, x.dtype(), how), y);
  return y;
}

Array interpolate_backward(const Array& dy, const Dims& input_shape, const Interpolation& how) {
  const char* op = "interpolate_backward";
  check_floating(op, dy);
  TW_CHECK(dy.rank() == input_shape.size() && dy.rank() >= 3, op, ": gradient of shape ",
           to_string(dy.shape()), " for an input of shape ", to_string(input_shape));
  const Dims shape = output_shape(op, input_shape, dy.shape().slice(2, dy.rank()), how);
  TW_CHECK(shape == dy.shape() && input_shape[0] >= 0 && input_shape[1] >= 0, op,
           ": gradient of shape ", to_string(dy.shape()), " for an input of shape ",
           to_string(input_shape));
  Array dx = Array::empty_channels_last(input_shape, dy.dtype());
  if (dx.size() == 0) return dx;
  ResampleAxes r = tables(op, input_shape, shape, dy.dtype(), how);
  for (ResampleAxis& axis : r.axes) axis = transposed(axis);
  resample(dy, r, dx);
  return dx;
}

}  // namespace tilewise
