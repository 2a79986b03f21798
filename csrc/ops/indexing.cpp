#include "ops/indexing.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "ops/copy.h"
#include "ops/operand.h"
#include "ops/visit_dtype.h"
#include "ref/binary.h"

namespace tilewise {
namespace {

// Dimensions that are walked by runs of equal stride.
struct Runs {
  std::vector<index_t> offsets;  // of each run
  index_t length = 1;
  index_t stride = 1;

  index_t count() const { return static_cast<index_t>(offsets.size()); }
};

Runs make_runs(const Dims& shape, const Dims& strides) {
  Runs runs;
  int outer = shape.size();
  bool started = false;
  while (outer > 0) {
    const index_t extent = shape[outer - 1];
    if (extent != 1) {
      if (started && strides[outer - 1] != runs.stride * runs.length) break;
      if (!started) runs.stride = strides[outer - 1];
      runs.length *= extent;
      started = true;
    }
    --outer;
  }
  const Dims outer_shape = shape.slice(0, outer);
  const index_t count = element_count(outer_shape);
  runs.offsets.resize(static_cast<std::size_t>(count));
  for (index_t flat = 0; flat < count; ++flat) {
    index_t rest = flat;
    index_t offset = 0;
    for (int i = outer - 1; i >= 0; --i) {
      offset += rest % shape[i] * strides[i];
      rest /= shape[i];
    }
    runs.offsets[static_cast<std::size_t>(flat)] = offset;
  }
  return runs;
}

// a[indices] as (outer, picked, inner), row-major: `picked` is the broadcast shape of the indices.
struct IndexPlan {
  Dims shape;  // of the result
  Runs outer;
  Array picked;  // offsets into `a`, int64
  Runs inner;

