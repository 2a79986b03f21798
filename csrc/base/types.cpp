#include "base/types.h"

#include "base/error.h"

namespace tilewise {

const char* name_of(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "float32";
    case DType::float64:
      return "float64";
    case DType::int64:
      return "int64";
    case DType::int32:
      return "int32";
    case DType::int8:
      return "int8";
    case DType::uint8:
      return "uint8";
    case DType::boolean:
      return "bool";
  }
  return "unknown";
}

void throw_too_many_dims() {
  throw ValueError(concat("tensors have at most ", Dims::max_rank, " dimensions"));
}

void throw_size_overflow(char sign, index_t a, index_t b) {
  throw ValueError(concat("size overflow: ", a, " ", sign, " ", b, " does not fit 64 bits"));
}

Dims Dims::slice(int first, int last) const {
  Dims out;
  for (int i = first; i < last; ++i) out.push_back(values_[i]);
  return out;
}

std::string to_string(const Dims& dims) {
  std::string text = "(";
  for (int i = 0; i < dims.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(dims[i]);
  }
  return text + (dims.size() == 1 ? ",)" : ")");
}

index_t element_count(const Dims& shape) {
  // A zero anywhere makes an empty tensor, however large its other sizes are.
  for (index_t extent : shape) {
    TW_CHECK(extent >= 0, "negative size in shape ", to_string(shape));
    if (extent == 0) return 0;
  }
  index_t count = 1;
  for (index_t extent : shape) count = checked_mul(count, extent);
  return count;
}

}  // namespace tilewise
