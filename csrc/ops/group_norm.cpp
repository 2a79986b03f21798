// Group normalisation with the kernels of batch normalisation: for one sample the pixels are rows
// and the channels columns. The first pass leaves sums a channel, which combine to those of a group
// in double; the second scales and shifts each channel. Two passes each way, and where there are
// samples enough the second one finds its sample in the caches.
//
//   mean_g = 1/k sum_c mean_c     P k var_g = sum_c (P var_c + P (mean_c - mean_g)^2)
//
// over the k channels of a group, P pixels: no square of a large number is subtracted from another.
#include "ops/group_norm.h"

#include <cmath>

#include "base/error.h"
#include "kernels/batch_norm.h"
#include "ops/channel_rows.h"
#include "ops/copy.h"
#include "ref/group_norm.h"

namespace tilewise {
namespace {

using ref::GroupShape;

GroupShape shape_of(const Array& x, index_t groups) {
  const index_t planes = x.extent(0) * x.extent(1);
  return {x.extent(0), planes == 0 ? 0 : x.size() / planes, x.extent(1), groups};
}

void check_vector(const char* op, const char* name, const Array& a, const Array& x) {
  if (!a.defined()) return;
  TW_CHECK(a.rank() == 1 && a.extent(0) == x.extent(1), op, ": expected ", name, " of shape (",
           x.extent(1), ",) for an input of shape ", to_string(x.shape()), ", got shape ",
           to_string(a.shape()));
  TW_CHECK_TYPE(a.dtype() == x.dtype(), op, ": expected ", name, " of the input's dtype ",
                name_of(x.dtype()), ", got ", name_of(a.dtype()));
}

void check_input(const char* op, const Array& x, index_t groups) {
  TW_CHECK_TYPE(is_floating(x.dtype()), op, ": expected a floating input, got ",
                name_of(x.dtype()));
  TW_CHECK(x.rank() >= 2, op, ": expected an input (N, C) or (N, C, spatial...), got shape ",
           to_string(x.shape()));
  TW_CHECK(groups >= 1, op, ": expected num_groups >= 1, got ", groups);
  TW_CHECK(x.extent(1) % groups == 0, op, ": expected channels divisible by num_groups, got ",
           groups, " groups and input ", to_string(x.shape()));
}

void check_forward(const Array& x, const GroupNormState& s) {
  check_input(s.op, x, s.groups);
  check_vector(s.op, "weight", s.weight, x);
  check_vector(s.op, "bias", s.bias, x);
  check_vector(s.op, "running_mean", s.running_mean, x);
  check_vector(s.op, "running_var", s.running_var, x);
  TW_CHECK(s.running_mean.defined() == s.running_var.defined(), s.op,
           ": expected both running_mean and running_var, or neither");
  TW_CHECK(!s.running_mean.defined() || s.groups == x.extent(1), s.op,
           ": running statistics are kept for one channel a group only");
  const GroupShape g = shape_of(x, s.groups);
  TW_CHECK(!s.per_instance || g.pixels != 1, s.op,
           ": expected more than 1 spatial element, got input ", to_string(x.shape()));
  TW_CHECK(g.samples * g.pixels * g.group_channels() != 1, s.op,
           ": expected more than 1 value per channel, got input ", to_string(x.shape()));
}

void update_running(const GroupNormState& s, const GroupShape& g, const Doubles& mean,
                    const Doubles& var) {
  const double samples = static_cast<double>(g.samples);
  const double pixels = static_cast<double>(g.pixels);
  Doubles running_mean = to_doubles(s.running_mean, g.channels, 0);
  Doubles running_var = to_doubles(s.running_var, g.channels, 0);
  for (index_t c = 0; c < g.channels; ++c) {
    double means = 0;
    double vars = 0;
    for (index_t n = 0; n < g.samples; ++n) {
      means += mean[at(n * g.channels + c)];
      vars += var[at(n * g.channels + c)];
    }
    const double unbiased = vars / samples * (pixels / (pixels - 1));
    running_mean[at(c)] += s.momentum * (means / samples - running_mean[at(c)]);
    running_var[at(c)] += s.momentum * (unbiased - running_var[at(c)]);
  }
  assign(s.running_mean, running_mean);
  assign(s.running_var, running_var);
}

// What a pass over the activation needs, for every sample: sums a piece, and vectors of the folded
// width.
struct Passes {
  GroupShape shape;
  Rows rows;
  Scratch<double> sums;

