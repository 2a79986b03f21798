// Arguments of a call as their caller wrote them: ints and tuples of them, True and False, floats.
// What has another form goes to the helper of tilewise/_arguments.py that knows it: that one
// returns a plain form, or raises in its words. So an op reads its arguments in one native call.
#pragma once

#include "bindings/bindings.h"
#include "ops/view.h"

namespace tilewise::bindings {

class Arguments {
 public:
  // `op` is a Python str, for the messages.
  explicit Arguments(py::handle op) : op_(op) {}

  // `count` ints of at least `least`; one int stands for all of them.
  Dims ints(const char* name, py::handle value, int count, index_t least) const;
  index_t integer(const char* name, py::handle value, index_t least) const;
  bool flag(const char* name, py::handle value) const;
  double number(const char* name, py::handle value) const;

  // The name for the errors of an op.
  std::string op() const { return py::str(op_); }

 private:
  py::handle op_;
};

// Whether `value` is an int of Python within 32 bits and at least `least`: then it is in `number`.
bool read_int(PyObject* value, index_t least, index_t& number);
// Ints of Python, one for all dimensions or a tuple with one for each. False for anything else.
bool read_ints(py::handle value, int count, index_t least, Dims& out);

// Images with a batch dimension, or a single one as a batch of one: (C, spatial...).
class Images {
 public:
  // Throws unless x is floating and of rank dims + 1 or dims + 2.
  Images(const Arguments& a, const Array& x, int dims);

  const Array& batch() const { return batch_; }
  bool single() const { return single_; }
  // A result for the batch, without the dimension that the input lacked.
  Array result(const Array& y) const { return single_ ? squeeze(y, {0}) : y; }

 private:
  Array batch_;
  bool single_;
};

}  // namespace tilewise::bindings
