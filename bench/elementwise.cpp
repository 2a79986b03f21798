// Passes over activation maps: bound by memory, so in GB/s of the bytes that must move.
#include "common.h"
#include "ops/batch_norm.h"
#include "ops/binary.h"
#include "ops/unary.h"

namespace tilewise::bench {
namespace {

struct Map {
  explicit Map(const Shape& s) : dims{s["n"], s["c"], s["hw"], s["hw"]} {}
  // `passes` counts the reads and writes of a whole map.
  double bytes(int passes) const {
    return passes * static_cast<double>(element_count(dims)) * sizeof(float);
  }
  Dims dims;
};

void relu_forward(benchmark::State& state, const Map& map) {
  Rotation x(map.dims, true);
  run_bytes(state, map.bytes(2), [&] { return unary(UnaryOp::relu, x.next()); });
}

void relu_gradient(benchmark::State& state, const Map& map) {
  Rotation dy(map.dims, true);
  Rotation y(map.dims, true);
  run_bytes(state, map.bytes(3),
            [&] { return unary_backward(UnaryOp::relu, dy.next(), y.next()); });
}

void add_maps(benchmark::State& state, const Map& map) {
  Rotation a(map.dims, true);
  Rotation b(map.dims, true);
  run_bytes(state, map.bytes(3), [&] { return tilewise::add(a.next(), b.next()); });
}

void multiply_by_scalar(benchmark::State& state, const Map& map) {
  Rotation a(map.dims, true);
  run_bytes(state, map.bytes(2), [&] { return mul(a.next(), 1.5); });
}

void batch_norm_training(benchmark::State& state, const Map& map) {
  Rotation x(map.dims, true);
  BatchNormState norm;
  norm.weight = random_array({map.dims[1]}, false, 1);
  norm.bias = random_array({map.dims[1]}, false, 2);
  // Statistics, then normalisation: two reads and a write.
  run_bytes(state, map.bytes(3), [&] { return batch_norm_forward(x.next(), norm); });
}

void batch_norm_gradient(benchmark::State& state, const Map& map) {
  Rotation x(map.dims, true);
  Rotation dy(map.dims, true);
  BatchNormState norm;
  norm.weight = random_array({map.dims[1]}, false, 1);
  norm.bias = random_array({map.dims[1]}, false, 2);
  const BatchNormResult forward = batch_norm_forward(x.next(), norm);
  BatchNormSaved saved;
  saved.weight = norm.weight;
  saved.mean = forward.mean;
  saved.invstd = forward.invstd;
  // Two sums over both maps, then the gradient: four reads and a write.
  run_bytes(state, map.bytes(5), [&] { return batch_norm_backward(dy.next(), x.next(), saved); });
}

void add_benchmarks() {
  using Run = void (*)(benchmark::State&, const Map&);
  const std::pair<const char*, Run> cases[] = {
      {"relu/forward", relu_forward},
      {"relu/backward", relu_gradient},
      {"add", add_maps},
      {"mul-scalar", multiply_by_scalar},
      {"batch_norm/forward", batch_norm_training},
      {"batch_norm/backward", batch_norm_gradient},
  };
  for (const Shape& shape : read_shapes("elementwise.txt")) {
    for (const auto& [name, run] : cases) {
      tilewise::bench::add(
          std::string(name) + "/" + shape.name,
          [map = Map(shape), run = run](benchmark::State& state) { run(state, map); });
    }
  }
}

}  // namespace
}  // namespace tilewise::bench

int main(int argc, char** argv) {
  return tilewise::bench::run(argc, argv, tilewise::bench::add_benchmarks);
}
