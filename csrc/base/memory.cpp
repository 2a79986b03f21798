#include "base/memory.h"

#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>

#include "base/error.h"
#include "base/guard_pages.h"
#include "base/huge_slabs.h"

namespace tilewise {
namespace {

constexpr std::size_t alignment = 64;
constexpr std::size_t slack = std::size_t{64} << 20;

struct CachedBlock {
  void* block;
  std::uint64_t released_at;
};

class Pool {
 public:
  void* allocate(std::size_t bytes) {
    if (bytes > (std::size_t{1} << 62)) fail(bytes);
    const std::size_t size = block_bytes(bytes);
    std::lock_guard<std::mutex> lock(mutex_);
    ++stats_.allocations;
    if (guarded_) return allocate_guarded(bytes, size);
    void* block = take_cached(size);
    if (block == nullptr) {
      // Make room first, so that the footprint stays below the bound at every moment.
      evict_down_to(bound() > size ? bound() - size : 0);
      block = system_allocate(size);
      if (block == nullptr) {
        evict_down_to(0);
        block = system_allocate(size);
      }
      if (block == nullptr) fail(bytes);
      ++stats_.system_allocations;
    }
    count_in_use(size);
    return block;
  }

  void release(void* block, std::size_t bytes) noexcept {
    const std::size_t size = block_bytes(bytes);
    std::lock_guard<std::mutex> lock(mutex_);
    stats_.in_use -= size;
    if (guarded_) return guarded_release(block, bytes);
    try {
      bin_of(size).push_back({block, ++clock_});
      stats_.cached += size;
    } catch (const std::bad_alloc&) {
      // No memory even for the book-keeping. A block of a slab is lost then.
      if (!HugeSlabs::takes(size)) std::free(block);
    }
  }

  MemoryStats stats() {
    std::lock_guard<std::mutex> lock(mutex_);
    return stats_;
  }

  void reset_peak() {
    std::lock_guard<std::mutex> lock(mutex_);
    stats_.peak_in_use = stats_.in_use;
  }

  void release_cached() {
    std::lock_guard<std::mutex> lock(mutex_);
    evict_down_to(0);
  }

 private:
  [[noreturn]] static void fail(std::size_t bytes) {
    throw OutOfMemory(concat("out of memory: could not allocate ", bytes, " bytes"));
  }

  void count_in_use(std::size_t size) {
    stats_.in_use += size;
    if (stats_.in_use > stats_.peak_in_use) stats_.peak_in_use = stats_.in_use;
  }

  void* allocate_guarded(std::size_t bytes, std::size_t size) {
    void* block = guarded_allocate(bytes);
    if (block == nullptr) fail(bytes);
    ++stats_.system_allocations;
    count_in_use(size);
    return block;
  }

  std::size_t bound() const { return stats_.peak_in_use + slack; }

  // The blocks of one size. Networks of small layers ask for few sizes, so the latest are found
  // without a search.
  std::deque<CachedBlock>& bin_of(std::size_t size) {
    Recent& recent = recent_[size / alignment % recent_bins];
    if (recent.size != size) recent = {size, &free_[size]};  // a map's values stay where they are
    return *recent.bin;
  }

  void* take_cached(std::size_t size) {
    std::deque<CachedBlock>& bin = bin_of(size);
    if (bin.empty()) return nullptr;
    void* block = bin.back().block;
    bin.pop_back();
    stats_.cached -= size;
    return block;
  }

  void* system_allocate(std::size_t bytes) {
    if (HugeSlabs::takes(bytes)) return slabs_.allocate(bytes);
    void* block = nullptr;
    const std::size_t align = bytes >= huge_page ? huge_page : alignment;
    if (posix_memalign(&block, align, bytes) != 0) return nullptr;
    if (bytes >= huge_page) advise_huge_pages(block, bytes);
    return block;
  }

  void system_release(void* block, std::size_t bytes) {
    if (HugeSlabs::takes(bytes)) {
      slabs_.release(block, bytes);
    } else {
      std::free(block);
    }
  }

  // Frees the blocks released longest ago until in_use + cached is at most `limit`.
  void evict_down_to(std::size_t limit) {
    while (stats_.cached > 0 && stats_.in_use + stats_.cached > limit) {
      auto oldest = free_.end();
      for (auto bin = free_.begin(); bin != free_.end(); ++bin) {
        if (bin->second.empty()) continue;
        if (oldest == free_.end() ||
            bin->second.front().released_at < oldest->second.front().released_at) {
          oldest = bin;
        }
      }
      system_release(oldest->second.front().block, oldest->first);
      oldest->second.pop_front();
      stats_.cached -= oldest->first;
    }
  }

  struct Recent {
    std::size_t size = 0;  // no class has this one
    std::deque<CachedBlock>* bin = nullptr;
  };
  static constexpr std::size_t recent_bins = 64;

  const bool guarded_ = guard_pages_enabled();
  std::mutex mutex_;
  std::map<std::size_t, std::deque<CachedBlock>> free_;
  Recent recent_[recent_bins];
  HugeSlabs slabs_;
  std::uint64_t clock_ = 0;
  MemoryStats stats_{};
};

// Never destroyed: arrays may outlive static destruction when the interpreter exits.
Pool& pool() {
  static Pool* instance = new Pool;
  return *instance;
}

}  // namespace

std::size_t block_bytes(std::size_t bytes) {
  if (bytes <= 512)
    return (bytes + alignment - 1) / alignment * alignment + (bytes == 0) * alignment;
  int log2 = 63 - __builtin_clzll(bytes);
  std::size_t step = std::size_t{1} << (log2 - 3);
  return (bytes + step - 1) / step * step;
}

void* pool_allocate(std::size_t bytes) { return pool().allocate(bytes); }
void pool_release(void* block, std::size_t bytes) noexcept { pool().release(block, bytes); }
MemoryStats memory_stats() { return pool().stats(); }
void reset_peak_memory() { pool().reset_peak(); }
void release_cached_memory() { pool().release_cached(); }

}  // namespace tilewise
