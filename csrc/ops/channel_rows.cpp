#include "ops/channel_rows.h"

namespace tilewise {

Doubles to_doubles(const Array& a, index_t count, double otherwise) {
  Doubles out(at(count), otherwise);
  if (!a.defined()) return out;
  for (index_t c = 0; c < count; ++c) {
    const index_t i = c * a.strides()[0];
    out[at(c)] = a.dtype() == DType::float32 ? double{a.data<float>()[i]} : a.data<double>()[i];
  }
  return out;
}

void assign(const Array& a, const Doubles& values) {
  a.storage()->bump_version();
  for (index_t c = 0; c < a.extent(0); ++c) {
    const index_t i = c * a.strides()[0];
    if (a.dtype() == DType::float32) {
      a.data<float>()[i] = static_cast<float>(values[at(c)]);
    } else {
      a.data<double>()[i] = values[at(c)];
    }
  }
}

Array from_doubles(const Doubles& values, DType dtype) {
  Array a = Array::empty({static_cast<index_t>(values.size())}, dtype);
  if (!values.empty()) assign(a, values);
  return a;
}

Array empty_as(const Array& x) {
  return x.rank() >= 3 ? Array::empty_channels_last(x.shape(), x.dtype())
                       : Array::empty(x.shape(), x.dtype());
}

}  // namespace tilewise
