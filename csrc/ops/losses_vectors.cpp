#include "ops/losses_vectors.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/loss_vectors.h"
#include "ops/copy.h"
#include "ops/operand.h"
#include "ops/reduce.h"
#include "ref/loss_vectors.h"

namespace tilewise {
namespace {

// Two arrays as rows of their common shape.
struct Pairs {
  Pairs(const char* op, const Array& first, const Array& second) {
    for (const Array* x : {&first, &second}) {
      TW_CHECK_TYPE(is_floating(x->dtype()), op, ": expected floating-point tensors, got ",
                    name_of(first.dtype()), " and ", name_of(second.dtype()));
    }
    dtype = promote(first.dtype(), second.dtype());
    shape = broadcast_shapes(op, first.shape(), second.shape());
    TW_CHECK(!shape.empty(), op, ": expected at least one dimension, got two scalars");
    columns = shape.back();
    row_shape = shape.slice(0, shape.size() - 1);
    rows = element_count(row_shape);
    a = as_rows(first, a_stride);
    b = as_rows(second, b_stride);
  }
  Array as_rows(const Array& x, index_t& stride) const {
    const bool one_row = x.rank() > 0 && x.shape().back() == columns && x.size() == columns;
    stride = one_row ? 0 : columns;
    return contiguous(cast(one_row ? x : x.expand(shape), dtype));
  }
  template <typename T>
  PairRows<T> range(index_t first, index_t last) const {
    return {a.data<const T>() + first * a_stride,
            b.data<const T>() + first * b_stride,
            last - first,
            columns,
            a_stride,
            b_stride};
  }
  template <typename Body>
  void parallel(const Body& body) const {
    const index_t grain =
        std::max<index_t>(1, elementwise_grain / 4 / std::max<index_t>(1, columns));
    parallel_ranges(rows, grain, body);
  }
  void check_gradient(const char* op, const Array& dy) const {
    TW_CHECK(dy.shape() == row_shape && dy.dtype() == dtype, op, ": expected a gradient of shape ",
             to_string(row_shape), " and dtype ", name_of(dtype), ", got ", to_string(dy.shape()),
             " and ", name_of(dy.dtype()));
  }

