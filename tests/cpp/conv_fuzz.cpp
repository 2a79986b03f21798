// Random convolutions through the public operations, for the sanitizers: tools/sanitize.sh builds
// and runs it.
//
//   conv_fuzz [problems] [first seed]
//
// Every direction and algorithm that accepts a problem, on every instruction set, with epilogues
// and gates. Operands are blocks of malloc's, exactly as long as they are, so that the address
// sanitizer sees an access one byte beyond. Values are small integers: results must equal those of
// the plain loops in double, but for Winograd's, which are compared within 1e-3.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/threads.h"
#include "ops/conv/conv.h"
#include "ops/copy.h"

namespace tilewise {
namespace {

class Draw {
 public:
  explicit Draw(unsigned seed) : engine_(seed) {}
  index_t between(index_t low, index_t high) {
    return std::uniform_int_distribution<index_t>(low, high)(engine_);
  }
  bool chance(index_t percent) { return between(1, 100) <= percent; }

 private:
  std::mt19937 engine_;
};

// Its own block, which nobody else's bytes follow.
Array foreign(const Array& dense) {
  const std::size_t bytes = static_cast<std::size_t>(dense.size()) * itemsize(dense.dtype());
  auto* block = static_cast<std::byte*>(std::malloc(bytes == 0 ? 1 : bytes));
  if (bytes > 0) std::copy_n(dense.bytes(), bytes, block);
  auto storage = std::make_shared<Storage>(block, bytes, [block] { std::free(block); });
  return Array(storage, block, dense.dtype(), dense.shape(), dense.strides());
}

struct Operand {
  Array exact;   // float64
  Array single;  // the same in float32, in a block of its own
};

Operand integers(Draw& draw, const Dims& shape, bool activation) {
  const bool last = activation && draw.chance(80);
  const Array single = last ? Array::empty_channels_last(shape, DType::float32)
                            : Array::empty(shape, DType::float32);
  for (index_t i = 0; i < single.size(); ++i) {
    single.data<float>()[i] = static_cast<float>(draw.between(-3, 3));
  }
  return {cast(single, DType::float64), foreign(single)};
}

struct Problem {
  Dims x;
  Dims weight;
  Dims y;
  ConvArguments arguments;
};

Problem draw_problem(Draw& draw) {
  Problem p;
  const auto dims = static_cast<int>(draw.between(1, 3));
  const index_t groups = draw.chance(60) ? 1 : draw.between(2, 20);
  const bool depthwise = groups > 1 && draw.chance(50);
  const index_t most = groups == 1 ? 50 : 9;
  const index_t c = groups * (depthwise ? 1 : draw.between(1, most));
  const index_t k = groups * (depthwise ? draw.between(1, 2) : draw.between(1, most));
  const bool winograd = groups == 1 && dims > 1 && draw.chance(40);
  p.x = {draw.chance(3) ? 0 : draw.between(1, 3), c};
  p.weight = {k, c / groups};
  p.arguments.groups = groups;
  for (int i = 0; i < dims; ++i) {
    const bool flat = winograd && i < dims - 2;
    p.weight.push_back(flat ? 1 : winograd ? 3 : draw.between(1, 5));
    p.arguments.stride.push_back(winograd ? 1 : draw.between(1, 3));
    p.arguments.dilation.push_back(winograd || draw.chance(60) ? 1 : draw.between(1, 3));
    const index_t span = (p.weight[2 + i] - 1) * p.arguments.dilation[i] + 1;
    p.arguments.pad_begin.push_back(flat ? 0 : draw.between(0, 3));
    p.arguments.pad_end.push_back(flat ? 0 : draw.between(0, 3));
    const index_t padding = p.arguments.pad_begin[i] + p.arguments.pad_end[i];
    const index_t least = std::max<index_t>(1, span - padding);
    p.x.push_back(draw.between(least, std::max<index_t>(least, dims == 3 ? 6 : 14)));
  }
  const ConvProblem problem = make_conv_problem("conv_fuzz", p.x, p.weight, p.arguments);
  p.y = conv_output_shape(problem, dims + 2);
  return p;
}

class Fuzz {
 public:
  explicit Fuzz(unsigned seed)
      : draw_(seed),
        problem_(draw_problem(draw_)),
        x_(integers(draw_, problem_.x, true)),
        weight_(integers(draw_, problem_.weight, false)),
        dy_(integers(draw_, problem_.y, true)),
        gate_y_(integers(draw_, problem_.y, true)) {
    const bool bias = draw_.chance(60);
    const bool residual = draw_.chance(40);
    set_epilogue(problem_.y, bias, residual, forward_);
    set_epilogue(problem_.x, bias, residual, transposed_);
    gated_ = draw_.chance(60);
    statistics_ = draw_.chance(30);
  }

