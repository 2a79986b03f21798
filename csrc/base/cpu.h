// What this processor can do, and which instruction set the kernels use.
#pragma once

#include <string>
#include <vector>

#include "base/types.h"

namespace tilewise {

enum class Isa : std::uint8_t { baseline, avx2, avx512 };

const char* name_of(Isa isa);

// Instruction sets that the processor, the operating system (XCR0) and this build all support,
// lowest first.
const std::vector<Isa>& available_isas();

// The one in use: the highest available, or a lower one named by TILEWISE_ISA or set_isa.
Isa active_isa();
void set_isa(const std::string& name);  // throws ValueError for unknown or unavailable names

struct CacheSizes {
  index_t l1_data;
  index_t l2;
  index_t l3;
};
const CacheSizes& cache_sizes();  // bytes; conservative defaults where the system does not say
std::string cpu_name();

}  // namespace tilewise
