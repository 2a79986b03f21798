#include "ops/reduce.h"

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/reduce.h"
#include "ops/binary.h"
#include "ops/copy.h"
#include "ops/visit_dtype.h"
#include "ref/reduce.h"

namespace tilewise {
namespace {

// How to reduce a matrix of T along its rows or columns into accumulators: the ref loops, or the
// float32 kernels where there are some.
template <typename StepType, typename T, typename AccType>
struct Reducer {
  using Step = StepType;
  using Acc = AccType;
  static void rows(const T* x, index_t rows, index_t cols, index_t stride, Acc* out) {
    ref::reduce_rows<Step>(x, rows, cols, stride, out);
  }
  static void cols(const T* x, index_t rows, index_t cols, index_t stride, Acc* out) {
    ref::reduce_cols<Step>(x, rows, cols, stride, out);
  }
};

template <>
struct Reducer<ref::SumStep, float, double> {
  using Step = ref::SumStep;
  using Acc = double;
  static void rows(const float* x, index_t rows, index_t cols, index_t stride, double* out) {
    reduce_kernels().sum_rows({x, rows, cols, stride}, out);
  }
  static void cols(const float* x, index_t rows, index_t cols, index_t stride, double* out) {
    reduce_kernels().sum_cols({x, rows, cols, stride}, out);
  }
};

template <>
struct Reducer<ref::MaxStep, float, float> {
  using Step = ref::MaxStep;
  using Acc = float;
  static void rows(const float* x, index_t rows, index_t cols, index_t stride, float* out) {
    reduce_kernels().max_rows({x, rows, cols, stride}, out);
  }
  static void cols(const float* x, index_t rows, index_t cols, index_t stride, float* out) {
    reduce_kernels().max_cols({x, rows, cols, stride}, out);
  }
};

template <>
struct Reducer<ref::MinStep, float, float> {
  using Step = ref::MinStep;
  using Acc = float;
  static void rows(const float* x, index_t rows, index_t cols, index_t stride, float* out) {
    reduce_kernels().min_rows({x, rows, cols, stride}, out);
  }
  static void cols(const float* x, index_t rows, index_t cols, index_t stride, float* out) {
    reduce_kernels().min_cols({x, rows, cols, stride}, out);
  }
};

// x seen as (outer, count, inner), reduced over `count`.
struct Extents {
  index_t outer;
  index_t count;
  index_t inner;
};

// inner == 1: long rows are cut into blocks whose results are combined in order.
template <typename R, typename T>
void reduce_last(const T* x, const Extents& e, typename R::Acc* out) {
  const index_t block = std::min(e.count, elementwise_grain);
  const index_t blocks = ceil_div(e.count, block);
  if (blocks == 1) {
    parallel_ranges(e.outer, ceil_div(elementwise_grain, e.count), [&](index_t o0, index_t o1) {
      R::rows(x + o0 * e.count, o1 - o0, e.count, e.count, out + o0);
    });
    return;
  }
  Scratch<typename R::Acc> partial(static_cast<std::size_t>(checked_mul(e.outer, blocks)));
  parallel_for(e.outer * blocks, [&](index_t piece) {
    const index_t first = piece % blocks * block;
    R::rows(x + piece / blocks * e.count + first, 1, std::min(block, e.count - first), block,
            partial.data() + piece);
  });
  ref::reduce_rows<typename R::Step>(partial.data(), e.outer, blocks, blocks, out);
}

// inner > 1: rows are cut into blocks combined in order, columns into independent strips.
template <typename R, typename T>
void reduce_middle(const T* x, const Extents& e, typename R::Acc* out) {
  using Acc = typename R::Acc;
  constexpr index_t min_rows = 64;
  const Acc identity = R::Step::template identity<Acc>();
  const index_t block = std::min(e.count, std::max(min_rows, elementwise_grain / e.inner));
  const index_t blocks = ceil_div(e.count, block);
  const index_t strip = std::min(e.inner, std::max<index_t>(512, elementwise_grain / block));
  const index_t strips = ceil_div(e.inner, strip);
  const index_t outer_grain = ceil_div(elementwise_grain, e.count * e.inner);

  const auto run = [&](index_t o, index_t b, index_t s, Acc* results) {
    const index_t row = b * block;
    const index_t col = s * strip;
    const index_t cols = std::min(strip, e.inner - col);
    std::fill(results + col, results + col + cols, identity);
    R::cols(x + (o * e.count + row) * e.inner + col, std::min(block, e.count - row), cols, e.inner,
            results + col);
  };
  if (blocks == 1) {
    parallel_for(ceil_div(e.outer, outer_grain) * strips, [&](index_t piece) {
      const index_t first = piece / strips * outer_grain;
      for (index_t o = first; o < std::min(first + outer_grain, e.outer); ++o) {
        run(o, 0, piece % strips, out + o * e.inner);
      }
    });
    return;
  }
  const index_t partials = checked_mul(e.outer, checked_mul(blocks, e.inner));
  Scratch<Acc> partial(static_cast<std::size_t>(partials));
  parallel_for(e.outer * blocks * strips, [&](index_t piece) {
    const index_t ob = piece / strips;
    run(ob / blocks, ob % blocks, piece % strips, partial.data() + ob * e.inner);
  });
  parallel_for(e.outer, [&](index_t o) {
    std::fill(out + o * e.inner, out + (o + 1) * e.inner, identity);
    ref::reduce_cols<typename R::Step>(partial.data() + o * blocks * e.inner, blocks, e.inner,
                                       e.inner, out + o * e.inner);
  });
}

template <typename R, typename T>
void reduce_stage(const T* x, const Extents& e, typename R::Acc* out) {
  if (e.outer == 0 || e.inner == 0) return;
  if (e.count == 0) {
    std::fill(out, out + e.outer * e.inner, R::Step::template identity<typename R::Acc>());
  } else if (e.inner == 1) {
    reduce_last<R>(x, e, out);
  } else {
    reduce_middle<R>(x, e, out);
  }
}

// The dimensions of an array in the order of its memory, neighbours of one kind merged: kept and
// reduced ones alternate.
struct PhysicalDims {
  index_t extent[Dims::max_rank + 1];
  bool reduced[Dims::max_rank + 1];
  int rank = 0;

