// How every reduction walks its array: what reduce.cpp and statistics.cpp share.
//
// The array is seen in the order of its memory, where kept and reduced dimensions alternate. Each
// stage reduces the innermost reduced dimension of (outer, count, inner); results are accumulators
// until the last one is converted.
#pragma once

#include <algorithm>
#include <memory>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/reduce.h"
#include "ops/copy.h"
#include "ref/reduce.h"

namespace tilewise::reduction {

// How to reduce a matrix of T along its rows or columns into accumulators: the ref loops, or the
// float32 kernels where there are some. `cols` finds the identity in `out`.
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

// The same for float32 by two kernels of a table; a null one stands for the ref loop.
template <typename StepType, typename AccType, auto table, auto row_kernel, auto col_kernel>
struct KernelReducer {
  using Step = StepType;
  using Acc = AccType;
  static void rows(const float* x, index_t rows, index_t cols, index_t stride, Acc* out) {
    (table().*row_kernel)({x, rows, cols, stride}, out);
  }
  static void cols(const float* x, index_t rows, index_t cols, index_t stride, Acc* out) {
    if constexpr (std::is_null_pointer_v<decltype(col_kernel)>) {
      ref::reduce_cols<Step>(x, rows, cols, stride, out);
    } else {
      (table().*col_kernel)({x, rows, cols, stride}, out);
    }
  }
};

template <>
struct Reducer<ref::SumStep, float, double>
    : KernelReducer<ref::SumStep, double, reduce_kernels, &ReduceKernels::sum_rows,
                    &ReduceKernels::sum_cols> {};
template <>
struct Reducer<ref::ProductStep, float, double>
    : KernelReducer<ref::ProductStep, double, reduce_kernels, &ReduceKernels::product_rows,
                    nullptr> {};
template <>
struct Reducer<ref::MaxStep, float, float>
    : KernelReducer<ref::MaxStep, float, reduce_kernels, &ReduceKernels::max_rows,
                    &ReduceKernels::max_cols> {};
template <>
struct Reducer<ref::MinStep, float, float>
    : KernelReducer<ref::MinStep, float, reduce_kernels, &ReduceKernels::min_rows,
                    &ReduceKernels::min_cols> {};

// x seen as (outer, count, inner), reduced over `count`.
struct Extents {
  index_t outer;
  index_t count;
  index_t inner;
};

// inner == 1: long rows are cut into blocks whose results are combined in order.
template <typename R, typename T>
void reduce_last(const R& reducer, const T* x, const Extents& e, typename R::Acc* out) {
  const index_t block = std::min(e.count, elementwise_grain);
  const index_t blocks = ceil_div(e.count, block);
  if (blocks == 1) {
    parallel_ranges(e.outer, ceil_div(elementwise_grain, e.count), [&](index_t o0, index_t o1) {
      reducer.rows(x + o0 * e.count, o1 - o0, e.count, e.count, out + o0);
    });
    return;
  }
  Scratch<typename R::Acc> partial(static_cast<std::size_t>(checked_mul(e.outer, blocks)));
  parallel_for(e.outer * blocks, [&](index_t piece) {
    const index_t first = piece % blocks * block;
    reducer.rows(x + piece / blocks * e.count + first, 1, std::min(block, e.count - first), block,
                 partial.data() + piece);
  });
  ref::reduce_rows<typename R::Step>(partial.data(), e.outer, blocks, blocks, out);
}

// inner > 1: rows are cut into blocks combined in order, columns into independent strips.
template <typename R, typename T>
void reduce_middle(const R& reducer, const T* x, const Extents& e, typename R::Acc* out) {
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
    reducer.cols(x + (o * e.count + row) * e.inner + col, std::min(block, e.count - row), cols,
                 e.inner, results + col);
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
void reduce_stage(const R& reducer, const T* x, const Extents& e, typename R::Acc* out) {
  if (e.outer == 0 || e.inner == 0) return;
  if (e.count == 0) {
    std::fill(out, out + e.outer * e.inner, R::Step::template identity<typename R::Acc>());
  } else if (e.inner == 1) {
    reduce_last(reducer, x, e, out);
  } else {
    reduce_middle(reducer, x, e, out);
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
inline Dims memory_order(const Array& a) {
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

inline bool dense_in(const Array& a, const Dims& order) {
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

inline Plan make_plan(const Array& a, const Dims& axes, bool keepdims) {
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

// Reduces the innermost reduced dimension by `first`, then the next by plain steps, until none is
// left.
template <typename R, typename T, typename Out, typename Finish>
Array execute(const R& first, const Plan& plan, const T* x, DType result, Finish finish) {
  using Step = typename R::Step;
  using Acc = typename R::Acc;
  const index_t results = element_count(plan.shape);
  Array z = Array::empty({results}, result);
  Out* out = z.data<Out>();
  if (results > 0) {
    PhysicalDims dims = plan.dims;
    int at = dims.last_reduced();
    const auto extents = [&] {
      return at < 0
                 ? Extents{results, 1, 1}
                 : Extents{dims.product(0, at), dims.extent[at], dims.product(at + 1, dims.rank)};
    };
    Extents e = extents();
    auto current = std::make_unique<Scratch<Acc>>(static_cast<std::size_t>(e.outer * e.inner));
    reduce_stage(first, x, e, current->data());
    if (at >= 0) dims.erase(at);
    for (; (at = dims.last_reduced()) >= 0; dims.erase(at)) {
      e = extents();
      auto next = std::make_unique<Scratch<Acc>>(static_cast<std::size_t>(e.outer * e.inner));
      reduce_stage(Reducer<Step, Acc, Acc>(), static_cast<const Acc*>(current->data()), e,
                   next->data());
      current = std::move(next);
    }
    for (index_t i = 0; i < results; ++i) out[i] = finish((*current)[static_cast<std::size_t>(i)]);
  }
  return dense(z.with_layout(plan.shape, plan.strides));
}

template <typename Step, typename T, typename Acc, typename Out, typename Finish>
Array execute(const Plan& plan, DType result, Finish finish) {
  return execute<Reducer<Step, T, Acc>, T, Out>({}, plan, plan.input.data<const T>(), result,
                                                finish);
}

}  // namespace tilewise::reduction
