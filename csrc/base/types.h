// Element types, shapes and checked size arithmetic: the vocabulary of every other file.
#pragma once

#include <initializer_list>
#include <string>

#include "base/index.h"

namespace tilewise {

enum class DType : std::uint8_t { float32, float64, int64, int32, int8, uint8, boolean };

inline std::size_t itemsize(DType dtype) {
  constexpr unsigned char bytes[] = {4, 8, 8, 4, 1, 1, 1};  // in the order of DType
  return bytes[static_cast<int>(dtype)];
}
const char* name_of(DType dtype);
inline bool is_floating(DType dtype) { return dtype == DType::float32 || dtype == DType::float64; }

template <typename T>
struct dtype_of;
template <>
struct dtype_of<float> {
  static constexpr DType value = DType::float32;
};
template <>
struct dtype_of<double> {
  static constexpr DType value = DType::float64;
};
template <>
struct dtype_of<std::int64_t> {
  static constexpr DType value = DType::int64;
};
template <>
struct dtype_of<std::int32_t> {
  static constexpr DType value = DType::int32;
};
template <>
struct dtype_of<std::int8_t> {
  static constexpr DType value = DType::int8;
};
template <>
struct dtype_of<std::uint8_t> {
  static constexpr DType value = DType::uint8;
};
template <>
struct dtype_of<bool> {
  static constexpr DType value = DType::boolean;
};

[[noreturn]] void throw_too_many_dims();
[[noreturn]] void throw_size_overflow(char sign, index_t a, index_t b);

// A short list of sizes or strides. Inline storage: a shape costs no allocation. Its functions are
// inline too: an op on a small tensor makes dozens of lists.
class Dims {
 public:
  static constexpr int max_rank = 8;

  Dims() = default;
  Dims(std::initializer_list<index_t> values) {
    for (index_t value : values) push_back(value);
  }
  Dims(int rank, index_t fill) {
    for (int i = 0; i < rank; ++i) push_back(fill);
  }

  int size() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  index_t operator[](int i) const { return values_[i]; }
  index_t& operator[](int i) { return values_[i]; }
  index_t back() const { return values_[rank_ - 1]; }
  const index_t* begin() const { return values_; }
  const index_t* end() const { return values_ + rank_; }
  index_t* begin() { return values_; }
  index_t* end() { return values_ + rank_; }
  void push_back(index_t value) {
    if (rank_ == max_rank) throw_too_many_dims();
    values_[rank_++] = value;
  }
  Dims slice(int first, int last) const;

  friend bool operator==(const Dims& a, const Dims& b) {
    if (a.rank_ != b.rank_) return false;
    for (int i = 0; i < a.rank_; ++i) {
      if (a.values_[i] != b.values_[i]) return false;
    }
    return true;
  }
  friend bool operator!=(const Dims& a, const Dims& b) { return !(a == b); }

 private:
  index_t values_[max_rank] = {};
  int rank_ = 0;
};

std::string to_string(const Dims& dims);  // "(2, 3, 4)", as Python prints a tuple

// Products and sums of sizes throw ValueError instead of wrapping around.
inline index_t checked_mul(index_t a, index_t b) {
  index_t out = 0;
  if (__builtin_mul_overflow(a, b, &out)) throw_size_overflow('x', a, b);
  return out;
}
inline index_t checked_add(index_t a, index_t b) {
  index_t out = 0;
  if (__builtin_add_overflow(a, b, &out)) throw_size_overflow('+', a, b);
  return out;
}
index_t element_count(const Dims& shape);

inline index_t ceil_div(index_t a, index_t b) { return (a + b - 1) / b; }
inline index_t round_up(index_t a, index_t b) { return ceil_div(a, b) * b; }

}  // namespace tilewise
