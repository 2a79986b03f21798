#include "ops/copy.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/threads.h"
#include "ops/strided_loops.h"
#include "ops/visit_dtype.h"

namespace tilewise {
namespace {

// One plane of the innermost two loops. Where source and destination disagree about which loop is
// the fast one this is a transposition: blocks keep both sides' cache lines alive.
template <typename Dst, typename Src>
void copy_plane(Dst* dst, const Src* src, const LoopDim& rows, const LoopDim& cols) {
  constexpr index_t block = 16;
  if (cols.dst_stride == 1 && cols.src_stride == 1) {
    for (index_t r = 0; r < rows.extent; ++r) {
      Dst* d = dst + r * rows.dst_stride;
      const Src* s = src + r * rows.src_stride;
      if constexpr (std::is_same_v<Dst, Src>) {
        std::memcpy(d, s, static_cast<std::size_t>(cols.extent) * sizeof(Dst));
      } else {
        for (index_t c = 0; c < cols.extent; ++c) d[c] = static_cast<Dst>(s[c]);
      }
    }
    return;
  }
  for (index_t r0 = 0; r0 < rows.extent; r0 += block) {
    const index_t r1 = std::min(r0 + block, rows.extent);
    for (index_t c0 = 0; c0 < cols.extent; c0 += block) {
      const index_t c1 = std::min(c0 + block, cols.extent);
      for (index_t r = r0; r < r1; ++r) {
        Dst* d = dst + r * rows.dst_stride;
        const Src* s = src + r * rows.src_stride;
        for (index_t c = c0; c < c1; ++c) {
          d[c * cols.dst_stride] = static_cast<Dst>(s[c * cols.src_stride]);
        }
      }
    }
  }
}

template <typename Dst, typename Src>
void copy_strided(Dst* dst, const Src* src, const StridedLoops& loops) {
  const LoopDim unit{1, 0, 0};
  const LoopDim cols = loops.rank >= 1 ? loops.dims[loops.rank - 1] : LoopDim{1, 1, 1};
  const LoopDim rows = loops.rank >= 2 ? loops.dims[loops.rank - 2] : unit;
  const int inner = std::min(loops.rank, 2);
  const index_t planes = loops.outer_count(inner);

  if (loops.rank <= 1) {  // one run: cut it for the threads
    parallel_ranges(cols.extent, elementwise_grain, [&](index_t first, index_t last) {
      copy_plane(dst + first * cols.dst_stride, src + first * cols.src_stride, unit,
                 LoopDim{last - first, cols.dst_stride, cols.src_stride});
    });
    return;
  }
  const index_t row_grain =
      std::max<index_t>(16, elementwise_grain / std::max<index_t>(1, cols.extent));
  const index_t row_pieces = ceil_div(rows.extent, row_grain);
  const index_t plane_cost = rows.extent * cols.extent;
  const index_t plane_grain =
      row_pieces > 1 ? 1 : std::max<index_t>(1, elementwise_grain / std::max<index_t>(1, plane_cost));
  const index_t plane_pieces = ceil_div(planes, plane_grain);
  parallel_for(plane_pieces * row_pieces, [&](index_t piece) {
    const index_t row0 = piece % row_pieces * row_grain;
    const index_t row_count = std::min(row_grain, rows.extent - row0);
    const index_t plane0 = piece / row_pieces * plane_grain;
    const index_t plane1 = std::min(plane0 + plane_grain, planes);
    for (index_t plane = plane0; plane < plane1; ++plane) {
      index_t d = 0;
      index_t s = 0;
      loops.offsets(plane, inner, d, s);
      copy_plane(dst + d + row0 * rows.dst_stride, src + s + row0 * rows.src_stride,
                 LoopDim{row_count, rows.dst_stride, rows.src_stride}, cols);
    }
  });
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
  const StridedLoops loops(dst.shape(), dst.strides(), view.strides());
  visit_dtype(dst.dtype(), [&](auto dst_tag) {
    using Dst = decltype(dst_tag);
    visit_dtype(view.dtype(), [&](auto src_tag) {
      using Src = decltype(src_tag);
      copy_strided(dst.data<Dst>(), static_cast<const Src*>(view.data<Src>()), loops);
    });
  });
}

namespace {

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
  return a.is_contiguous() || a.is_channels_last() ? a : contiguous(a);
}

Array dense_as(const Array& a, const Array& like) {
  return Array::same_dense_layout(a, like) ? a : copied(Array::empty_like(like, a.dtype()), a);
}

Array clone(const Array& a) { return copied(Array::empty_like(a), a); }

Array cast(const Array& a, DType dtype) {
  return a.dtype() == dtype ? a : copied(Array::empty_like(a, dtype), a);
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

void fill(const Array& a, double value) {
  visit_dtype(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T converted = static_cast<T>(value);
    Array scalar = Array::empty({}, a.dtype());
    *scalar.data<T>() = converted;
    copy_into(a, scalar);
  });
}

}  // namespace tilewise
