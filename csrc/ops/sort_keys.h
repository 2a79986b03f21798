// Elements as unsigned numbers of the same order, each with its position behind it: comparing two
// is one comparison of integers, ties are in the order of positions, and a radix sort can count
// digits. NaN is larger than any number, -0 equals 0.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/memory.h"
#include "base/types.h"

namespace tilewise::sorting {

// The number that stands for an element in ascending order.
template <typename T>
auto key_of(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    if (value != value) return ~Bits{0};
    Bits bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));  // no arithmetic: it may take denormals for zeros
    constexpr Bits sign = Bits{1} << (8 * sizeof(Bits) - 1);
    if (bits == sign) bits = 0;
    return (bits & sign) != 0 ? static_cast<Bits>(~bits) : static_cast<Bits>(bits | sign);
  } else if constexpr (sizeof(T) == 8) {
    return static_cast<std::uint64_t>(value) ^ (std::uint64_t{1} << 63);
  } else {
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(value)) ^ 0x80000000u;
  }
}

// Key and position in one word, for keys of 32 bits.
struct Packed {
  static constexpr int key_bits = 32;
  std::uint64_t bits;
  static Packed of(std::uint64_t key, index_t at) {
    return {key << 32 | static_cast<std::uint64_t>(at)};
  }
  std::uint64_t key() const { return bits >> 32; }
  index_t at() const { return static_cast<index_t>(bits & 0xffffffffu); }
  friend bool operator<(Packed a, Packed b) { return a.bits < b.bits; }
};

struct Wide {
  static constexpr int key_bits = 64;
  std::uint64_t value;
  index_t place;
  static Wide of(std::uint64_t key, index_t at) { return {key, at}; }
  std::uint64_t key() const { return value; }
  index_t at() const { return place; }
  friend bool operator<(const Wide& a, const Wide& b) {
    return a.value < b.value || (a.value == b.value && a.place < b.place);
  }
};

template <typename T>
using EntryOf = std::conditional_t<sizeof(T) == 8, Wide, Packed>;
constexpr index_t longest_packed = index_t{1} << 32;

// The entries of a run whose elements are `stride` apart; `descending` turns the order of the keys
// round, not that of the positions.
template <typename Entry, typename T>
void make_entries(const T* x, index_t count, bool descending, Entry* out) {
  using Key = decltype(key_of(T{}));
  for (index_t i = 0; i < count; ++i) {
    const Key key = key_of(x[i]);
    out[i] = Entry::of(descending ? static_cast<Key>(~key) : key, i);
  }
}

// How many entries of an ascending order stand for numbers.
template <typename T, typename Entry>
index_t count_numbers(const Entry* x, index_t count) {
  if constexpr (!std::is_floating_point_v<T>) {
    return count;
  } else {
    const std::uint64_t nan = key_of(std::numeric_limits<T>::quiet_NaN());
    index_t numbers = 0;
    for (index_t i = 0; i < count; ++i) {
      numbers += x[i].key() != nan;
    }
    return numbers;
  }
}

// From the last digit to the first, each pass stable: entries come in the order of positions.
// Passes in which all digits agree are left out.
template <typename Entry>
void radix_sort(Entry* x, index_t count) {
  constexpr int digit_bits = 11;
  constexpr int passes = (Entry::key_bits + digit_bits - 1) / digit_bits;
  constexpr std::size_t bins = std::size_t{1} << digit_bits;
  const auto digit = [](const Entry& entry, int pass) {
    return static_cast<std::size_t>(entry.key() >> (pass * digit_bits)) & (bins - 1);
  };
  std::array<std::array<index_t, bins>, passes> counts{};
  for (index_t i = 0; i < count; ++i) {
    for (int p = 0; p < passes; ++p) ++counts[static_cast<std::size_t>(p)][digit(x[i], p)];
  }
  Scratch<Entry> other(static_cast<std::size_t>(count));
  Entry* from = x;
  Entry* to = other.data();
  for (int p = 0; p < passes; ++p) {
    auto& places = counts[static_cast<std::size_t>(p)];
    if (places[digit(from[0], p)] == count) continue;
    index_t start = 0;
    for (index_t& place : places) {
      const index_t size = place;
      place = start;
      start += size;
    }
    for (index_t i = 0; i < count; ++i) to[places[digit(from[i], p)]++] = from[i];
    std::swap(from, to);
  }
  if (from != x) std::copy(from, from + count, x);
}

constexpr index_t radix_from = 1024;  // entries; below, comparing is faster

template <typename Entry>
void sort_entries(Entry* x, index_t count) {
  if (count < radix_from) {
    std::sort(x, x + count);
  } else {
    radix_sort(x, count);
  }
}

// The `keep` smallest in order at the front.
template <typename Entry>
void sort_front(Entry* x, index_t count, index_t keep) {
  constexpr index_t few = 64;  // that a heap holds
  if (keep > count / 4) return sort_entries(x, count);
  if (keep <= few) {
    std::partial_sort(x, x + keep, x + count);
    return;
  }
  std::nth_element(x, x + keep, x + count);
  std::sort(x, x + keep);  // out of the order of positions, which a radix sort would need
}

}  // namespace tilewise::sorting
