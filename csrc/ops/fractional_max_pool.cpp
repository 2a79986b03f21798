#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "ops/copy.h"
#include "ops/pooling.h"
#include "ref/pooling.h"

namespace tilewise {
namespace {

constexpr const char* op = "fractional_max_pool";

void check(const Array& x, const FractionalPool& p, const Array& samples) {
  TW_CHECK(x.rank() == 4 || x.rank() == 5, op,
           ": expected an input (N, C, spatial...) with 2 or 3 spatial dimensions, got shape ",
           to_string(x.shape()));
  TW_CHECK_TYPE(is_floating(x.dtype()) && samples.dtype() == x.dtype(), op,
                ": expected a floating input and samples of its dtype, got ", name_of(x.dtype()),
                " and ", name_of(samples.dtype()));
  const int dims = x.rank() - 2;
  TW_CHECK(p.kernel.size() == dims && p.output_size.size() == dims, op, ": expected ", dims,
           " values of kernel and output size, got ", to_string(p.kernel), " and ",
           to_string(p.output_size));
  index_t pixels = 1;
  for (int i = 0; i < dims; ++i) {
    const index_t in = x.extent(i + 2);
    pixels = checked_mul(pixels, in);
    TW_CHECK(p.kernel[i] >= 1 && p.output_size[i] >= 1 &&
                 checked_add(p.output_size[i], p.kernel[i]) - 1 <= in,
             op, ": windows of ", to_string(p.kernel), " and output size ",
             to_string(p.output_size), " do not fit the input ", to_string(x.shape()));
  }
  TW_CHECK(pixels <= std::numeric_limits<std::int32_t>::max(), op,
           ": expected fewer than 2^31 pixels, got shape ", to_string(x.shape()));
  TW_CHECK(samples.rank() == 3 && samples.extent(0) >= x.extent(0) &&
               samples.extent(1) == x.extent(1) && samples.extent(2) == dims,
           op, ": expected samples of shape ", to_string({x.extent(0), x.extent(1), dims}),
           ", or of more planes, got ", to_string(samples.shape()));
  const Array u = cast(contiguous(samples), DType::float64);
  constexpr double most = 1 << 20;  // beyond it floor(u a) loses its fraction
  for (index_t i = 0; i < u.size(); ++i) {
    TW_CHECK(std::abs(u.data<double>()[i]) <= most, op, ": expected samples in [0, 1), got ",
             u.data<double>()[i]);
  }
}

template <typename T>
void pool_plane(const Array& x, const FractionalPool& p, const Array& samples, index_t plane,
                const MaxPoolResult& r) {
  ref::FractionalPlane f;
  const int dims = x.rank() - 2;
  const T* u = samples.data<T>() + plane * dims;
  for (int i = 0; i < 3; ++i) {
    const int dim = i - (3 - dims);
    if (dim < 0) {
      f.starts[i] = {0};
      continue;
    }
    f.in[i] = x.extent(dim + 2);
    f.kernel[i] = p.kernel[dim];
    // In two dimensions the samples are (width, height), in three (depth, height, width).
    const T sample = u[dims == 2 ? 1 - dim : dim];
    f.starts[i] = ref::fractional_starts(f.in[i], p.output_size[dim], p.kernel[dim], sample);
  }
  f.stride = x.extent(1);
  const index_t n = plane / f.stride;
  const index_t c = plane % f.stride;
  const index_t out = n * (r.y.size() / x.extent(0)) + c;
  ref::fractional_max_pool(x.data<T>() + n * (x.size() / x.extent(0)) + c, f, r.y.data<T>() + out,
                           r.argmax.data<std::int32_t>() + out);
}

}  // namespace

MaxPoolResult fractional_max_pool_forward(const Array& input, const FractionalPool& pool,
                                          const Array& random_samples) {
  check(input, pool, random_samples);
  Dims shape = input.shape();
  for (int i = 0; i < pool.output_size.size(); ++i) shape[i + 2] = pool.output_size[i];
  const MaxPoolResult r{Array::empty_channels_last(shape, input.dtype()),
                        Array::empty_channels_last(shape, DType::int32)};
  if (r.y.size() == 0) return r;
  const Array x = channels_last(input);
  const Array samples = contiguous(random_samples);
  parallel_for(shape[0] * shape[1], r.y.size(), [&](index_t plane) {
    if (x.dtype() == DType::float64) {
      pool_plane<double>(x, pool, samples, plane, r);
    } else {
      pool_plane<float>(x, pool, samples, plane, r);
    }
  });
  return r;
}

}  // namespace tilewise
