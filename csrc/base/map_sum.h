// What the statistics add up.
#pragma once

#include "base/index.h"

namespace tilewise {

enum class MapSum : std::uint8_t { square, magnitude, exponential, nonzero };

}  // namespace tilewise
