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

  bool operator==(const FormKey& other) const {
    return form == other.form && width == other.width && data == other.data && shape == other.shape;
  }
};

struct DerivedForm {
  DerivedForm(const FormKey& form_key, std::uint64_t source_state, std::size_t count)
      : key(form_key), state(source_state), bytes(count) {}

  FormKey key;
  std::uint64_t state;  // of the storage when the form was made
  Scratch<std::byte> bytes;
};

}  // namespace tilewise
