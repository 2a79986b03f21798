// Sums of f(x - shift), where f is the square, the magnitude or the exponential and the shift is
// one number for each result: its mean (variance), its maximum (log-sum-exp), or none (norms). The
// data is read once for the shift and once for the sum.
#include "ops/statistics.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "ops/binary.h"
#include "ops/copy.h"
#include "ops/reduce.h"
#include "ops/reduce_stages.h"
#include "ops/select.h"
#include "ops/unary.h"
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
  const T* shift;  // one for each result of the first stage, or null for 0

  const T* shift_of(index_t result) const { return shift != nullptr ? shift + result : nullptr; }
  void rows(const T* x, index_t rows, index_t cols, index_t stride, double* out,
            index_t result) const {
    if constexpr (std::is_same_v<T, float>) {
      reduce_kernels().map_rows(map, {x, rows, cols, stride}, shift_of(result), out);
    } else {
      ref::map_rows(map, x, rows, cols, stride, shift_of(result), out);
    }
  }
  void cols(const T* x, index_t rows, index_t cols, index_t stride, double* out,
            index_t result) const {
    if constexpr (std::is_same_v<T, float>) {
      reduce_kernels().map_cols(map, {x, rows, cols, stride}, shift_of(result), out);
    } else {
      ref::map_cols(map, x, rows, cols, stride, shift_of(result), out);
    }
  }
};

// `kept` has the shape of the results with keepdims: spread over those of the first stage, in the
// order of memory.
Array spread(const Plan& plan, const Array& kept, const Dims& axes) {
  const Dims order = reduction::memory_order(plan.input);
  const auto is_reduced = [&](int dim) {
    return std::find(axes.begin(), axes.end(), dim) != axes.end();
  };
  Dims shape = plan.input.shape();
  bool found = false;
  for (int i = order.size() - 1; i >= 0; --i) {
    const int dim = static_cast<int>(order[i]);
    if (plan.input.extent(dim) == 1) continue;
    if (found && !is_reduced(dim)) break;
    if (!is_reduced(dim)) continue;
    found = true;
    shape[dim] = 1;
  }
  return contiguous(kept.expand(shape).permute(order));
}

struct Sum {
  MapSum map;
  const Array* shift;  // with keepdims, or null
  double divisor = 1.0;
  bool root = false;
};

template <typename T>
Array sum_of(const Plan& plan, const Dims& axes, const Sum& sum) {
  const Array shift = sum.shift != nullptr ? spread(plan, *sum.shift, axes) : Array();
  const MapReducer<T> reducer{sum.map, sum.shift != nullptr ? shift.data<const T>() : nullptr};
  return reduction::execute<MapReducer<T>, T, T>(
      reducer, plan, plan.input.data<const T>(), dtype_of<T>::value, [&](double x) {
        const double y = x / sum.divisor;
        return static_cast<T>(sum.root ? std::sqrt(y) : y);
      });
}

Array map_sum(const Plan& plan, const Dims& axes, const Sum& sum) {
  return plan.input.dtype() == DType::float32 ? sum_of<float>(plan, axes, sum)
                                              : sum_of<double>(plan, axes, sum);
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
  const Array centre = mean(plan.input, sorted, true);
  const double degrees = std::max(0.0, static_cast<double>(plan.count) - correction);
  return map_sum(plan, sorted, {MapSum::square, &centre, degrees, root});
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
  return map_sum(plan, sorted, {map, nullptr, 1.0, p == 2.0});
}

Array log_sum_exp(const Array& a, const Dims& axes, bool keepdims) {
  check_floating("logsumexp", a);
  const Dims sorted = normalize_axes("logsumexp", axes, a.rank());
  const Plan plan = make_plan(a, sorted, true);
  if (plan.count == 0) {
    Array nothing = sum(a, axes, keepdims);
    fill(nothing, -std::numeric_limits<double>::infinity());
    return nothing;
  }
  const Array top = max_values(plan.input, sorted, true);
  // An infinite maximum would give Inf - Inf.
  const Array shift = where(unary(UnaryOp::isfinite, top), top, Operand(0.0));
  const Array total = map_sum(plan, sorted, {MapSum::exponential, &shift});
  const Array kept = add(unary(UnaryOp::log, total), shift);
  return keepdims ? kept : reshape(kept, make_plan(a, sorted, false).shape);
}

}  // namespace tilewise
