// Blocks of medium size out of large slabs that the system is asked to back with huge pages.
//
// The system gives huge pages only to ranges of 2 MB. Weights, their gradients and an optimizer's
// moments are mostly smaller; page by page their translations fill the TLB many times over, which
// costs a pass over them an eighth of its time.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <utility>

namespace tilewise {

inline constexpr std::size_t huge_page = std::size_t{2} << 20;

// Asks the system for huge pages: advice only, without them the range works all the same.
void advise_huge_pages(void* start, std::size_t bytes);

// Best fit over the free ranges of all slabs, neighbours joined. Not for several threads at once.
class HugeSlabs {
 public:
  // Smaller blocks share pages well enough through malloc; larger ones fill huge pages themselves.
  static bool takes(std::size_t bytes) { return bytes >= smallest && bytes < huge_page; }

  // Null where the system has no memory. `bytes` is a multiple of 64, and so is the address.
  void* allocate(std::size_t bytes);
  // Gives the huge pages that hold no other block back to the system (the addresses stay).
  void release(void* block, std::size_t bytes);

 private:
  static constexpr std::size_t smallest = std::size_t{32} << 10;
  static constexpr std::size_t slab_bytes = std::size_t{32} << 20;

  void add_free(char* start, std::size_t bytes);
  void remove_free(char* start, std::size_t bytes);

  std::map<char*, std::size_t> by_address_;
  std::set<std::pair<std::size_t, char*>> by_size_;
};

}  // namespace tilewise
