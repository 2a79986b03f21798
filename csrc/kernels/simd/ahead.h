// A hint for loops that go through memory in order and store a register or more for every one that
// they read: the store queue is full before enough lines are on their way, so they ask for lines
// themselves, 8 KB ahead, to L2. Loops that keep their sums in registers lose by it. Include after
// simd.h.
#pragma once

namespace tilewise {
namespace TW_ISA {
namespace {

// Once a line, by the register at its start.
TW_INLINE void ask_far_ahead(const float* p) {
  constexpr index_t distance = 2048;  // floats
  constexpr std::uintptr_t line = 64;
  constexpr std::uintptr_t bytes = VecF::width * sizeof(float);
  if (bytes >= line || reinterpret_cast<std::uintptr_t>(p) % line < bytes) {
    prefetch_to_l2(p + distance);
  }
}

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