  // The number of calls, or -1 after printing what differs.
  int run() {
    const ConvProblem problem =
        make_conv_problem("conv_fuzz", problem_.x, problem_.weight, problem_.arguments);
    int calls = 0;
    for (ConvDirection direction : conv_directions) {
      const std::vector<Array> wanted = outputs(direction, "reference", true);
      for (const ConvChoice& choice :
           weigh_algorithms("conv_fuzz", problem, DType::float32, direction, "auto")) {
        if (!choice.refusal.empty()) continue;
        const std::vector<Array> got = outputs(direction, choice.algorithm, false);
        ++calls;
        const double limit = std::string(choice.algorithm).rfind("winograd", 0) == 0 ? 1e-3 : 0;
        for (std::size_t i = 0; i < got.size(); ++i) {
          if (agree(got[i], wanted[i], limit)) continue;
          std::printf("%s %s on %s differs: x %s weight %s groups %ld\n", choice.algorithm,
                      name_of(direction), name_of(active_isa()), to_string(problem_.x).c_str(),
                      to_string(problem_.weight).c_str(), long{problem_.arguments.groups});
          return -1;
        }
      }
    }
    return calls;
  }

 private:
  struct Fused {
    ConvEpilogue exact;
    ConvEpilogue single;
  };

  void set_epilogue(const Dims& shape, bool bias, bool residual, Fused& fused) {
    constexpr Activation exact_ones[] = {Activation::none, Activation::relu, Activation::relu6,
                                         Activation::leaky_relu};
    fused.exact.activation = exact_ones[draw_.between(0, 3)];
    fused.exact.slope = 0.25;
    fused.single = fused.exact;
    if (bias) {
      const Operand b = integers(draw_, {shape[1]}, false);
      fused.exact.bias = b.exact;
      fused.single.bias = b.single;
    }
    if (residual) {
      const Operand r = integers(draw_, shape, true);
      fused.exact.residual = r.exact;
      fused.single.residual = r.single;
    }
  }

  std::vector<Array> outputs(ConvDirection direction, const char* algorithm, bool exact) const {
    const ConvOptions options{problem_.arguments, algorithm, false};
    const Array& x = exact ? x_.exact : x_.single;
    const Array& weight = exact ? weight_.exact : weight_.single;
    const Array& dy = exact ? dy_.exact : dy_.single;
    ConvGate gate;
    if (gated_) gate = {exact ? gate_y_.exact : gate_y_.single, Activation::leaky_relu, 0.25};
    if (direction == ConvDirection::forward) {
      ConvEpilogue e = exact ? forward_.exact : forward_.single;
      e.statistics = statistics_;
      return {conv_forward(x, weight, e, options).y};
    }
    if (direction == ConvDirection::backward_data) {
      const ConvEpilogue& e = exact ? transposed_.exact : transposed_.single;
      return {conv_backward_data(dy, weight, problem_.x, gate, options),
              conv_transpose_forward(dy, weight, problem_.x, e, options).y};
    }
    const auto [dw, db] = conv_backward_weight(dy, x, problem_.weight, true, gate, options);
    return {dw, *db};
  }

  static bool agree(const Array& got, const Array& wanted, double limit) {
    const Array a = contiguous(got);
    const Array b = contiguous(wanted);
    for (index_t i = 0; i < a.size(); ++i) {
      if (!(std::abs(double{a.data<float>()[i]} - b.data<double>()[i]) <= limit)) return false;
    }
    return a.shape() == b.shape();
  }

  Draw draw_;
  Problem problem_;
  Operand x_;
  Operand weight_;
  Operand dy_;
  Operand gate_y_;
  Fused forward_;
  Fused transposed_;
  bool gated_;
  bool statistics_;
};

int run(int problems, unsigned first) {
  long calls = 0;
  for (unsigned seed = first; seed < first + static_cast<unsigned>(problems); ++seed) {
    for (Isa isa : available_isas()) {
      set_isa(name_of(isa));
      set_num_threads(seed % 2 == 0 ? 2 : 1);
      const int made = Fuzz(seed).run();
      if (made < 0) {
        std::printf("seed %u\n", seed);
        return 1;
      }
      calls += made;
    }
    release_cached_memory();  // what was released is poisoned now
  }
  std::printf("%d problems, %ld calls, on %zu instruction sets: no difference\n", problems, calls,
              available_isas().size());
  return 0;
}

}  // namespace
}  // namespace tilewise

int main(int argc, char** argv) {
  const int problems = argc > 1 ? std::atoi(argv[1]) : 1000;
  const unsigned first = argc > 2 ? static_cast<unsigned>(std::atoi(argv[2])) : 0;
  return tilewise::run(problems, first);
}
