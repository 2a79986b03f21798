#include "ops/reduce.h"

#include <algorithm>
#include <atomic>

#include "base/convert.h"
#include "base/error.h"
#include "base/threads.h"
#include "kernels/reduce.h"
#include "ops/copy.h"
#include "ops/reduce_stages.h"
#include "ops/visit_dtype.h"

namespace tilewise {
namespace {

using reduction::execute;
using reduction::make_plan;
using reduction::Plan;

// A sum or product; floats are divided by `divisor`.
template <typename Step>
Array accumulate(const Plan& plan, double divisor) {
  return visit_dtype(plan.input.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if constexpr (std::is_floating_point_v<T>) {
      return execute<Step, T, double, T>(plan, dtype_of<T>::value,
                                         [&](double x) { return converted<T>(x / divisor); });
    } else {
      using Byte = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;
      return execute<Step, Byte, std::int64_t, std::int64_t>(plan, DType::int64,
                                                             [](std::int64_t x) { return x; });
    }
  });
}

template <typename Step>
Array extreme(const char* op, const Array& a, const Dims& axes, bool keepdims) {
  const Plan plan = make_plan(a, normalize_axes(op, axes, a.rank()), keepdims);
  TW_CHECK(plan.count > 0 || element_count(plan.shape) == 0, op,
           ": expected at least one element to reduce, got shape ", to_string(a.shape()));
  return visit_dtype(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using Byte = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;
    return execute<Step, Byte, Byte, Byte>(plan, a.dtype(), [](Byte x) { return x; });
  });
}

template <typename Step>
Array truth(const char* op, const Array& a, const Dims& axes, bool keepdims) {
  const Plan plan =
      make_plan(cast(a, DType::boolean), normalize_axes(op, axes, a.rank()), keepdims);
  using Byte = std::uint8_t;
  return execute<Step, Byte, Byte, Byte>(plan, DType::boolean,
                                         [](Byte x) { return static_cast<Byte>(x != 0); });
}

Array mean_of(const Plan& plan) {
  return accumulate<ref::SumStep>(plan, static_cast<double>(plan.count));
}

}  // namespace

int normalize_axis(const char* op, index_t axis, int rank) {
  const index_t limit = std::max(rank, 1);  // axis 0 of a scalar is allowed, as in PyTorch
  if (axis < -limit || axis >= limit) {
    throw IndexError(concat(op, ": axis ", axis, " is out of range for ", rank, " dimensions"));
  }
  return static_cast<int>(axis < 0 ? axis + limit : axis);
}

Dims normalize_axes(const char* op, const Dims& axes, int rank) {
  bool chosen[Dims::max_rank + 1] = {};
  for (index_t axis : axes) {
    const int dim = normalize_axis(op, axis, rank);
    TW_CHECK(!chosen[dim], op, ": axis ", dim, " appears twice in ", to_string(axes));
    chosen[dim] = true;
  }
  Dims sorted;
  for (int i = 0; i < rank; ++i) {
    if (axes.empty() || chosen[i]) sorted.push_back(i);
  }
  return sorted;
}

Array sum(const Array& a, const Dims& axes, bool keepdims) {
  return accumulate<ref::SumStep>(make_plan(a, normalize_axes("sum", axes, a.rank()), keepdims),
                                  1.0);
}

Array prod(const Array& a, const Dims& axes, bool keepdims) {
  return accumulate<ref::ProductStep>(
      make_plan(a, normalize_axes("prod", axes, a.rank()), keepdims), 1.0);
}

Array mean(const Array& a, const Dims& axes, bool keepdims) {
  TW_CHECK_TYPE(is_floating(a.dtype()), "mean: expected a floating tensor, got ",
                name_of(a.dtype()), " ", to_string(a.shape()));
  return mean_of(make_plan(a, normalize_axes("mean", axes, a.rank()), keepdims));
}

Array max_values(const Array& a, const Dims& axes, bool keepdims) {
  return extreme<ref::MaxStep>("max", a, axes, keepdims);
}
Array min_values(const Array& a, const Dims& axes, bool keepdims) {
  return extreme<ref::MinStep>("min", a, axes, keepdims);
}
Array any(const Array& a, const Dims& axes, bool keepdims) {
  return truth<ref::MaxStep>("any", a, axes, keepdims);
}
Array all(const Array& a, const Dims& axes, bool keepdims) {
  return truth<ref::MinStep>("all", a, axes, keepdims);
}

Array sum_to(const Array& a, const Dims& shape) {
  if (a.shape() == shape) return a;
  const int added = a.rank() - shape.size();
  Dims axes;
  for (int i = 0; i < a.rank(); ++i) {
    const index_t wanted = i < added ? 1 : shape[i - added];
    TW_CHECK(added >= 0 && (wanted == a.extent(i) || wanted == 1), "sum_to: shape ",
             to_string(shape), " does not broadcast to ", to_string(a.shape()));
    if (i < added || (wanted == 1 && a.extent(i) != 1)) axes.push_back(i);
  }
  TW_CHECK(added >= 0, "sum_to: shape ", to_string(shape), " does not broadcast to ",
           to_string(a.shape()));
  return axes.empty() ? reshape(a, shape) : reshape(sum(a, axes, true), shape);
}

bool all_finite(const std::vector<Array>& arrays) {
  std::atomic<bool> finite{true};
  for (const Array& array : arrays) {
    if (!is_floating(array.dtype())) continue;
    const Array a = dense(array);
    parallel_ranges(a.size(), elementwise_grain, [&](index_t first, index_t last) {
      bool good = true;
      if (a.dtype() == DType::float32) {
        good = reduce_kernels().all_finite(a.data<float>() + first, last - first);
      } else {
        for (index_t i = first; i < last; ++i) good = good && std::isfinite(a.data<double>()[i]);
      }
      if (!good) finite.store(false, std::memory_order_relaxed);
    });
    if (!finite.load()) return false;
  }
  return true;
}

}  // namespace tilewise
