//   y = s^(1/p),  s = sum of x^p over the window
//   dx = sum over the windows of dy y^(1 - p) x^(p - 1), 0 where s is 0
#include <cmath>

#include "base/error.h"
#include "base/threads.h"
#include "ops/copy.h"
#include "ops/pooling.h"

namespace tilewise {
namespace {

AveragePool average(const PoolShape& pool) { return {pool, true, 0}; }

double window_of(const PoolShape& pool) {
  double pixels = 1;
  for (const index_t extent : pool.kernel) pixels *= static_cast<double>(extent);
  return pixels;
}

void check_power(const char* op, double p) {
  TW_CHECK(p != 0 && std::isfinite(p), op, ": expected a finite norm_type other than 0, got ", p);
}

template <typename T, typename Function>
void each_element(const Array& a, const Function& f) {
  T* values = a.data<T>();
  parallel_ranges(a.size(), elementwise_grain, [&](index_t first, index_t last) {
    for (index_t i = first; i < last; ++i) values[i] = f(values[i], i);
  });
}

// x^p; common powers without pow().
template <typename T>
T power(T x, double p) {
  if (p == 2) return x * x;
  if (p == 1) return x;
  if (p == 0) return T(1);
  if (p == 0.5) return std::sqrt(x);
  if (p == -1) return T(1) / x;
  return static_cast<T>(std::pow(x, static_cast<T>(p)));
}

template <typename T>
void root_of_means(const Array& y, double window, double p) {
  each_element<T>(y, [&](T mean, index_t) { return power(mean * static_cast<T>(window), 1 / p); });
}

// g = dy y^(1 - p) * window, in place of the copy of dy.
template <typename T>
void weigh_gradient(const Array& g, const Array& y, double window, double p) {
  const T* out = y.data<T>();
  each_element<T>(g, [&](T dy, index_t i) {
    return out[i] == T(0) ? T(0) : dy * power(out[i], 1 - p) * static_cast<T>(window);
  });
}

template <typename T>
void times_derivative(const Array& dx, const Array& x, double p) {
  const T* in = x.data<T>();
  each_element<T>(dx, [&](T g, index_t i) { return g * power(in[i], p - 1); });
}

}  // namespace

Array lp_pool_forward(const Array& x, const PoolShape& pool, double p) {
  const char* op = "lp_pool";
  check_power(op, p);
  TW_CHECK_TYPE(is_floating(x.dtype()), op, ": expected a floating input, got ",
                name_of(x.dtype()));
  pool_output_shape(op, x.shape(), pool);
  const Array powers = p == 1 ? x : clone(channels_last(x));
  const bool wide = x.dtype() == DType::float64;
  if (p != 1 && wide) each_element<double>(powers, [&](double v, index_t) { return power(v, p); });
  if (p != 1 && !wide) each_element<float>(powers, [&](float v, index_t) { return power(v, p); });
  const Array y = avg_pool_forward(powers, average(pool));
  if (wide) {
    root_of_means<double>(y, window_of(pool), p);
  } else {
    root_of_means<float>(y, window_of(pool), p);
  }
  return y;
}

Array lp_pool_backward(const Array& dy, const Array& input, const Array& output,
                       const PoolShape& pool, double p) {
  const char* op = "lp_pool_backward";
  check_power(op, p);
  const Dims shape = pool_output_shape(op, input.shape(), pool);
  TW_CHECK(dy.shape() == shape && output.shape() == shape && dy.dtype() == input.dtype() &&
               output.dtype() == input.dtype() && is_floating(input.dtype()),
           op, ": expected a gradient and an output of shape ", to_string(shape),
           " and the input's dtype, got ", to_string(dy.shape()), " and ",
           to_string(output.shape()));
  const Array x = channels_last(input);
  const Array y = channels_last(output);
  const Array g = clone(channels_last(dy));
  const bool wide = x.dtype() == DType::float64;
  if (wide) {
    weigh_gradient<double>(g, y, window_of(pool), p);
  } else {
    weigh_gradient<float>(g, y, window_of(pool), p);
  }
  const Array dx = avg_pool_backward(g, x.shape(), average(pool));
  if (wide) {
    times_derivative<double>(dx, x, p);
  } else {
    times_derivative<float>(dx, x, p);
  }
  return dx;
}

}  // namespace tilewise
