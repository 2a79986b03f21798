// Running results along rows of a matrix: plain loops.
//
// scan_rows:  y[r][i] = y[r][i-1] op x[r][i]     (a run is a row)
// scan_cols:  y[i][c] = y[i-1][c] op x[i][c]     (a run is a column; rows are `stride` apart)
#pragma once

#include <cmath>
#include <limits>

#include "ref/reduce.h"

namespace tilewise::ref {

// log(exp(a) + exp(b)), with -Inf as nothing.
struct LogAddStep {
  template <typename Acc>
  static constexpr Acc identity() {
    return -std::numeric_limits<Acc>::infinity();
  }
  template <typename Acc>
  static Acc apply(Acc a, Acc b) {
    const Acc high = a != a || a > b ? a : b;
    const Acc low = a != a || a > b ? b : a;
    if (high == low && std::isinf(high)) return high;
    return high + std::log1p(std::exp(low - high));
  }
};

// Four rows at a time: each is a chain of dependent steps, four of them keep the processor busy.
template <typename Step, typename T, typename Acc>
void scan_rows(const T* x, T* y, index_t rows, index_t cols) {
  index_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    Acc t[4] = {Step::template identity<Acc>(), Step::template identity<Acc>(),
                Step::template identity<Acc>(), Step::template identity<Acc>()};
    for (index_t i = 0; i < cols; ++i) {
      for (index_t k = 0; k < 4; ++k) {
        t[k] = Step::apply(t[k], static_cast<Acc>(x[(r + k) * cols + i]));
        y[(r + k) * cols + i] = static_cast<T>(t[k]);
      }
    }
  }
  for (; r < rows; ++r) {
    Acc total = Step::template identity<Acc>();
    for (index_t i = 0; i < cols; ++i) {
      total = Step::apply(total, static_cast<Acc>(x[r * cols + i]));
      y[r * cols + i] = static_cast<T>(total);
    }
  }
}

// `total` has room for `cols` accumulators.
template <typename Step, typename T, typename Acc>
void scan_cols(const T* x, T* y, index_t rows, index_t cols, index_t stride, Acc* total) {
  for (index_t c = 0; c < cols; ++c) total[c] = Step::template identity<Acc>();
  for (index_t r = 0; r < rows; ++r) {
    for (index_t c = 0; c < cols; ++c) {
      total[c] = Step::apply(total[c], static_cast<Acc>(x[r * stride + c]));
      y[r * stride + c] = static_cast<T>(total[c]);
    }
  }
}

// The largest (or smallest) element so far and its position: the last of equals; a NaN stays.
template <bool largest, typename T>
void scan_extreme(const T* x, T* y, std::int64_t* at, index_t count, index_t stride) {
  T best = x[0];
  std::int64_t place = 0;
  for (index_t i = 0; i < count; ++i) {
    const T candidate = x[i * stride];
    const bool better = largest ? candidate >= best : candidate <= best;
    if (candidate != candidate || (best == best && better)) {
      best = candidate;
      place = i;
    }
    y[i * stride] = best;
    at[i * stride] = place;
  }
}

}  // namespace tilewise::ref
