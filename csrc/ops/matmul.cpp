#include "ops/matmul.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"
#include "ops/copy.h"
#include "ops/gemm.h"
#include "ops/matvec.h"
#include "ops/reduce.h"
#include "ref/matmul.h"

namespace tilewise {
namespace {

// A two-dimensional piece of an array: data pointer in elements plus strides.
struct Operand {
  const Array* array;
  index_t offset;
  index_t row_stride;
  index_t col_stride;
};

struct Product {
  index_t m;
  index_t n;
  index_t k;
  Operand a;
  Operand b;
  const Array* bias;
  Array c;
  index_t c_offset;
};

template <typename T>
void multiply_ref(const Product& p) {
  const auto view = [](const Operand& o) {
    return ref::Matrix<T>{o.array->data<T>() + o.offset, o.row_stride, o.col_stride};
  };
  const T* bias = p.bias != nullptr ? p.bias->data<T>() : nullptr;
  ref::matmul<T>(p.m, p.n, p.k, view(p.a), view(p.b), bias, p.c.data<T>() + p.c_offset, p.n);
}

// Products with a vector whose other operand can be read along its rows. False for others.
bool multiply_as_vector(const GemmProblem& g) {
  if (g.bias != nullptr) return false;
  const bool steps = g.k == 1;
  if (g.n == 1 && (steps || (g.a.col_stride == 1 && g.b.row_stride == 1))) {
    multiply_vector(g.a.data, g.m, g.a.row_stride, g.b.data, g.k, g.c, g.ldc);
    return true;
  }
  if (g.m == 1 && (steps || (g.a.col_stride == 1 && g.b.row_stride == 1))) {
    multiply_vector(g.b.data, g.n, g.b.col_stride, g.a.data, g.k, g.c, 1);
    return true;
  }
  return false;
}

void multiply(const Product& p) {
  switch (p.c.dtype()) {
    case DType::float64:
      return multiply_ref<double>(p);
    case DType::int64:
      return multiply_ref<std::int64_t>(p);
    case DType::int32:
      return multiply_ref<std::int32_t>(p);
    default:
      break;
  }
  const auto view = [](const Operand& o) {
    return MatrixView{o.array->data<float>() + o.offset, o.row_stride, o.col_stride};
  };
  GemmProblem g{};
  g.m = p.m;
  g.n = p.n;
  g.k = p.k;
  g.a = view(p.a);
  g.b = view(p.b);
  g.c = p.c.data<float>() + p.c_offset;
  g.ldc = p.n;
  g.bias = p.bias != nullptr ? p.bias->data<float>() : nullptr;
  if (!multiply_as_vector(g)) gemm(g);
}

void check_dtypes(const char* op, const Array& a, const Array& b) {
  const DType t = a.dtype();
  TW_CHECK_TYPE(t == b.dtype() && (is_floating(t) || t == DType::int64 || t == DType::int32), op,
                ": expected two tensors of one dtype (float32, float64, int64 or int32), got ",
                name_of(a.dtype()), " and ", name_of(b.dtype()));
}

Operand operand(const Array& a, index_t offset = 0) {
  return {&a, offset, a.strides()[a.rank() - 2], a.strides()[a.rank() - 1]};
}

Dims batch_shape(const Array& a, const Array& b) {
  const int rank = std::max(a.rank(), b.rank()) - 2;
  Dims shape(rank, 1);
  for (int i = 0; i < rank; ++i) {
    const int ia = a.rank() - 2 - rank + i;
    const int ib = b.rank() - 2 - rank + i;
    const index_t ea = ia >= 0 ? a.extent(ia) : 1;
    const index_t eb = ib >= 0 ? b.extent(ib) : 1;
    TW_CHECK(ea == eb || ea == 1 || eb == 1, "matmul: batch dimensions of shapes ",
             to_string(a.shape()), " and ", to_string(b.shape()), " do not broadcast");
    shape[i] = ea == 1 ? eb : ea;
  }
  return shape;
}

Array with_batch(const Array& a, const Dims& batch) {
  Dims shape = batch;
  shape.push_back(a.extent(a.rank() - 2));
  shape.push_back(a.extent(a.rank() - 1));
  return a.expand(shape);
}

index_t batch_offset(const Array& a, index_t flat) {
  index_t offset = 0;
  for (int i = a.rank() - 3; i >= 0; --i) {
    offset += flat % a.extent(i) * a.strides()[i];
    flat /= a.extent(i);
  }
  return offset;
}

Array matmul_batched(const Array& a_in, const Array& b_in) {
  const index_t k = a_in.extent(a_in.rank() - 1);
  TW_CHECK(k == b_in.extent(b_in.rank() - 2), "matmul: shapes ", to_string(a_in.shape()), " and ",
           to_string(b_in.shape()), " do not fit: ", k, " columns against ",
           b_in.extent(b_in.rank() - 2), " rows");
  const Dims batch = batch_shape(a_in, b_in);
  const Array a = with_batch(a_in, batch);
  const Array b = with_batch(b_in, batch);
  const index_t m = a.extent(a.rank() - 2);
  const index_t n = b.extent(b.rank() - 1);
  Dims shape = batch;
  shape.push_back(m);
  shape.push_back(n);
  Array c = Array::empty(shape, a.dtype());
  const index_t count = c.size() == 0 ? 0 : element_count(batch);
  const auto one = [&](index_t i) {
    multiply({m, n, k, operand(a, batch_offset(a, i)), operand(b, batch_offset(b, i)), nullptr, c,
              i * m * n});
  };
  if (count == 1) {
    one(0);  // the product itself uses the threads
  } else {
    parallel_for(count, one);
  }
  return c;
}

// (..., features) as rows; a view where the leading dimensions are dense.
Array as_rows(const Array& x) {
  const index_t features = x.extent(x.rank() - 1);
  index_t rows = 1;
  for (int i = 0; i < x.rank() - 1; ++i) rows *= x.extent(i);
  return reshape(contiguous(x), {rows, features});
}

void check_linear(const char* op, const Array& x, const Array& weight, int weight_dim) {
  check_dtypes(op, x, weight);
  TW_CHECK_TYPE(is_floating(x.dtype()), op, ": expected dtype float32 or float64, got ",
                name_of(x.dtype()));
  TW_CHECK(weight.rank() == 2, op, ": expected a weight of shape (out, in), got ",
           to_string(weight.shape()));
  TW_CHECK(x.rank() >= 1 && x.extent(x.rank() - 1) == weight.extent(weight_dim), op,
           ": tensor of shape ", to_string(x.shape()), " does not fit weight ",
           to_string(weight.shape()), ", which expects ", weight.extent(weight_dim),
           " in the last dimension");
}

Dims with_last(const Dims& shape, index_t last) {
  Dims out = shape;
  out[out.size() - 1] = last;
  return out;
}

}  // namespace

Array matmul(const Array& a, const Array& b) {
  check_dtypes("matmul", a, b);
  TW_CHECK(a.rank() >= 1 && b.rank() >= 1, "matmul: expected operands of at least 1 dimension");
  const Array rows = a.rank() == 1 ? reshape(a, {1, a.extent(0)}) : a;
  const Array cols = b.rank() == 1 ? reshape(b, {b.extent(0), 1}) : b;
  const Array c = matmul_batched(rows, cols);
  if (a.rank() > 1 && b.rank() > 1) return c;
  Dims shape;
  for (int i = 0; i < c.rank(); ++i) {
    const bool added = (i == c.rank() - 2 && a.rank() == 1) || (i == c.rank() - 1 && b.rank() == 1);
    if (!added) shape.push_back(c.extent(i));
  }
  return reshape(c, shape);
}

Array linear_forward(const Array& x, const Array& weight, const std::optional<Array>& bias) {
  check_linear("linear", x, weight, 1);
  const index_t out = weight.extent(0);
  std::optional<Array> b;
  if (bias) {
    TW_CHECK(bias->rank() == 1 && bias->extent(0) == out && bias->dtype() == x.dtype(),
             "linear: expected a ", name_of(x.dtype()), " bias of shape (", out, ",), got ",
             name_of(bias->dtype()), " ", to_string(bias->shape()));
    b = contiguous(*bias);
  }
  const Array rows = as_rows(x);
  const Array w = contiguous(weight);
  Array y = Array::empty(with_last(x.shape(), out), x.dtype());
  multiply({rows.extent(0),
            out,
            rows.extent(1),
            operand(rows),
            {&w, 0, w.strides()[1], w.strides()[0]},
            b ? &*b : nullptr,
            y,
            0});
  return y;
}

Array linear_backward_data(const Array& dy, const Array& weight) {
  check_linear("linear backward", dy, weight, 0);
  const Array rows = as_rows(dy);
  const Array w = contiguous(weight);
  Array dx = Array::empty(with_last(dy.shape(), weight.extent(1)), dy.dtype());
  multiply({rows.extent(0), weight.extent(1), rows.extent(1), operand(rows), operand(w), nullptr,
            dx, 0});
  return dx;
}

std::pair<Array, std::optional<Array>> linear_backward_weight(const Array& dy, const Array& x,
                                                              bool with_bias) {
  check_dtypes("linear backward", dy, x);
  TW_CHECK(dy.rank() >= 1 && dy.rank() == x.rank() &&
               dy.shape().slice(0, dy.rank() - 1) == x.shape().slice(0, x.rank() - 1),
           "linear backward: gradient of shape ", to_string(dy.shape()),
           " does not fit an input of shape ", to_string(x.shape()));
  const Array g = as_rows(dy);
  const Array rows = as_rows(x);
  Array dw = Array::empty({g.extent(1), rows.extent(1)}, x.dtype());
  multiply({g.extent(1),
            rows.extent(1),
            g.extent(0),
            {&g, 0, 1, g.strides()[0]},
            operand(rows),
            nullptr,
            dw,
            0});
  std::optional<Array> db;
  if (with_bias) db = sum(g, {0}, false);
  return {dw, db};
}

}  // namespace tilewise
