#include "base/huge_slabs.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iterator>

#include <sys/mman.h>

namespace tilewise {
namespace {

std::size_t past_huge_page(const char* address) {
  return reinterpret_cast<std::uintptr_t>(address) % huge_page;
}

// The whole huge pages of a free range that a block, free from now on, has a part in.
void return_pages(char* free_start, char* free_end, char* start, char* end) {
  char* first = start - past_huge_page(start);
  if (first < free_start) first += huge_page;
  char* last = end + (huge_page - past_huge_page(end)) % huge_page;
  if (last > free_end) last -= huge_page;
  // Where the system refuses, the pages stay: they are free in any case.
  if (first < last) (void)madvise(first, static_cast<std::size_t>(last - first), MADV_DONTNEED);
}

}  // namespace

void advise_huge_pages([[maybe_unused]] void* start, [[maybe_unused]] std::size_t bytes) {
#if defined(MADV_HUGEPAGE)
  (void)madvise(start, bytes, MADV_HUGEPAGE);
#endif
}

void* HugeSlabs::allocate(std::size_t bytes) {
  auto fit = by_size_.lower_bound({bytes, nullptr});
  if (fit == by_size_.end()) {
    void* slab = nullptr;
    if (posix_memalign(&slab, huge_page, slab_bytes) != 0) return nullptr;
    advise_huge_pages(slab, slab_bytes);
    add_free(static_cast<char*>(slab), slab_bytes);
    fit = by_size_.lower_bound({bytes, nullptr});
  }
  const auto [size, start] = *fit;
  remove_free(start, size);
  if (size > bytes) add_free(start + bytes, size - bytes);
  return start;
}

void HugeSlabs::release(void* block, std::size_t bytes) {
  char* const start = static_cast<char*>(block);
  char *free_start = start, *free_end = start + bytes;
  auto next = by_address_.upper_bound(start);
  if (next != by_address_.begin()) {
    const auto [before, size] = *std::prev(next);
    if (before + size == start) {
      remove_free(before, size);
      free_start = before;
    }
  }
  next = by_address_.upper_bound(start);
  if (next != by_address_.end() && next->first == free_end) {
    const auto [after, size] = *next;
    remove_free(after, size);
    free_end = after + size;
  }
  add_free(free_start, static_cast<std::size_t>(free_end - free_start));
  return_pages(free_start, free_end, start, start + bytes);
}

void HugeSlabs::add_free(char* start, std::size_t bytes) {
  by_address_.emplace(start, bytes);
  by_size_.emplace(bytes, start);
}

void HugeSlabs::remove_free(char* start, std::size_t bytes) {
  by_address_.erase(start);
  by_size_.erase({bytes, start});
}

}  // namespace tilewise
