// Arrays leave and enter: DLPack (https://dmlc.github.io/dlpack) and pickling.
#include <pybind11/stl.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "bindings/bindings.h"
#include "ops/copy.h"

namespace tilewise::bindings {
namespace {

// ---------------------------------------------------------------- DLPack's structures, as its
// header has them; every library carries a copy.

struct DLDevice {
  std::int32_t type;
  std::int32_t id;
};

struct DLDataType {
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
};

struct DLTensor {
  void* data;
  DLDevice device;
  std::int32_t rank;
  DLDataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;  // null: C-contiguous
  std::uint64_t byte_offset;
};

struct DLManagedTensor {
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
  static constexpr const char* name = "dltensor";
};

struct DLManagedTensorVersioned {
  std::uint32_t major_version;
  std::uint32_t minor_version;
  void* context;
  void (*deleter)(DLManagedTensorVersioned*);
  std::uint64_t flags;  // none of them set: writable, not a copy
  DLTensor tensor;
  static constexpr const char* name = "dltensor_versioned";
};

constexpr std::int32_t cpu_device = 1;

struct TypeRow {
  DType dtype;
  DLDataType code;
};

constexpr TypeRow type_table[] = {
    {DType::float32, {2, 32, 1}}, {DType::float64, {2, 64, 1}}, {DType::int64, {0, 64, 1}},
    {DType::int32, {0, 32, 1}},   {DType::int8, {0, 8, 1}},     {DType::uint8, {1, 8, 1}},
    {DType::boolean, {6, 8, 1}},
};

DLDataType to_dlpack_type(DType dtype) {
  for (const TypeRow& row : type_table) {
    if (row.dtype == dtype) return row.code;
  }
  throw TypeError(concat("__dlpack__: no DLPack type for ", name_of(dtype)));
}

DType from_dlpack_type(const DLDataType& type) {
  for (const TypeRow& row : type_table) {
    if (row.code.code == type.code && row.code.bits == type.bits && type.lanes == 1) {
      return row.dtype;
    }
  }
  throw TypeError(concat(
      "from_dlpack: expected float32, float64, int64, int32, int8, uint8 or bool, got type code ",
      int{type.code}, " of ", int{type.bits}, " bits and ", type.lanes, " lanes"));
}

// ---------------------------------------------------------------- out

// Keeps the array and its shape alive for the consumer.
template <typename Managed>
struct Exported {
  explicit Exported(const Array& a) : array(a) { array.storage()->begin_export(); }
  ~Exported() { array.storage()->end_export(); }
  Exported(const Exported&) = delete;
  Exported& operator=(const Exported&) = delete;

  Array array;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;
  Managed managed = {};
};

template <typename Managed>
void delete_capsule(PyObject* capsule) {
  if (PyCapsule_IsValid(capsule, Managed::name) == 0) return;  // consumed: its consumer deletes
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, Managed::name));
  managed->deleter(managed);
}

template <typename Managed>
py::capsule export_as(const Array& a) {
  auto exported = std::make_unique<Exported<Managed>>(a);
  exported->shape.assign(a.shape().begin(), a.shape().end());
  exported->strides.assign(a.strides().begin(), a.strides().end());
  Managed& managed = exported->managed;
  managed.tensor = {a.bytes(),
                    {cpu_device, 0},
                    a.rank(),
                    to_dlpack_type(a.dtype()),
                    exported->shape.data(),
                    exported->strides.data(),
                    0};
  managed.context = exported.get();
  managed.deleter = [](Managed* m) { delete static_cast<Exported<Managed>*>(m->context); };
  if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) managed.major_version = 1;
  py::capsule capsule(&managed, Managed::name, &delete_capsule<Managed>);
  (void)exported.release();  // the capsule owns it now
  return capsule;
}

py::capsule to_dlpack(const Array& source, const py::object& max_version, const py::object& device,
                      bool copy) {
  if (!device.is_none() && !device.equal(py::make_tuple(cpu_device, 0))) {
    throw py::buffer_error("__dlpack__: expected the device (1, 0), the CPU");
  }
  const Array a = copy ? clone(source) : source;
  const bool versioned =
      !max_version.is_none() && !max_version.attr("__lt__")(py::make_tuple(1, 0)).cast<bool>();
  return versioned ? export_as<DLManagedTensorVersioned>(a) : export_as<DLManagedTensor>(a);
}

// ---------------------------------------------------------------- in

// The bytes from the first element to the end of the last.
std::size_t extent_in_bytes(const Dims& shape, const Dims& strides, DType dtype) {
  index_t last = 0;
  for (int i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) return 0;
    last = checked_add(last, checked_mul(shape[i] - 1, strides[i]));
  }
  return static_cast<std::size_t>(
      checked_mul(checked_add(last, 1), static_cast<index_t>(itemsize(dtype))));
}

