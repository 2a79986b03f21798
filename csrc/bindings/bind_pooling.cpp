#include <pybind11/stl.h>

#include <limits>

#include "base/error.h"
#include "bindings/arguments.h"
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

// ---------------------------------------------------------------- calls as they were written

// A window's kernel, stride (the kernel where it is left out), padding and dilation.
PoolShape read_window(const Arguments& a, int dims, py::handle kernel_size, py::handle stride,
                      py::handle padding, py::handle dilation, py::handle ceil_mode) {
  PoolShape w;
  w.kernel = a.ints("kernel_size", kernel_size, dims, 1);
  const bool sequence = py::isinstance<py::tuple>(stride) || py::isinstance<py::list>(stride);
  const bool left_out = stride.is_none() || (sequence && py::len(stride) == 0);
  w.stride = left_out ? w.kernel : a.ints("stride", stride, dims, 1);
  w.padding = a.ints("padding", padding, dims, 0);
  w.dilation = a.ints("dilation", dilation, dims, 1);
  w.ceil_mode = a.flag("ceil_mode", ceil_mode);
  for (int i = 0; i < dims; ++i) {
    TW_CHECK(2 * w.padding[i] <= w.dilation[i] * (w.kernel[i] - 1) + 1, a.op(),
             ": expected padding of at most half the kernel ", to_string(w.kernel), ", got ",
             to_string(w.padding));
  }
  return w;
}

// The wanted sizes: an int or one for each dimension, where None keeps the input's.
Dims read_output_size(const Arguments& a, const Array& x, int dims, py::handle output_size) {
  Dims out;
  if (read_ints(output_size, dims, 1, out)) return out;
  const bool many = py::isinstance<py::tuple>(output_size) || py::isinstance<py::list>(output_size);
  TW_CHECK(!many || py::len(output_size) == static_cast<std::size_t>(dims), a.op(),
           ": expected output_size as ", dims, " ints, got ", std::string(py::str(output_size)));
  for (int i = 0; i < dims; ++i) {
    const py::object size = many ? py::object(output_size[py::int_(i)])
                                 : py::reinterpret_borrow<py::object>(output_size);
    out.push_back(size.is_none() ? x.extent(i + 2) : a.integer("output_size", size, 1));
  }
  return out;
}

// (y, the int64 places where they were asked for, what a recorded call keeps for its backward).
template <typename Pool>
py::tuple max_call(const Images& images, bool indices, bool recorded, const Pool& pool,
                   const py::object& geometry) {
  MaxPoolResult r;
  Array places;
  {
    const py::gil_scoped_release release;
    r = pool(images.batch(), indices || recorded);
    if (indices) places = max_pool_indices(r.argmax);
  }
  return py::make_tuple(
      images.result(r.y), indices ? py::cast(images.result(places)) : py::none(),
      recorded ? py::object(py::make_tuple(r.argmax, geometry)) : py::object(py::none()));
}

py::tuple geometry_of(const PoolShape& w) {
  return py::make_tuple(w.kernel, w.stride, w.padding, w.dilation, w.ceil_mode);
}

py::tuple max_pool_call(py::handle op, int dims, const Array& x, bool recorded,
                        py::handle kernel_size, py::handle stride, py::handle padding,
                        py::handle dilation, py::handle ceil_mode, py::handle return_indices) {
  const Arguments a(op);
  const PoolShape w = read_window(a, dims, kernel_size, stride, padding, dilation, ceil_mode);
  const bool indices = a.flag("return_indices", return_indices);
  return max_call(
      Images(a, x, dims), indices, recorded,
      [&w](const Array& batch, bool places) { return max_pool_forward(batch, w, places); },
      recorded ? py::object(geometry_of(w)) : py::none());
}

py::tuple adaptive_max_pool_call(py::handle op, int dims, const Array& x, bool recorded,
                                 py::handle output_size, py::handle return_indices) {
  const Arguments a(op);
  const Images images(a, x, dims);
  const Dims size = read_output_size(a, images.batch(), dims, output_size);
  // No kernel, stride, padding, dilation, ceil_mode, but adaptive windows.
  const auto adaptive = [] { return py::make_tuple(Dims(), Dims(), Dims(), Dims(), false, true); };
  return max_call(
      images, a.flag("return_indices", return_indices), recorded,
      [&size](const Array& batch, bool places) {
        return adaptive_max_pool_forward(batch, size, places);
      },
      recorded ? py::object(adaptive()) : py::none());
}

