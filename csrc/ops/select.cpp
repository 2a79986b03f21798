#include "ops/select.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/binary.h"
#include "kernels/copy.h"
#include "ops/binary.h"
#include "ops/copy.h"
#include "ops/loop_nest.h"
#include "ops/visit_dtype.h"
#include "ref/select.h"

namespace tilewise {
namespace {

struct SelectOperands {
  const Array& condition;
  const Array& a;
  const Array& b;
  const Array& z;
};

template <typename T>
void select_blocks(const LoopNest& nest, const SelectOperands& x) {
  nest.parallel_blocks([&](const LoopBlock& block) {
    const auto base = [&](int operand, index_t row) {
      return block.offset[operand] + row * block.row_stride[operand];
    };
    for (index_t r = 0; r < block.rows; ++r) {
      ref::select<T>(
          {x.condition.data<const std::uint8_t>() + base(1, r), x.a.data<const T>() + base(2, r),
           x.b.data<const T>() + base(3, r), x.z.data<T>() + base(0, r), block.col_stride[1],
           block.col_stride[2], block.col_stride[3], block.col_stride[0]},
          block.cols);
    }
  });
}

// Rows of four-byte numbers side by side, or repeated. False where there are others.
bool select_words(const LoopNest& nest, const SelectOperands& x) {
  const auto in_order = [&](int operand) { return nest.inner_stride(operand) == 1; };
  const auto repeats = [&](int operand) { return nest.inner_stride(operand) == 0; };
  constexpr index_t short_row = 32;
  if (!in_order(0) || !in_order(1) || !(in_order(2) || repeats(2)) ||
      !(in_order(3) || repeats(3)) || nest.extent(nest.rank() - 1) < short_row) {
    return false;
  }
  const bool past_caches = larger_than_caches(x.z);
  const CopyKernels& kernels = copy_kernels();
  nest.parallel_blocks([&](const LoopBlock& block) {
    constexpr index_t long_row = 512;  // of which parts of cache lines are few
    const bool stream = past_caches && block.cols >= long_row;
    const auto base = [&](int operand, index_t row) {
      return block.offset[operand] + row * block.row_stride[operand];
    };
    for (index_t r = 0; r < block.rows; ++r) {
      kernels.select({x.condition.data<const std::uint8_t>() + base(1, r),
                      x.a.data<const float>() + base(2, r), x.b.data<const float>() + base(3, r),
                      x.z.data<float>() + base(0, r), block.cols, repeats(2), repeats(3), stream});
    }
    if (stream) kernels.fence();
  });
  return true;
}

struct Bounds {
  float low;
  float high;
};

// Numbers that a kernel can take; a bound of NaN makes everything NaN, which the general way does.
bool are_numbers(const Operand* low, const Operand* high) {
  const auto plain = [](const Operand* x) {
    return x == nullptr || (!x->is_array() && !std::isnan(x->scalar().floating));
  };
  return plain(low) && plain(high);
}

// A missing bound bounds nothing.
Bounds bounds_of(const Operand* low, const Operand* high) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  return {low != nullptr ? static_cast<float>(low->scalar().floating) : -infinity,
          high != nullptr ? static_cast<float>(high->scalar().floating) : infinity};
}

}  // namespace

Array where(const Array& condition, const Operand& a, const Operand& b) {
  const Dims values = broadcast_shapes("where", a.shape(), b.shape());
  const Dims shape = broadcast_shapes("where", condition.shape(), values);
  const DType dtype = result_type(a, b);
  const Array flags = cast(condition, DType::boolean);
  const Array left = a.as(dtype);
  const Array right = b.as(dtype);
  Array z = empty_for_result(shape, dtype, {&left, &right, &flags});
  const Dims flag_strides = broadcast_strides(flags, shape);
  const Dims left_strides = broadcast_strides(left, shape);
  const Dims right_strides = broadcast_strides(right, shape);
  const LoopNest nest(shape, {&z.strides(), &flag_strides, &left_strides, &right_strides});
  if (itemsize(dtype) == sizeof(float) && select_words(nest, {flags, left, right, z})) return z;
  visit_dtype(dtype, [&](auto tag) {
    using T = decltype(tag);
    using Byte = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;
    select_blocks<Byte>(nest, {flags, left, right, z});
  });
  return z;
}

Array clamp(const Array& a, const Operand* low, const Operand* high) {
  TW_CHECK(low != nullptr || high != nullptr, "clamp: expected a lower or an upper bound");
  if (a.dtype() == DType::float32 && are_numbers(low, high)) {
    const Array x = dense(a);
    Array z = Array::empty_like(x);
    const Bounds bounds = bounds_of(low, high);
    const auto kernel = binary_kernels().clamp;
    const bool past_caches = larger_than_caches(z);
    parallel_ranges(x.size(), elementwise_grain, [&](index_t first, index_t last) {
      kernel(x.data<const float>() + first, bounds.low, bounds.high, last - first,
             z.data<float>() + first, past_caches);
    });
    return z;
  }
  if (high == nullptr) return binary(BinaryOp::maximum, a, *low);
  if (low == nullptr) return binary(BinaryOp::minimum, a, *high);
  return binary(BinaryOp::minimum, binary(BinaryOp::maximum, a, *low), *high);
}

Array clamp_backward(const Array& dy, const Array& a, const Operand* low, const Operand* high) {
  TW_CHECK(dy.shape() == a.shape() && dy.dtype() == a.dtype() && is_floating(a.dtype()),
           "clamp: expected a gradient of shape ", to_string(a.shape()), ", got ",
           to_string(dy.shape()));
  if (a.dtype() == DType::float32 && are_numbers(low, high)) {
    const Array x = dense(a);
    const Array g = dense_as(dy, x);
    Array z = Array::empty_like(x);
    const Bounds bounds = bounds_of(low, high);
    const auto kernel = binary_kernels().clamp_backward;
    parallel_ranges(x.size(), elementwise_grain, [&](index_t first, index_t last) {
      kernel(g.data<const float>() + first, x.data<const float>() + first, bounds.low, bounds.high,
             last - first, z.data<float>() + first);
    });
    return z;
  }
  Array sent = dy;
  if (low != nullptr) sent = where(binary(BinaryOp::ge, a, *low), sent, Operand(0.0));
  if (high != nullptr) sent = where(binary(BinaryOp::le, a, *high), sent, Operand(0.0));
  return sent;
}

}  // namespace tilewise
