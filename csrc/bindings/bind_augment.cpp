#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "base/error.h"
#include "bindings/bindings.h"
#include "ops/augment.h"

namespace tilewise::bindings {
namespace {

DType image_dtype(const py::array& a) {
  if (a.dtype().equal(py::dtype::of<std::uint8_t>())) return DType::uint8;
  TW_CHECK_TYPE(a.dtype().equal(py::dtype::of<float>()),
                "augment: expected uint8 or float32 images, got ", std::string(py::str(a.dtype())));
  return DType::float32;
}

// A batch (N, H, W, C), or a list of NumPy arrays (H, W, C). They are read in place, read-only ones
// too; the caller's references keep them alive.
ImageList images_from(py::handle images) {
  if (!py::isinstance<py::list>(images)) {
    return images_of("augment", py::cast<const Array&>(images));
  }
  ImageList x;
  for (const py::handle item : images) {
    TW_CHECK_TYPE(py::isinstance<py::array>(item), "augment: expected a list of NumPy arrays");
    const auto a = py::reinterpret_borrow<py::array>(item);
    TW_CHECK(a.ndim() == 3 && (a.flags() & py::array::c_style) != 0,
             "augment: expected C-contiguous images (H, W, C), got ", a.ndim(), " dimensions");
    const DType dtype = image_dtype(a);
    TW_CHECK(x.images.empty() || (x.channels == a.shape(2) && x.dtype == dtype),
             "augment: expected images of one dtype and number of channels, got ", a.shape(2),
             " channels of ", name_of(dtype), " after ", x.channels, " of ", name_of(x.dtype));
    x.channels = a.shape(2);
    x.dtype = dtype;
    x.images.push_back({static_cast<const std::byte*>(a.data()), a.shape(0), a.shape(1)});
  }
  return x;
}

using MeanAndDeviation = std::optional<std::pair<std::vector<double>, std::vector<double>>>;

std::optional<Normalization> normalization(const MeanAndDeviation& given) {
  if (!given) return std::nullopt;
  return Normalization{given->first, given->second};
}

Resize resize_from(const std::string& filter, bool antialias) {
  return {resize_filter_of("augment_resize", filter), antialias};
}

// f(images) without the GIL.
template <typename F>
auto on_images(py::handle images, const F& f) {
  const ImageList x = images_from(images);
  const py::gil_scoped_release release;
  return f(x);
}

Array bind_gather(py::handle images, const Array& rows, const Array& columns, const Fill& fill,
                  const MeanAndDeviation& last) {
  return on_images(images, [&](const ImageList& x) {
    return augment_gather(x, rows, columns, fill, normalization(last));
  });
}

Array bind_resize(py::handle images, const Array& boxes, const Array& flips,
                  std::pair<index_t, index_t> size, const std::string& filter, bool antialias,
                  const MeanAndDeviation& last) {
  return on_images(images, [&](const ImageList& x) {
    return augment_resize(x, boxes, flips, size.first, size.second, resize_from(filter, antialias),
                          normalization(last));
  });
}

std::vector<Array> bind_resize_each(py::handle images, const Array& sizes,
                                    const std::string& filter, bool antialias) {
  return on_images(images, [&](const ImageList& x) {
    return augment_resize_each(x, sizes, resize_from(filter, antialias));
  });
}

}  // namespace

void bind_augment(py::module_& m) {
  const auto images = py::arg("images");
  const auto last = py::arg("normalization") = py::none();
  m.def("augment_gather", &bind_gather, images, py::arg("rows"), py::arg("columns"),
        py::arg("fill"), last);
  m.def("augment_resize", &bind_resize, images, py::arg("boxes"), py::arg("flips"), py::arg("size"),
        py::arg("interpolation"), py::arg("antialias"), last);
  m.def("augment_resize_each", &bind_resize_each, images, py::arg("sizes"),
        py::arg("interpolation"), py::arg("antialias"));
  m.def(
      "augment_warp",
      [](py::handle x, const Array& matrices, bool bilinear, const Fill& fill) {
        return on_images(
            x, [&](const ImageList& list) { return augment_warp(list, matrices, bilinear, fill); });
      },
      images, py::arg("matrices"), py::arg("bilinear"), py::arg("fill"));
  m.def(
      "augment_colour",
      [](py::handle x, const Array& factors, const Array& order) {
        return on_images(
            x, [&](const ImageList& list) { return augment_colour(list, factors, order); });
      },
      images, py::arg("factors"), py::arg("order"));
  m.def(
      "augment_erase",
      [](py::handle x, const Array& boxes, const Fill& fill) {
        return on_images(x,
                         [&](const ImageList& list) { return augment_erase(list, boxes, fill); });
      },
      images, py::arg("boxes"), py::arg("fill"));
  m.def(
      "augment_erase_normal",
      [](py::handle x, const Array& boxes, const Array& seeds) {
        return on_images(
            x, [&](const ImageList& list) { return augment_erase_normal(list, boxes, seeds); });
      },
      images, py::arg("boxes"), py::arg("seeds"));
  m.def(
      "augment_paste",
      [](py::handle x, const Array& partners, const Array& boxes) {
        return on_images(
            x, [&](const ImageList& list) { return augment_paste(list, partners, boxes); });
      },
      images, py::arg("partners"), py::arg("boxes"));
  m.def(
      "augment_blend",
      [](py::handle x, const Array& partners, const Array& weights) {
        return on_images(
            x, [&](const ImageList& list) { return augment_blend(list, partners, weights); });
      },
      images, py::arg("partners"), py::arg("weights"));
  m.def(
      "augment_normalize",
      [](py::handle x, const std::vector<double>& mean, const std::vector<double>& std) {
        return on_images(x, [&](const ImageList& list) {
          return augment_normalize(list, Normalization{mean, std});
        });
      },
      images, py::arg("mean"), py::arg("std"));
}

}  // namespace tilewise::bindings
