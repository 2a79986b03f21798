#include "base/array.h"

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "base/memory.h"

namespace tilewise {

Storage::Storage(std::size_t bytes)
    : data_(static_cast<std::byte*>(pool_allocate(bytes))), bytes_(bytes) {}

Storage::Storage(std::byte* data, std::size_t bytes, std::function<void()> release)
    : data_(data), bytes_(bytes), release_(std::move(release)) {}

Storage::~Storage() {
  if (release_) {
    release_();
  } else {
    pool_release(data_, bytes_);
  }
}

namespace {

// Held for a look at a short list only.
std::mutex& forms_mutex() {
  static std::mutex* mutex = new std::mutex;
  return *mutex;
}

}  // namespace

std::shared_ptr<DerivedForm> Storage::find_form(const FormKey& key) const {
  const std::lock_guard<std::mutex> lock(forms_mutex());
  for (const auto& form : forms_) {
    if (form->state == state() && form->key == key) return form;
  }
  return nullptr;
}

void Storage::keep_form(std::shared_ptr<DerivedForm> form) {
  const std::lock_guard<std::mutex> lock(forms_mutex());
  const auto outdated = [&](const auto& kept) {
    return kept->state != form->state || kept->key == form->key;
  };
  forms_.erase(std::remove_if(forms_.begin(), forms_.end(), outdated), forms_.end());
  if (forms_.size() == most_forms) forms_.erase(forms_.begin());
  forms_.push_back(std::move(form));
  has_forms_.store(true, std::memory_order_relaxed);
}

void Storage::clear_forms() {
  std::vector<std::shared_ptr<DerivedForm>> outdated;  // freed after the lock is given back
  const std::lock_guard<std::mutex> lock(forms_mutex());
  outdated.swap(forms_);
  has_forms_.store(false, std::memory_order_relaxed);
}

namespace {

// The dimension at a place of a dense layout, innermost first.
int natural_dim(int place, int rank) { return rank - 1 - place; }

int channels_last_dim(int place, int rank) {
  return place == 0 ? 1 : place == rank - 1 ? 0 : rank - place;
}

template <typename DimAt>
Dims dense_strides(const Dims& shape, DimAt dim_at) {
  Dims strides = shape;
  index_t step = 1;
  for (int place = 0; place < shape.size(); ++place) {
    const int dim = dim_at(place, shape.size());
    strides[dim] = step;
    step = checked_mul(step, shape[dim] > 1 ? shape[dim] : 1);
  }
  return strides;
}

// Dimensions of size 1 may have any stride; an empty array is dense in any order.
template <typename DimAt>
bool is_dense(const Dims& shape, const Dims& strides, DimAt dim_at) {
  bool dense = true;
  index_t step = 1;
  for (int place = 0; place < shape.size(); ++place) {
    const int dim = dim_at(place, shape.size());
    if (shape[dim] == 0) return true;
    if (shape[dim] == 1 || !dense) continue;
    dense = strides[dim] == step;
    step *= shape[dim];
  }
  return dense;
}

template <typename DimAt>
Array allocate(const Dims& shape, DType dtype, DimAt dim_at) {
  const index_t count = element_count(shape);
  const index_t bytes = checked_mul(count, static_cast<index_t>(itemsize(dtype)));
  auto storage = std::make_shared<Storage>(static_cast<std::size_t>(bytes));
  std::byte* data = storage->data();
  const Dims strides = count == 0 ? Dims(shape.size(), 1) : dense_strides(shape, dim_at);
  return Array(std::move(storage), data, dtype, shape, strides);
}

}  // namespace

Dims contiguous_strides(const Dims& shape) { return dense_strides(shape, natural_dim); }

Dims channels_last_strides(const Dims& shape) {
  return shape.size() < 3 ? contiguous_strides(shape) : dense_strides(shape, channels_last_dim);
}

Array Array::empty(const Dims& shape, DType dtype) { return allocate(shape, dtype, natural_dim); }

Array Array::empty_channels_last(const Dims& shape, DType dtype) {
  return shape.size() < 3 ? empty(shape, dtype) : allocate(shape, dtype, channels_last_dim);
}

Array Array::empty_like(const Array& other, DType dtype) {
  const bool channels_last = !other.is_contiguous() && other.is_channels_last();
  return channels_last ? empty_channels_last(other.shape(), dtype) : empty(other.shape(), dtype);
}

bool Array::is_contiguous() const { return is_dense(shape_, strides_, natural_dim); }

bool Array::is_channels_last() const {
  return rank() < 3 ? is_contiguous() : is_dense(shape_, strides_, channels_last_dim);
}

bool Array::same_dense_layout(const Array& a, const Array& b) {
  if (a.shape_ != b.shape_) return false;
  return (a.is_contiguous() && b.is_contiguous()) || (a.is_channels_last() && b.is_channels_last());
}

Array Array::with_layout(const Dims& shape, const Dims& strides, index_t offset) const {
  return Array(storage_, data_ + offset * static_cast<index_t>(itemsize(dtype_)), dtype_, shape,
               strides);
}

Array Array::permute(const Dims& order) const {
  TW_CHECK(order.size() == rank(), "permute: expected ", rank(), " dimensions for shape ",
           to_string(shape_), ", got ", to_string(order));
  Dims shape;
  Dims strides;
  unsigned seen = 0;
  for (index_t given : order) {
    const index_t dim = given < 0 ? given + rank() : given;
    TW_CHECK(dim >= 0 && dim < rank() && !(seen & (1U << dim)), "permute: ", to_string(order),
             " is not a permutation of the dimensions of shape ", to_string(shape_));
    seen |= 1U << dim;
    shape.push_back(shape_[static_cast<int>(dim)]);
    strides.push_back(strides_[static_cast<int>(dim)]);
  }
  return with_layout(shape, strides);
}

Array Array::expand(const Dims& shape) const {
  const int added = shape.size() - rank();
  TW_CHECK(added >= 0, "expand: shape ", to_string(shape_), " has more dimensions than ",
           to_string(shape));
  element_count(shape);
  Dims strides(shape.size(), 0);
  for (int i = 0; i < rank(); ++i) {
    const index_t wanted = shape[i + added];
    TW_CHECK(shape_[i] == wanted || shape_[i] == 1, "expand: shape ", to_string(shape_),
             " does not broadcast to ", to_string(shape));
    if (shape_[i] == wanted) strides[i + added] = strides_[i];
  }
  return with_layout(shape, strides);
}

Array Array::slice(int dim, index_t start, index_t stop, index_t step) const {
  TW_CHECK(dim >= 0 && dim < rank(), "slice: dimension ", dim, " is out of range for shape ",
           to_string(shape_));
  TW_CHECK(step >= 1, "slice: expected a positive step, got ", step);
  TW_CHECK(start >= 0 && start <= shape_[dim] && stop <= shape_[dim], "slice: ", start, ":", stop,
           " is out of range for dimension ", dim, " of shape ", to_string(shape_));
  Dims shape = shape_;
  Dims strides = strides_;
  shape[dim] = stop > start ? (stop - start - 1) / step + 1 : 0;
  const index_t offset = shape[dim] > 0 ? start * strides_[dim] : 0;
  strides[dim] = shape[dim] > 1 ? strides_[dim] * step : strides_[dim];
  return with_layout(shape, strides, offset);
}

Array Array::try_view(const Dims& shape) const {
  if (size() == 0 || is_contiguous()) return with_layout(shape, contiguous_strides(shape));
  // Old dimensions are grouped with the new ones that they split or merge into; a merged group
  // must be evenly strided.
  Dims strides(shape.size(), 1);
  int old_dim = 0;
  int new_dim = 0;
  while (old_dim < rank() || new_dim < shape.size()) {
    const int old_first = old_dim;
    const int new_first = new_dim;
    index_t old_count = old_dim < rank() ? shape_[old_dim++] : 1;
    index_t new_count = new_dim < shape.size() ? shape[new_dim++] : 1;
    while (old_count != new_count) {
      if (old_count < new_count) {
        old_count *= shape_[old_dim++];
      } else {
        new_count *= shape[new_dim++];
      }
    }
    index_t inner_stride = -1;  // of the group's innermost dimension larger than 1
    index_t expected = -1;
    for (int i = old_dim - 1; i >= old_first; --i) {
      if (shape_[i] == 1) continue;
      if (inner_stride < 0) {
        inner_stride = strides_[i];
      } else if (strides_[i] != expected) {
        return Array();
      }
      expected = strides_[i] * shape_[i];
    }
    index_t stride = inner_stride < 0 ? 1 : inner_stride;
    for (int i = new_dim - 1; i >= new_first; --i) {
      strides[i] = stride;
      stride *= shape[i];
    }
  }
  return with_layout(shape, strides);
}

}  // namespace tilewise
