#include "ops/pointwise.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/threads.h"
#include "ops/binary.h"
#include "ops/copy.h"
#include "ops/loop_nest.h"
#include "ops/reduce.h"
#include "ops/visit_dtype.h"
#include "ref/binary.h"

namespace tilewise {
namespace {

template <typename T>
struct Column {
  const T* data;
  index_t stride;
  T operator[](index_t i) const { return data[i * stride]; }
};

// z = f(x, y) or f(x, y, w), element by element. Rows side by side are a loop of their own, which
// the compiler turns into vectors.
template <typename T, typename Z, typename F>
void walk(const LoopNest& nest, const Array& z, const Array& x, const Array& y, const F& f) {
  nest.parallel_blocks([&](const LoopBlock& block) {
    for (index_t r = 0; r < block.rows; ++r) {
      Z* out = z.data<Z>() + block.offset[0] + r * block.row_stride[0];
      const T* a = x.data<const T>() + block.offset[1] + r * block.row_stride[1];
      const T* b = y.data<const T>() + block.offset[2] + r * block.row_stride[2];
      if (block.col_stride[0] == 1 && block.col_stride[1] == 1 && block.col_stride[2] == 1) {
        for (index_t c = 0; c < block.cols; ++c) out[c] = f(a[c], b[c]);
      } else {
        const Column<T> as{a, block.col_stride[1]};
        const Column<T> bs{b, block.col_stride[2]};
        for (index_t c = 0; c < block.cols; ++c) out[c * block.col_stride[0]] = f(as[c], bs[c]);
      }
    }
  });
}

template <typename T, typename F>
void walk(const LoopNest& nest, const Array& z, const Array& x, const Array& y, const Array& w,
          const F& f) {
  nest.parallel_blocks([&](const LoopBlock& block) {
    const index_t* step = block.col_stride;
    for (index_t r = 0; r < block.rows; ++r) {
      T* out = z.data<T>() + block.offset[0] + r * block.row_stride[0];
      const T* a = x.data<const T>() + block.offset[1] + r * block.row_stride[1];
      const T* b = y.data<const T>() + block.offset[2] + r * block.row_stride[2];
      const T* d = w.data<const T>() + block.offset[3] + r * block.row_stride[3];
      if (step[0] == 1 && step[1] == 1 && step[2] == 1 && step[3] == 1) {
        for (index_t c = 0; c < block.cols; ++c) out[c] = f(a[c], b[c], d[c]);
      } else if (step[0] == 1 && step[1] == 1 && step[2] == 1 && step[3] == 0) {
        const T same = *d;
        for (index_t c = 0; c < block.cols; ++c) out[c] = f(a[c], b[c], same);
      } else {
        const Column<T> as{a, step[1]};
        const Column<T> bs{b, step[2]};
        const Column<T> ds{d, step[3]};
        for (index_t c = 0; c < block.cols; ++c) out[c * step[0]] = f(as[c], bs[c], ds[c]);
      }
    }
  });
}

// The floating dtype that all share, or false: the general way computes the others.
bool share_floating(const Array& a, const Array& b, const Array& c) {
  return is_floating(a.dtype()) && a.dtype() == b.dtype() && a.dtype() == c.dtype();
}

template <typename F>
Array three(const char* op, const Array& a, const Array& b, const Array& c, const F& f) {
  const Dims shape = broadcast_shapes(op, broadcast_shapes(op, a.shape(), b.shape()), c.shape());
  Array z = empty_for_result(shape, a.dtype(), {&a, &b, &c});
  const Dims as = broadcast_strides(a, shape);
  const Dims bs = broadcast_strides(b, shape);
  const Dims cs = broadcast_strides(c, shape);
  const LoopNest nest(shape, {&z.strides(), &as, &bs, &cs});
  if (a.dtype() == DType::float32) {
    walk<float>(nest, z, a, b, c, f);
  } else {
    walk<double>(nest, z, a, b, c, f);
  }
  return z;
}

template <typename Z, typename F>
Array two(const char* op, DType dtype, const Array& a, const Array& b, const F& f) {
  const Dims shape = broadcast_shapes(op, a.shape(), b.shape());
  Array z = empty_for_result(shape, dtype, {&a, &b});
  const Dims as = broadcast_strides(a, shape);
  const Dims bs = broadcast_strides(b, shape);
  const LoopNest nest(shape, {&z.strides(), &as, &bs});
  visit_dtype(a.dtype(), [&](auto tag) {
    using Type = decltype(tag);
    using T = std::conditional_t<std::is_same_v<Type, bool>, std::uint8_t, Type>;
    walk<T, std::conditional_t<std::is_void_v<Z>, T, Z>>(nest, z, a, b, f);
  });
  return z;
}

}  // namespace

Array lerp(const Array& a, const Array& b, const Operand& weight) {
  const Array w = weight.is_array() || !is_floating(a.dtype()) ? Array() : weight.as(a.dtype());
  const Array& given = weight.is_array() ? weight.array() : w;
  if (given.defined() && share_floating(a, b, given)) {
    return three("lerp", a, b, given, [](auto x, auto y, auto t) { return x + t * (y - x); });
  }
  return add(a, mul(sub(b, a), weight));
}

Array addcmul(const Array& a, const Array& b, const Array& c, const Scalar& value) {
  if (!share_floating(a, b, c)) return add(a, mul(mul(b, c), value));
  const double scale = value.floating;
  return three("addcmul", a, b, c, [scale](auto x, auto y, auto z) {
    return x + static_cast<decltype(x)>(scale) * (y * z);
  });
}

Array addcdiv(const Array& a, const Array& b, const Array& c, const Scalar& value) {
  TW_CHECK_TYPE(is_floating(b.dtype()) || is_floating(c.dtype()),
                "addcdiv: expected floating-point tensors, got ", name_of(b.dtype()));
  if (!share_floating(a, b, c)) return add(a, mul(div(b, c), value));
  const double scale = value.floating;
  return three("addcdiv", a, b, c, [scale](auto x, auto y, auto z) {
    return x + static_cast<decltype(x)>(scale) * (y / z);
  });
}

Array isclose(const Array& a_input, const Operand& b_input, double rtol, double atol,
              bool equal_nan) {
  const DType dtype = result_type(a_input, b_input);
  const Array a = cast(a_input, dtype);
  const Array b = b_input.as(dtype);
  return two<std::uint8_t>("isclose", DType::boolean, a, b, [=](auto x, auto y) {
    using T = decltype(x);
    // Integers are compared as they are, and their distance as a double.
    using Real = std::conditional_t<std::is_same_v<T, float>, float, double>;
    const Real distance = std::abs(static_cast<Real>(x) - static_cast<Real>(y));
    const Real limit =
        static_cast<Real>(atol) + static_cast<Real>(rtol) * std::abs(static_cast<Real>(y));
    const bool near = (distance <= limit) & (distance <= std::numeric_limits<Real>::max());
    return static_cast<std::uint8_t>((x == y) | near | (equal_nan & (x != x) & (y != y)));
  });
}

Array nan_to_num(const Array& input, double nan, double posinf, double neginf) {
  TW_CHECK_TYPE(is_floating(input.dtype()), "nan_to_num: expected a floating-point tensor, got ",
                name_of(input.dtype()));
  const Array a = dense(input);
  Array z = Array::empty_like(a);
  const auto as = [&](auto tag) {
    using T = decltype(tag);
    parallel_ranges(a.size(), elementwise_grain, [&](index_t first, index_t last) {
      const auto number = static_cast<T>(nan);
      const auto high = static_cast<T>(posinf);
      const auto low = static_cast<T>(neginf);
      constexpr T infinity = std::numeric_limits<T>::infinity();
      const T* x = a.data<const T>();
      T* out = z.data<T>();
      for (index_t i = first; i < last; ++i) {
        const T given = x[i];
        T value = given == infinity ? high : given;
        value = given == -infinity ? low : value;
        out[i] = given != given ? number : value;
      }
    });
  };
  if (a.dtype() == DType::float32) {
    as(float{});
  } else {
    as(double{});
  }
  return z;
}

Array heaviside(const Array& a, const Array& at_zero) {
  TW_CHECK_TYPE(a.dtype() == at_zero.dtype(), "heaviside: expected two tensors of one dtype, got ",
                name_of(a.dtype()), " and ", name_of(at_zero.dtype()));
  return two<void>("heaviside", a.dtype(), a, at_zero, [](auto x, auto y) {
    using T = decltype(x);
    const T step = x > T{0} ? T{1} : T{0};
    return static_cast<T>(x == T{0} ? y : x != x ? x : step);
  });
}

namespace {

Dims without(const Dims& dims, int axis) {
  Dims rest;
  for (int i = 0; i < dims.size(); ++i) {
    if (i != axis) rest.push_back(dims[i]);
  }
  return rest;
}

}  // namespace

Array cross(const Array& a_input, const Array& b_input, index_t axis) {
  const char* op = "cross";
  TW_CHECK(a_input.rank() == b_input.rank(), op, ": expected as many dimensions, got ",
           to_string(a_input.shape()), " and ", to_string(b_input.shape()));
  const int dim = normalize_axis(op, axis, a_input.rank());
  TW_CHECK(a_input.rank() > 0 && a_input.extent(dim) == 3 && b_input.extent(dim) == 3, op,
           ": expected size 3 along dim, got ", to_string(a_input.shape()), " and ",
           to_string(b_input.shape()));
  const DType dtype = promote(a_input.dtype(), b_input.dtype());
  TW_CHECK_TYPE(dtype != DType::boolean, op, ": expected numbers, got bool");
  const Dims shape = broadcast_shapes(op, a_input.shape(), b_input.shape());
  const Array a = cast(a_input, dtype).expand(shape);
  const Array b = cast(b_input, dtype).expand(shape);
  Array z = Array::empty(shape, dtype);
  const Dims lines[] = {without(z.strides(), dim), without(a.strides(), dim),
                        without(b.strides(), dim)};
  const LoopNest nest(without(shape, dim), {&lines[0], &lines[1], &lines[2]});
  const index_t sz = z.strides()[dim];
  const index_t sa = a.strides()[dim];
  const index_t sb = b.strides()[dim];
  visit_dtype(dtype, [&](auto tag) {
    using Type = decltype(tag);
    using T = std::conditional_t<std::is_same_v<Type, bool>, std::uint8_t, Type>;
    const auto difference = [](T p, T q, T r, T s) {
      return ref::Sub::apply(ref::Mul::apply(p, q), ref::Mul::apply(r, s));
    };
    nest.parallel_blocks([&](const LoopBlock& block) {
      for (index_t r = 0; r < block.rows; ++r) {
        T* out = z.data<T>() + block.offset[0] + r * block.row_stride[0];
        const T* x = a.data<const T>() + block.offset[1] + r * block.row_stride[1];
        const T* y = b.data<const T>() + block.offset[2] + r * block.row_stride[2];
        for (index_t c = 0; c < block.cols; ++c) {
          const T x0 = x[0], x1 = x[sa], x2 = x[2 * sa];
          const T y0 = y[0], y1 = y[sb], y2 = y[2 * sb];
          out[0] = difference(x1, y2, x2, y1);
          out[sz] = difference(x2, y0, x0, y2);
          out[2 * sz] = difference(x0, y1, x1, y0);
          out += block.col_stride[0];
          x += block.col_stride[1];
          y += block.col_stride[2];
        }
      }
    });
  });
  return z;
}

}  // namespace tilewise
