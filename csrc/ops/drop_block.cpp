// DropBlock: G. Ghiasi, T.-Y. Lin, Q. V. Le, "DropBlock: a regularization method for convolutional
// networks" (2018). A block starts at each place where it fits with probability
//
//   gamma = p / block^d * (elements of a channel) / (places in a channel)
//
// Blocks are few: each is written as bytes into a map of x in channels-last order, which is then
// packed into the mask of dropout, a bit an element, and counted.
#include "ops/drop_block.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/dropout.h"
#include "ops/channel_rows.h"
#include "ops/copy.h"
#include "ref/dropout.h"

namespace tilewise {
namespace {

constexpr const char* op = "drop_block";
constexpr index_t word = 64;    // elements of a mask word
constexpr index_t block = 128;  // elements that the counters below decide
constexpr index_t counters = 16;

// Samples of up to three dimensions and the places where blocks start.
struct Blocks {
  index_t samples;
  index_t channels;
  Dims extent{1, 1, 1};
  Dims side{1, 1, 1};  // of a block: as long as asked for, at most the shortest dimension

  Blocks(const Array& x, index_t block_size) : samples(x.extent(0)), channels(x.extent(1)) {
    const int dims = x.rank() - 2;
    for (int i = 0; i < dims; ++i) extent[3 - dims + i] = x.extent(i + 2);
    index_t length = block_size;
    for (int i = 0; i < dims; ++i) length = std::min(length, x.extent(i + 2));
    for (int i = 3 - dims; i < 3; ++i) side[i] = length;
  }

  index_t places(int i) const { return extent[i] - side[i] + 1; }
  index_t sample_places() const { return places(0) * places(1) * places(2) * channels; }
  index_t sample_size() const { return extent[0] * extent[1] * extent[2] * channels; }
  double gamma(double p) const {
    double value = p;
    for (int i = 0; i < 3; ++i) {
      value *= static_cast<double>(extent[i]) / static_cast<double>(side[i] * places(i));
    }
    return std::min(value, 1.0);
  }

  // Marks the block that starts at place i of a sample.
  void mark(index_t i, std::uint8_t* dropped) const {
    const index_t c = i % channels;
    const index_t w = i / channels % places(2);
    const index_t h = i / (channels * places(2)) % places(1);
    const index_t d = i / (channels * places(2) * places(1));
    for (index_t a = d; a < d + side[0]; ++a) {
      for (index_t b = h; b < h + side[1]; ++b) {
        std::uint8_t* row = dropped + ((a * extent[1] + b) * extent[2] + w) * channels + c;
        for (index_t k = 0; k < side[2]; ++k) row[k * channels] = 1;
      }
    }
  }
};

void check(const Array& x, index_t block_size) {
  TW_CHECK_TYPE(is_floating(x.dtype()), op, ": expected a floating input, got ",
                name_of(x.dtype()));
  TW_CHECK(x.rank() >= 3 && x.rank() <= 5, op, ": expected an input (N, C, spatial...), got shape ",
           to_string(x.shape()));
  TW_CHECK(block_size >= 1, op, ": expected block_size >= 1, got ", block_size);
}

// Bits are set where no block starts.
void draw_starts(index_t count, double gamma, RandomPosition position, DType dtype,
                 std::uint64_t* bits) {
  const std::uint32_t threshold = ref::dropout_threshold(gamma);
  parallel_ranges(count, elementwise_grain, [&](index_t first, index_t last) {
    if (dtype == DType::float32) {
      const auto further = static_cast<std::uint64_t>(first / block * counters);
      const DropoutDraw draw{position.seed, position.counter + further, threshold, 1, 0, 0};
      dropout_kernels().draw(last - first, draw, bits + first / word);
      return;
    }
    for (index_t i = first; i < last; i += word) {
      bits[i / word] = ref::dropout_mask(position.seed, position.counter, i / word, threshold);
    }
  });
}

void mark_sample(const Blocks& b, index_t n, const std::uint64_t* bits, std::uint8_t* dropped) {
  const index_t first = n * b.sample_places();
  const index_t last = first + b.sample_places();
  for (index_t w = first / word; w * word < last; ++w) {
    std::uint64_t starts = ~bits[w];
    while (starts != 0) {
      const index_t i = w * word + __builtin_ctzll(starts);
      starts &= starts - 1;
      if (i >= first && i < last) b.mark(i - first, dropped);
    }
  }
}

// A mask word from 64 bytes, of which `count` exist; set where the byte is 0.
std::uint64_t pack(const std::uint8_t* dropped, index_t count) {
  std::uint64_t result = 0;
  for (index_t i = 0; i < count; i += 8) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, dropped + i, static_cast<std::size_t>(std::min<index_t>(8, count - i)));
    const std::uint64_t kept = ~bytes & 0x0101010101010101U;
    result |= (kept * 0x0102040810204080U >> 56) << i;  // byte k's bit to bit k
  }
  return count < word ? result & ((std::uint64_t{1} << count) - 1) : result;
}

}  // namespace

index_t drop_block_places(const Array& x, index_t block_size) {
  check(x, block_size);
  return x.size() == 0 ? 0 : x.extent(0) * Blocks(x, block_size).sample_places();
}

DropBlockResult drop_block_forward(const Array& input, double p, index_t block_size, double eps,
                                   RandomPosition position) {
  check(input, block_size);
  TW_CHECK(p >= 0 && p <= 1, op, ": expected a probability between 0 and 1, got ", p);
  const Array x = channels_last(input);
  const index_t words = ceil_div(x.size(), word);
  DropBlockResult r{Array(), Array::empty({words * 8}, DType::uint8), 1};
  auto* mask = reinterpret_cast<std::uint64_t*>(r.mask.bytes());
  if (x.size() > 0) {
    const Blocks blocks(x, block_size);
    const index_t places = blocks.samples * blocks.sample_places();
    Scratch<std::uint64_t> starts(at(ceil_div(places, word)));
    draw_starts(places, blocks.gamma(p), position, x.dtype(), starts.data());
    Scratch<std::uint8_t> dropped(at(x.size()));
    parallel_for(blocks.samples, [&](index_t n) {
      std::uint8_t* sample = dropped.data() + n * blocks.sample_size();
      std::memset(sample, 0, at(blocks.sample_size()));
      mark_sample(blocks, n, starts.data(), sample);
    });
    const index_t pieces = ceil_div(x.size(), elementwise_grain);
    std::vector<index_t> kept(at(pieces));
    parallel_ranges(x.size(), elementwise_grain, [&](index_t first, index_t last) {
      index_t count = 0;
      for (index_t i = first; i < last; i += word) {
        mask[i / word] = pack(dropped.data() + i, std::min(word, last - i));
        count += __builtin_popcountll(mask[i / word]);
      }
      kept[at(first / elementwise_grain)] = count;
    });
    index_t total = 0;
    for (index_t count : kept) total += count;
    r.scale = static_cast<double>(x.size()) / (eps + static_cast<double>(total));
  }
  r.y = apply_dropout_mask(x, r.mask, r.scale);
  return r;
}

}  // namespace tilewise
