// Matrix products of any orientation through the public op, in GFLOP/s.
#include "common.h"
#include "ops/matmul.h"

namespace tilewise::bench {
namespace {

// Memory in which the transposed view is the operand, where `transposed`.
struct Operand {
  Operand(index_t rows, index_t columns, bool transposed)
      : data(transposed ? Dims{columns, rows} : Dims{rows, columns}, false),
        transpose(transposed) {}
  Array next() { return transpose ? data.next().permute({1, 0}) : data.next(); }

  Rotation data;
  bool transpose;
};

void multiply(benchmark::State& state, const Shape& shape) {
  Operand a(shape["m"], shape["k"], shape.get("ta", 0) != 0);
  Operand b(shape["k"], shape["n"], shape.get("tb", 0) != 0);
  const double flops = 2.0 * static_cast<double>(shape["m"]) * static_cast<double>(shape["n"]) *
                       static_cast<double>(shape["k"]);
  run_flops(state, flops, [&] { return matmul(a.next(), b.next()); });
}

void add_benchmarks() {
  for (const Shape& shape : read_shapes("gemm.txt")) {
    add("gemm/" + shape.name, [shape](benchmark::State& state) { multiply(state, shape); });
  }
}

}  // namespace
}  // namespace tilewise::bench

int main(int argc, char** argv) {
  return tilewise::bench::run(argc, argv, tilewise::bench::add_benchmarks);
}
