#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <utility>

#include "bindings/bindings.h"
#include "ops/arg_reduce.h"
#include "ops/copy.h"
#include "ops/diagonals.h"
#include "ops/gather.h"
#include "ops/indexing.h"
#include "ops/quantile.h"
#include "ops/rearrange.h"
#include "ops/sort.h"
#include "ops/view.h"

namespace tilewise::bindings {
namespace {

using OptionalArrays = std::vector<std::optional<Array>>;

IndexList index_list(const OptionalArrays& given) {
  IndexList indices;
  indices.reserve(given.size());
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

// `name` scatters into a copy, and with an underscore in place.
void bind_scatter(py::module_& m, const std::string& name, Scatter how) {
  m.def((name + "_").c_str(),
        [how](const Array& a, index_t axis, const Array& index, const Array& src) {
          scatter_into(how, a, axis, index, src);
        },
        py::arg("a"), py::arg("axis"), py::arg("index"), py::arg("src"), release_gil());
  m.def((name + "_to_copy").c_str(),
        [how](const Array& a, index_t axis, const Array& index, const Array& src) {
          Array out = clone(a);
          scatter_into(how, out, axis, index, src);
          return out;
        },
        py::arg("a"), py::arg("axis"), py::arg("index"), py::arg("src"), release_gil());
}

// One element along an axis and its place, without the axis where it is not kept.
std::pair<Array, Array> found(std::pair<Array, Array> pair, index_t axis, bool keepdims) {
  if (keepdims) return pair;
  return {squeeze(pair.first, {axis}), squeeze(pair.second, {axis})};
}

void bind_counting(py::module_& m) {
  py::enum_<Interpolation>(m, "Interpolation", "Where a quantile lies between two neighbours.")
      .value("linear", Interpolation::linear)
      .value("lower", Interpolation::lower)
      .value("higher", Interpolation::higher)
      .value("midpoint", Interpolation::midpoint)
      .value("nearest", Interpolation::nearest);
  m.def(
      "quantile",
      [](const Array& a, const Array& fractions, index_t axis, bool ignore_nan,
         Interpolation between) {
        const Quantiles q = quantiles(a, fractions, axis, ignore_nan, between);
        return std::make_tuple(q.values, q.low, q.high, q.weight, q.slope);
      },
      py::arg("a"), py::arg("fractions"), py::arg("axis"), py::arg("ignore_nan"),
      py::arg("between"), release_gil());
  m.def("histogram", &histogram, py::arg("a"), py::arg("bins"), py::arg("low"), py::arg("high"),
        release_gil());
  m.def("bincount", &bincount, py::arg("a"), py::arg("weights"), py::arg("least"), release_gil());
}

}  // namespace

void bind_indexing(py::module_& m) {
  bind_extreme(m, "argmax", "max_with_index", Extreme::largest);
  bind_extreme(m, "argmin", "min_with_index", Extreme::smallest);
  m.def("concat", &concat_arrays, py::arg("arrays"), py::arg("axis") = 0, release_gil());
  m.def("flip", &flip, py::arg("a"), py::arg("axes") = Dims(), release_gil());
  m.def("gather", &gather, py::arg("a"), py::arg("axis"), py::arg("index"), release_gil());
  m.def("take_along", &take_along, py::arg("a"), py::arg("index"), py::arg("axis"), release_gil());
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
      [](const Array& a, const OptionalArrays& indices, const Array& src, bool accumulate) {
        index_put(a, index_list(indices), src, accumulate);
      },
      py::arg("a"), py::arg("indices"), py::arg("src"), py::arg("accumulate") = false,
      release_gil());
  m.def("sort", &sort, py::arg("a"), py::arg("axis") = -1, py::arg("descending") = false,
        release_gil());
  m.def(
      "middle",
      [](const Array& a, index_t axis, bool ignore_nan, bool keepdims) {
        return found(middle(a, axis, ignore_nan), axis, keepdims);
      },
      py::arg("a"), py::arg("axis"), py::arg("ignore_nan"), py::arg("keepdims"), release_gil());
  m.def(
      "index_put",
      [](const Array& a, const OptionalArrays& indices, const Array& src, bool accumulate) {
        Array out = clone(a);
        index_put(out, index_list(indices), src, accumulate);
        return out;
      },
      py::arg("a"), py::arg("indices"), py::arg("src"), py::arg("accumulate") = false,
      release_gil());
  m.def(
      "put",
      [](const Array& a, const Array& index, const Array& src, bool accumulate) {
        Array out = contiguous(a);
        if (out.storage() == a.storage()) out = clone(out);
        index_put(reshape(out, {-1}), {reshape(index, {-1})}, reshape(src, {-1}), accumulate);
        return out;
      },
      py::arg("a"), py::arg("index"), py::arg("src"), py::arg("accumulate"), release_gil());
  m.def(
      "kth_smallest",
      [](const Array& a, index_t k, index_t axis, bool keepdims) {
        return found(kth_smallest(a, k, axis), axis, keepdims);
      },
      py::arg("a"), py::arg("k"), py::arg("axis"), py::arg("keepdims"), release_gil());
  bind_counting(m);
  m.def("order_rows", &order_rows, py::arg("matrix"), release_gil());
  m.def("windows_backward", &windows_backward, py::arg("dy"), py::arg("shape"), py::arg("dim"),
        py::arg("step"), release_gil());
  m.def("topk", &topk, py::arg("a"), py::arg("k"), py::arg("axis") = -1, py::arg("largest") = true,
        release_gil());
  m.def("search_sorted", &search_sorted, py::arg("rows"), py::arg("values"),
        py::arg("right") = false, release_gil());
  m.def("masked_scatter", &masked_scatter, py::arg("a"), py::arg("mask"), py::arg("source"),
        release_gil());
  m.def("masked_select", &masked_select, py::arg("a"), py::arg("mask"), release_gil());
  m.def("one_hot", &one_hot, py::arg("labels"), py::arg("classes") = -1, release_gil());
  m.def("stack", &stack_arrays, py::arg("arrays"), py::arg("axis") = 0, release_gil());
  m.def("repeat", &repeat, py::arg("a"), py::arg("counts"), release_gil());
  m.def("roll", &roll, py::arg("a"), py::arg("shifts"), py::arg("dims"), release_gil());
  m.def("diag_embed", &diag_embed, py::arg("a"), py::arg("offset"), py::arg("dim1"),
        py::arg("dim2"), release_gil());
  m.def("block_diag", &block_diag, py::arg("blocks"), release_gil());
  m.def("cartesian_prod", &cartesian_prod, py::arg("vectors"), release_gil());
  m.def("combinations", &combinations, py::arg("size"), py::arg("chosen"),
        py::arg("with_replacement"), release_gil());
  m.def("triangle", &triangle, py::arg("a"), py::arg("diagonal"), py::arg("upper"), release_gil());
  bind_scatter(m, "scatter", Scatter::assign);
  bind_scatter(m, "scatter_add", Scatter::add);
  bind_scatter(m, "scatter_multiply", Scatter::multiply);
  bind_scatter(m, "scatter_max", Scatter::largest);
  bind_scatter(m, "scatter_min", Scatter::smallest);
  m.def("nonzero", &nonzero, py::arg("mask"), release_gil());
}

}  // namespace tilewise::bindings
