// Variance, norms and log-sum-exp: each reads its data once. Partial results of a block are the
// number, mean and squared deviations of what it holds, or the sum of its exponentials and the
// origin of that, and are combined in the order of the blocks.
#include "ops/statistics.h"

#include <cmath>

#include "base/error.h"
#include "kernels/statistics.h"
#include "ops/reduce.h"
#include "ops/reduce_stages.h"
#include "ref/statistics.h"

namespace tilewise {
namespace {

using reduction::make_plan;
using reduction::Plan;

template <typename T>
struct MapReducer {
  using Step = ref::SumStep;
  using Acc = double;
  MapSum map;

  void rows(const T* x, index_t rows, index_t cols, index_t stride, double* out) const {
    if constexpr (std::is_same_v<T, float>) {
      reduce_kernels().map_rows(map, {x, rows, cols, stride}, out);
    } else {
      ref::map_rows(map, x, rows, cols, stride, out);
    }
  }
  void cols(const T* x, index_t rows, index_t cols, index_t stride, double* out) const {
    if constexpr (std::is_same_v<T, float>) {
      reduce_kernels().map_cols(map, {x, rows, cols, stride}, out);
    } else {
      ref::map_cols(map, x, rows, cols, stride, out);
    }
  }
};

// The rows and columns of float64 one by one.
template <typename StepType, auto reduce>
struct StridedReducer {
  using Step = StepType;
  using Acc = decltype(reduce(static_cast<const double*>(nullptr), index_t{}, index_t{}));
  static void rows(const double* x, index_t rows, index_t cols, index_t stride, Acc* out) {
    for (index_t r = 0; r < rows; ++r) out[r] = reduce(x + r * stride, cols, 1);
  }
  static void cols(const double* x, index_t rows, index_t cols, index_t stride, Acc* out) {
    for (index_t c = 0; c < cols; ++c) out[c] = reduce(x + c, rows, stride);
  }
};

template <typename T>
using MomentsReducer = std::conditional_t<
    std::is_same_v<T, float>,
    reduction::KernelReducer<ref::MomentsStep, CountedMoments, statistics_kernels,
                             &StatisticsKernels::moments_rows, &StatisticsKernels::moments_cols>,
    StridedReducer<ref::MomentsStep, ref::moments<double>>>;

template <typename T>
using ExponentialsReducer =
    std::conditional_t<std::is_same_v<T, float>,
                       reduction::KernelReducer<ref::ScaledSumStep, ScaledSum, statistics_kernels,
                                                &StatisticsKernels::exponentials_rows,
                                                &StatisticsKernels::exponentials_cols>,
                       StridedReducer<ref::ScaledSumStep, ref::sum_of_exponentials<double>>>;

// The float32 or float64 form of a reduction, whose results `finish` makes of the accumulators.
template <template <typename> class R, typename Finish, typename... Options>
Array run(const Plan& plan, const Finish& finish, Options... options) {
  const auto as = [&](auto tag) {
    using T = decltype(tag);
    return reduction::execute<R<T>, T, T>(R<T>{options...}, plan, plan.input.data<const T>(),
                                          dtype_of<T>::value,
                                          [&](const auto& a) { return static_cast<T>(finish(a)); });
  };
  return plan.input.dtype() == DType::float32 ? as(float{}) : as(double{});
}

void check_floating(const char* op, const Array& a) {
  TW_CHECK_TYPE(is_floating(a.dtype()), op, ": expected a floating tensor, got ",
                name_of(a.dtype()), " ", to_string(a.shape()));
}

Array spread_of(const char* op, const Array& a, const Dims& axes, double correction, bool keepdims,
                bool root) {
  check_floating(op, a);
  const Dims sorted = normalize_axes(op, axes, a.rank());
  const Plan plan = make_plan(a, sorted, keepdims);
  const double degrees = std::max(0.0, static_cast<double>(plan.count) - correction);
  return run<MomentsReducer>(plan, [&](const CountedMoments& m) {
    const double variance = m.deviations / degrees;
    return root ? std::sqrt(variance) : variance;
  });
}

}  // namespace

Array var(const Array& a, const Dims& axes, double correction, bool keepdims) {
  return spread_of("var", a, axes, correction, keepdims, false);
}

Array standard_deviation(const Array& a, const Dims& axes, double correction, bool keepdims) {
  return spread_of("std", a, axes, correction, keepdims, true);
}

Array norm(const Array& a, double p, const Dims& axes, bool keepdims) {
  check_floating("norm", a);
  TW_CHECK(p == 0.0 || p == 1.0 || p == 2.0, "norm: expected an order of 0, 1 or 2, got ", p);
  const Dims sorted = normalize_axes("norm", axes, a.rank());
  const Plan plan = make_plan(a, sorted, keepdims);
  const MapSum map = p == 0.0 ? MapSum::nonzero : p == 1.0 ? MapSum::magnitude : MapSum::square;
  return run<MapReducer>(
      plan, [&](double total) { return p == 2.0 ? std::sqrt(total) : total; }, map);
}

Array log_sum_exp(const Array& a, const Dims& axes, bool keepdims) {
  check_floating("logsumexp", a);
  const Dims sorted = normalize_axes("logsumexp", axes, a.rank());
  const Plan plan = make_plan(a, sorted, keepdims);
  return run<ExponentialsReducer>(plan,
                                  [](const ScaledSum& s) { return std::log(s.sum) + s.origin; });
}

}  // namespace tilewise
