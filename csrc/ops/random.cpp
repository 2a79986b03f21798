#include "ops/random.h"

#include <algorithm>
#include <cmath>

#include "base/distributions.h"
#include "base/error.h"
#include "base/threads.h"
#include "kernels/random.h"
#include "ops/visit_dtype.h"

namespace tilewise {
namespace {

// Elements that one counter (128 random bits) yields.
index_t elements_per_counter(Draw draw, DType dtype) {
  switch (draw) {
    case Draw::uniform:
    case Draw::normal:
      return dtype == DType::float64 ? 2 : 4;
    case Draw::bernoulli:
      return 4;
    case Draw::integers:
    case Draw::permutation:
      return 1;
  }
  return 1;
}

void check_floating(const char* op, DType dtype) {
  TW_CHECK_TYPE(is_floating(dtype), op, ": expected float32 or float64, got ", name_of(dtype));
}

// kernel(run, out) for the whole counters of a float32 draw, then generate as below for the last.
template <typename Kernel, typename F>
void fill_floats(const Array& a, RandomStream stream, Kernel kernel, F generate) {
  float* out = a.data<float>();
  const index_t whole = a.size() / 4;
  parallel_ranges(whole, 4096, [&](index_t first, index_t last) {
    kernel(
        CounterRun{stream.seed, stream.counter + static_cast<std::uint64_t>(first), last - first},
        out + 4 * first);
  });
  if (a.size() == 4 * whole) return;
  float values[4];
  generate(philox4x32(stream.seed, stream.counter + static_cast<std::uint64_t>(whole)), values);
  std::copy_n(values, a.size() - 4 * whole, out + 4 * whole);
}

// Calls generate(words, values) for every counter, where values has room for `per_counter`
// elements, and stores them in order.
template <int per_counter, typename T, typename F>
void fill_by_counter(const Array& a, RandomStream stream, F generate) {
  T* out = a.data<T>();
  const index_t size = a.size();
  parallel_ranges(ceil_div(size, per_counter), 4096, [&](index_t first, index_t last) {
    for (index_t c = first; c < last; ++c) {
      const Philox4 words = philox4x32(stream.seed, stream.counter + static_cast<std::uint64_t>(c));
      T values[per_counter];
      generate(words, values);
      const index_t start = c * per_counter;
      const index_t count = std::min<index_t>(per_counter, size - start);
      for (index_t i = 0; i < count; ++i) out[start + i] = values[i];
    }
  });
}

}  // namespace

RandomStream reserve(Generator& generator, Draw draw, const Dims& shape, DType dtype) {
  const index_t counters = ceil_div(element_count(shape), elements_per_counter(draw, dtype));
  return {generator.seed(), generator.reserve(static_cast<std::uint64_t>(counters))};
}

Array uniform(const Dims& shape, double low, double high, RandomStream stream, DType dtype) {
  check_floating("uniform", dtype);
  TW_CHECK(std::isfinite(low) && std::isfinite(high) && low <= high && std::isfinite(high - low),
           "uniform: expected finite bounds low <= high, got ", low, " and ", high);
  const Array a = Array::empty(shape, dtype);
  // Rounding may not reach the upper bound, which is excluded.
  if (dtype == DType::float64) {
    const double top = low < high ? std::nextafter(high, low) : low;
    fill_by_counter<2, double>(a, stream, [=](const Philox4& r, double* values) {
      for (int i = 0; i < 2; ++i) {
        const double u = uniform53(join(r.v[2 * i], r.v[2 * i + 1]));
        values[i] = std::min(low + u * (high - low), top);
      }
    });
    return a;
  }
  const auto high32 = static_cast<float>(high);
  const auto low32 = static_cast<float>(low);
  const float top = low32 < high32 ? std::nextafter(high32, low32) : low32;
  const auto kernel = [=](const CounterRun& run, float* out) {
    random_kernels().uniform(run, low, high - low, top, out);
  };
  fill_floats(a, stream, kernel, [=](const Philox4& r, float* values) {
    for (int i = 0; i < 4; ++i) {
      values[i] = std::min(static_cast<float>(low + uniform24(r.v[i]) * (high - low)), top);
    }
  });
  return a;
}

Array normal(const Dims& shape, double mean, double deviation, RandomStream stream, DType dtype) {
  check_floating("normal", dtype);
  TW_CHECK(std::isfinite(mean) && std::isfinite(deviation) && deviation >= 0,
           "normal: expected a finite mean and a standard deviation >= 0, got ", mean, " and ",
           deviation);
  const Array a = Array::empty(shape, dtype);
  if (dtype == DType::float64) {
    fill_by_counter<2, double>(a, stream, [=](const Philox4& r, double* values) {
      box_muller(uniform53(join(r.v[0], r.v[1])) + 0x1p-53, uniform53(join(r.v[2], r.v[3])),
                 values[0], values[1]);
      for (int i = 0; i < 2; ++i) values[i] = mean + deviation * values[i];
    });
    return a;
  }
  const auto kernel = [=](const CounterRun& run, float* out) {
    random_kernels().normal(run, mean, deviation, out);
  };
  fill_floats(a, stream, kernel, [=](const Philox4& r, float* values) {
    for (int i = 0; i < 4; i += 2) {
      double x = 0;
      double y = 0;
      box_muller(r.v[i], r.v[i + 1], x, y);
      values[i] = static_cast<float>(mean + deviation * x);
      values[i + 1] = static_cast<float>(mean + deviation * y);
    }
  });
  return a;
}

Array random_integers(const Dims& shape, std::int64_t low, std::int64_t high, RandomStream stream) {
  TW_CHECK(low < high, "randint: expected low < high, got ", low, " and ", high);
  const Array a = Array::empty(shape, DType::int64);
  const std::uint64_t range = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  fill_by_counter<1, std::int64_t>(a, stream, [=](const Philox4& r, std::int64_t* value) {
    *value = static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + bounded(r, range));
  });
  return a;
}

Array bernoulli(const Dims& shape, double probability, RandomStream stream, DType dtype) {
  TW_CHECK(probability >= 0 && probability <= 1,
           "bernoulli: expected a probability in [0, 1], got ", probability);
  const Array a = Array::empty(shape, dtype);
  visit_dtype(dtype, [&](auto tag) {
    using T = decltype(tag);
    fill_by_counter<4, T>(a, stream, [=](const Philox4& r, T* values) {
      for (int i = 0; i < 4; ++i) {
        values[i] = static_cast<T>(static_cast<double>(r.v[i]) * 0x1p-32 < probability);
      }
    });
  });
  return a;
}

Array permutation(index_t n, RandomStream stream) {
  TW_CHECK(n >= 0, "permutation: expected a size >= 0, got ", n);
  Array a = Array::empty({n}, DType::int64);
  auto* order = a.data<std::int64_t>();
  for (index_t i = 0; i < n; ++i) order[i] = i;
  for (index_t i = n - 1; i > 0; --i) {
    const Philox4 words = philox4x32(stream.seed, stream.counter + static_cast<std::uint64_t>(i));
    const std::uint64_t j = bounded(words, static_cast<std::uint64_t>(i) + 1);
    std::swap(order[i], order[j]);
  }
  return a;
}

}  // namespace tilewise