  index_t outer_size() const { return outer.count() * outer.length; }
  index_t outer_offset(index_t i) const {
    const auto run = static_cast<std::size_t>(i / outer.length);
    return outer.offsets[run] + i % outer.length * outer.stride;
  }
  index_t picked_size() const { return picked.size(); }
  const std::int64_t* picks() const { return picked.data<const std::int64_t>(); }
  index_t inner_size() const { return inner.count() * inner.length; }
};

void check_indices(const char* op, const Dims& shape, const IndexList& indices) {
  TW_CHECK(static_cast<int>(indices.size()) <= shape.size(), op, ": expected at most ",
           shape.size(), " indices for shape ", to_string(shape), ", got ", indices.size());
  bool any = false;
  for (const Array& index : indices) {
    if (!index.defined()) continue;
    any = true;
    TW_CHECK_TYPE(index.dtype() == DType::int64 || index.dtype() == DType::int32, op,
                  ": expected indices of int64, got ", name_of(index.dtype()));
  }
  TW_CHECK(any, op, ": expected at least one index array");
}

// Adds index * stride of one dimension to the offsets of all picks; the first one writes them.
void add_offsets(const char* op, const Array& index, const Array& picked, index_t extent,
                 index_t stride, bool first) {
  const Array positions = contiguous(cast(index.expand(picked.shape()), DType::int64));
  const auto* at = positions.data<const std::int64_t>();
  auto* offsets = picked.data<std::int64_t>();
  const index_t count = picked.size();
  for (index_t i = 0; i < count; ++i) {
    const std::int64_t k = at[i];
    if (k < -extent || k >= extent) {
      throw IndexError(concat(op, ": index ", k, " is out of range for size ", extent));
    }
    offsets[i] = (first ? 0 : offsets[i]) + (k < 0 ? k + extent : k) * stride;
  }
}

// `a` gives shape and strides only.
IndexPlan make_plan(const char* op, const Array& a, const IndexList& indices) {
  check_indices(op, a.shape(), indices);
  const int given = static_cast<int>(indices.size());
  const auto indexed = [&](int dim) {
    return dim < given && indices[static_cast<std::size_t>(dim)].defined();
  };
  Dims picked_shape;
  int first = -1;
  int last = -1;
  int count = 0;
  for (int dim = 0; dim < given; ++dim) {
    if (!indexed(dim)) continue;
    picked_shape =
        broadcast_shapes(op, picked_shape, indices[static_cast<std::size_t>(dim)].shape());
    if (first < 0) first = dim;
    last = dim;
    ++count;
  }
  const bool neighbours = last - first + 1 == count;
  Dims outer_shape;
  Dims outer_strides;
  Dims inner_shape;
  Dims inner_strides;
  for (int dim = 0; dim < a.rank(); ++dim) {
    if (indexed(dim)) continue;
    const bool outer = neighbours && dim < first;
    (outer ? outer_shape : inner_shape).push_back(a.extent(dim));
    (outer ? outer_strides : inner_strides).push_back(a.strides()[dim]);
  }
  IndexPlan plan;
  for (const Dims* part : {&outer_shape, &picked_shape, &inner_shape}) {
    for (index_t extent : *part) plan.shape.push_back(extent);
  }
  element_count(plan.shape);
  plan.picked = Array::empty(picked_shape, DType::int64);
  for (int dim = 0; dim < given; ++dim) {
    if (!indexed(dim)) continue;
    add_offsets(op, indices[static_cast<std::size_t>(dim)], plan.picked, a.extent(dim),
                a.strides()[dim], dim == first);
  }
  if (element_count(plan.shape) == 0) return plan;  // nothing will be walked
  plan.outer = make_runs(outer_shape, outer_strides);
  plan.inner = make_runs(inner_shape, inner_strides);
  return plan;
}

// One row of the inner dimensions between `a` (by runs) and the contiguous side.
template <typename T>
void take_row(const Runs& inner, const T* a, T* out) {
  for (index_t run = 0; run < inner.count(); ++run, out += inner.length) {
    const T* x = a + inner.offsets[static_cast<std::size_t>(run)];
    if (inner.stride == 1) {
      std::memcpy(out, x, static_cast<std::size_t>(inner.length) * sizeof(T));
    } else {
      for (index_t i = 0; i < inner.length; ++i) out[i] = x[i * inner.stride];
    }
  }
}

// Single elements, which are not worth a call each.
template <typename T>
void take_elements(const IndexPlan& plan, const T* a, T* out) {
  const index_t picks = plan.picked_size();
  const std::int64_t* at = plan.picks();
  parallel_ranges(plan.outer_size() * picks, elementwise_grain, [&](index_t first, index_t last) {
    while (first < last) {
      const index_t start = first % picks;
      const index_t count = std::min(picks - start, last - first);
      const T* x = a + plan.outer_offset(first / picks);
      for (index_t i = 0; i < count; ++i) out[first + i] = x[at[start + i]];
      first += count;
    }
  });
}

template <typename T>
void take(const IndexPlan& plan, const T* a, T* out) {
  const index_t inner = plan.inner_size();
  if (inner == 1) return take_elements(plan, a + plan.inner.offsets[0], out);
  parallel_ranges(plan.outer_size() * plan.picked_size(), ceil_div(elementwise_grain, inner),
                  [&](index_t first, index_t last) {
                    for (index_t i = first; i < last; ++i) {
                      take_row(plan.inner,
                               a + plan.outer_offset(i / plan.picked_size()) +
                                   plan.picks()[i % plan.picked_size()],
                               out + i * inner);
                    }
                  });
}

// Calls combine(a element, src element) for every pick in order. Pieces never share elements of
// `a`: they are ranges of (outer, inner run) and each goes through all picks.
template <typename T, typename F>
void put(const IndexPlan& plan, T* a, const T* src, F combine) {
  const index_t runs = plan.inner.count();
  const index_t picks = plan.picked_size();
  const index_t cost = checked_mul(picks, plan.inner.length);
  parallel_ranges(plan.outer_size() * runs, ceil_div(elementwise_grain, cost),
                  [&](index_t first, index_t last) {
                    for (index_t piece = first; piece < last; ++piece) {
                      const index_t outer = piece / runs;
                      const index_t run = piece % runs;
                      T* base = a + plan.outer_offset(outer) +
                                plan.inner.offsets[static_cast<std::size_t>(run)];
                      const index_t length = plan.inner.length;
                      const index_t stride = plan.inner.stride;
                      for (index_t p = 0; p < picks; ++p) {
                        T* z = base + plan.picks()[p];
                        const T* x = src + ((outer * picks + p) * runs + run) * length;
                        if (stride == 1) {
                          for (index_t i = 0; i < length; ++i) combine(z[i], x[i]);
                        } else {
                          for (index_t i = 0; i < length; ++i) combine(z[i * stride], x[i]);
                        }
                      }
                    }
                  });
}

// Calls body with the element type, booleans as bytes.
template <typename F>
void visit_bytes(DType dtype, F body) {
  visit_dtype(dtype, [&](auto tag) {
    using T = decltype(tag);
    body(std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>{});
  });
}

Dims batch_first_order(int rank, bool to_channels_last) {
  Dims order{0};
  if (to_channels_last) {  // N, C, spatial... -> N, spatial..., C
    for (int i = 2; i < rank; ++i) order.push_back(i);
    order.push_back(1);
  } else {
    order.push_back(rank - 1);
    for (int i = 1; i < rank - 1; ++i) order.push_back(i);
  }
  return order;
}

}  // namespace

Array index(const Array& a, const IndexList& indices) {
  // Picking samples of a channels-last batch: whole rows of memory, and the result keeps the
  // layout.
  if (indices.size() == 1 && indices[0].defined() && indices[0].rank() == 1 && a.rank() >= 3 &&
      !a.is_contiguous() && a.is_channels_last()) {
    return index(a.permute(batch_first_order(a.rank(), true)), indices)
        .permute(batch_first_order(a.rank(), false));
  }
  const IndexPlan plan = make_plan("index", a, indices);
  Array out = Array::empty(plan.shape, a.dtype());
  if (out.size() == 0) return out;
  visit_bytes(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    take(plan, a.data<const T>(), out.data<T>());
  });
  return out;
}

