#include "ops/binary.h"

#include <limits>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/binary.h"
#include "kernels/binary_math.h"
#include "ops/copy.h"
#include "ops/loop_nest.h"
#include "ref/binary.h"

namespace tilewise {
namespace {

bool is_comparison(BinaryOp op) { return op >= BinaryOp::eq && op <= BinaryOp::ge; }
bool is_logical(BinaryOp op) { return op >= BinaryOp::logical_and; }
bool is_bitwise(BinaryOp op) { return op >= BinaryOp::bit_and && op <= BinaryOp::shift_right; }
bool gives_floats(BinaryOp op) {
  return op == BinaryOp::div || (op >= BinaryOp::atan2 && op <= BinaryOp::xlogy);
}

bool fits(std::int64_t value, DType dtype) {
  switch (dtype) {
    case DType::uint8:
      return value >= 0 && value <= 255;
    case DType::int8:
      return value >= -128 && value <= 127;
    case DType::int32:
      return value >= std::numeric_limits<std::int32_t>::min() &&
             value <= std::numeric_limits<std::int32_t>::max();
    default:
      return true;
  }
}

bool scalar_fits(const Operand& x, DType dtype) {
  return x.is_array() || x.scalar().kind != Scalar::Kind::integer ||
         fits(x.scalar().integer, dtype);
}

// The dtype in which the operands meet.
DType compute_type(BinaryOp op, const Operand& a, const Operand& b) {
  const DType common = result_type(a, b);
  if (gives_floats(op) && !is_floating(common)) return DType::float32;
  TW_CHECK_TYPE(!is_bitwise(op) || !is_floating(common), name_of(op),
                ": expected integers or bools, got ", a.describe(), " and ", b.describe());
  // An integer scalar wraps around in arithmetic, but a comparison should be right.
  if (is_comparison(op) && !(scalar_fits(a, common) && scalar_fits(b, common))) {
    return DType::int64;
  }
  const bool needs_numbers = op == BinaryOp::sub || op == BinaryOp::floor_div ||
                             op == BinaryOp::remainder || op == BinaryOp::pow ||
                             op == BinaryOp::trunc_div || op == BinaryOp::fmod ||
                             op == BinaryOp::shift_left || op == BinaryOp::shift_right;
  TW_CHECK_TYPE(common != DType::boolean || !needs_numbers, name_of(op), ": expected numbers, got ",
                a.describe(), " and ", b.describe());
  return common;
}

DType dtype_of_result(BinaryOp op, DType compute) {
  return is_comparison(op) || is_logical(op) ? DType::boolean : compute;
}

// Everything that a loop over strided operands needs, z first.
struct Operands {
  const Array& z;
  const Array& a;
  const Array& b;
  Dims a_strides;
  Dims b_strides;
};

template <typename Op, typename T, typename R>
void run_ref(const Operands& x) {
  const LoopNest nest(x.z.shape(), {&x.z.strides(), &x.a_strides, &x.b_strides});
  nest.parallel_blocks([&](const LoopBlock& block) {
    ref::binary<Op>(x.a.data<const T>() + block.offset[1],
                    {block.row_stride[1], block.col_stride[1]},
                    x.b.data<const T>() + block.offset[2],
                    {block.row_stride[2], block.col_stride[2]}, x.z.data<R>() + block.offset[0],
                    {block.row_stride[0], block.col_stride[0]}, block.rows, block.cols);
  });
}

template <typename T>
void run_floating(BinaryOp op, const Operands& x) {
  switch (op) {
    case BinaryOp::fmax:
      return run_ref<ref::FMax, T, T>(x);
    case BinaryOp::fmin:
      return run_ref<ref::FMin, T, T>(x);
    case BinaryOp::atan2:
      return run_ref<ref::Atan2, T, T>(x);
    case BinaryOp::hypot:
      return run_ref<ref::Hypot, T, T>(x);
    case BinaryOp::logaddexp:
      return run_ref<ref::LogAddExp, T, T>(x);
    case BinaryOp::copysign:
      return run_ref<ref::CopySign, T, T>(x);
    case BinaryOp::xlogy:
      return run_ref<ref::XLogY, T, T>(x);
    default:
      return run_ref<ref::Div, T, T>(x);
  }
}

template <typename T>
void run_integral(BinaryOp op, const Operands& x) {
  switch (op) {
    case BinaryOp::fmax:
      return run_ref<ref::Maximum, T, T>(x);
    case BinaryOp::fmin:
      return run_ref<ref::Minimum, T, T>(x);
    case BinaryOp::bit_and:
      return run_ref<ref::BitAnd, T, T>(x);
    case BinaryOp::bit_or:
      return run_ref<ref::BitOr, T, T>(x);
    case BinaryOp::bit_xor:
      return run_ref<ref::BitXor, T, T>(x);
    case BinaryOp::shift_left:
      return run_ref<ref::ShiftLeft, T, T>(x);
    default:
      return run_ref<ref::ShiftRight, T, T>(x);
  }
}

// Arithmetic that floats and integers have; R = T.
template <typename T>
void run_arithmetic(BinaryOp op, const Operands& x) {
  switch (op) {
    case BinaryOp::add:
      return run_ref<ref::Add, T, T>(x);
    case BinaryOp::sub:
      return run_ref<ref::Sub, T, T>(x);
    case BinaryOp::mul:
      return run_ref<ref::Mul, T, T>(x);
    case BinaryOp::floor_div:
      return run_ref<ref::FloorDiv, T, T>(x);
    case BinaryOp::remainder:
      return run_ref<ref::Remainder, T, T>(x);
    case BinaryOp::pow:
      return run_ref<ref::Pow, T, T>(x);
    case BinaryOp::maximum:
      return run_ref<ref::Maximum, T, T>(x);
    case BinaryOp::minimum:
      return run_ref<ref::Minimum, T, T>(x);
    case BinaryOp::trunc_div:
      return run_ref<ref::TruncDiv, T, T>(x);
    case BinaryOp::fmod:
      return run_ref<ref::Fmod, T, T>(x);
    default:
      break;
  }
  if constexpr (std::is_floating_point_v<T>) {
    run_floating<T>(op, x);
  } else {
    run_integral<T>(op, x);
  }
}

template <typename T>
void run_predicate(BinaryOp op, const Operands& x) {
  const Operands swapped{x.z, x.b, x.a, x.b_strides, x.a_strides};
  switch (op) {
    case BinaryOp::eq:
      return run_ref<ref::Equal, T, std::uint8_t>(x);
    case BinaryOp::ne:
      return run_ref<ref::NotEqual, T, std::uint8_t>(x);
    case BinaryOp::lt:
      return run_ref<ref::Less, T, std::uint8_t>(x);
    case BinaryOp::le:
      return run_ref<ref::LessEqual, T, std::uint8_t>(x);
    case BinaryOp::gt:
      return run_ref<ref::Less, T, std::uint8_t>(swapped);
    case BinaryOp::ge:
      return run_ref<ref::LessEqual, T, std::uint8_t>(swapped);
    case BinaryOp::logical_and:
      return run_ref<ref::LogicalAnd, T, std::uint8_t>(x);
    case BinaryOp::logical_or:
      return run_ref<ref::LogicalOr, T, std::uint8_t>(x);
    default:
      return run_ref<ref::LogicalXor, T, std::uint8_t>(x);
  }
}

// Booleans are bytes of 0 and 1; any other byte that memory from outside holds counts as true.
void run_boolean(BinaryOp op, const Operands& x) {
  switch (op) {
    case BinaryOp::add:
    case BinaryOp::maximum:
    case BinaryOp::fmax:
    case BinaryOp::bit_or:
      return run_predicate<std::uint8_t>(BinaryOp::logical_or, x);
    case BinaryOp::bit_xor:
      return run_predicate<std::uint8_t>(BinaryOp::logical_xor, x);
    case BinaryOp::mul:
    case BinaryOp::minimum:
    case BinaryOp::fmin:
    case BinaryOp::bit_and:
      return run_predicate<std::uint8_t>(BinaryOp::logical_and, x);
    default:
      return run_predicate<std::uint8_t>(op, x);
  }
}

template <typename T>
void run_typed(BinaryOp op, const Operands& x) {
  if (is_comparison(op) || is_logical(op)) {
    run_predicate<T>(op, x);
  } else {
    run_arithmetic<T>(op, x);
  }
}

template <typename Kernel, typename R>
void run_kernel(Kernel kernel, const Operands& x, R* z) {
  const bool past_caches =
      larger_than_caches(x.z) && x.a.storage() != x.z.storage() && x.b.storage() != x.z.storage();
  const LoopNest nest(x.z.shape(), {&x.z.strides(), &x.a_strides, &x.b_strides});
  nest.parallel_blocks([&](const LoopBlock& block) {
    kernel({x.a.data<float>() + block.offset[1], x.b.data<float>() + block.offset[2], block.rows,
            block.cols, block.row_stride[1], block.row_stride[2], block.row_stride[0],
            block.col_stride[1], block.col_stride[2], past_caches},
           z + block.offset[0]);
  });
}

// False where the op has no float32 kernel.
bool run_float32(BinaryOp op, const Operands& x) {
  const BinaryKernels& kernels = binary_kernels();
  const BinaryMathKernels& math = binary_math_kernels();
  const Operands swapped{x.z, x.b, x.a, x.b_strides, x.a_strides};
  float* z = x.z.data<float>();
  auto* flags = x.z.data<std::uint8_t>();
  switch (op) {
    case BinaryOp::add:
      return run_kernel(kernels.add, x, z), true;
    case BinaryOp::sub:
      return run_kernel(kernels.sub, x, z), true;
    case BinaryOp::mul:
      return run_kernel(kernels.mul, x, z), true;
    case BinaryOp::div:
      return run_kernel(kernels.div, x, z), true;
    case BinaryOp::maximum:
      return run_kernel(kernels.maximum, x, z), true;
    case BinaryOp::minimum:
      return run_kernel(kernels.minimum, x, z), true;
    case BinaryOp::fmax:
      return run_kernel(kernels.fmax, x, z), true;
    case BinaryOp::fmin:
      return run_kernel(kernels.fmin, x, z), true;
    case BinaryOp::hypot:
      return run_kernel(kernels.hypot, x, z), true;
    case BinaryOp::logaddexp:
      return run_kernel(kernels.logaddexp, x, z), true;
    case BinaryOp::pow:
      return run_kernel(math.pow, x, z), true;
    case BinaryOp::fmod:
      return run_kernel(math.fmod, x, z), true;
    case BinaryOp::remainder:
      return run_kernel(math.remainder, x, z), true;
    case BinaryOp::floor_div:
      return run_kernel(math.floor_div, x, z), true;
    case BinaryOp::trunc_div:
      return run_kernel(kernels.trunc_div, x, z), true;
    case BinaryOp::copysign:
      return run_kernel(kernels.copysign, x, z), true;
    case BinaryOp::xlogy:
      return run_kernel(kernels.xlogy, x, z), true;
    case BinaryOp::atan2:
      return run_kernel(kernels.atan2, x, z), true;
    case BinaryOp::eq:
      return run_kernel(kernels.eq, x, flags), true;
    case BinaryOp::ne:
      return run_kernel(kernels.ne, x, flags), true;
    case BinaryOp::lt:
      return run_kernel(kernels.lt, x, flags), true;
    case BinaryOp::le:
      return run_kernel(kernels.le, x, flags), true;
    case BinaryOp::gt:
      return run_kernel(kernels.lt, swapped, flags), true;
    case BinaryOp::ge:
      return run_kernel(kernels.le, swapped, flags), true;
    default:
      return false;
  }
}

// An operand that a kernel can read: innermost stride 0 or 1 along the dense result.
Array readable(const Array& a, const Array& z) {
  if (Array::same_dense_layout(a, z)) return a;
  const Dims strides = broadcast_strides(a, z.shape());
  const LoopNest nest(z.shape(), {&z.strides(), &strides});
  if (nest.inner_stride(0) == 1 && nest.inner_stride(1) <= 1) return a;
  Array copy = Array::empty_like(z, a.dtype());
  copy_into(copy, a);
  return copy;
}

// z = a op b for a dense z; a and b have the compute dtype.
void run(BinaryOp op, const Array& z, const Array& a_in, const Array& b_in) {
  if (z.size() == 0) return;
  const DType compute = a_in.dtype();
  const bool kernels = compute == DType::float32;
  const Array a = kernels ? readable(a_in, z) : a_in;
  const Array b = kernels ? readable(b_in, z) : b_in;
  const Operands x{z, a, b, broadcast_strides(a, z.shape()), broadcast_strides(b, z.shape())};
  switch (compute) {
    case DType::float32:
      if (!run_float32(op, x)) run_typed<float>(op, x);
      return;
    case DType::float64:
      return run_typed<double>(op, x);
    case DType::int64:
      return run_typed<std::int64_t>(op, x);
    case DType::int32:
      return run_typed<std::int32_t>(op, x);
    case DType::int8:
      return run_typed<std::int8_t>(op, x);
    case DType::uint8:
      return run_typed<std::uint8_t>(op, x);
    case DType::boolean:
      return run_boolean(op, x);
  }
}

}  // namespace

const char* name_of(BinaryOp op) {
  const char* names[] = {"add",
                         "sub",
                         "mul",
                         "div",
                         "floor_div",
                         "remainder",
                         "pow",
                         "maximum",
                         "minimum",
                         "fmax",
                         "fmin",
                         "trunc_div",
                         "fmod",
                         "atan2",
                         "hypot",
                         "logaddexp",
                         "copysign",
                         "xlogy",
                         "bitwise_and",
                         "bitwise_or",
                         "bitwise_xor",
                         "bitwise_left_shift",
                         "bitwise_right_shift",
                         "eq",
                         "ne",
                         "lt",
                         "le",
                         "gt",
                         "ge",
                         "logical_and",
                         "logical_or",
                         "logical_xor"};
  return names[static_cast<int>(op)];
}

Array binary(BinaryOp op, const Operand& a, const Operand& b) {
  TW_CHECK_TYPE(a.is_array() || b.is_array(), name_of(op), ": expected an array, got ",
                a.describe(), " and ", b.describe());
  const Dims shape = broadcast_shapes(name_of(op), a.shape(), b.shape());
  const DType compute = compute_type(op, a, b);
  const Array left = a.as(compute);
  const Array right = b.as(compute);
  Array z = empty_for_result(shape, dtype_of_result(op, compute), {&left, &right});
  run(op, z, left, right);
  return z;
}

void binary_in_place(BinaryOp op, const Array& a, const Operand& b) {
  const Dims shape = broadcast_shapes(name_of(op), a.shape(), b.shape());
  TW_CHECK(shape == a.shape(), name_of(op), "_: expected an operand that broadcasts to ",
           to_string(a.shape()), ", got ", b.describe());
  check_writable(name_of(op), a);
  const DType compute = compute_type(op, a, b);
  const DType result = dtype_of_result(op, compute);
  TW_CHECK_TYPE(is_floating(a.dtype()) || !is_floating(result), name_of(op), "_: a result of ",
                name_of(result), " cannot be stored in ", name_of(a.dtype()), " ",
                to_string(a.shape()));
  TW_CHECK_TYPE(a.dtype() != DType::boolean || result == DType::boolean, name_of(op),
                "_: a result of ", name_of(result), " cannot be stored in bool ",
                to_string(a.shape()));
  const Array right = b.as(compute);
  const bool direct = a.dtype() == compute && result == compute &&
                      (a.is_contiguous() || a.is_channels_last()) &&
                      !overlap_differently(a, right, broadcast_strides(right, a.shape()));
  if (direct) {
    run(op, a, a, right);
    a.storage()->bump_version();
  } else {
    copy_into(a, binary(op, a, b));
  }
}

void add_in_place(const Array& a, const Operand& b, const Scalar& alpha) {
  if (alpha.floating == 1.0) return binary_in_place(BinaryOp::add, a, b);
  const bool direct = b.is_array() && a.dtype() == DType::float32 &&
                      b.array().dtype() == DType::float32 &&
                      Array::same_dense_layout(a, b.array()) &&
                      !overlap_differently(a, b.array(), b.array().strides());
  if (!direct) {
    if (b.is_array()) return binary_in_place(BinaryOp::add, a, binary(BinaryOp::mul, b, alpha));
    return binary_in_place(BinaryOp::add, a, Operand(b.scalar().floating * alpha.floating));
  }
  float* z = a.data<float>();
  const float* x = b.array().data<float>();
  const auto scale = static_cast<float>(alpha.floating);
  const auto kernel = binary_kernels().add_scaled;
  parallel_ranges(a.size(), elementwise_grain, [&](index_t first, index_t last) {
    kernel(z + first, x + first, scale, last - first);
  });
  a.storage()->bump_version();
}

}  // namespace tilewise