  DType dtype;
  Dims shape;
  Dims row_shape;
  index_t rows = 0;
  index_t columns = 0;
  index_t a_stride = 0;
  index_t b_stride = 0;
  Array a;
  Array b;
};

Norm norm_of(double p, double eps) {
  NormKind kind = NormKind::power;
  if (p == 0) kind = NormKind::count;
  if (p == 1) kind = NormKind::one;
  if (p == 2) kind = NormKind::two;
  if (std::isinf(p)) kind = p > 0 ? NormKind::largest : NormKind::smallest;
  return {kind, static_cast<float>(p), static_cast<float>(eps)};
}

double root(double term, double p) {
  if (p == 2) return std::sqrt(term);
  return p == 0 || p == 1 || std::isinf(p) ? term : std::pow(term, 1 / p);
}

void norm_rows(const PairRows<float>& in, double p, double eps, float* y) {
  vector_loss_kernels().norm_terms(in, norm_of(p, eps), y);
  for (index_t r = 0; r < in.rows; ++r) y[r] = static_cast<float>(root(double{y[r]}, p));
}
void norm_rows(const PairRows<double>& in, double p, double eps, double* y) {
  for (index_t r = 0; r < in.rows; ++r) {
    y[r] =
        root(ref::norm_term(in.a + r * in.a_stride, in.b + r * in.b_stride, in.columns, p, eps), p);
  }
}

void norm_gradient_rows(const PairRows<float>& in, double p, double eps, const float* y,
                        const double* scale, float* da) {
  const Norm norm = norm_of(p, eps);
  constexpr index_t block = 256;
  for (index_t r0 = 0; r0 < in.rows; r0 += block) {
    const index_t count = std::min(block, in.rows - r0);
    float factor[block];
    float bound[block];
    for (index_t i = 0; i < count; ++i) {
      const double n{y[r0 + i]};
      bound[i] = static_cast<float>(norm.kind == NormKind::power ? std::log(n) : n);
      const double by_norm = norm.kind == NormKind::two ? scale[r0 + i] / n : scale[r0 + i];
      factor[i] = n == 0 ? 0.0F : static_cast<float>(by_norm);
    }
    const PairRows<float> part{in.a + r0 * in.a_stride,
                               in.b + r0 * in.b_stride,
                               count,
                               in.columns,
                               in.a_stride,
                               in.b_stride};
    vector_loss_kernels().norm_gradient(part, norm, factor, bound, da + r0 * in.columns);
  }
}
void norm_gradient_rows(const PairRows<double>& in, double p, double eps, const double* y,
                        const double* scale, double* da) {
  for (index_t r = 0; r < in.rows; ++r) {
    const double factor = y[r] == 0 ? 0 : scale[r];
    ref::norm_gradient(in.a + r * in.a_stride, in.b + r * in.b_stride, in.columns, p, eps,
                       y[r] == 0 ? 1 : y[r], factor, da + r * in.columns);
  }
}

template <typename T>
Array distances(const Pairs& pairs, double p, double eps) {
  Array y = Array::empty(pairs.row_shape, pairs.dtype);
  pairs.parallel([&](index_t first, index_t last) {
    norm_rows(pairs.range<T>(first, last), p, eps, y.data<T>() + first);
  });
  return y;
}

template <typename T>
Array distance_gradient(const Pairs& pairs, const Array& dy, const Array& y, double p, double eps,
                        double sign) {
  Array da = Array::empty(pairs.shape, pairs.dtype);
  Scratch<double> scale(static_cast<std::size_t>(pairs.rows));
  pairs.parallel([&](index_t first, index_t last) {
    for (index_t r = first; r < last; ++r) scale.data()[r] = sign * double{dy.data<const T>()[r]};
    norm_gradient_rows(pairs.range<T>(first, last), p, eps, y.data<const T>() + first,
                       scale.data() + first, da.data<T>() + first * pairs.columns);
  });
  return da;
}

void dot_rows(const PairRows<float>& in, float* out) { vector_loss_kernels().dots(in, out); }
void dot_rows(const PairRows<double>& in, double* out) {
  for (index_t r = 0; r < in.rows; ++r) {
    ref::dots(in.a + r * in.a_stride, in.b + r * in.b_stride, in.columns, out + 3 * r);
  }
}
void combine_rows(const PairRows<float>& in, const float* c, float* da) {
  vector_loss_kernels().combine(in, c, da);
}
void combine_rows(const PairRows<double>& in, const double* c, double* da) {
  for (index_t r = 0; r < in.rows; ++r) {
    for (index_t i = 0; i < in.columns; ++i) {
      da[r * in.columns + i] =
          c[2 * r] * in.b[r * in.b_stride + i] + c[2 * r + 1] * in.a[r * in.a_stride + i];
    }
  }
}

// The parts of a row's cosine.
struct Cosine {
  Cosine(double dot, double aa, double bb, const CosineOptions& o)
      : a(o.inside_root ? std::sqrt(aa + o.eps) : std::sqrt(aa)),
        b(o.inside_root ? std::sqrt(bb + o.eps) : std::sqrt(bb)),
        kept_a(o.inside_root || !(a < o.eps) ? a : o.eps),
        kept_b(o.inside_root || !(b < o.eps) ? b : o.eps),
        value(dot / (kept_a * kept_b)) {}
  double a;
  double b;
  double kept_a;
  double kept_b;
  double value;
};

constexpr index_t cosine_block = 128;

// row(first, dots) for blocks of rows.
template <typename T, typename Row>
void for_cosines(const Pairs& pairs, const CosineOptions& options, const Row& row) {
  pairs.parallel([&](index_t first, index_t last) {
    for (index_t r0 = first; r0 < last; r0 += cosine_block) {
      const index_t end = std::min(r0 + cosine_block, last);
      T d[3 * cosine_block];
      const PairRows<T> in = pairs.range<T>(r0, end);
      dot_rows(in, d);
      row(in, r0, [&](index_t i) {
        return Cosine(double{d[3 * i]}, double{d[3 * i + 1]}, double{d[3 * i + 2]}, options);
      });
    }
  });
}

template <typename T>
Array cosines(const Pairs& pairs, const CosineOptions& options) {
  Array y = Array::empty(pairs.row_shape, pairs.dtype);
  for_cosines<T>(pairs, options, [&](const PairRows<T>& in, index_t r0, const auto& cosine) {
    for (index_t i = 0; i < in.rows; ++i) y.data<T>()[r0 + i] = static_cast<T>(cosine(i).value);
  });
  return y;
}

template <typename T>
Array cosine_gradient(const Pairs& pairs, const Array& dy, const CosineOptions& options) {
  Array da = Array::empty(pairs.shape, pairs.dtype);
  for_cosines<T>(pairs, options, [&](const PairRows<T>& in, index_t r0, const auto& cosine) {
    T c[2 * cosine_block];
    for (index_t i = 0; i < in.rows; ++i) {
      const Cosine s = cosine(i);
      const double g{dy.data<const T>()[r0 + i]};
      c[2 * i] = static_cast<T>(g / (s.kept_a * s.kept_b));
      c[2 * i + 1] = s.a == 0 ? T(0) : static_cast<T>(-g * s.value / (s.kept_a * s.a));
    }
    combine_rows(in, c, da.data<T>() + r0 * pairs.columns);
  });
  return da;
}

Array as_operand(const Array& gradient, const Array& like) {
  return cast(sum_to(gradient, like.shape()), like.dtype());
}

}  // namespace

Array pairwise_distance(const Array& a, const Array& b, double p, double eps) {
  const Pairs pairs("pairwise_distance", a, b);
  return pairs.dtype == DType::float32 ? distances<float>(pairs, p, eps)
                                       : distances<double>(pairs, p, eps);
}

Array pairwise_distance_backward(const Array& dy, const Array& a, const Array& b, const Array& y,
                                 double p, double eps, bool of_b) {
  const char* op = "pairwise_distance";
  const Pairs pairs(op, a, b);
  pairs.check_gradient(op, dy);
  pairs.check_gradient(op, y);
  const double sign = of_b ? -1.0 : 1.0;
  const auto run =
      pairs.dtype == DType::float32 ? distance_gradient<float> : distance_gradient<double>;
  return as_operand(run(pairs, contiguous(dy), contiguous(y), p, eps, sign), of_b ? b : a);
}

Array cosine_similarity(const Array& a, const Array& b, const CosineOptions& options) {
  const Pairs pairs("cosine_similarity", a, b);
  return pairs.dtype == DType::float32 ? cosines<float>(pairs, options)
                                       : cosines<double>(pairs, options);
}

Array cosine_similarity_backward(const Array& dy, const Array& a, const Array& b,
                                 const CosineOptions& options, bool of_b) {
  const char* op = "cosine_similarity";
  const Array& own = of_b ? b : a;
  const Pairs pairs(op, own, of_b ? a : b);
  pairs.check_gradient(op, dy);
  const Array g = contiguous(dy);
  return as_operand(pairs.dtype == DType::float32 ? cosine_gradient<float>(pairs, g, options)
                                                  : cosine_gradient<double>(pairs, g, options),
                    own);
}

}  // namespace tilewise