  void append(index_t size, bool is_reduced) {
    if (rank > 0 && reduced[rank - 1] == is_reduced) {
      extent[rank - 1] *= size;
    } else {
      extent[rank] = size;
      reduced[rank++] = is_reduced;
    }
  }
  index_t product(int first, int last) const {
    index_t p = 1;
    for (int i = first; i < last; ++i) p *= extent[i];
    return p;
  }
  int last_reduced() const {
    int i = rank - 1;
    while (i >= 0 && !reduced[i]) --i;
    return i;
  }
  void erase(int at) {
    PhysicalDims rest;
    for (int i = 0; i < rank; ++i) {
      if (i != at) rest.append(extent[i], reduced[i]);
    }
    *this = rest;
  }
};

// Dimensions from the outermost in memory to the innermost; a stable insertion sort.
Dims memory_order(const Array& a) {
  const auto stride = [&](index_t dim) { return a.strides()[static_cast<int>(dim)]; };
  Dims order;
  for (int i = 0; i < a.rank(); ++i) {
    order.push_back(i);
    for (int k = i; k > 0 && stride(order[k - 1]) < stride(order[k]); --k) {
      std::swap(order[k - 1], order[k]);
    }
  }
  return order;
}

bool dense_in(const Array& a, const Dims& order) {
  index_t step = 1;
  for (int i = a.rank() - 1; i >= 0; --i) {
    const int dim = static_cast<int>(order[i]);
    if (a.extent(dim) == 1) continue;
    if (a.strides()[dim] != step) return false;
    step *= a.extent(dim);
  }
  return true;
}

// What a reduction reads and where its results go: kept dimensions in the order of memory.
struct Plan {
  Array input;
  PhysicalDims dims;
  Dims shape;
  Dims strides;  // of the result
  index_t count = 1;
};

Plan make_plan(const Array& a, const Dims& axes, bool keepdims) {
  Plan plan;
  plan.input = a.size() == 0 || dense_in(a, memory_order(a)) ? a : contiguous(a);
  const auto is_reduced = [&](index_t dim) {
    return std::find(axes.begin(), axes.end(), dim) != axes.end();
  };
  const Dims order = memory_order(plan.input);
  Dims strides(a.rank(), 1);
  index_t step = 1;
  for (int i = a.rank() - 1; i >= 0; --i) {
    const int dim = static_cast<int>(order[i]);
    if (is_reduced(dim)) {
      plan.count *= a.extent(dim);
    } else {
      strides[dim] = step;
      step *= std::max<index_t>(1, a.extent(dim));
    }
  }
  for (index_t dim : order) {
    const index_t extent = a.extent(static_cast<int>(dim));
    if (extent != 1) plan.dims.append(extent, is_reduced(dim));
  }
  for (int dim = 0; dim < a.rank(); ++dim) {
    if (is_reduced(dim) && !keepdims) continue;
    plan.shape.push_back(is_reduced(dim) ? 1 : a.extent(dim));
    plan.strides.push_back(strides[dim]);
  }
  return plan;
}

// Reduces the innermost reduced dimension, then the next, until none is left.
template <typename Step, typename T, typename Acc, typename Out, typename Finish>
Array execute(const Plan& plan, DType result, Finish finish) {
  const index_t results = element_count(plan.shape);
  Array z = Array::empty({results}, result);
  PhysicalDims dims = plan.dims;
  const T* x = plan.input.data<const T>();
  Out* out = z.data<Out>();
  int at = dims.last_reduced();
  if (results == 0) {
    // nothing to compute
  } else if (at < 0) {
    for (index_t i = 0; i < results; ++i) {
      out[i] = finish(Step::apply(Step::template identity<Acc>(), static_cast<Acc>(x[i])));
    }
  } else {
    const auto extents = [&] {
      return Extents{dims.product(0, at), dims.extent[at], dims.product(at + 1, dims.rank)};
    };
    Extents e = extents();
    auto current = std::make_unique<Scratch<Acc>>(static_cast<std::size_t>(e.outer * e.inner));
    reduce_stage<Reducer<Step, T, Acc>>(x, e, current->data());
    for (dims.erase(at); (at = dims.last_reduced()) >= 0; dims.erase(at)) {
      e = extents();
      auto next = std::make_unique<Scratch<Acc>>(static_cast<std::size_t>(e.outer * e.inner));
      reduce_stage<Reducer<Step, Acc, Acc>>(static_cast<const Acc*>(current->data()), e,
                                            next->data());
      current = std::move(next);
    }
    for (index_t i = 0; i < results; ++i) out[i] = finish((*current)[static_cast<std::size_t>(i)]);
  }
  return dense(z.with_layout(plan.shape, plan.strides));
}

// A sum or product; floats are divided by `divisor`.
template <typename Step>
Array accumulate(const Plan& plan, double divisor) {
  return visit_dtype(plan.input.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if constexpr (std::is_floating_point_v<T>) {
      return execute<Step, T, double, T>(plan, dtype_of<T>::value,
                                         [&](double x) { return static_cast<T>(x / divisor); });
    } else {
      using Byte = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;
      return execute<Step, Byte, std::int64_t, std::int64_t>(plan, DType::int64,
                                                             [](std::int64_t x) { return x; });
    }
  });
}

template <typename Step>
Array extreme(const char* op, const Array& a, const Dims& axes, bool keepdims) {
  const Plan plan = make_plan(a, normalize_axes(op, axes, a.rank()), keepdims);
  TW_CHECK(plan.count > 0 || element_count(plan.shape) == 0, op,
           ": expected at least one element to reduce, got shape ", to_string(a.shape()));
  return visit_dtype(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using Byte = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;
    return execute<Step, Byte, Byte, Byte>(plan, a.dtype(), [](Byte x) { return x; });
  });
}

