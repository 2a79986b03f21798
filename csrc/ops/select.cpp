#include "ops/select.h"

#include "base/error.h"
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
  visit_dtype(dtype, [&](auto tag) {
    using T = decltype(tag);
    using Byte = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;
    select_blocks<Byte>(nest, {flags, left, right, z});
  });
  return z;
}

Array clamp(const Array& a, const Operand* low, const Operand* high) {
  TW_CHECK(low != nullptr || high != nullptr, "clamp: expected a lower or an upper bound");
  if (high == nullptr) return binary(BinaryOp::maximum, a, *low);
  if (low == nullptr) return binary(BinaryOp::minimum, a, *high);
  return binary(BinaryOp::minimum, binary(BinaryOp::maximum, a, *low), *high);
}

}  // namespace tilewise
