// Operands of elementwise ops: an array or a Python scalar, and the dtype that they meet in.
#pragma once

#include "base/array.h"

namespace tilewise {

struct Scalar {
  enum class Kind : std::uint8_t { boolean, integer, floating };
  Kind kind = Kind::floating;
  std::int64_t integer = 0;  // of booleans (0 or 1) and integers
  double floating = 0.0;     // of every kind

  static Scalar of(bool value) { return {Kind::boolean, value ? 1 : 0, value ? 1.0 : 0.0}; }
  static Scalar of(std::int64_t value) {
    return {Kind::integer, value, static_cast<double>(value)};
  }
  static Scalar of(double value) { return {Kind::floating, 0, value}; }
};

class Operand {
 public:
  Operand(const Array& array) : array_(array) {}         // NOLINT(google-explicit-constructor)
  Operand(const Scalar& scalar) : scalar_(scalar) {}     // NOLINT(google-explicit-constructor)
  Operand(double value) : scalar_(Scalar::of(value)) {}  // NOLINT(google-explicit-constructor)

  bool is_array() const { return array_.defined(); }
  const Array& array() const { return array_; }
  const Scalar& scalar() const { return scalar_; }
  // Of a scalar: ().
  Dims shape() const { return is_array() ? array_.shape() : Dims(); }
  std::string describe() const;  // "float32 (2, 3)" or "int scalar", for error messages

  // The operand with this dtype; a scalar becomes an array of no dimensions. Integers that do not
  // fit wrap around, as they do in C.
  Array as(DType dtype) const;

 private:
  Array array_;
  Scalar scalar_;
};

// bool < uint8, int8 < int32 < int64 < float32 < float64; uint8 with int8 gives int32.
DType promote(DType a, DType b);
// As PyTorch: an operand of no dimensions, or a Python scalar, changes the dtype only if its
// category (bool, integer, floating) is higher. Python floats count as float32, ints as int64.
DType result_type(const Operand& a, const Operand& b);

// The common shape of two operands; throws ValueError naming `op`.
Dims broadcast_shapes(const char* op, const Dims& a, const Dims& b);
// `a` seen with `shape`: strides of 0 where it is repeated. The shapes are known to fit.
Dims broadcast_strides(const Array& a, const Dims& shape);
// An array of `shape` in the layout of the operand that has this shape already: channels-last
// wins over contiguous.
Array empty_for_result(const Dims& shape, DType dtype,
                       std::initializer_list<const Array*> operands);

// Whether the memory of two arrays may overlap other than element by element.
bool overlap_differently(const Array& a, const Array& b, const Dims& b_strides);

// Whether a result leaves the caches before anything reads it: stores may then go past them.
bool larger_than_caches(const Array& a);
// Whether reading x while writing y leaves little of y in the caches: then y is stored past them.
bool sweeps_caches(const Array& x, const Array& y);
// Whether a copy does, gaps between the elements of src included.
bool copy_sweeps_caches(const Array& dst, const Array& src);

// Throws where several elements of `a` share memory, as after expand: the target of an in-place op.
void check_writable(const char* op, const Array& a);

}  // namespace tilewise
