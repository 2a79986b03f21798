// Calls a generic lambda with a value of the C++ type of a dtype.
#pragma once

#include "base/error.h"
#include "base/types.h"

namespace tilewise {

template <typename F>
decltype(auto) visit_dtype(DType dtype, F&& body) {
  switch (dtype) {
    case DType::float32:
      return body(float{});
    case DType::float64:
      return body(double{});
    case DType::int64:
      return body(std::int64_t{});
    case DType::int32:
      return body(std::int32_t{});
    case DType::int8:
      return body(std::int8_t{});
    case DType::uint8:
      return body(std::uint8_t{});
    case DType::boolean:
      return body(bool{});
  }
  throw TypeError("unknown dtype");
}

}  // namespace tilewise
