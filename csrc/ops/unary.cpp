#include "ops/unary.h"

#include "base/error.h"
#include "base/threads.h"
#include "kernels/unary.h"
#include "ops/binary.h"
#include "ops/copy.h"
#include "ops/operand.h"
#include "ref/unary.h"

namespace tilewise {
namespace {

struct Row {
  const char* name;
  UnaryDomain domain;
  UnaryReads reads;
  void (*forward)(const double* x, double* y, index_t count, const ref::UnaryConstants& p);
  void (*backward)(const double* dy, const double* kept, double* dx, index_t count,
                   const ref::UnaryConstants& p);
};
struct PredicateRow {
  const char* name;
  void (*test)(const double* x, std::uint8_t* y, index_t count);
};

#define TW_FUNCTION(name, Formula, domain, reads)                           \
  {#name, UnaryDomain::domain, UnaryReads::reads, ref::unary<ref::Formula>, \
   ref::unary_backward<ref::Formula>},
#define TW_PREDICATE(name, Formula) {#name, ref::test<ref::Formula>},
constexpr Row functions[] = {TW_UNARY_FUNCTIONS(TW_FUNCTION)};
constexpr PredicateRow predicates[] = {TW_UNARY_PREDICATES(TW_PREDICATE)};
#undef TW_FUNCTION
#undef TW_PREDICATE

int index_of(UnaryOp op) { return static_cast<int>(op); }
bool is_predicate(UnaryOp op) { return index_of(op) >= unary_functions; }

UnaryConstants single(const UnaryParameters& p) {
  return {static_cast<float>(p.a), static_cast<float>(p.b), static_cast<float>(p.c)};
}

// The arrays are dense, of one layout and one floating dtype. x and y may be the same.
void run_floating(UnaryOp op, const Array& x, const Array& y, const UnaryParameters& p) {
  if (x.dtype() == DType::float64) {
    const auto function = functions[index_of(op)].forward;
    const ref::UnaryConstants constants{p.a, p.b, p.c};
    parallel_ranges(x.size(), elementwise_grain, [&](index_t first, index_t last) {
      function(x.data<double>() + first, y.data<double>() + first, last - first, constants);
    });
    return;
  }
  const UnaryKernel kernel = unary_kernels().forward[index_of(op)];
  const UnaryConstants constants = single(p);
  const bool past_caches = larger_than_caches(y);
  // An elementary function costs several times a copy, but the same grain serves all.
  parallel_ranges(x.size(), elementwise_grain, [&](index_t first, index_t last) {
    kernel(x.data<float>() + first, y.data<float>() + first, last - first, constants, past_caches);
  });
}

template <typename Op, typename T>
void map_integers(const Array& x, const Array& y) {
  parallel_ranges(x.size(), elementwise_grain, [&](index_t first, index_t last) {
    ref::map_integers<Op>(x.data<T>() + first, y.data<T>() + first, last - first);
  });
}

template <typename T>
void run_integers(UnaryOp op, const Array& x, const Array& y) {
  switch (op) {
    case UnaryOp::neg:
      return map_integers<ref::NegInteger, T>(x, y);
    case UnaryOp::abs:
      return map_integers<ref::AbsInteger, T>(x, y);
    case UnaryOp::sign:
      return map_integers<ref::SignInteger, T>(x, y);
    case UnaryOp::square:
      return map_integers<ref::SquareInteger, T>(x, y);
    case UnaryOp::relu:
      return map_integers<ref::ReluInteger, T>(x, y);
    default:  // floor, ceil, round, trunc: integers are whole
      if (x.bytes() != y.bytes()) copy_into(y, x);
  }
}

// x and y may be the same.
void run(UnaryOp op, const Array& x, const Array& y, const UnaryParameters& p) {
  switch (x.dtype()) {
    case DType::float32:
    case DType::float64:
      return run_floating(op, x, y, p);
    case DType::int64:
      return run_integers<std::int64_t>(op, x, y);
    case DType::int32:
      return run_integers<std::int32_t>(op, x, y);
    case DType::int8:
      return run_integers<std::int8_t>(op, x, y);
    case DType::uint8:
      return run_integers<std::uint8_t>(op, x, y);
    case DType::boolean:  // abs, sign, square and rounding of 0 and 1
      if (x.bytes() != y.bytes()) copy_into(y, x);
  }
}

Array test(UnaryOp op, const Array& input) {
  const Array x = dense(input);
  Array y = Array::empty_like(x, DType::boolean);
  if (!is_floating(x.dtype())) {
    fill(y, op == UnaryOp::isfinite ? 1.0 : 0.0);
    return y;
  }
  const int i = index_of(op) - unary_functions;
  parallel_ranges(x.size(), elementwise_grain, [&](index_t first, index_t last) {
    std::uint8_t* out = y.data<std::uint8_t>() + first;
    if (x.dtype() == DType::float32) {
      unary_kernels().predicates[i](x.data<float>() + first, out, last - first);
    } else {
      predicates[i].test(x.data<double>() + first, out, last - first);
    }
  });
  return y;
}

void check_dtype(UnaryOp op, DType dtype) {
  TW_CHECK_TYPE(domain_of(op) != UnaryDomain::floating || is_floating(dtype), name_of(op),
                ": expected input of dtype float32 or float64, got ", name_of(dtype));
  TW_CHECK_TYPE((op != UnaryOp::neg && op != UnaryOp::relu) || dtype != DType::boolean, name_of(op),
                ": expected numbers, got bool");
}

}  // namespace

const char* name_of(UnaryOp op) {
  return is_predicate(op) ? predicates[index_of(op) - unary_functions].name
                          : functions[index_of(op)].name;
}

UnaryDomain domain_of(UnaryOp op) {
  return is_predicate(op) ? UnaryDomain::predicate : functions[index_of(op)].domain;
}

UnaryReads reads_of(UnaryOp op) {
  return is_predicate(op) ? UnaryReads::nothing : functions[index_of(op)].reads;
}

Array unary(UnaryOp op, const Array& input, const UnaryParameters& p) {
  if (is_predicate(op)) return test(op, input);
  check_dtype(op, input.dtype());
  const bool converts = domain_of(op) == UnaryDomain::elementary && !is_floating(input.dtype());
  const Array x = dense(converts ? cast(input, DType::float32) : input);
  Array y = Array::empty_like(x);
  run(op, x, y, p);
  return y;
}

void unary_(UnaryOp op, const Array& x, const UnaryParameters& p) {
  TW_CHECK_TYPE(!is_predicate(op), name_of(op), "_: expected a function of numbers");
  check_dtype(op, x.dtype());
  TW_CHECK_TYPE(domain_of(op) != UnaryDomain::elementary || is_floating(x.dtype()), name_of(op),
                "_: the result is float32, which ", name_of(x.dtype()), " cannot hold");
  check_writable(name_of(op), x);
  const Array y = dense(x);
  run(op, y, y, p);
  if (y.bytes() != x.bytes()) copy_into(x, y);
  x.storage()->bump_version();
}

Array unary_backward(UnaryOp op, const Array& grad_output, const Array& wanted,
                     const UnaryParameters& p) {
  TW_CHECK_TYPE(!is_predicate(op), name_of(op), " backward: it has no derivative");
  TW_CHECK(grad_output.shape() == wanted.shape(), name_of(op), " backward: gradient of shape ",
           to_string(grad_output.shape()), " for shape ", to_string(wanted.shape()));
  TW_CHECK_TYPE(is_floating(wanted.dtype()) && grad_output.dtype() == wanted.dtype(), name_of(op),
                " backward: expected two floating tensors of one dtype, got ",
                name_of(grad_output.dtype()), " and ", name_of(wanted.dtype()));
  const Array kept = dense(wanted);
  const Array dy = dense_as(grad_output, kept);
  Array dx = Array::empty_like(kept);
  if (kept.dtype() == DType::float64) {
    const auto function = functions[index_of(op)].backward;
    const ref::UnaryConstants constants{p.a, p.b, p.c};
    parallel_ranges(kept.size(), elementwise_grain, [&](index_t first, index_t last) {
      function(dy.data<double>() + first, kept.data<double>() + first, dx.data<double>() + first,
               last - first, constants);
    });
    return dx;
  }
  const UnaryGradientKernel kernel = unary_gradient_kernels().backward[index_of(op)];
  const UnaryConstants constants = single(p);
  const bool past_caches = larger_than_caches(dx);
  parallel_ranges(kept.size(), elementwise_grain, [&](index_t first, index_t last) {
    kernel(dy.data<float>() + first, kept.data<float>() + first, dx.data<float>() + first,
           last - first, constants, past_caches);
  });
  return dx;
}

Array logical_not(const Array& x) { return binary(BinaryOp::eq, x, Scalar::of(false)); }

}  // namespace tilewise
