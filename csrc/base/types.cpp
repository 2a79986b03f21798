#include "base/types.h"

#include "base/error.h"

namespace tilewise {

std::size_t itemsize(DType dtype) {
  switch (dtype) {
    case DType::float64:
    case DType::int64:
      return 8;
    case DType::float32:
    case DType::int32:
      return 4;
    case DType::int8:
    case DType::uint8:
    case DType::boolean:
      return 1;
  }
  throw TypeError("unknown dtype");
}

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

Dims::Dims(std::initializer_list<index_t> values) {
  for (index_t value : values) push_back(value);
}

Dims::Dims(int rank, index_t fill) {
  for (int i = 0; i < rank; ++i) push_back(fill);
}

void Dims::push_back(index_t value) {
  TW_CHECK(rank_ < max_rank, "tensors have at most ", max_rank, " dimensions");
  values_[rank_++] = value;
}

Dims Dims::slice(int first, int last) const {
  Dims out;
  for (int i = first; i < last; ++i) out.push_back(values_[i]);
  return out;
}

bool operator==(const Dims& a, const Dims& b) {
  if (a.rank_ != b.rank_) return false;
  for (int i = 0; i < a.rank_; ++i) {
    if (a.values_[i] != b.values_[i]) return false;
  }
  return true;
}

std::string to_string(const Dims& dims) {
  std::string text = "(";
  for (int i = 0; i < dims.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(dims[i]);
  }
  return text + (dims.size() == 1 ? ",)" : ")");
}

index_t checked_mul(index_t a, index_t b) {
  index_t out = 0;
  TW_CHECK(!__builtin_mul_overflow(a, b, &out), "size overflow: ", a, " x ", b,
           " does not fit 64 bits");
  return out;
}

index_t checked_add(index_t a, index_t b) {
  index_t out = 0;
  TW_CHECK(!__builtin_add_overflow(a, b, &out), "size overflow: ", a, " + ", b,
           " does not fit 64 bits");
  return out;
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
