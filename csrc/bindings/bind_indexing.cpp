#include <pybind11/stl.h>

#include <optional>

#include "bindings/bindings.h"
#include "ops/arg_reduce.h"
#include "ops/gather.h"
#include "ops/indexing.h"
#include "ops/rearrange.h"
#include "ops/sort.h"

namespace tilewise::bindings {
namespace {

using OptionalArrays = std::vector<std::optional<Array>>;

IndexList index_list(const OptionalArrays& given) {
  IndexList indices;
  for (const auto& index : given) indices.push_back(index ? *index : Array());
  return indices;
}

void bind_extreme(py::module_& m, const char* arg_name, const char* pair_name, Extreme which) {
  m.def(
      arg_name,
      [which](const Array& a, index_t axis, bool keepdims) {
        return arg_extreme(which, a, axis, keepdims);
      },
      py::arg("a"), py::arg("axis"), py::arg("keepdims") = false, release_gil());
  m.def(
      pair_name,
      [which](const Array& a, index_t axis, bool keepdims) {
        return extreme_with_index(which, a, axis, keepdims);
      },
      py::arg("a"), py::arg("axis"), py::arg("keepdims") = false, release_gil());
}

void bind_scatter(py::module_& m, const char* name, Scatter how) {
  m.def(
      name,
      [how](const Array& a, index_t axis, const Array& index, const Array& src) {
        scatter_into(how, a, axis, index, src);
      },
      py::arg("a"), py::arg("axis"), py::arg("index"), py::arg("src"), release_gil());
}

}  // namespace

void bind_indexing(py::module_& m) {
  bind_extreme(m, "argmax", "max_with_index", Extreme::largest);
  bind_extreme(m, "argmin", "min_with_index", Extreme::smallest);
  m.def("concat", &concat_arrays, py::arg("arrays"), py::arg("axis") = 0, release_gil());
  m.def("flip", &flip, py::arg("a"), py::arg("axes") = Dims(), release_gil());
  m.def("gather", &gather, py::arg("a"), py::arg("axis"), py::arg("index"), release_gil());
  m.def("scatter_add", &scatter_add, py::arg("shape"), py::arg("axis"), py::arg("index"),
        py::arg("src"), release_gil());
  m.def(
      "index",
      [](const Array& a, const OptionalArrays& indices) { return index(a, index_list(indices)); },
      py::arg("a"), py::arg("indices"), release_gil());
  m.def(
      "index_add",
      [](const Dims& shape, const OptionalArrays& indices, const Array& src) {
        return index_add(shape, index_list(indices), src);
      },
      py::arg("shape"), py::arg("indices"), py::arg("src"), release_gil());
  m.def(
      "index_put_",
      [](const Array& a, const OptionalArrays& indices, const Array& src) {
        index_put(a, index_list(indices), src);
      },
      py::arg("a"), py::arg("indices"), py::arg("src"), release_gil());
  m.def("sort", &sort, py::arg("a"), py::arg("axis") = -1, py::arg("descending") = false,
        release_gil());
  m.def("middle", &middle, py::arg("a"), py::arg("axis"), py::arg("ignore_nan"), release_gil());
  m.def("order_rows", &order_rows, py::arg("matrix"), release_gil());
  m.def("windows_backward", &windows_backward, py::arg("dy"), py::arg("shape"), py::arg("dim"),
        py::arg("step"), release_gil());
  m.def("topk", &topk, py::arg("a"), py::arg("k"), py::arg("axis") = -1, py::arg("largest") = true,
        release_gil());
  m.def("search_sorted", &search_sorted, py::arg("rows"), py::arg("values"),
        py::arg("right") = false, release_gil());
  m.def("masked_select", &masked_select, py::arg("a"), py::arg("mask"), release_gil());
  m.def("one_hot", &one_hot, py::arg("labels"), py::arg("classes") = -1, release_gil());
  m.def("stack", &stack_arrays, py::arg("arrays"), py::arg("axis") = 0, release_gil());
  m.def("repeat", &repeat, py::arg("a"), py::arg("counts"), release_gil());
  m.def("roll", &roll, py::arg("a"), py::arg("shifts"), py::arg("dims"), release_gil());
  m.def("triangle", &triangle, py::arg("a"), py::arg("diagonal"), py::arg("upper"), release_gil());
  bind_scatter(m, "scatter_", Scatter::assign);
  bind_scatter(m, "scatter_add_", Scatter::add);
  bind_scatter(m, "scatter_multiply_", Scatter::multiply);
  bind_scatter(m, "scatter_max_", Scatter::largest);
  bind_scatter(m, "scatter_min_", Scatter::smallest);
  m.def("nonzero", &nonzero, py::arg("mask"), release_gil());
}

}  // namespace tilewise::bindings