  explicit Passes(const GroupShape& s)
      : shape(s),
        rows(s.pixels, s.channels),
        sums(at(checked_mul(checked_mul(s.samples, rows.pieces), 2 * rows.width()))) {}

  index_t width() const { return rows.width(); }
  index_t first_element(index_t n) const { return n * shape.pixels * shape.channels; }
  double* piece_sums(index_t n, index_t p) {
    return sums.data() + (n * rows.pieces + p) * 2 * width();
  }
  // run(first element, shape, first sums, second sums) for a piece, from sums of zero.
  template <typename Run>
  void sum(index_t n, index_t p, const Run& run) {
    double* s = piece_sums(n, p);
    std::fill(s, s + 2 * width(), 0.0);
    rows.visit(
        p, [&](index_t i, RowsShape block) { run(first_element(n) + i, block, s, s + width()); });
  }
  // The sums of a sample's channels, in the order of the pieces.
  void combine(index_t n, double* first, double* second) {
    for (index_t p = 0; p < rows.pieces; ++p) add_folded(rows, piece_sums(n, p), first, second);
  }
};

// Every pixel begins at an aligned address.
bool streams(const Array& x) { return x.size() >= streaming_elements && x.extent(1) % 16 == 0; }

// The statistics of a sample's groups from its channels' sums about the sample's first row.
void group_statistics(const GroupShape& s, const float* pivot, const double* sum,
                      const double* squares, double* mean, double* var) {
  const double pixels = static_cast<double>(s.pixels);
  const double share = 1 / pixels;
  const double group_share = 1 / s.group_size();
  const index_t k = s.group_channels();
  for (index_t g = 0; g < s.groups; ++g) {
    double total = 0;
    for (index_t c = g * k; c < (g + 1) * k; ++c) total += double{pivot[c]} + sum[c] * share;
    const double centre = k == 1 ? total : total / static_cast<double>(k);
    double deviation = 0;
    for (index_t c = g * k; c < (g + 1) * k; ++c) {
      const double offset = double{pivot[c]} + sum[c] * share - centre;
      deviation += squares[c] - sum[c] * sum[c] * share + pixels * offset * offset;
    }
    const double v = deviation * group_share;
    mean[g] = centre;
    var[g] = v < 0 ? 0 : v;  // keeps NaN
  }
}

void forward_float(const Array& x, const GroupShape& s, const GroupNormState& state, Doubles& means,
                   Doubles& vars, const Array& y) {
  Passes passes(s);
  const Rows& r = passes.rows;
  const index_t width = r.width();
  const Doubles weight = to_doubles(state.weight, s.channels, 1);
  const Floats bias = r.tiled(to_doubles(state.bias, s.channels, 0));
  Scratch<float> vectors(at(s.samples * 2 * width));  // mean (at first the pivot) and scale
  const float* src = x.data<float>();
  const auto& kernels = batch_norm_kernels();
  parallel_for(s.samples, s.samples * width, [&](index_t n) {
    float* pivot = vectors.data() + n * 2 * width;
    const float* row = src + passes.first_element(n);
    for (index_t f = 0; f < r.fold; ++f) std::copy(row, row + s.channels, pivot + f * s.channels);
  });
  const auto first = [&](index_t n, index_t p) {
    passes.sum(n, p, [&](index_t i, RowsShape block, double* sum, double* squares) {
      kernels.statistics(src + i, block, vectors.data() + n * 2 * width, sum, squares);
    });
  };
  const auto finish = [&](index_t n) {
    float* mean = vectors.data() + n * 2 * width;
    Doubles sum(at(2 * s.channels));
    double* squares = sum.data() + s.channels;
    passes.combine(n, sum.data(), squares);
    double* centre = means.data() + n * s.groups;
    double* var = vars.data() + n * s.groups;
    group_statistics(s, mean, sum.data(), squares, centre, var);
    for (index_t g = 0, c = 0; g < s.groups; ++g) {
      const double invstd = 1 / std::sqrt(var[g] + state.eps);
      for (const index_t end = c + s.group_channels(); c < end; ++c) {
        sum[at(c)] = centre[g];
        squares[c] = weight[at(c)] * invstd;
      }
    }
    r.tile(sum.data(), mean);
    r.tile(squares, mean + width);
  };
  const auto normalise = streams(x) ? kernels.normalise_streaming : kernels.normalise;
  const auto second = [&](index_t n, index_t p) {
    const float* mean = vectors.data() + n * 2 * width;
    const NormaliseVectors v{mean, mean + width, bias.data(), false};
    r.visit(p, [&](index_t i, RowsShape block) {
      const index_t e = passes.first_element(n) + i;
      normalise(src + e, block, v, y.data<float>() + e);
    });
  };
  two_passes(s.samples, r.pieces, first, finish, second);
}

Array matrix(const Doubles& values, index_t rows, index_t columns, DType dtype) {
  return from_doubles(values, dtype).try_view({rows, columns});
}

}  // namespace

GroupNormResult group_norm_forward(const Array& input, const GroupNormState& state) {
  check_forward(input, state);
  const Array x = channels_last(input);
  const GroupShape s = shape_of(x, state.groups);
  Doubles mean(at(s.samples * s.groups));
  Doubles var(at(s.samples * s.groups));
  Array y = empty_as(x);
  if (x.size() == 0) {
    return {y, matrix(mean, s.samples, s.groups, x.dtype()),
            matrix(var, s.samples, s.groups, x.dtype())};
  }
  if (x.dtype() == DType::float32) {
    forward_float(x, s, state, mean, var, y);
    if (state.running_mean.defined()) update_running(state, s, mean, var);
    for (double& v : var) v = 1 / std::sqrt(v + state.eps);
  } else {
    ref::group_norm_statistics(x.data<double>(), s, mean.data(), var.data());
    if (state.running_mean.defined()) update_running(state, s, mean, var);
    for (double& v : var) v = 1 / std::sqrt(v + state.eps);
    ref::group_norm_normalise(x.data<double>(), s, mean.data(), var.data(),
                              to_doubles(state.weight, s.channels, 1).data(),
                              to_doubles(state.bias, s.channels, 0).data(), y.data<double>());
  }
  return {y, matrix(mean, s.samples, s.groups, x.dtype()),
          matrix(var, s.samples, s.groups, x.dtype())};
}

namespace {

struct BackwardOperands {
  Array dy;
  Array x;
  Doubles weight;
  Doubles mean;    // (N, groups)
  Doubles invstd;  // (N, groups)
};

void backward_float(const BackwardOperands& o, const GroupShape& s, const Array& dx,
                    Doubles& dweight, Doubles& dbias) {
  Passes passes(s);
  const Rows& r = passes.rows;
  const index_t width = r.width();
  Scratch<float> vectors(at(s.samples * 4 * width));             // mean, scale, slope, offset
  Scratch<double> channel_sums(at(s.samples * 2 * s.channels));  // of dy and of dy xhat
  const float* dy = o.dy.data<float>();
  const float* x = o.x.data<float>();
  const auto& kernels = batch_norm_kernels();
  const index_t k = s.group_channels();
  const auto vectors_of = [&](index_t n) { return vectors.data() + n * 4 * width; };
  const auto forward_of = [&](index_t n) {
    float* v = vectors_of(n);
    return NormaliseVectors{v, v + width, v + width, false};
  };
  parallel_for(s.samples, s.samples * width, [&](index_t n) {
    Doubles mean(at(s.channels));
    for (index_t g = 0; g < s.groups; ++g) {
      std::fill(mean.begin() + g * k, mean.begin() + (g + 1) * k, o.mean[at(n * s.groups + g)]);
    }
    r.tile(mean.data(), vectors_of(n));
  });
  const auto first = [&](index_t n, index_t p) {
    passes.sum(n, p, [&](index_t i, RowsShape block, double* sum, double* sum_x) {
      kernels.backward_sums(dy + i, x + i, block, forward_of(n), sum, sum_x);
    });
  };
  const auto finish = [&](index_t n) {
    double* sum = channel_sums.data() + n * 2 * s.channels;
    double* sum_x = sum + s.channels;
    std::fill(sum, sum + 2 * s.channels, 0.0);
    passes.combine(n, sum, sum_x);
    Doubles out(at(3 * s.channels));
    for (index_t g = 0; g < s.groups; ++g) {
      const double invstd = o.invstd[at(n * s.groups + g)];
      double total = 0;
      double total_x = 0;
      for (index_t c = g * k; c < (g + 1) * k; ++c) {
        total += o.weight[at(c)] * sum[c];
        total_x += o.weight[at(c)] * sum_x[c];
        sum_x[c] *= invstd;
      }
      const double slope = invstd * invstd * invstd * total_x / s.group_size();
      const double offset = invstd * total / s.group_size();
      for (index_t c = g * k; c < (g + 1) * k; ++c) {
        out[at(c)] = o.weight[at(c)] * invstd;
        out[at(s.channels + c)] = slope;
        out[at(2 * s.channels + c)] = offset;
      }
    }
    for (index_t i = 0; i < 3; ++i) {
      r.tile(out.data() + i * s.channels, vectors_of(n) + (i + 1) * width);
    }
  };
  const auto backward_input =
      streams(o.x) ? kernels.backward_input_streaming : kernels.backward_input;
  const auto second = [&](index_t n, index_t p) {
    const float* v = vectors_of(n);
    const NormaliseGradVectors g{forward_of(n), v + 2 * width, v + 3 * width, false};
    r.visit(p, [&](index_t i, RowsShape block) {
      const index_t e = passes.first_element(n) + i;
      backward_input(dy + e, x + e, block, g, dx.data<float>() + e);
    });
  };
  two_passes(s.samples, r.pieces, first, finish, second);
  for (index_t n = 0; n < s.samples; ++n) {
    const double* sum = channel_sums.data() + n * 2 * s.channels;
    for (index_t c = 0; c < s.channels; ++c) {
      dbias[at(c)] += sum[c];
      dweight[at(c)] += sum[s.channels + c];
    }
  }
}

Doubles matrix_values(const Array& a) { return to_doubles(reshape(a, {-1}), a.size(), 0); }

}  // namespace

GroupNormGradients group_norm_backward(const Array& grad_output, const Array& input,
                                       const Array& weight, const Array& mean,
                                       const Array& invstd) {
  const char* op = "group_norm_backward";
  TW_CHECK(input.rank() >= 2 && mean.rank() == 2 && mean.extent(0) == input.extent(0), op,
           ": expected statistics of shape (N, groups) for an input of shape ",
           to_string(input.shape()), ", got ", to_string(mean.shape()));
  check_input(op, input, mean.extent(1));
  TW_CHECK(grad_output.shape() == input.shape(), op, ": gradient of shape ",
           to_string(grad_output.shape()), " for an input of shape ", to_string(input.shape()));
  TW_CHECK(invstd.shape() == mean.shape(), op, ": expected invstd of the mean's shape ",
           to_string(mean.shape()), ", got ", to_string(invstd.shape()));
  for (const Array* a : {&grad_output, &mean, &invstd}) {
    TW_CHECK_TYPE(a->dtype() == input.dtype(), op, ": expected arrays of dtype ",
                  name_of(input.dtype()), ", got ", name_of(a->dtype()));
  }
  check_vector(op, "weight", weight, input);
  const Array x = channels_last(input);
  const GroupShape s = shape_of(x, mean.extent(1));
  Array dx = empty_as(x);
  Doubles dweight(at(s.channels));
  Doubles dbias(at(s.channels));
  if (x.size() > 0) {
    const BackwardOperands o{channels_last(grad_output), x, to_doubles(weight, s.channels, 1),
                             matrix_values(mean), matrix_values(invstd)};
    if (x.dtype() == DType::float32) {
      backward_float(o, s, dx, dweight, dbias);
    } else {
      ref::group_norm_backward(o.dy.data<double>(), x.data<double>(), s, o.mean.data(),
                               o.invstd.data(), o.weight.data(), dx.data<double>(), dweight.data(),
                               dbias.data());
    }
  }
  return {dx, from_doubles(dweight, x.dtype()), from_doubles(dbias, x.dtype())};
}

}  // namespace tilewise
