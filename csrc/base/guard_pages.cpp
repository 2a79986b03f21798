#include "base/guard_pages.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/error.h"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#define TW_HAS_GUARD_PAGES 1
#else
#define TW_HAS_GUARD_PAGES 0
#endif

namespace tilewise {

namespace {

bool asked_for() {
  const char* value = std::getenv("TILEWISE_GUARD_PAGES");
  if (value == nullptr || *value == '\0' || std::strcmp(value, "0") == 0) return false;
  TW_CHECK(TW_HAS_GUARD_PAGES,
           "TILEWISE_GUARD_PAGES: expected a POSIX system, this one cannot protect pages");
  return true;
}

}  // namespace

bool guard_pages_enabled() {
  static const bool enabled = asked_for();
  return enabled;
}

#if TW_HAS_GUARD_PAGES

namespace {

constexpr std::size_t alignment = 64;
constexpr std::size_t quarantined = 1024;          // released blocks that keep their addresses
constexpr unsigned char pattern[] = {0xA5, 0xA5,   // little-endian 0x7FF7A5A5: NaN as a float and
                                     0xF7, 0x7F};  // as either half of a double

std::size_t page_size() {
  static const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

std::size_t round_to(std::size_t bytes, std::size_t step) {
  return (bytes + step - 1) / step * step;
}

struct Layout {
  explicit Layout(std::size_t bytes)
      : size(bytes),
        accessible(round_to(round_to(bytes, alignment), page_size())),
        front(accessible - round_to(bytes, alignment)),
        mapping(accessible + 2 * page_size()) {}

  std::size_t size;
  std::size_t accessible;
  std::size_t front;    // bytes before the block
  std::size_t mapping;  // with the pages around
};

// The first of `count` bytes that differs from the pattern, or `count`.
std::size_t first_difference(const unsigned char* bytes, std::size_t count) {
  std::size_t i = 0;
  while (i < count && bytes[i] == pattern[reinterpret_cast<std::uintptr_t>(bytes + i) % 4]) ++i;
  return i;
}

void fill_pattern(unsigned char* bytes, std::size_t count) {
  for (std::size_t i = 0; i < count; i += sizeof(pattern)) {
    std::memcpy(bytes + i, pattern, sizeof(pattern));  // pages are multiples of the pattern
  }
}

[[noreturn]] void report(const Layout& layout, const char* where, std::size_t distance) {
  std::fprintf(stderr,
               "tilewise: TILEWISE_GUARD_PAGES: a write %zu bytes %s a block of %zu bytes\n",
               distance, where, layout.size);
  std::abort();
}

struct Range {
  void* start = nullptr;
  std::size_t bytes = 0;
};

}  // namespace

void* guarded_allocate(std::size_t bytes) {
  const Layout layout(bytes);
  void* start = mmap(nullptr, layout.mapping, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  unsigned char* body = static_cast<unsigned char*>(start) + page_size();
  if (mprotect(body, layout.accessible, PROT_READ | PROT_WRITE) != 0) {
    (void)munmap(start, layout.mapping);
    return nullptr;
  }
  fill_pattern(body, layout.accessible);
  return body + layout.front;
}

// The pool calls this under its lock.
void guarded_release(void* block, std::size_t bytes) noexcept {
  const Layout layout(bytes);
  auto* first = static_cast<unsigned char*>(block);
  unsigned char* body = first - layout.front;
  const std::size_t before = first_difference(body, layout.front);
  if (before < layout.front) report(layout, "before", layout.front - before);
  const std::size_t tail = layout.accessible - layout.front - bytes;
  const std::size_t after = first_difference(first + bytes, tail);
  if (after < tail) report(layout, "past the end of", after);

  static Range ring[quarantined];
  static std::size_t next = 0;
  Range& oldest = ring[next++ % quarantined];
  if (oldest.start != nullptr) (void)munmap(oldest.start, oldest.bytes);
  oldest = {body - page_size(), layout.mapping};
  // A fresh inaccessible mapping in its place gives the memory back.
  if (mmap(oldest.start, oldest.bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
      MAP_FAILED) {
    (void)mprotect(oldest.start, oldest.bytes, PROT_NONE);
  }
}

#else

void* guarded_allocate(std::size_t) { return nullptr; }
void guarded_release(void*, std::size_t) noexcept {}

#endif

}  // namespace tilewise
