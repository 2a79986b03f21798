// What a view skips lies in the same places again and again. So a short stretch of memory is put
// together in a buffer that stays in L1, whose gaps are zero once and for all, and goes past the
// caches from there: filling everything first would write the memory twice.
#include "ops/among_zeros.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/copy.h"
#include "ops/copy.h"
#include "ops/loop_nest.h"
#include "ops/operand.h"

namespace tilewise {
namespace {

constexpr index_t buffer_floats = 4096;
constexpr int to = 0;
constexpr int from = 1;

struct Place {
  index_t whole;
  index_t values;
};

// The stretches: some indices of one dimension each, with all that lies inside.
class Stretches {
 public:
  explicit Stretches(const LoopNest& loops) : loops_(loops) {
    while (dim_ < loops.rank() && loops.stride(dim_, to) > buffer_floats) ++dim_;
    if (dim_ == loops.rank()) return;
    together_ = std::min(loops.extent(dim_), std::max<index_t>(1, buffer_floats / period()));
    blocks_ = ceil_div(loops.extent(dim_), together_);
    for (int i = 0; i < dim_; ++i) planes_ *= loops.extent(i);
    index_t inside = 1;
    bool ordered = true;
    for (int i = loops.rank() - 1; i >= 0; --i) {
      ordered = ordered && loops.stride(i, to) >= inside;
      inside += (loops.extent(i) - 1) * loops.stride(i, to);
    }
    fit_ = ordered;
  }

  // Whether each stretch ends before the next one begins, and none has long gaps inside.
  bool fit() const { return fit_; }
  index_t count() const { return planes_ * blocks_; }
  index_t period() const { return loops_.stride(dim_, to); }
  index_t length(index_t i) const { return indices(i) * period(); }
  index_t indices(index_t i) const {
    return std::min(together_, loops_.extent(dim_) - i % blocks_ * together_);
  }

  Place start(index_t i) const {
    const index_t index = i % blocks_ * together_;
    Place place{index * period(), index * loops_.stride(dim_, from)};
    index_t plane = i / blocks_;
    for (int d = dim_ - 1; d >= 0; --d) {
      place.whole += plane % loops_.extent(d) * loops_.stride(d, to);
      place.values += plane % loops_.extent(d) * loops_.stride(d, from);
      plane /= loops_.extent(d);
    }
    return place;
  }

  // The values of a stretch, from dimension `dim` on.
  void gather(const float* x, float* z, int dim, index_t extent) const {
    const index_t step = loops_.stride(dim, to);
    const index_t x_step = loops_.stride(dim, from);
    if (dim + 1 < loops_.rank()) {
      for (index_t k = 0; k < extent; ++k) {
        gather(x + k * x_step, z + k * step, dim + 1, loops_.extent(dim + 1));
      }
    } else if (step == 1 && x_step == 1) {
      std::memcpy(z, x, static_cast<std::size_t>(extent) * sizeof(float));
    } else if (x_step == 1 && step <= most_spread) {
      copy_kernels().spread(x, z, extent, step, false);
    } else {
      for (index_t k = 0; k < extent; ++k) z[k * step] = x[k * x_step];
    }
  }
  void gather(const float* x, float* z, index_t i) const { gather(x, z, dim_, indices(i)); }

  // Whether a stretch is one run of single values, each with some zeros behind it.
  bool spread() const {
    return dim_ + 1 == loops_.rank() && loops_.stride(dim_, from) == 1 && period() > 1 &&
           period() <= most_spread;
  }

 private:
  const LoopNest& loops_;
  int dim_ = 0;
  index_t together_ = 1;
  index_t blocks_ = 1;
  index_t planes_ = 1;
  bool fit_ = false;
};

struct Target {
  float* whole;
  index_t size;
  index_t begin;  // of the view
};

// Writes what lies from one stretch to the next; what comes before the first, too.
void write(const Stretches& stretches, index_t i, const float* values, const Target& target,
           float* buffer) {
  const CopyKernels& kernels = copy_kernels();
  const Place place = stretches.start(i);
  const index_t first = target.begin + place.whole;
  const index_t end =
      i + 1 < stretches.count() ? target.begin + stretches.start(i + 1).whole : target.size;
  if (i == 0 && first > 0) kernels.fill(target.whole, 0.0F, first, true);
  const index_t filled = first + std::min(stretches.length(i), end - first);
  if (stretches.spread() && filled == first + stretches.length(i)) {
    kernels.spread(values + place.values, target.whole + first, stretches.indices(i),
                   stretches.period(), true);
  } else {
    stretches.gather(values + place.values, buffer, i);
    kernels.stream(buffer, target.whole + first, filled - first);
  }
  if (filled < end) kernels.fill(target.whole + filled, 0.0F, end - filled, true);
}

bool write_past_caches(const Array& whole, const Array& view, const Array& values) {
  const LoopNest loops(view.shape(), {&view.strides(), &values.strides()});
  // Rows that fill much of the memory are as quickly copied among zeros that are there already.
  if (loops.inner_stride(to) == 1 && 3 * view.size() > whole.size()) return false;
  const Stretches stretches(loops);
  if (!stretches.fit()) return false;
  whole.storage()->bump_version();
  const auto* x = values.data<const float>();
  auto* z = whole.data<float>();
  const Target target{z, whole.size(), view.data<float>() - z};
  const index_t grain = ceil_div(elementwise_grain, buffer_floats);
  parallel_ranges(stretches.count(), grain, [&](index_t first, index_t last) {
    alignas(64) float buffer[buffer_floats + most_spread] = {};
    for (index_t i = first; i < last; ++i) write(stretches, i, x, target, buffer);
    copy_kernels().fence();
  });
  return true;
}

}  // namespace

Array empty_around(const Array& values, const Dims& shape) {
  const bool in_order = values.rank() == shape.size() && has_channels_innermost(values);
  return in_order ? Array::empty_channels_last(shape, values.dtype())
                  : Array::empty(shape, values.dtype());
}

void write_among_zeros(const Array& whole, const Array& view, const Array& values) {
  const char* op = "write_among_zeros";
  TW_CHECK(view.storage() == whole.storage(), op, ": expected a view of the whole");
  TW_CHECK(view.shape() == values.shape(), op, ": expected values of shape ",
           to_string(view.shape()), ", got ", to_string(values.shape()));
  if (view.size() == whole.size()) return copy_into(view, values);
  const bool words = whole.dtype() == DType::float32 && values.dtype() == DType::float32;
  if (words && view.size() > 0 && larger_than_caches(whole) &&
      write_past_caches(whole, view, values)) {
    return;
  }
  fill(whole, 0.0);
  copy_into(view, values);
}

}  // namespace tilewise