Array index_add(const Dims& shape, const IndexList& indices, const Array& src) {
  TW_CHECK_TYPE(src.dtype() != DType::boolean, "index_add: expected numbers, got bool");
  Array out = Array::empty(shape, src.dtype());
  const IndexPlan plan = make_plan("index_add", out, indices);
  TW_CHECK(src.shape() == plan.shape, "index_add: expected a source of shape ",
           to_string(plan.shape), ", got ", to_string(src.shape()));
  fill(out, 0.0);
  if (src.size() == 0) return out;
  const Array values = contiguous(src);
  visit_bytes(out.dtype(), [&](auto tag) {
    using T = decltype(tag);
    put(plan, out.data<T>(), values.data<const T>(),
        [](T& sum, T x) { sum = ref::Add::apply(sum, x); });
  });
  return out;
}

void index_put(const Array& a, const IndexList& indices, const Array& src, bool accumulate) {
  const IndexPlan plan = make_plan("index_put_", a, indices);
  TW_CHECK(broadcast_shapes("index_put_", src.shape(), plan.shape) == plan.shape,
           "index_put_: expected a value that broadcasts to ", to_string(plan.shape), ", got ",
           to_string(src.shape()));
  check_writable("index_put_", a);
  if (element_count(plan.shape) == 0) return;
  Array values = contiguous(cast(src, a.dtype()).expand(plan.shape));
  if (values.storage() == a.storage()) values = clone(values);
  a.storage()->bump_version();
  visit_bytes(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if (accumulate && a.dtype() == DType::boolean) {
      put(plan, a.data<T>(), values.data<const T>(), [](T& z, T x) { z = z != 0 || x != 0; });
    } else if (accumulate) {
      put(plan, a.data<T>(), values.data<const T>(), [](T& z, T x) { z = ref::Add::apply(z, x); });
    } else {
      put(plan, a.data<T>(), values.data<const T>(), [](T& z, T x) { z = x; });
    }
  });
}

namespace {

// How many flags are set before each block of elementwise_grain, and in all.
std::vector<index_t> count_true(const std::uint8_t* x, index_t size) {
  const index_t blocks = ceil_div(size, elementwise_grain);
  std::vector<index_t> starts(static_cast<std::size_t>(blocks) + 1, 0);
  parallel_ranges(size, elementwise_grain, [&](index_t first, index_t last) {
    index_t count = 0;
    for (index_t i = first; i < last; ++i) count += x[i] != 0;
    starts[static_cast<std::size_t>(first / elementwise_grain) + 1] = count;
  });
  for (std::size_t i = 1; i < starts.size(); ++i) starts[i] += starts[i - 1];
  return starts;
}

}  // namespace

