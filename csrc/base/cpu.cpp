#include "base/cpu.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/error.h"

namespace tilewise {
namespace {

#if defined(__x86_64__)
std::uint64_t read_xcr0() {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<std::uint64_t>(high) << 32) | low;
}

std::vector<Isa> detect() {
  std::vector<Isa> isas{Isa::baseline};
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return isas;
  const bool osxsave = (c & bit_OSXSAVE) != 0;
  const bool fma = (c & bit_FMA) != 0;
  if (!osxsave || !fma) return isas;
  const std::uint64_t xcr0 = read_xcr0();
  const bool ymm_saved = (xcr0 & 0x6) == 0x6;
  const bool zmm_saved = (xcr0 & 0xe6) == 0xe6;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return isas;
  if (!ymm_saved || !(b & bit_AVX2) || !(b & bit_BMI2)) return isas;
  isas.push_back(Isa::avx2);
  const unsigned needed = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
  if (zmm_saved && (b & needed) == needed) isas.push_back(Isa::avx512);
  return isas;
}

std::string detect_name() {
  char brand[49] = {};
  unsigned words[12] = {};
  for (unsigned leaf = 0; leaf < 3; ++leaf) {
    unsigned* w = words + 4 * leaf;
    if (!__get_cpuid(0x80000002U + leaf, &w[0], &w[1], &w[2], &w[3])) return "x86-64";
  }
  std::memcpy(brand, words, 48);
  return brand;
}
#else
std::vector<Isa> detect() { return {Isa::baseline}; }
std::string detect_name() { return "generic"; }
#endif

Isa initial_isa() {
  const char* wanted = std::getenv("TILEWISE_ISA");
  if (wanted == nullptr || *wanted == '\0') return available_isas().back();
  for (Isa isa : available_isas()) {
    if (std::strcmp(wanted, name_of(isa)) == 0) return isa;
  }
  throw ValueError(concat("TILEWISE_ISA=", wanted, " is not available on this machine"));
}

std::atomic<Isa>& active() {
  static std::atomic<Isa> isa{initial_isa()};
  return isa;
}

index_t cache_size(int name, index_t fallback) {
  const long size = sysconf(name);
  return size > 0 ? static_cast<index_t>(size) : fallback;
}

// The part of the last-level cache that this core can use: on AMD's processors the C library
// reports all of the socket's, the kernel that of one core complex.
index_t last_level_cache_size() {
  index_t size = cache_size(_SC_LEVEL3_CACHE_SIZE, 8 << 20);
  if (std::FILE* file = std::fopen("/sys/devices/system/cpu/cpu0/cache/index3/size", "r")) {
    long long kilobytes = 0;
    if (std::fscanf(file, "%lldK", &kilobytes) == 1 && kilobytes > 0) {
      const index_t shared = static_cast<index_t>(kilobytes) << 10;
      size = shared < size ? shared : size;
    }
    std::fclose(file);
  }
  return size;
}

}  // namespace

const char* name_of(Isa isa) {
  switch (isa) {
    case Isa::baseline:
      return "baseline";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
  }
  return "unknown";
}

const std::vector<Isa>& available_isas() {
  static const std::vector<Isa> isas = detect();
  return isas;
}

Isa active_isa() { return active().load(std::memory_order_relaxed); }

void set_isa(const std::string& name) {
  std::string known;
  for (Isa isa : available_isas()) {
    if (name == name_of(isa)) {
      active().store(isa);
      return;
    }
    known += (known.empty() ? "" : ", ") + std::string(name_of(isa));
  }
  throw ValueError(concat("set_isa: expected one of ", known, ", got '", name, "'"));
}

const CacheSizes& cache_sizes() {
  static const CacheSizes sizes{cache_size(_SC_LEVEL1_DCACHE_SIZE, 32 << 10),
                                cache_size(_SC_LEVEL2_CACHE_SIZE, 512 << 10),
                                last_level_cache_size()};
  return sizes;
}

std::string cpu_name() {
  static const std::string name = detect_name();
  return name;
}

}  // namespace tilewise
