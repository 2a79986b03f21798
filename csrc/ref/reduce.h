// Reductions of row-major matrices along rows or columns: plain loops for every dtype but the
// float32 kernels. Sums of floats accumulate in double, of integers in int64 with wrap-around.
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>

#include "base/types.h"

namespace tilewise::ref {

template <typename T>
using sum_type = std::conditional_t<std::is_floating_point_v<T>, double, std::int64_t>;

// A reduction is an identity and an associative step on accumulators.
struct SumStep {
  template <typename Acc>
  static constexpr Acc identity() {
    return Acc(0);
  }
  template <typename Acc>
  static Acc apply(Acc a, Acc b) {
    if constexpr (std::is_integral_v<Acc>) {
      return static_cast<Acc>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
    } else {
      return a + b;
    }
  }
};

struct ProductStep {
  template <typename Acc>
  static constexpr Acc identity() {
    return Acc(1);
  }
  template <typename Acc>
  static Acc apply(Acc a, Acc b) {
    if constexpr (std::is_integral_v<Acc>) {
      return static_cast<Acc>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
    } else {
      return a * b;
    }
  }
};

struct MaxStep {  // a NaN anywhere gives NaN
  template <typename Acc>
  static constexpr Acc identity() {
    return std::is_floating_point_v<Acc> ? -std::numeric_limits<Acc>::infinity()
                                         : std::numeric_limits<Acc>::lowest();
  }
  template <typename Acc>
  static Acc apply(Acc a, Acc b) {
    return a != a || a > b ? a : b;
  }
};

struct MinStep {
  template <typename Acc>
  static constexpr Acc identity() {
    return std::is_floating_point_v<Acc> ? std::numeric_limits<Acc>::infinity()
                                         : std::numeric_limits<Acc>::max();
  }
  template <typename Acc>
  static Acc apply(Acc a, Acc b) {
    return a != a || a < b ? a : b;
  }
};

// out[r] = row r reduced.
template <typename Step, typename T, typename Acc>
void reduce_rows(const T* x, index_t rows, index_t cols, index_t row_stride, Acc* out) {
  for (index_t r = 0; r < rows; ++r) {
    Acc total = Step::template identity<Acc>();
    for (index_t c = 0; c < cols; ++c) {
      total = Step::apply(total, static_cast<Acc>(x[r * row_stride + c]));
    }
    out[r] = total;
  }
}

// out[c] = out[c] combined with column c.
template <typename Step, typename T, typename Acc>
void reduce_cols(const T* x, index_t rows, index_t cols, index_t row_stride, Acc* out) {
  for (index_t r = 0; r < rows; ++r) {
    for (index_t c = 0; c < cols; ++c) {
      out[c] = Step::apply(out[c], static_cast<Acc>(x[r * row_stride + c]));
    }
  }
}

// Position of the first largest (or smallest) element of a strided run; a NaN wins over all.
template <bool largest, typename T>
index_t arg_extreme(const T* x, index_t count, index_t stride) {
  index_t best = 0;
  T value = x[0];
  for (index_t i = 1; i < count && !(value != value); ++i) {
    const T candidate = x[i * stride];
    if ((largest ? candidate > value : candidate < value) || candidate != candidate) {
      best = i;
      value = candidate;
    }
  }
  return best;
}

}  // namespace tilewise::ref