Array masked_select(const Array& a, const Array& mask) {
  TW_CHECK(a.shape() == mask.shape(), "masked_select: expected a mask of shape ",
           to_string(a.shape()), ", got ", to_string(mask.shape()));
  TW_CHECK_TYPE(mask.dtype() == DType::boolean, "masked_select: expected a bool mask, got ",
                name_of(mask.dtype()));
  const Array flags = contiguous(mask);
  const Array values = contiguous(a);
  const auto* chosen = flags.data<const std::uint8_t>();
  const std::vector<index_t> starts = count_true(chosen, a.size());
  Array out = Array::empty({starts.back()}, a.dtype());
  visit_bytes(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* x = values.data<const T>();
    parallel_ranges(a.size(), elementwise_grain, [&](index_t first, index_t last) {
      // As in nonzero: another thread may write to the mask between the passes.
      const auto block = static_cast<std::size_t>(first / elementwise_grain);
      T* z = out.data<T>() + starts[block];
      T* const end = out.data<T>() + starts[block + 1];
      for (index_t i = first; i < last && z != end; ++i) {
        if (chosen[i] != 0) *z++ = x[i];
      }
      std::fill(z, end, T{});
    });
  });
  return out;
}

Array masked_scatter(const Array& a_input, const Array& mask_input, const Array& source) {
  const char* op = "masked_scatter";
  TW_CHECK_TYPE(mask_input.dtype() == DType::boolean, op, ": expected mask of dtype bool, got ",
                name_of(mask_input.dtype()));
  TW_CHECK_TYPE(source.dtype() == a_input.dtype(), op, ": expected source of ",
                name_of(a_input.dtype()), ", got ", name_of(source.dtype()));
  const Dims shape = broadcast_shapes(op, a_input.shape(), mask_input.shape());
  const Array a = contiguous(a_input.expand(shape));
  const Array flags = contiguous(mask_input.expand(shape));
  const Array values = contiguous(source);
  const auto* chosen = flags.data<const std::uint8_t>();
  const index_t size = a.size();
  const std::vector<index_t> starts = count_true(chosen, size);
  TW_CHECK(starts.back() <= values.size(), op, ": expected at least ", starts.back(),
           " elements in source, got ", values.size());
  Array out = Array::empty(shape, a.dtype());
  visit_bytes(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* x = a.data<const T>();
    T* z = out.data<T>();
    parallel_ranges(size, elementwise_grain, [&](index_t first, index_t last) {
      // As in nonzero: another thread may write to the mask between the passes.
      const auto block = static_cast<std::size_t>(first / elementwise_grain);
      const T* next = values.data<const T>() + starts[block];
      const T* const end = values.data<const T>() + starts[block + 1];
      for (index_t i = first; i < last; ++i) {
        z[i] = chosen[i] != 0 && next != end ? *next++ : x[i];
      }
    });
  });
  return out;
}

Array nonzero(const Array& mask) {
  const Array flags = contiguous(cast(mask, DType::boolean));
  const auto* x = flags.data<const std::uint8_t>();
  const int rank = flags.rank();
  const index_t size = flags.size();
  const std::vector<index_t> starts = count_true(x, size);
  Array out = Array::empty({starts.back(), rank}, DType::int64);
  auto* positions = out.data<std::int64_t>();
  parallel_ranges(size, elementwise_grain, [&](index_t first, index_t last) {
    // Another thread may write to the mask between the two passes: never leave the counted rows.
    const auto block = static_cast<std::size_t>(first / elementwise_grain);
    std::int64_t* row = positions + starts[block] * rank;
    std::int64_t* const end = positions + starts[block + 1] * rank;
    for (index_t i = first; i < last && row != end; ++i) {
      if (x[i] == 0) continue;
      index_t rest = i;
      for (int d = rank - 1; d >= 0; --d) {
        row[d] = rest % flags.extent(d);
        rest /= flags.extent(d);
      }
      row += rank;
    }
    std::fill(row, end, 0);
  });
  return out;
}

}  // namespace tilewise
