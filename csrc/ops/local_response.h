#pragma once

#include "base/array.h"

namespace tilewise {

struct LocalResponseOptions {
  index_t size;
  double alpha;
  double beta;
  double k;
};

// Local response normalisation of x (N, C, spatial...) over windows of `size` channels.
Array local_response_norm(const Array& x, const LocalResponseOptions& options);
Array local_response_norm_backward(const Array& dy, const Array& x,
                                   const LocalResponseOptions& options);

}  // namespace tilewise