py::tuple fractional_max_pool_call(py::handle op, int dims, const Array& x, bool recorded,
                                   py::handle kernel_size, const Dims& output_size,
                                   const Array& samples, py::handle return_indices) {
  const Arguments a(op);
  const FractionalPool p{a.ints("kernel_size", kernel_size, dims, 1), output_size};
  return max_call(
      Images(a, x, dims), a.flag("return_indices", return_indices), recorded,
      [&p, &samples](const Array& batch, bool) {
        return fractional_max_pool_forward(batch, p, samples);
      },
      py::none());
}

// (y, the arguments of avg_pool_backward where the call is recorded).
py::tuple avg_pool_call(py::handle op, int dims, const Array& x, bool recorded,
                        py::handle kernel_size, py::handle stride, py::handle padding,
                        py::handle ceil_mode, py::handle count_include_pad,
                        py::handle divisor_override) {
  const Arguments a(op);
  const Images images(a, x, dims);
  AveragePool pool{read_window(a, dims, kernel_size, stride, padding, py::int_(1), ceil_mode), true,
                   0};
  pool.count_include_pad = a.flag("count_include_pad", count_include_pad);
  if (!divisor_override.is_none()) {
    constexpr index_t least = -std::numeric_limits<std::int32_t>::max();
    pool.divisor_override = a.integer("divisor_override", divisor_override, least);
    TW_CHECK(pool.divisor_override != 0, a.op(), ": expected divisor_override other than 0, got 0");
  }
  Array y;
  {
    const py::gil_scoped_release release;
    y = images.result(avg_pool_forward(images.batch(), pool));
  }
  if (!recorded) return py::make_tuple(y, py::none());
  const PoolShape& w = pool.shape;
  return py::make_tuple(y, py::make_tuple(w.kernel, w.stride, w.padding, w.ceil_mode,
                                          pool.count_include_pad, pool.divisor_override));
}

Array adaptive_avg_pool_call(py::handle op, int dims, const Array& x, py::handle output_size) {
  const Arguments a(op);
  const Images images(a, x, dims);
  const Dims size = read_output_size(a, images.batch(), dims, output_size);
  const py::gil_scoped_release release;
  return images.result(adaptive_avg_pool_forward(images.batch(), size));
}

// (y, the kernel, stride and ceil_mode of lp_pool_backward).
py::tuple lp_pool_call(py::handle op, int dims, const Array& x, double p, py::handle kernel_size,
                       py::handle stride, py::handle ceil_mode) {
  const Arguments a(op);
  const Images images(a, x, dims);
  const PoolShape w =
      read_window(a, dims, kernel_size, stride, py::int_(0), py::int_(1), ceil_mode);
  Array y;
  {
    const py::gil_scoped_release release;
    y = images.result(lp_pool_forward(images.batch(), w, p));
  }
  return py::make_tuple(y, py::make_tuple(w.kernel, w.stride, w.ceil_mode));
}

// The unpooled image's size: as wanted, or the least that pools to x.
Dims read_unpooled_size(const Arguments& a, const Array& x, const PoolShape& w,
                        py::handle output_size) {
  const int dims = w.kernel.size();
  Dims sizes;
  for (int i = 0; i < dims; ++i) {
    sizes.push_back(checked_mul(x.extent(i + 2) - 1, w.stride[i]) + w.kernel[i] - 2 * w.padding[i]);
  }
  if (!output_size.is_none()) {
    const bool many =
        py::isinstance<py::tuple>(output_size) || py::isinstance<py::list>(output_size);
    const auto count = many ? static_cast<int>(py::len(output_size)) : 0;
    TW_CHECK(count == dims || count == dims + 2, a.op(), ": expected output_size as ", dims, " or ",
             dims + 2, " ints, got ", std::string(py::str(output_size)));
    constexpr index_t least = -std::numeric_limits<std::int32_t>::max();
    for (int i = 0; i < dims; ++i) {
      const py::object size = output_size[py::int_(count - dims + i)];
      const index_t n = a.integer("output_size", size, least);
      TW_CHECK(n > sizes[i] - w.stride[i] && n < sizes[i] + w.stride[i], a.op(),
               ": expected output_size within ", w.stride[i], " of ", to_string(sizes), ", got ",
               std::string(py::str(output_size)));
      sizes[i] = n;
    }
  }
  for (const index_t n : sizes) {
    TW_CHECK(n >= 0, a.op(), ": expected output sizes >= 0, got ", to_string(sizes), " for input ",
             to_string(x.shape()));
  }
  return sizes;
}

