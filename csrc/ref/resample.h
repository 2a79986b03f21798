// Separable linear resampling of channels-last arrays (N, D, H, W, C), as the formula says:
//
//   y[d, h, w] = sum over i, j, k of wd[d, i] * wh[h, j] * ww[w, k] * x[i, j, k]
#pragma once

#include "base/resample_axis.h"

namespace tilewise::ref {

template <typename T>
void resample(const T* x, index_t samples, index_t channels, const ResampleAxes& r, T* y) {
  const ResampleAxis& d = r.axes[0];
  const ResampleAxis& h = r.axes[1];
  const ResampleAxis& w = r.axes[2];
  const index_t in_pixels = d.in * h.in * w.in;
  const auto weight = [](const ResampleAxis& axis, std::size_t o, std::int32_t k) {
    return axis.weight[static_cast<std::size_t>(axis.begin[o]) + static_cast<std::size_t>(k)];
  };
  for (index_t n = 0; n < samples; ++n) {
    const T* sample = x + n * in_pixels * channels;
    for (std::size_t od = 0; od < d.first.size(); ++od) {
      for (std::size_t oh = 0; oh < h.first.size(); ++oh) {
        for (std::size_t ow = 0; ow < w.first.size(); ++ow, y += channels) {
          for (index_t c = 0; c < channels; ++c) {
            double sum = 0;
            for (std::int32_t i = 0; i < d.count[od]; ++i) {
              for (std::int32_t j = 0; j < h.count[oh]; ++j) {
                const double row = weight(d, od, i) * weight(h, oh, j);
                for (std::int32_t k = 0; k < w.count[ow]; ++k) {
                  const index_t pixel =
                      ((d.first[od] + i) * h.in + h.first[oh] + j) * w.in + w.first[ow] + k;
                  sum += row * weight(w, ow, k) * static_cast<double>(sample[pixel * channels + c]);
                }
              }
            }
            y[c] = static_cast<T>(sum);
          }
        }
      }
    }
  }
}

}  // namespace tilewise::ref
