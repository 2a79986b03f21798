#include "ops/operand.h"

#include <algorithm>

#include "base/convert.h"
#include "base/cpu.h"
#include "base/error.h"
#include "ops/copy.h"
#include "ops/visit_dtype.h"

namespace tilewise {
namespace {

int category_of(DType dtype) { return dtype == DType::boolean ? 0 : is_floating(dtype) ? 2 : 1; }

// The part of an operand in the choice of the result's dtype.
struct Participant {
  DType dtype;
  bool has_dims;
  bool is_scalar;
};

Participant participant(const Operand& x) {
  if (x.is_array()) return {x.array().dtype(), x.array().rank() > 0, false};
  switch (x.scalar().kind) {
    case Scalar::Kind::boolean:
      return {DType::boolean, false, true};
    case Scalar::Kind::integer:
      return {DType::int64, false, true};
    case Scalar::Kind::floating:
      break;
  }
  return {DType::float32, false, true};
}

int priority(const Participant& p) { return p.is_scalar ? 0 : p.has_dims ? 2 : 1; }

}  // namespace

std::string Operand::describe() const {
  if (is_array()) return concat(name_of(array_.dtype()), " ", to_string(array_.shape()));
  const char* kinds[] = {"bool scalar", "int scalar", "float scalar"};
  return kinds[static_cast<int>(scalar_.kind)];
}

Array Operand::as(DType dtype) const {
  if (is_array()) return cast(array_, dtype);
  Array result = Array::empty({}, dtype);
  visit_dtype(dtype, [&](auto tag) {
    using T = decltype(tag);
    T* value = result.data<T>();
    if constexpr (std::is_same_v<T, bool>) {
      *value = scalar_.floating != 0.0;
    } else if constexpr (std::is_floating_point_v<T>) {
      *value = converted<T>(scalar_.floating);
    } else {
      TW_CHECK_TYPE(scalar_.kind != Scalar::Kind::floating, "a float scalar does not convert to ",
                    name_of(dtype));
      *value = static_cast<T>(scalar_.integer);
    }
  });
  return result;
}

DType promote(DType a, DType b) {
  if (a == b) return a;
  const auto is_byte = [](DType d) { return d == DType::uint8 || d == DType::int8; };
  if (is_byte(a) && is_byte(b)) return DType::int32;
  const auto rank_of = [](DType d) {
    switch (d) {
      case DType::boolean:
        return 0;
      case DType::uint8:
      case DType::int8:
        return 1;
      case DType::int32:
        return 2;
      case DType::int64:
        return 3;
      case DType::float32:
        return 4;
      case DType::float64:
        return 5;
    }
    return 5;
  };
  return rank_of(a) > rank_of(b) ? a : b;
}

DType result_type(const Operand& a, const Operand& b) {
  Participant high = participant(a);
  Participant low = participant(b);
  if (priority(high) == priority(low)) return promote(high.dtype, low.dtype);
  if (priority(high) < priority(low)) std::swap(high, low);
  return category_of(low.dtype) > category_of(high.dtype) ? promote(high.dtype, low.dtype)
                                                          : high.dtype;
}

Dims broadcast_shapes(const char* op, const Dims& a, const Dims& b) {
  const Dims& longer = a.size() >= b.size() ? a : b;
  const Dims& shorter = a.size() >= b.size() ? b : a;
  const int added = longer.size() - shorter.size();
  Dims shape = longer;
  for (int i = 0; i < shorter.size(); ++i) {
    const index_t x = longer[i + added];
    const index_t y = shorter[i];
    TW_CHECK(x == y || x == 1 || y == 1, op, ": shapes ", to_string(a), " and ", to_string(b),
             " do not broadcast together");
    shape[i + added] = x == 1 ? y : x;
  }
  element_count(shape);
  return shape;
}

Dims broadcast_strides(const Array& a, const Dims& shape) {
  const int added = shape.size() - a.rank();
  Dims strides(shape.size(), 0);
  for (int i = 0; i < a.rank(); ++i) {
    if (a.extent(i) == shape[i + added] && a.extent(i) != 1) strides[i + added] = a.strides()[i];
  }
  return strides;
}

Array empty_for_result(const Dims& shape, DType dtype,
                       std::initializer_list<const Array*> operands) {
  const auto prefers_channels_last = [](const Array& a) {
    return !a.is_contiguous() && a.is_channels_last();
  };
  bool full_shape = false;
  for (const Array* a : operands) {
    if (a->shape() != shape) continue;
    if (prefers_channels_last(*a)) return Array::empty_channels_last(shape, dtype);
    full_shape = true;
  }
  if (!full_shape) {  // every operand is broadcast: the layout of one that has all dimensions
    for (const Array* a : operands) {
      if (a->rank() == shape.size() && prefers_channels_last(*a)) {
        return Array::empty_channels_last(shape, dtype);
      }
    }
  }
  return Array::empty(shape, dtype);
}

bool overlap_differently(const Array& a, const Array& b, const Dims& b_strides) {
  if (a.storage() != b.storage() || a.size() == 0 || b.size() == 0) return false;
  if (a.bytes() != b.bytes() || a.dtype() != b.dtype()) return true;
  for (int i = 0; i < a.rank(); ++i) {
    if (a.extent(i) > 1 && a.strides()[i] != b_strides[i]) return true;
  }
  return false;
}

bool larger_than_caches(const Array& a) {
  return a.size() * static_cast<index_t>(itemsize(a.dtype())) > cache_sizes().l3;
}

bool sweeps_caches(const Array& x, const Array& y) {
  return larger_than_caches(x) || larger_than_caches(y);
}

bool copy_sweeps_caches(const Array& dst, const Array& src) {
  index_t span = 1;
  for (int i = 0; i < src.rank(); ++i) span += (src.extent(i) - 1) * std::abs(src.strides()[i]);
  const auto bytes = static_cast<index_t>(itemsize(dst.dtype()));
  return (dst.size() + span) * bytes > cache_sizes().l3;
}

void check_writable(const char* op, const Array& a) {
  if (a.size() == 0) return;
  for (int i = 0; i < a.rank(); ++i) {
    TW_CHECK(a.extent(i) <= 1 || a.strides()[i] != 0, op,
             ": cannot write to a broadcast array of shape ", to_string(a.shape()));
  }
}

}  // namespace tilewise
