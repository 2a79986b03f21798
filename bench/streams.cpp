// Stripped loops: the reads and writes of an op and no arithmetic. What an op that memory bounds
// can reach is what its stripped loop reaches, which may be less than a copy: one core has some
// fifty lines on their way from memory at most, so reading alone is slower than reading and
// writing.
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "base/threads.h"
#include "common.h"
#include "peak_kernels.h"

namespace tilewise::bench {
namespace {

// Rows of maps of 112 pixels and 64 channels, and of half as many pixels.
constexpr index_t row = 112 * 64;
constexpr index_t half_row = row / 2;

enum class Order {
  lines,  // streams are neighbouring registers: one sequence in memory
  apart,  // streams are far from each other
  pool,   // two rows side by side make one of half the length; six reads: a third, the row before
  pool_two,  // four rows make two
  upsample   // one row makes two of twice the length
};

struct Pattern {
  const char* name;
  int reads;
  int writes;
  Order order;
  bool past_caches;
  bool huge_pages;
};

constexpr Pattern patterns[] = {
    {"1:1", 1, 1, Order::lines, true, true},
    {"1:1/4 KB pages", 1, 1, Order::lines, true, false},
    {"1:1/plain stores", 1, 1, Order::lines, false, true},
    {"1:0", 1, 0, Order::lines, false, true},
    {"1:0/4 KB pages", 1, 0, Order::lines, false, false},
    {"4:0 apart", 4, 0, Order::apart, false, true},
    {"0:1", 0, 1, Order::lines, true, true},
    {"0:1/plain stores", 0, 1, Order::lines, false, true},
    {"2:1 apart", 2, 1, Order::apart, true, true},
    {"2:1 apart/plain stores", 2, 1, Order::apart, false, true},
    {"4:1", 4, 1, Order::lines, true, true},
    {"4:1/plain stores", 4, 1, Order::lines, false, true},
    {"4:1 apart", 4, 1, Order::apart, true, true},
    {"4:2", 4, 2, Order::lines, true, true},
    {"4:3 apart", 4, 3, Order::apart, true, true},
    {"4:3 apart/plain stores", 4, 3, Order::apart, false, true},
    {"1:4", 1, 4, Order::lines, true, true},
    {"1:4/plain stores", 1, 4, Order::lines, false, true},
    {"pool 2x2", 4, 1, Order::pool, true, true},
    {"pool 2x2/plain stores", 4, 1, Order::pool, false, true},
    {"pool 2x2, two rows", 8, 2, Order::pool_two, true, true},
    {"pool 3x3", 6, 1, Order::pool, true, true},
    {"upsample 2x", 1, 4, Order::upsample, true, true},
    {"upsample 2x/plain stores", 1, 4, Order::upsample, false, true},
};

// Touched, in pages of either size.
class Block {
 public:
  Block(index_t floats, bool huge) : bytes_(static_cast<std::size_t>(floats) * sizeof(float)) {
    constexpr std::size_t huge_page = std::size_t{2} << 20;
    void* data = nullptr;
    TW_CHECK(posix_memalign(&data, huge_page, bytes_) == 0, "streams: no memory");
    data_ = static_cast<float*>(data);
    madvise(data, bytes_, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    parallel_ranges(floats, elementwise_grain, [&](index_t first, index_t last) {
      for (index_t i = first; i < last; ++i) data_[i] = 1.0F;
    });
  }
  ~Block() { std::free(data_); }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  float* data() { return data_; }

 private:
  std::size_t bytes_;
  float* data_;
};

// The memory of a pattern: `reads` and `writes` streams of as many registers.
class Memory {
 public:
  explicit Memory(const Pattern& p)
      : p_(p),
        stream_(stream_floats(p)),
        x_(std::max(1, new_reads()) * stream_ + row, p.huge_pages),
        y_(std::max(1, p.writes) * stream_ + row, p.huge_pages) {}

  double bytes() const {
    return static_cast<double>((new_reads() + p_.writes) * stream_) * sizeof(float);
  }

  // One of `pieces` equal parts.
  void run(index_t piece) {
    const index_t unit = is_rows() ? half_row : stream_ / pieces;
    const index_t units = stream_ / unit / pieces;
    for (index_t u = piece * units; u < (piece + 1) * units; ++u) move(u * unit, unit);
  }

  static constexpr index_t pieces = 16;

 private:
  bool is_rows() const { return p_.order != Order::lines && p_.order != Order::apart; }
  int new_reads() const { return p_.order == Order::pool && p_.reads == 6 ? 4 : p_.reads; }
  static index_t stream_floats(const Pattern& p) {
    const int most = std::max(p.reads, p.writes);
    const index_t rows = smoke() ? 2 * pieces : 7168 / most / pieces * pieces;  // 100 MB a side
    return rows * half_row;
  }

  // `count` floats of each stream from `first` on.
  void move(index_t first, index_t count) {
    const index_t width = peak_kernels().width;
    StreamLoop loop{};
    loop.read_count = p_.reads;
    loop.write_count = p_.writes;
    loop.registers = count / width;
    loop.past_caches = p_.past_caches;
    const int reads = p_.reads;
    const int writes = p_.writes;
    const bool apart = p_.order == Order::apart;
    const int side = is_rows() ? 2 : 0;  // neighbouring registers of a row
    loop.read_step = apart || p_.order == Order::upsample ? width : (side ? side : reads) * width;
    loop.write_step = apart || p_.order == Order::pool || p_.order == Order::pool_two
                          ? width
                          : (side ? side : writes) * width;
    const float* x = x_.data() + (apart ? first : first * new_reads());
    float* y = y_.data() + (apart ? first : first * writes);
    if (new_reads() != reads) x -= first > 0 ? row : 0;  // the row before
    for (int r = 0; r < reads; ++r) {
      loop.reads[r] = apart  ? x + r * stream_
                      : side ? x + r / 2 * row + r % 2 * width
                             : x + r * width;
    }
    for (int w = 0; w < writes; ++w) {
      loop.writes[w] = apart ? y + w * stream_ : y + w * width;
      if (p_.order == Order::pool_two) loop.writes[w] = y + w * half_row;
      if (p_.order == Order::upsample) loop.writes[w] = y + w / 2 * row + w % 2 * width;
    }
    float sink = 0;
    TW_CHECK(peak_kernels().move(loop, &sink), "streams: no loop of ", reads, " reads and ", writes,
             " writes");
    benchmark::DoNotOptimize(sink);
  }

  Pattern p_;
  index_t stream_;
  Block x_;
  Block y_;
};

void add_benchmarks() {
  for (const Pattern& pattern : patterns) {
    add(std::string("streams/") + pattern.name, [pattern](benchmark::State& state) {
      Memory memory(pattern);
      run_bytes(state, memory.bytes(), [&] {
        parallel_for(Memory::pieces, [&](index_t piece) { memory.run(piece); });
        return 0;
      });
    });
  }
}

}  // namespace
}  // namespace tilewise::bench

int main(int argc, char** argv) {
  return tilewise::bench::run(argc, argv, tilewise::bench::add_benchmarks);
}
