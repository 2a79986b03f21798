// Functions of one number, applied element by element. Each is a row here and a row of formulas
// (value, derivative) in kernels/simd/activations.h for float32 and in ref/unary.h for the others;
// loops, dispatch, checks and bindings are written once for all rows.
#pragma once

#include <cstdint>

namespace tilewise {

// What inputs other than float32 and float64 give.
enum class UnaryDomain : std::uint8_t {
  numbers,     // integers stay integers
  elementary,  // integers become float32
  floating,    // an error
  predicate,   // any input, a bool result
};

// What the derivative is computed from: the input, or the output where that is enough.
enum class UnaryReads : std::uint8_t { nothing, input, output };

// name, formulas, domain, reads. Parameters a, b, c are named at the formulas.
#define TW_UNARY_FUNCTIONS(ROW)                   \
  ROW(neg, Neg, numbers, nothing)                 \
  ROW(abs, Abs, numbers, input)                   \
  ROW(sign, Sign, numbers, nothing)               \
  ROW(square, Square, numbers, input)             \
  ROW(floor, Floor, numbers, nothing)             \
  ROW(ceil, Ceil, numbers, nothing)               \
  ROW(round, Round, numbers, nothing)             \
  ROW(trunc, Trunc, numbers, nothing)             \
  ROW(relu, Relu, numbers, output)                \
  ROW(exp, Exp, elementary, output)               \
  ROW(exp2, Exp2, elementary, output)             \
  ROW(expm1, Expm1, elementary, output)           \
  ROW(log, Log, elementary, input)                \
  ROW(log2, Log2, elementary, input)              \
  ROW(log10, Log10, elementary, input)            \
  ROW(log1p, Log1p, elementary, input)            \
  ROW(sqrt, Sqrt, elementary, output)             \
  ROW(rsqrt, Rsqrt, elementary, output)           \
  ROW(reciprocal, Reciprocal, elementary, output) \
  ROW(sin, Sin, elementary, input)                \
  ROW(cos, Cos, elementary, input)                \
  ROW(tan, Tan, elementary, output)               \
  ROW(asin, Asin, elementary, input)              \
  ROW(acos, Acos, elementary, input)              \
  ROW(atan, Atan, elementary, input)              \
  ROW(sinh, Sinh, elementary, input)              \
  ROW(cosh, Cosh, elementary, input)              \
  ROW(tanh, Tanh, elementary, output)             \
  ROW(asinh, Asinh, elementary, input)            \
  ROW(acosh, Acosh, elementary, input)            \
  ROW(atanh, Atanh, elementary, input)            \
  ROW(erf, Erf, elementary, input)                \
  ROW(erfc, Erfc, elementary, input)              \
  ROW(erfinv, Erfinv, elementary, output)         \
  ROW(sigmoid, Sigmoid, elementary, output)       \
  ROW(frac, Frac, floating, nothing)              \
  ROW(hardtanh, Hardtanh, floating, input)        \
  ROW(leaky_relu, LeakyRelu, floating, input)     \
  ROW(elu, Elu, floating, input)                  \
  ROW(gelu, Gelu, floating, input)                \
  ROW(gelu_tanh, GeluTanh, floating, input)       \
  ROW(silu, Silu, floating, input)                \
  ROW(mish, Mish, floating, input)                \
  ROW(hardswish, Hardswish, floating, input)      \
  ROW(hardsigmoid, Hardsigmoid, floating, input)  \
  ROW(hardshrink, Hardshrink, floating, input)    \
  ROW(softshrink, Softshrink, floating, input)    \
  ROW(tanhshrink, Tanhshrink, floating, input)    \
  ROW(threshold, Threshold, floating, input)      \
  ROW(log_sigmoid, LogSigmoid, floating, input)   \
  ROW(softplus, Softplus, floating, input)        \
  ROW(softsign, Softsign, floating, input)

// name, formula. Without a derivative.
#define TW_UNARY_PREDICATES(ROW) ROW(isnan, IsNan) ROW(isinf, IsInf) ROW(isfinite, IsFinite)

enum class UnaryOp : std::uint8_t {
#define TW_FUNCTION(name, Formula, domain, reads) name,
#define TW_PREDICATE(name, Formula) name,
  TW_UNARY_FUNCTIONS(TW_FUNCTION) TW_UNARY_PREDICATES(TW_PREDICATE)
#undef TW_FUNCTION
#undef TW_PREDICATE
};

#define TW_ONE_FUNCTION(name, Formula, domain, reads) +1
constexpr int unary_functions = TW_UNARY_FUNCTIONS(TW_ONE_FUNCTION);
#undef TW_ONE_FUNCTION
constexpr int unary_ops = unary_functions + 3;

}  // namespace tilewise
