#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "ops/pooling.h"

namespace tilewise::bindings {
namespace {

// (y, argmax), or (y, None) without indices.
py::tuple pair(const MaxPoolResult& r) {
  return py::make_tuple(r.y, r.argmax.defined() ? py::cast(r.argmax) : py::none());
}

py::tuple max_forward(const Array& x, const Dims& kernel, const Dims& stride, const Dims& padding,
                      const Dims& dilation, bool ceil_mode, bool indices) {
  const PoolShape pool{kernel, stride, padding, dilation, ceil_mode};
  MaxPoolResult r;
  {
    py::gil_scoped_release release;
    r = max_pool_forward(x, pool, indices);
  }
  return pair(r);
}

py::tuple adaptive_max_forward(const Array& x, const Dims& output_size, bool indices) {
  MaxPoolResult r;
  {
    py::gil_scoped_release release;
    r = adaptive_max_pool_forward(x, output_size, indices);
  }
  return pair(r);
}

Array max_backward(const Array& dy, const Array& argmax, const Dims& input_shape,
                   const Dims& kernel, const Dims& stride, const Dims& padding,
                   const Dims& dilation, bool ceil_mode, bool adaptive) {
  const PoolShape pool{kernel, stride, padding, dilation, ceil_mode};
  return max_pool_backward(dy, argmax, input_shape, kernel.empty() ? nullptr : &pool, adaptive);
}

AveragePool average(const Dims& kernel, const Dims& stride, const Dims& padding, bool ceil_mode,
                    bool count_include_pad, index_t divisor_override) {
  return {{kernel, stride, padding, Dims(kernel.size(), 1), ceil_mode},
          count_include_pad,
          divisor_override};
}

PoolShape unpadded(const Dims& kernel, const Dims& stride, bool ceil_mode) {
  return {kernel, stride, Dims(kernel.size(), 0), Dims(kernel.size(), 1), ceil_mode};
}

void bind_unusual(py::module_& m) {
  m.def("max_unpool_forward", &max_unpool_forward, py::arg("x"), py::arg("indices"),
        py::arg("output_size"), release_gil());
  m.def("max_unpool_backward", &max_unpool_backward, py::arg("dy"), py::arg("indices"),
        release_gil());
  m.def(
      "fractional_max_pool_forward",
      [](const Array& x, const Dims& kernel, const Dims& output_size, const Array& samples) {
        MaxPoolResult r;
        {
          py::gil_scoped_release release;
          r = fractional_max_pool_forward(x, {kernel, output_size}, samples);
        }
        return pair(r);
      },
      py::arg("x"), py::arg("kernel"), py::arg("output_size"), py::arg("samples"));
  m.def(
      "lp_pool_forward",
      [](const Array& x, double p, const Dims& kernel, const Dims& stride, bool ceil_mode) {
        return lp_pool_forward(x, unpadded(kernel, stride, ceil_mode), p);
      },
      py::arg("x"), py::arg("p"), py::arg("kernel"), py::arg("stride"), py::arg("ceil_mode"),
      release_gil());
  m.def(
      "lp_pool_backward",
      [](const Array& dy, const Array& x, const Array& y, double p, const Dims& kernel,
         const Dims& stride, bool ceil_mode) {
        return lp_pool_backward(dy, x, y, unpadded(kernel, stride, ceil_mode), p);
      },
      py::arg("dy"), py::arg("x"), py::arg("y"), py::arg("p"), py::arg("kernel"), py::arg("stride"),
      py::arg("ceil_mode"), release_gil());
}

}  // namespace

void bind_pooling(py::module_& m) {
  bind_unusual(m);
  m.def("max_pool_forward", &max_forward, py::arg("x"), py::arg("kernel"), py::arg("stride"),
        py::arg("padding"), py::arg("dilation"), py::arg("ceil_mode") = false,
        py::arg("indices") = true);
  m.def("max_pool_backward", &max_backward, py::arg("dy"), py::arg("argmax"),
        py::arg("input_shape"), py::arg("kernel") = Dims(), py::arg("stride") = Dims(),
        py::arg("padding") = Dims(), py::arg("dilation") = Dims(), py::arg("ceil_mode") = false,
        py::arg("adaptive") = false, release_gil());
  m.def("max_pool_indices", &max_pool_indices, py::arg("argmax"), release_gil());
  m.def("adaptive_max_pool_forward", &adaptive_max_forward, py::arg("x"), py::arg("output_size"),
        py::arg("indices") = true);
  m.def(
      "avg_pool_forward",
      [](const Array& x, const Dims& kernel, const Dims& stride, const Dims& padding,
         bool ceil_mode, bool count_include_pad, index_t divisor_override) {
        return avg_pool_forward(
            x, average(kernel, stride, padding, ceil_mode, count_include_pad, divisor_override));
      },
      py::arg("x"), py::arg("kernel"), py::arg("stride"), py::arg("padding"),
      py::arg("ceil_mode") = false, py::arg("count_include_pad") = true,
      py::arg("divisor_override") = 0, release_gil());
  m.def(
      "avg_pool_backward",
      [](const Array& dy, const Dims& input_shape, const Dims& kernel, const Dims& stride,
         const Dims& padding, bool ceil_mode, bool count_include_pad, index_t divisor_override) {
        return avg_pool_backward(
            dy, input_shape,
            average(kernel, stride, padding, ceil_mode, count_include_pad, divisor_override));
      },
      py::arg("dy"), py::arg("input_shape"), py::arg("kernel"), py::arg("stride"),
      py::arg("padding"), py::arg("ceil_mode") = false, py::arg("count_include_pad") = true,
      py::arg("divisor_override") = 0, release_gil());
  m.def("adaptive_avg_pool_forward", &adaptive_avg_pool_forward, py::arg("x"),
        py::arg("output_size"), release_gil());
  m.def("adaptive_avg_pool_backward", &adaptive_avg_pool_backward, py::arg("dy"),
        py::arg("input_shape"), release_gil());
}

}  // namespace tilewise::bindings
