#include "ops/unary.h"

#include "base/error.h"
#include "base/threads.h"
#include "kernels/unary.h"
#include "ops/binary.h"
#include "ops/copy.h"
#include "ref/unary.h"

namespace tilewise {
namespace {

bool is_predicate(UnaryOp op) { return op >= UnaryOp::isnan; }
bool needs_floats(UnaryOp op) { return op >= UnaryOp::exp && !is_predicate(op); }

template <typename Kernel, typename T, typename R>
void run_ranges(Kernel kernel, const T* x, R* y, index_t count) {
  // An elementary function costs several times a copy, but the same grain serves all.
  parallel_ranges(count, elementwise_grain,
                  [&](index_t first, index_t last) { kernel(x + first, y + first, last - first); });
}

UnaryKernel kernel_of(UnaryOp op) {
  const UnaryKernels& k = unary_kernels();
  const UnaryKernel table[] = {k.neg,        k.abs, k.sign, k.square, k.floor,  k.ceil,
                               k.round,      k.exp, k.log,  k.log1p,  k.sqrt,   k.rsqrt,
                               k.reciprocal, k.sin, k.cos,  k.tanh,   k.sigmoid};
  return table[static_cast<int>(op)];
}

PredicateKernel predicate_of(UnaryOp op) {
  const UnaryKernels& k = unary_kernels();
  return op == UnaryOp::isnan ? k.isnan : op == UnaryOp::isinf ? k.isinf : k.isfinite;
}

template <typename Op, typename R = double>
void run_double(const Array& x, const Array& y) {
  run_ranges(ref::unary<Op, double, R>, x.data<const double>(), y.data<R>(), x.size());
}

void run_float64(UnaryOp op, const Array& x, const Array& y) {
  switch (op) {
    case UnaryOp::neg:
      return run_double<ref::Neg>(x, y);
    case UnaryOp::abs:
      return run_double<ref::Abs>(x, y);
    case UnaryOp::sign:
      return run_double<ref::Sign>(x, y);
    case UnaryOp::square:
      return run_double<ref::Square>(x, y);
    case UnaryOp::floor:
      return run_double<ref::Floor>(x, y);
    case UnaryOp::ceil:
      return run_double<ref::Ceil>(x, y);
    case UnaryOp::round:
      return run_double<ref::Round>(x, y);
    case UnaryOp::exp:
      return run_double<ref::Exp>(x, y);
    case UnaryOp::log:
      return run_double<ref::Log>(x, y);
    case UnaryOp::log1p:
      return run_double<ref::Log1p>(x, y);
    case UnaryOp::sqrt:
      return run_double<ref::Sqrt>(x, y);
    case UnaryOp::rsqrt:
      return run_double<ref::Rsqrt>(x, y);
    case UnaryOp::reciprocal:
      return run_double<ref::Reciprocal>(x, y);
    case UnaryOp::sin:
      return run_double<ref::Sin>(x, y);
    case UnaryOp::cos:
      return run_double<ref::Cos>(x, y);
    case UnaryOp::tanh:
      return run_double<ref::Tanh>(x, y);
    case UnaryOp::sigmoid:
      return run_double<ref::Sigmoid>(x, y);
    case UnaryOp::isnan:
      return run_double<ref::IsNan, std::uint8_t>(x, y);
    case UnaryOp::isinf:
      return run_double<ref::IsInf, std::uint8_t>(x, y);
    case UnaryOp::isfinite:
      return run_double<ref::IsFinite, std::uint8_t>(x, y);
  }
}

template <typename T>
void run_integers(UnaryOp op, const Array& x, const Array& y) {
  const T* src = x.data<const T>();
  T* dst = y.data<T>();
  switch (op) {
    case UnaryOp::neg:
      return run_ranges(ref::unary<ref::Neg, T, T>, src, dst, x.size());
    case UnaryOp::abs:
      return run_ranges(ref::unary<ref::Abs, T, T>, src, dst, x.size());
    case UnaryOp::sign:
      return run_ranges(ref::unary<ref::Sign, T, T>, src, dst, x.size());
    case UnaryOp::square:
      return run_ranges(ref::unary<ref::Square, T, T>, src, dst, x.size());
    default:  // floor, ceil, round: integers are whole
      copy_into(y, x);
  }
}

}  // namespace

const char* name_of(UnaryOp op) {
  const char* names[] = {"neg", "abs",  "sign",    "square", "floor", "ceil",       "round",
                         "exp", "log",  "log1p",   "sqrt",   "rsqrt", "reciprocal", "sin",
                         "cos", "tanh", "sigmoid", "isnan",  "isinf", "isfinite"};
  return names[static_cast<int>(op)];
}

Array unary(UnaryOp op, const Array& input) {
  TW_CHECK_TYPE(op != UnaryOp::neg || input.dtype() != DType::boolean,
                "neg: expected numbers, got bool ", to_string(input.shape()));
  const Array x =
      dense(needs_floats(op) && !is_floating(input.dtype()) ? cast(input, DType::float32) : input);
  Array y = Array::empty_like(x, is_predicate(op) ? DType::boolean : x.dtype());
  if (is_predicate(op) && !is_floating(x.dtype())) {
    fill(y, op == UnaryOp::isfinite ? 1.0 : 0.0);
    return y;
  }
  switch (x.dtype()) {
    case DType::float32:
      if (is_predicate(op)) {
        run_ranges(predicate_of(op), x.data<const float>(), y.data<std::uint8_t>(), x.size());
      } else {
        const bool past_caches = larger_than_caches(y);
        const UnaryKernel chosen = kernel_of(op);
        const auto kernel = [&](const float* src, float* dst, index_t count) {
          chosen(src, dst, count, past_caches);
        };
        run_ranges(kernel, x.data<const float>(), y.data<float>(), x.size());
      }
      break;
    case DType::float64:
      run_float64(op, x, y);
      break;
    case DType::int64:
      run_integers<std::int64_t>(op, x, y);
      break;
    case DType::int32:
      run_integers<std::int32_t>(op, x, y);
      break;
    case DType::int8:
      run_integers<std::int8_t>(op, x, y);
      break;
    case DType::uint8:
      run_integers<std::uint8_t>(op, x, y);
      break;
    case DType::boolean:  // abs, sign, square and rounding of 0 and 1
      copy_into(y, x);
      break;
  }
  return y;
}

Array logical_not(const Array& x) { return binary(BinaryOp::eq, x, Scalar::of(false)); }

}  // namespace tilewise
