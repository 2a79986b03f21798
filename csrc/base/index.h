// The signed type of all sizes and offsets. Light enough for kernel files to include.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tilewise {

using index_t = std::int64_t;

}  // namespace tilewise
