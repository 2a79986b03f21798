// Gradient of the weights of grouped convolutions.
//
//   dW[k, j, t] = sum over images n and output pixels o of
//                 x[n, o*stride + t*dilation - pad, group(k)*C/groups + j] * dY[n, o, k]
//
// Lanes are output channels; up to 3 taps of a kernel row times 8 channels j stay in registers
// while the rows of a strip run past. A permuted x serves the taps of the kernel row, three vectors
// of dY the channels.
//
//   for each piece = (share of the places) x (block of units)           -> threads
//     for each place of its share: strips of x and dY                   -> L2
//       for each vector of output channels and run of taps: accumulate
//   sum the shares in order
//
// Float32 sums run over the pixels of one place; places are added in order, then shares. Both
// depend on the problem and the instruction set's width only.
#include <algorithm>

#include "base/threads.h"
#include "kernels/gemm.h"
#include "ops/conv/grouped.h"
#include "ops/conv/grouped_plan.h"
#include "ops/conv/problem.h"

namespace tilewise {
namespace {

constexpr index_t kStripBytes = 608 << 10;  // x and dY
constexpr index_t kWantedPieces = 16;

// Shares of the pixels: each writes and reads its own weights, which must not cost more than the
// tensors. The rest of the pieces come from dividing the channels.
index_t shares_wanted(const ConvProblem& p) {
  const index_t activations = p.n * (p.in_pixels() * p.c + p.out_pixels() * p.k);
  const index_t weights = p.taps() * p.group_c() * p.k;
  return std::clamp<index_t>(activations / (12 * weights), 1, kWantedPieces);
}

class GroupedWeightGradient {
 public:
  explicit GroupedWeightGradient(const ConvProblem& p)
      : p_(p),
        job_(grouped_forward_job(p)),
        plan_(job_, kStripBytes, kWantedPieces / shares_wanted(p), true),
        shares_(std::min(shares_wanted(p), plan_.places())) {
    // A line more than a multiple: vectors of dY are written side by side.
    dy_vector_ = plan_.block_rows() * plan_.block_cols() * width_ | 16;
  }

  index_t bytes_a_thread() const {
    return (plan_.strip_floats() + dy_floats()) * static_cast<index_t>(sizeof(float));
  }
  index_t partial_floats() const { return checked_mul(shares_, plan_.weight_floats()); }

  void run(const ConvBackwardWeight& conv, float* partial) const {
    const GroupedChannels& channels = plan_.channels();
    parallel_for(shares_ * plan_.unit_blocks(), static_cast<index_t>(multiply_adds(p_)),
                 [&](index_t piece) {
                   const index_t share = piece / plan_.unit_blocks();
                   run_piece(conv, share, piece % plan_.unit_blocks(),
                             partial + share * plan_.weight_floats());
                 });
    float* dw = conv.dweight.data<float>();
    const index_t cg = p_.group_c();
    const index_t taps = p_.taps();
    parallel_for(channels.units() * channels.vectors(), [&](index_t i) {
      float* sums = partial + i * plan_.vector_floats();
      for (index_t share = 1; share < shares_; ++share) {
        gemm_kernels().add(sums, sums + share * plan_.weight_floats(), plan_.vector_floats());
      }
      plan_.for_each_weight(i / channels.vectors(), i % channels.vectors(),
                            [&](index_t k, index_t tap, index_t j, index_t place) {
                              dw[(k * cg + j) * taps + tap] = sums[place];
                            });
    });
  }

 private:
  index_t dy_floats() const {
    return plan_.block(0, 0).unit1 * plan_.channels().vectors() * dy_vector_;
  }

  void run_piece(const ConvBackwardWeight& conv, index_t share, index_t unit_block,
                 float* sums) const {
    const GroupedChannels& channels = plan_.channels();
    Scratch<float> x(static_cast<std::size_t>(plan_.strip_floats()));
    Scratch<float> dy(static_cast<std::size_t>(dy_floats()));
    const GroupedPlan::Block all = plan_.block(0, unit_block);
    std::fill(sums + all.unit0 * channels.vectors() * plan_.vector_floats(),
              sums + all.unit1 * channels.vectors() * plan_.vector_floats(), 0.0F);
    const index_t first = plan_.places() * share / shares_;
    const index_t last = plan_.places() * (share + 1) / shares_;
    for (index_t place = first; place < last; ++place) {
      const GroupedPlan::Block b = plan_.block(place, unit_block);
      plan_.pack(b, conv.x.data<float>(), {}, x.data());
      pack_dy(b, conv, dy.data());
      AheadSlices ahead = slices_after(b, place + 1, place + 1 < last, conv);
      for (index_t unit = b.unit0; unit < b.unit1; ++unit) {
        const float* src = x.data() + (unit - b.unit0) * channels.sources() * plan_.source_floats();
        for (index_t v = 0; v < channels.vectors(); ++v) {
          const index_t i = (unit - b.unit0) * channels.vectors() + v;
          add_vector(b, src, dy.data() + i * dy_vector_,
                     sums + (unit * channels.vectors() + v) * plan_.vector_floats(), ahead);
        }
      }
    }
  }

