// Running results along an axis. Sums of floats accumulate in double; integers give int64.
#pragma once

#include <utility>

#include "base/array.h"
#include "ops/arg_reduce.h"

namespace tilewise {

enum class Scan : std::uint8_t { sum, product, log_sum_exp };

Array scan(Scan which, const Array& a, index_t axis);
// The extreme so far and where it was (int64): the last of equals.
std::pair<Array, Array> scan_extreme(Extreme which, const Array& a, index_t axis);

}  // namespace tilewise
