#include "weir/tensor/vocab_references.h"

#include <algorithm>
#include <map>

#include <ATen/ATen.h>

#include "weir/tensor/kernels/kernels.h"

namespace weir::vocab {

References::References(const at::Tensor& x, const at::Tensor& of) : slot_(of.size(0)) {
  std::map<int64_t, int64_t> slots;
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < of.size(0); ++i) {
    const int64_t row = of.data_ptr<int64_t>()[i];
    const auto [entry, is_new] = slots.emplace(row, slots.size());
    if (is_new) rows.push_back(row);
    slot_[i] = entry->second;
  }
  x_ = x.index_select(0, at::tensor(rows, at::kLong).to(x.device()));
  sums_.resize(rows.size());
  kept_.resize(rows.size());
}

void References::add(const Tiles& tiles) {
  z_ = at::empty({size(), tiles.width()}, at::kFloat);
  exponentials_ = at::empty_like(z_);
  for (int64_t first = 0; first < size(); first += kRowsAtOnce) {
    const int64_t last = std::min(first + kRowsAtOnce, size());
    tiles.multiply(x_.slice(0, first, last), z_.slice(0, first, last));
  }
  each_row(size(), [&](int64_t i) {
    float* z = z_.data_ptr<float>() + i * tiles.width();
    const float max = tiles.finish(z);
    kept_[i] =
        sums_[i].add(z, tiles.width(), max, exponentials_.data_ptr<float>() + i * tiles.width());
  });
}

double References::difference(int64_t i, double so_far, const float* z) const {
  const int64_t slot = slot_[i], width = z_.size(1);
  return kept_[slot] * so_far +
         kernels::best().weighted_difference(exponentials_.data_ptr<float>() + slot * width,
                                             z_.data_ptr<float>() + slot * width, z, width);
}

}  // namespace weir::vocab
