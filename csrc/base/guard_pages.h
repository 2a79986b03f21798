// Blocks between inaccessible pages: the pool's debugging mode, TILEWISE_GUARD_PAGES=1.
//
//   | inaccessible page | front, up to a page | the block | tail, < 64 bytes | inaccessible page |
//
// A block ends at an inaccessible page, but for the bytes that its 64-byte alignment leaves. Front,
// block and tail are filled with a pattern that is NaN as float and as double: a value that was
// read before it was written, or next to the block, shows in the result. Front and tail are
// compared with the pattern at release. A released block becomes inaccessible, and its addresses
// are given out again only after many more releases.
#pragma once

#include <cstddef>

namespace tilewise {

// Whether the environment asks for the mode, and the system has it. Throws ValueError where it does
// not.
bool guard_pages_enabled();

// Null where the system has no memory. A block of 0 bytes starts at an inaccessible page.
void* guarded_allocate(std::size_t bytes);
// `bytes` as allocated. Prints a line and aborts where front or tail was written to.
void guarded_release(void* block, std::size_t bytes) noexcept;

}  // namespace tilewise