template <typename Step>
Array truth(const char* op, const Array& a, const Dims& axes, bool keepdims) {
  const Plan plan =
      make_plan(cast(a, DType::boolean), normalize_axes(op, axes, a.rank()), keepdims);
  using Byte = std::uint8_t;
  return execute<Step, Byte, Byte, Byte>(plan, DType::boolean,
                                         [](Byte x) { return static_cast<Byte>(x != 0); });
}

Array mean_of(const Plan& plan) {
  return accumulate<ref::SumStep>(plan, static_cast<double>(plan.count));
}

}  // namespace

int normalize_axis(const char* op, index_t axis, int rank) {
  const index_t limit = std::max(rank, 1);  // axis 0 of a scalar is allowed, as in PyTorch
  if (axis < -limit || axis >= limit) {
    throw IndexError(concat(op, ": axis ", axis, " is out of range for ", rank, " dimensions"));
  }
  return static_cast<int>(axis < 0 ? axis + limit : axis);
}

Dims normalize_axes(const char* op, const Dims& axes, int rank) {
  bool chosen[Dims::max_rank + 1] = {};
  for (index_t axis : axes) {
    const int dim = normalize_axis(op, axis, rank);
    TW_CHECK(!chosen[dim], op, ": axis ", dim, " appears twice in ", to_string(axes));
    chosen[dim] = true;
  }
  Dims sorted;
  for (int i = 0; i < rank; ++i) {
    if (axes.empty() || chosen[i]) sorted.push_back(i);
  }
  return sorted;
}

