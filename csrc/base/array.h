// An n-dimensional view on shared, reference-counted storage.
//
// The logical shape is always N, C, spatial... Physically, activations are channels-last (N,
// spatial..., C); parameters and everything else are C-contiguous. Strides are in elements.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "base/derived_form.h"
#include "base/types.h"

namespace tilewise {

// Owns a pooled block, or keeps somebody else's memory alive through `release`.
class Storage {
 public:
  explicit Storage(std::size_t bytes);
  Storage(std::byte* data, std::size_t bytes, std::function<void()> release);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

  // Counts in-place writes: the autograd tape compares it.
  std::uint64_t version() const { return version_.load(std::memory_order_relaxed); }
  void bump_version() {
    version_.fetch_add(1, std::memory_order_relaxed);
    drop_forms();
  }

  // Others may write through a pointer that was handed out until it is given back.
  void begin_export() { exports_.fetch_add(1, std::memory_order_relaxed); }
  void end_export() {
    exports_ended_.fetch_add(1, std::memory_order_relaxed);
    exports_.fetch_sub(1, std::memory_order_release);
    drop_forms();
  }

  // Forms derived from these bytes. A form is valid for the state it was made in; none is kept
  // while others can write unseen. At most `most_forms` are kept, the latest.
  bool keeps_forms() const { return !release_ && exports_.load(std::memory_order_acquire) == 0; }
  std::uint64_t state() const { return version() + exports_ended_.load(std::memory_order_relaxed); }
  std::shared_ptr<DerivedForm> find_form(const FormKey& key) const;
  void keep_form(std::shared_ptr<DerivedForm> form);
  static constexpr std::size_t most_forms = 4;

 private:
  // Gives the memory of outdated forms back; who uses one still holds it.
  void drop_forms() {
    if (has_forms_.load(std::memory_order_relaxed)) clear_forms();
  }
  void clear_forms();

  std::byte* data_;
  std::size_t bytes_;
  std::function<void()> release_;  // empty: the block belongs to the pool
  std::atomic<std::uint64_t> version_{0};
  std::atomic<std::uint64_t> exports_ended_{0};
  std::atomic<int> exports_{0};
  std::atomic<bool> has_forms_{false};
  std::vector<std::shared_ptr<DerivedForm>> forms_;  // guarded by a mutex of all storages
};

class Array {
 public:
  Array() = default;
  Array(std::shared_ptr<Storage> storage, std::byte* data, DType dtype, const Dims& shape,
        const Dims& strides)
      : storage_(std::move(storage)),
        data_(data),
        dtype_(dtype),
        shape_(shape),
        strides_(strides) {}

  static Array empty(const Dims& shape, DType dtype);                // C-contiguous
  static Array empty_channels_last(const Dims& shape, DType dtype);  // rank >= 3
  static Array empty_like(const Array& other) { return empty_like(other, other.dtype()); }
  // Channels-last where `other` is, else C-contiguous.
  static Array empty_like(const Array& other, DType dtype);

  DType dtype() const { return dtype_; }
  const Dims& shape() const { return shape_; }
  const Dims& strides() const { return strides_; }
  int rank() const { return shape_.size(); }
  index_t extent(int dim) const { return shape_[dim]; }
  index_t size() const {
    index_t count = 1;
    for (index_t extent : shape_) count *= extent;
    return count;
  }
  bool defined() const { return storage_ != nullptr; }
  const std::shared_ptr<Storage>& storage() const { return storage_; }

  std::byte* bytes() const { return data_; }
  template <typename T>
  T* data() const {
    return reinterpret_cast<T*>(data_);
  }

  bool is_contiguous() const;
  bool is_channels_last() const;  // rank < 3: the same as is_contiguous
  // Both lay out the same elements in the same physical order without gaps.
  static bool same_dense_layout(const Array& a, const Array& b);

  // Views of the same storage.
  Array with_layout(const Dims& shape, const Dims& strides, index_t offset = 0) const;
  Array permute(const Dims& order) const;
  Array expand(const Dims& shape) const;
  Array slice(int dim, index_t start, index_t stop, index_t step) const;
  // The view with this shape, or an undefined Array where the strides do not allow one.
  Array try_view(const Dims& shape) const;

 private:
  std::shared_ptr<Storage> storage_;
  std::byte* data_ = nullptr;
  DType dtype_ = DType::float32;
  Dims shape_;
  Dims strides_;
};

Dims contiguous_strides(const Dims& shape);
Dims channels_last_strides(const Dims& shape);

}  // namespace tilewise
