// Pooled memory: 64-byte aligned, huge pages for large blocks, reused between steps, bounded.
//
// A training step asks for the same sizes again and again. Fresh pages from the kernel cost as
// much as a memory-bound layer (each 4 KB page is zeroed on its first touch), so released blocks
// are kept and handed out again. The pool never holds more than the largest footprint that was
// ever in use plus a fixed slack: changing shapes evict the blocks released longest ago. Blocks of
// 32 KB to 2 MB lie in slabs (base/huge_slabs.h), so that they have huge pages too.
//
// With TILEWISE_GUARD_PAGES=1 in the environment every block is a mapping of its own between
// inaccessible pages (base/guard_pages.h), and none is kept: a debugging mode, slow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "base/guard_pages.h"

namespace tilewise {

struct MemoryStats {
  std::size_t in_use;                // bytes handed out now
  std::size_t cached;                // bytes kept for reuse
  std::size_t peak_in_use;           // largest in_use since start or reset
  std::uint64_t allocations;         // requests served
  std::uint64_t system_allocations;  // requests that went to the operating system
};

// What the pool takes for so many bytes: eight sizes a power of two, so at most 12.5 % is wasted
// and tensors of nearly equal size share blocks.
std::size_t block_bytes(std::size_t bytes);

// A block of at least `bytes` bytes (never null, also for 0). Throws OutOfMemory.
void* pool_allocate(std::size_t bytes);
void pool_release(void* block, std::size_t bytes) noexcept;

MemoryStats memory_stats();
void reset_peak_memory();
void release_cached_memory();

// A temporary buffer of T from the pool, released at the end of the scope.
template <typename T>
class Scratch {
 public:
  explicit Scratch(std::size_t count)
      : count_(count), data_(static_cast<T*>(pool_allocate(count * sizeof(T)))) {}
  ~Scratch() { pool_release(data_, count_ * sizeof(T)); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return count_; }
  T& operator[](std::size_t i) { return data_[i]; }

 private:
  std::size_t count_;
  T* data_;
};

// The same for trivial T, on the stack where up to `most` are wanted: a block of the pool costs
// some 80 ns.
template <typename T, std::size_t most>
class SmallScratch {
 public:
  explicit SmallScratch(std::size_t count) {
    if (count <= most && !guard_pages_enabled()) {
      data_ = reinterpret_cast<T*>(stack_);
    } else {
      data_ = block_.emplace(count).data();
    }
  }
  SmallScratch(const SmallScratch&) = delete;
  SmallScratch& operator=(const SmallScratch&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }

 private:
  static_assert(std::is_trivial_v<T>);
  T* data_;
  std::optional<Scratch<T>> block_;
  alignas(64) std::byte stack_[most * sizeof(T)];
};

}  // namespace tilewise