  // The tensors' part under the next place.
  AheadSlices slices_after(const GroupedPlan::Block& now, index_t place, bool more,
                           const ConvBackwardWeight& conv) const {
    AheadSlices ahead;
    const float* x = conv.x.data<float>();
    if (more && plan_.unit_blocks() == 1) {
      const GroupedPlan::Block b = plan_.block(place, 0);
      const index_t pixel =
          ((b.image * p_.out[0] + b.plane) * p_.out[1] + b.row0) * p_.out[2] + b.col0;
      const bool dense = b.rows == 1 || b.cols == p_.out[2];
      const index_t lines = dense ? b.rows * b.cols * p_.k / 16 : 0;
      ahead.add(plan_.input_of(b, x));
      ahead.add({conv.dy.data<float>() + pixel * p_.k, lines});
      if (conv.gate.y != nullptr) ahead.add({conv.gate.y + pixel * p_.k, lines});
    }
    const index_t vectors = (now.unit1 - now.unit0) * plan_.channels().vectors();
    ahead.start(vectors * static_cast<index_t>(plan_.runs(0).size()));
    return ahead;
  }

  // dY of a block as [vector][row][column][width].
  void pack_dy(const GroupedPlan::Block& b, const ConvBackwardWeight& conv, float* out) const {
    const GroupedChannels& channels = plan_.channels();
    const index_t k0 = b.unit0 * channels.unit_out();
    GroupedPack p{};
    p.src_pixel = p_.k;
    p.pixels = b.cols;
    p.channels = std::min(b.unit1 * channels.unit_out(), p_.k) - k0;
    p.unit = channels.unit_out();
    p.dst_source = dy_vector_;
    for (index_t row = 0; row < b.rows; ++row) {
      const index_t pixel =
          ((b.image * p_.out[0] + b.plane) * p_.out[1] + b.row0 + row) * p_.out[2] + b.col0;
      p.src = conv.dy.data<float>() + pixel * p_.k + k0;
      p.gate = conv.gate;
      if (p.gate.y != nullptr) p.gate.y += pixel * p_.k + k0;
      p.dst = out + row * b.cols * width_;
      grouped_kernels().pack(p);
    }
  }

  void add_vector(const GroupedPlan::Block& b, const float* src, const float* dy, float* sums,
                  AheadSlices& ahead) const {
    GroupedGradient g{};
    g.x_row = plan_.row_step();
    g.dy_row = b.cols * width_;
    g.count = b.cols;
    g.lanes = plan_.channels().lanes();
    for (const PlannedRun& run : plan_.runs(0)) {
      index_t begin = 0;  // rows whose input lies inside
      while (begin < b.rows && !plan_.inside(run, b.plane, b.row0 + begin)) ++begin;
      index_t end = begin;
      while (end < b.rows && plan_.inside(run, b.plane, b.row0 + end)) ++end;
      if (begin == end) continue;
      g.x = src + run.run.src + begin * g.x_row;
      g.dy = dy + begin * g.dy_row;
      g.rows = end - begin;
      g.taps = run.run.taps;
      g.channels = run.run.channels;
      g.sums = sums + run.run.weights;
      g.ahead = ahead.next();
      grouped_kernels().gradient(g);
    }
  }

  const ConvProblem& p_;
  const index_t width_ = grouped_kernels().width;
  GroupedJob job_;
  GroupedPlan plan_;
  index_t shares_;
  index_t dy_vector_ = 0;
};

}  // namespace

void grouped_weight_gradient(const ConvBackwardWeight& conv) {
  const ConvProblem p = simplified(conv.problem);
  const GroupedWeightGradient gradient(p);
  Scratch<float> partial(static_cast<std::size_t>(gradient.partial_floats()));
  gradient.run(conv, partial.data());
}

index_t grouped_weight_gradient_workspace(const ConvProblem& p, int threads) {
  const GroupedWeightGradient gradient(p);
  return gradient.partial_floats() * static_cast<index_t>(sizeof(float)) +
         threads * gradient.bytes_a_thread();
}

}  // namespace tilewise