Array sum(const Array& a, const Dims& axes, bool keepdims) {
  return accumulate<ref::SumStep>(make_plan(a, normalize_axes("sum", axes, a.rank()), keepdims),
                                  1.0);
}

Array prod(const Array& a, const Dims& axes, bool keepdims) {
  return accumulate<ref::ProductStep>(
      make_plan(a, normalize_axes("prod", axes, a.rank()), keepdims), 1.0);
}

Array mean(const Array& a, const Dims& axes, bool keepdims) {
  TW_CHECK_TYPE(is_floating(a.dtype()), "mean: expected a floating tensor, got ",
                name_of(a.dtype()), " ", to_string(a.shape()));
  return mean_of(make_plan(a, normalize_axes("mean", axes, a.rank()), keepdims));
}

Array var(const Array& a, const Dims& axes, double correction, bool keepdims) {
  TW_CHECK_TYPE(is_floating(a.dtype()), "var: expected a floating tensor, got ", name_of(a.dtype()),
                " ", to_string(a.shape()));
  const Dims sorted = normalize_axes("var", axes, a.rank());
  const Plan plan = make_plan(a, sorted, true);
  const Array deviation = sub(plan.input, mean_of(plan));
  const double degrees = std::max(0.0, static_cast<double>(plan.count) - correction);
  return accumulate<ref::SumStep>(make_plan(mul(deviation, deviation), sorted, keepdims), degrees);
}

Array max_values(const Array& a, const Dims& axes, bool keepdims) {
  return extreme<ref::MaxStep>("max", a, axes, keepdims);
}
Array min_values(const Array& a, const Dims& axes, bool keepdims) {
  return extreme<ref::MinStep>("min", a, axes, keepdims);
}
Array any(const Array& a, const Dims& axes, bool keepdims) {
  return truth<ref::MaxStep>("any", a, axes, keepdims);
}
Array all(const Array& a, const Dims& axes, bool keepdims) {
  return truth<ref::MinStep>("all", a, axes, keepdims);
}

Array sum_to(const Array& a, const Dims& shape) {
  if (a.shape() == shape) return a;
  const int added = a.rank() - shape.size();
  Dims axes;
  for (int i = 0; i < a.rank(); ++i) {
    const index_t wanted = i < added ? 1 : shape[i - added];
    TW_CHECK(added >= 0 && (wanted == a.extent(i) || wanted == 1), "sum_to: shape ",
             to_string(shape), " does not broadcast to ", to_string(a.shape()));
    if (i < added || (wanted == 1 && a.extent(i) != 1)) axes.push_back(i);
  }
  TW_CHECK(added >= 0, "sum_to: shape ", to_string(shape), " does not broadcast to ",
           to_string(a.shape()));
  return axes.empty() ? reshape(a, shape) : reshape(sum(a, axes, true), shape);
}

bool all_finite(const std::vector<Array>& arrays) {
  std::atomic<bool> finite{true};
  for (const Array& array : arrays) {
    if (!is_floating(array.dtype())) continue;
    const Array a = dense(array);
    parallel_ranges(a.size(), elementwise_grain, [&](index_t first, index_t last) {
      bool good = true;
      if (a.dtype() == DType::float32) {
        good = reduce_kernels().all_finite(a.data<float>() + first, last - first);
      } else {
        for (index_t i = first; i < last; ++i) good = good && std::isfinite(a.data<double>()[i]);
      }
      if (!good) finite.store(false, std::memory_order_relaxed);
    });
    if (!finite.load()) return false;
  }
  return true;
}

}  // namespace tilewise