// Takes the unversioned form, which every producer gives when it is not asked for another.
Array from_dlpack(py::capsule capsule) {
  const char* name = capsule.name();
  TW_CHECK(name != nullptr && std::strcmp(name, DLManagedTensor::name) == 0,
           "from_dlpack: expected a 'dltensor' capsule that was not used before, got '",
           name == nullptr ? "" : name, "'");
  auto* managed = capsule.get_pointer<DLManagedTensor>();
  const DLTensor& t = managed->tensor;
  TW_CHECK(t.device.type == cpu_device, "from_dlpack: expected a tensor in CPU memory, got device ",
           t.device.type);
  TW_CHECK(t.rank >= 0 && t.rank <= Dims::max_rank, "from_dlpack: expected at most ",
           int{Dims::max_rank}, " dimensions, got ", t.rank);
  const DType dtype = from_dlpack_type(t.dtype);
  Dims shape;
  for (int i = 0; i < t.rank; ++i) shape.push_back(t.shape[i]);
  (void)element_count(shape);
  Dims strides = contiguous_strides(shape);
  bool repeats = false;
  for (int i = 0; t.strides != nullptr && i < t.rank; ++i) {
    TW_CHECK(t.strides[i] >= 0, "from_dlpack: expected strides >= 0, got ", t.strides[i],
             "; copy the tensor first");
    strides[i] = t.strides[i];
    repeats = repeats || (strides[i] == 0 && shape[i] > 1);
  }
  auto* data = static_cast<std::byte*>(t.data) + t.byte_offset;
  TW_CHECK(reinterpret_cast<std::uintptr_t>(data) % itemsize(dtype) == 0,
           "from_dlpack: expected memory aligned to ", itemsize(dtype), " bytes");
  const std::size_t bytes = extent_in_bytes(shape, strides, dtype);
  auto storage = std::make_shared<Storage>(data, bytes, [managed] {
    if (managed->deleter == nullptr || !Py_IsInitialized()) return;
    py::gil_scoped_acquire gil;
    managed->deleter(managed);
  });
  capsule.set_name("used_dltensor");
  const Array a(std::move(storage), data, dtype, shape, strides);
  return repeats ? clone(a) : a;  // elements that share memory cannot be written one by one
}

// ---------------------------------------------------------------- pickling: shape, type, bytes

py::tuple get_state(const Array& a) {
  const Array dense = contiguous(a);
  const auto bytes = static_cast<std::size_t>(dense.size()) * itemsize(dense.dtype());
  return py::make_tuple(dense.shape(), std::string(name_of(dense.dtype())), a.is_channels_last(),
                        py::bytes(reinterpret_cast<const char*>(dense.bytes()), bytes));
}

Array set_state(const py::tuple& state) {
  TW_CHECK(state.size() == 4, "Array: expected a state of 4 entries, got ", state.size());
  const auto shape = state[0].cast<Dims>();
  const auto name = state[1].cast<std::string>();
  const auto bytes = state[3].cast<std::string_view>();
  for (const TypeRow& row : type_table) {
    if (name != name_of(row.dtype)) continue;
    const index_t wanted =
        checked_mul(element_count(shape), static_cast<index_t>(itemsize(row.dtype)));
    TW_CHECK(bytes.size() == static_cast<std::size_t>(wanted), "Array: expected ", wanted,
             " bytes for shape ", to_string(shape), ", got ", bytes.size());
    const Array a = Array::empty(shape, row.dtype);
    if (!bytes.empty()) std::memcpy(a.bytes(), bytes.data(), bytes.size());
    return state[2].cast<bool>() && a.rank() >= 3 ? channels_last(a) : a;
  }
  throw ValueError(concat("Array: expected the name of a dtype, got '", name, "'"));
}

}  // namespace

void bind_exchange(py::module_& m) {
  py::reinterpret_borrow<py::class_<Array>>(m.attr("Array"))
      .def(
          "__dlpack__",
          [](const Array& a, const py::object& /*stream*/, const py::object& max_version,
             const py::object& dl_device, const std::optional<bool>& copy) {
            return to_dlpack(a, max_version, dl_device, copy.value_or(false));
          },
          py::kw_only(), py::arg("stream") = py::none(), py::arg("max_version") = py::none(),
          py::arg("dl_device") = py::none(), py::arg("copy") = py::none())
      .def("__dlpack_device__", [](const Array&) { return py::make_tuple(cpu_device, 0); })
      .def_static("from_dlpack", &from_dlpack, py::arg("capsule"))
      .def(py::pickle(&get_state, &set_state));
}

}  // namespace tilewise::bindings
