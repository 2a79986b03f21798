// Something computed from the bytes of a storage and kept beside them: packed weights.
#pragma once

#include <cstdint>

#include "base/memory.h"
#include "base/types.h"

namespace tilewise {

struct FormKey {
  const char* form;  // compared by address: a string constant of the maker
  index_t width;
  const std::byte* data;  // where in the storage the source begins
  Dims shape;
  index_t groups;    // the same shape serves any number of groups, in another order
  std::size_t size;  // bytes of the form

  bool operator==(const FormKey& other) const {
    return form == other.form && width == other.width && data == other.data &&
           shape == other.shape && groups == other.groups && size == other.size;
  }
};

struct DerivedForm {
  DerivedForm(const FormKey& form_key, std::uint64_t source_state)
      : key(form_key), state(source_state), bytes(key.size) {}

  FormKey key;
  std::uint64_t state;  // of the storage when the form was made
  Scratch<std::byte> bytes;
};

}  // namespace tilewise
