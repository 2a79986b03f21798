// One description of every convolution: 1-D, 2-D and 3-D, any stride, padding, dilation, groups.
#pragma once

#include "base/border.h"

namespace tilewise {

// Spatial dimensions are depth, height, width; missing leading ones have extent and kernel 1.
// Activations are (n, depth, height, width, channels) in memory, weights (k, c/groups, kd, kh, kw).
struct ConvProblem {
  index_t n = 0;
  index_t c = 0;
  index_t k = 0;
  index_t groups = 1;
  index_t in[3] = {1, 1, 1};
  index_t out[3] = {1, 1, 1};
  index_t kernel[3] = {1, 1, 1};
  index_t stride[3] = {1, 1, 1};
  index_t dilation[3] = {1, 1, 1};
  index_t pad_begin[3] = {0, 0, 0};
  index_t pad_end[3] = {0, 0, 0};
  Border border = Border::zeros;  // what the padding holds

  index_t group_c() const { return c / groups; }
  index_t group_k() const { return k / groups; }
  index_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  index_t in_pixels() const { return in[0] * in[1] * in[2]; }
  index_t out_pixels() const { return out[0] * out[1] * out[2]; }

  friend bool operator==(const ConvProblem& a, const ConvProblem& b) {
    const auto same = [](const index_t(&u)[3], const index_t(&v)[3]) {
      return u[0] == v[0] && u[1] == v[1] && u[2] == v[2];
    };
    return a.n == b.n && a.c == b.c && a.k == b.k && a.groups == b.groups && same(a.in, b.in) &&
           same(a.out, b.out) && same(a.kernel, b.kernel) && same(a.stride, b.stride) &&
           same(a.dilation, b.dilation) && same(a.pad_begin, b.pad_begin) &&
           same(a.pad_end, b.pad_end) && a.border == b.border;
  }
};

}  // namespace tilewise