Array max_unpool_call(py::handle op, int dims, const Array& x, const Array& indices,
                      py::handle kernel_size, py::handle stride, py::handle padding,
                      py::handle output_size) {
  const Arguments a(op);
  const Images images(a, x, dims);
  TW_CHECK(indices.rank() == x.rank(), a.op(), ": expected indices of shape ", to_string(x.shape()),
           ", got ", to_string(indices.shape()));
  PoolShape w;
  w.kernel = a.ints("kernel_size", kernel_size, dims, 1);
  w.stride = stride.is_none() ? w.kernel : a.ints("stride", stride, dims, 1);
  w.padding = a.ints("padding", padding, dims, 0);
  const Dims size = read_unpooled_size(a, images.batch(), w, output_size);
  const Array places = images.single() ? unsqueeze(indices, 0) : indices;
  const py::gil_scoped_release release;
  return images.result(max_unpool_forward(images.batch(), places, size));
}

void bind_calls(py::module_& m) {
  m.def(
      "pool_window",
      [](py::handle op, int dims, py::handle kernel_size, py::handle stride, py::handle padding,
         py::handle dilation) {
        const PoolShape w = read_window(Arguments(op), dims, kernel_size, stride, padding, dilation,
                                        py::bool_(false));
        return std::make_tuple(w.kernel, w.stride, w.padding, w.dilation);
      },
      py::arg("op"), py::arg("dims"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"),
      py::arg("dilation"));
  m.def("max_pool", &max_pool_call, py::arg("op"), py::arg("dims"), py::arg("x"),
        py::arg("recorded"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"),
        py::arg("dilation"), py::arg("ceil_mode"), py::arg("return_indices"));
  m.def("adaptive_max_pool", &adaptive_max_pool_call, py::arg("op"), py::arg("dims"), py::arg("x"),
        py::arg("recorded"), py::arg("output_size"), py::arg("return_indices"));
  m.def("fractional_max_pool", &fractional_max_pool_call, py::arg("op"), py::arg("dims"),
        py::arg("x"), py::arg("recorded"), py::arg("kernel_size"), py::arg("output_size"),
        py::arg("samples"), py::arg("return_indices"));
  m.def("avg_pool", &avg_pool_call, py::arg("op"), py::arg("dims"), py::arg("x"),
        py::arg("recorded"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"),
        py::arg("ceil_mode"), py::arg("count_include_pad"), py::arg("divisor_override"));
  m.def("adaptive_avg_pool", &adaptive_avg_pool_call, py::arg("op"), py::arg("dims"), py::arg("x"),
        py::arg("output_size"));
  m.def("max_unpool", &max_unpool_call, py::arg("op"), py::arg("dims"), py::arg("x"),
        py::arg("indices"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"),
        py::arg("output_size"));
  m.def("lp_pool", &lp_pool_call, py::arg("op"), py::arg("dims"), py::arg("x"), py::arg("p"),
        py::arg("kernel_size"), py::arg("stride"), py::arg("ceil_mode"));
}

void bind_unusual(py::module_& m) {
  m.def("max_unpool_forward", &max_unpool_forward, py::arg("x"), py::arg("indices"),
        py::arg("output_size"), release_gil());
  m.def("max_unpool_backward", &max_unpool_backward, py::arg("dy"), py::arg("indices"),
        release_gil());
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
  bind_calls(m);
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
