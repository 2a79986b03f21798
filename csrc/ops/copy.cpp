#include "ops/copy.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/convert.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "ops/loop_nest.h"
#include "ops/operand.h"
#include "ops/permute_copy.h"
#include "ops/visit_dtype.h"

namespace tilewise {
namespace {

// Where source and destination disagree about which loop is the fast one this is a transposition:
// small squares keep both sides' cache lines alive.
template <typename Dst, typename Src>
void copy_block(Dst* dst, const Src* src, const LoopBlock& b) {
  constexpr index_t square = 16;
  const index_t dst_row = b.row_stride[0];
  const index_t dst_col = b.col_stride[0];
  const index_t src_row = b.row_stride[1];
  const index_t src_col = b.col_stride[1];
  if (dst_col == 1 && (src_col == 1 || src_col == 0)) {
    for (index_t r = 0; r < b.rows; ++r) {
      Dst* d = dst + r * dst_row;
      const Src* s = src + r * src_row;
      if (src_col == 0) {
        std::fill(d, d + b.cols, converted<Dst>(*s));
      } else if constexpr (std::is_same_v<Dst, Src>) {
        std::memcpy(d, s, static_cast<std::size_t>(b.cols) * sizeof(Dst));
      } else {
        for (index_t c = 0; c < b.cols; ++c) d[c] = converted<Dst>(s[c]);
      }
    }
    return;
  }
  for (index_t r0 = 0; r0 < b.rows; r0 += square) {
    const index_t r1 = std::min(r0 + square, b.rows);
    for (index_t c0 = 0; c0 < b.cols; c0 += square) {
      const index_t c1 = std::min(c0 + square, b.cols);
      for (index_t r = r0; r < r1; ++r) {
        for (index_t c = c0; c < c1; ++c) {
          dst[r * dst_row + c * dst_col] = converted<Dst>(src[r * src_row + c * src_col]);
        }
      }
    }
  }
}

// Whether rows of an array begin and end with cache lines.
bool has_whole_lines(const LoopNest& loops, int operand, const Array& a) {
  constexpr index_t line = 16;
  bool whole = loops.extent(loops.rank() - 1) % line == 0 &&
               reinterpret_cast<std::uintptr_t>(a.bytes()) % 64 == 0;
  for (int i = 0; i + 1 < loops.rank(); ++i) whole = whole && loops.stride(i, operand) % line == 0;
  return whole;
}

// Both arrays of a copy, turned round where the source runs backwards.
struct ForwardCopy {
  ForwardCopy(const Array& given_dst, const Array& given_src) {
    Dims to = given_dst.strides();
    Dims from = given_src.strides();
    index_t dst_start = 0;
    index_t src_start = 0;
    for (int i = 0; i < from.size(); ++i) {
      if (from[i] >= 0) continue;
      dst_start += (given_dst.extent(i) - 1) * to[i];
      src_start += (given_src.extent(i) - 1) * from[i];
      to[i] = -to[i];
      from[i] = -from[i];
    }
    dst = given_dst.with_layout(given_dst.shape(), to, dst_start);
    src = given_src.with_layout(given_src.shape(), from, src_start);
  }
  Array dst;
  Array src;
};

// Rows of whole cache lines to memory, in the order of the source: stores past the caches may come
// in any order, while reading wants to be foreseen.
bool stream_lines(const LoopNest& loops, const Array& dst, const Array& src) {
  if (loops.inner_stride(1) != 1 || !has_whole_lines(loops, 0, dst)) return false;
  const ForwardCopy turned(dst, src);
  const LoopNest by_source(dst.shape(), {&turned.src.strides(), &turned.dst.strides()});
  const bool forward = by_source.inner_stride(0) == 1 && by_source.inner_stride(1) == 1;
  const LoopNest& nest = forward ? by_source : loops;
  const int to = forward ? 1 : 0;
  const int from = forward ? 0 : 1;
  const auto* source = (forward ? turned.src : src).data<const float>();
  auto* target = (forward ? turned.dst : dst).data<float>();
  const CopyKernels& kernels = copy_kernels();
  const int rank = nest.rank();
  nest.parallel_blocks([&](const LoopBlock& b) {
    constexpr index_t page = 1024;  // floats
    const index_t step = b.row_stride[from];
    const bool follows = step == b.cols || step == 0;
    const bool all_rows = rank > 2 && b.rows == nest.extent(rank - 2);
    const index_t to_next = all_rows ? nest.stride(rank - 3, from) : b.rows * step;
    const float* first = source + b.offset[from];
    kernels.stream_rows({first, target + b.offset[to], b.rows, b.cols, step, b.row_stride[to],
                         follows ? 0 : ceil_div(page, b.cols), first + to_next});
    kernels.fence();
  });
  return true;
}

// Four-byte elements, which the kernels move without looking at them. False where the strides are
// of no kind that they know.
bool copy_words(const LoopNest& loops, const Array& dst, const Array& src) {
  const CopyKernels& kernels = copy_kernels();
  const bool past_caches = copy_sweeps_caches(dst, src);
  auto* to = dst.data<float>();
  const auto* from = src.data<const float>();
  if (loops.inner_stride(0) != 1) return false;
  // Short rows are cheaper by the table than one by one.
  constexpr index_t short_row = 32;
  const index_t cols = loops.extent(loops.rank() - 1);
  const bool scattered = loops.inner_stride(1) != 1 && loops.inner_stride(1) != 0;
  if ((scattered || (loops.rank() > 1 && cols < short_row)) && copy_permuted(loops, dst, src)) {
    return true;
  }
  if (loops.inner_stride(1) > 1 && loops.row_stride(1) == 1) {
    // Squares of a block stay in L2 together with what they come from.
    constexpr index_t widest = 256;
    loops.parallel_blocks(
        [&](const LoopBlock& b) {
          kernels.transpose({from + b.offset[1], to + b.offset[0], b.rows, b.cols, b.row_stride[0],
                             b.col_stride[1], past_caches});
        },
        widest);
    return true;
  }
  if (!past_caches || scattered) return false;
  if (stream_lines(loops, dst, src)) return true;
  const bool repeats = loops.inner_stride(1) == 0;
  loops.parallel_blocks([&](const LoopBlock& b) {
    constexpr index_t long_row = 512;  // parts of cache lines, which are written twice, are few
    const bool stream = b.cols >= long_row;
    for (index_t r = 0; r < b.rows; ++r) {
      float* z = to + b.offset[0] + r * b.row_stride[0];
      const float* x = from + b.offset[1] + r * b.row_stride[1];
      if (repeats) {
        kernels.fill(z, *x, b.cols, stream);
      } else if (stream) {
        kernels.stream(x, z, b.cols);
      } else {
        std::memcpy(z, x, static_cast<std::size_t>(b.cols) * sizeof(float));
      }
    }
    if (stream) kernels.fence();
  });
  return true;
}

bool overlaps(const Array& a, const Array& b) {
  return a.storage() == b.storage();  // conservative: any two views of one storage
}

}  // namespace

void copy_into(const Array& dst, const Array& src) {
  const Array view = src.shape() == dst.shape() ? src : src.expand(dst.shape());
  if (dst.size() == 0) return;
  dst.storage()->bump_version();
  if (overlaps(dst, view)) {
    if (dst.bytes() == view.bytes() && dst.strides() == view.strides()) return;
    Array temporary = Array::empty(view.shape(), view.dtype());
    copy_into(temporary, view);
    copy_into(dst, temporary);
    return;
  }
  const LoopNest loops(dst.shape(), {&dst.strides(), &view.strides()});
  if (dst.dtype() == view.dtype() && itemsize(dst.dtype()) == sizeof(float) &&
      copy_words(loops, dst, view)) {
    return;
  }
  visit_dtype(dst.dtype(), [&](auto dst_tag) {
    using Dst = decltype(dst_tag);
    visit_dtype(view.dtype(), [&](auto src_tag) {
      using Src = decltype(src_tag);
      loops.parallel_blocks([&](const LoopBlock& block) {
        copy_block(dst.data<Dst>() + block.offset[0],
                   static_cast<const Src*>(view.data<Src>()) + block.offset[1], block);
      });
    });
  });
}

bool has_channels_innermost(const Array& a) {
  if (a.rank() < 3 || a.extent(1) == 1 || a.is_contiguous()) return false;
  const Dims& strides = a.strides();
  index_t outer = a.extent(0) == 1 ? std::numeric_limits<index_t>::max() : strides[0];
  for (int i = 2; i < a.rank(); ++i) {
    if (a.extent(i) == 1) continue;
    if (strides[i] > outer) return false;
    outer = strides[i];
  }
  return strides[1] > 0 && strides[1] < outer && outer != std::numeric_limits<index_t>::max();
}

namespace {

// For a copy of `a`: without gaps, in the order of its memory.
Array empty_in_order(const Array& a, DType dtype) {
  return has_channels_innermost(a) ? Array::empty_channels_last(a.shape(), dtype)
                                   : Array::empty_like(a, dtype);
}

Array copied(Array dst, const Array& src) {
  copy_into(dst, src);
  return dst;
}

}  // namespace

Array contiguous(const Array& a) {
  return a.is_contiguous() ? a : copied(Array::empty(a.shape(), a.dtype()), a);
}

Array channels_last(const Array& a) {
  return a.is_channels_last() ? a : copied(Array::empty_channels_last(a.shape(), a.dtype()), a);
}

Array dense(const Array& a) {
  if (a.is_contiguous() || a.is_channels_last()) return a;
  return copied(empty_in_order(a, a.dtype()), a);
}

Array dense_as(const Array& a, const Array& like) {
  return Array::same_dense_layout(a, like) ? a : copied(Array::empty_like(like, a.dtype()), a);
}

Array clone(const Array& a) { return copied(empty_in_order(a, a.dtype()), a); }

Array cast(const Array& a, DType dtype) {
  return a.dtype() == dtype ? a : copied(empty_in_order(a, dtype), a);
}

Array reshape(const Array& a, const Dims& wanted) {
  Dims shape = wanted;
  int inferred = -1;
  index_t known = 1;
  for (int i = 0; i < shape.size(); ++i) {
    TW_CHECK(shape[i] >= -1, "reshape: expected sizes >= 0 or one -1, got ", to_string(wanted));
    if (shape[i] != -1) {
      known = checked_mul(known, shape[i]);
      continue;
    }
    TW_CHECK(inferred < 0, "reshape: only one size can be inferred, got ", to_string(wanted));
    inferred = i;
  }
  if (inferred >= 0) {
    TW_CHECK(known > 0 && a.size() % known == 0, "reshape: shape ", to_string(wanted),
             " does not fit the ", a.size(), " elements of shape ", to_string(a.shape()));
    shape[inferred] = a.size() / known;
    known *= shape[inferred];
  }
  TW_CHECK(known == a.size(), "reshape: shape ", to_string(wanted), " does not fit the ", a.size(),
           " elements of shape ", to_string(a.shape()));
  const Array view = a.try_view(shape);
  return view.defined() ? view : contiguous(a).try_view(shape);
}

namespace {

template <typename T>
void fill_dense(const Array& a, T value) {
  a.storage()->bump_version();
  T* z = a.data<T>();
  if constexpr (std::is_same_v<T, float>) {
    const auto kernel = copy_kernels().fill;
    const bool past_caches = larger_than_caches(a);
    parallel_ranges(a.size(), elementwise_grain, [&](index_t first, index_t last) {
      kernel(z + first, value, last - first, past_caches);
      if (past_caches) copy_kernels().fence();
    });
  } else {
    parallel_ranges(a.size(), elementwise_grain,
                    [&](index_t first, index_t last) { std::fill(z + first, z + last, value); });
  }
}

}  // namespace

void fill(const Array& a, double value) {
  visit_dtype(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T element = converted<T>(value);
    if (a.is_contiguous() || a.is_channels_last()) {
      fill_dense(a, element);
      return;
    }
    Array scalar = Array::empty({}, a.dtype());
    *scalar.data<T>() = element;
    copy_into(a, scalar);
  });
}

}  // namespace tilewise
