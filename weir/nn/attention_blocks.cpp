#include "weir/nn/attention_blocks.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace weir {
namespace {

// x[row, first:last, head]: one view instead of three, of which a block makes some ten.
at::Tensor part(const at::Tensor& x, int64_t row, int64_t head, int64_t first, int64_t last) {
  const int64_t offset = row * x.stride(0) + first * x.stride(1) + head * x.stride(2);
  return x.as_strided({last - first, x.size(3)}, {x.stride(1), x.stride(3)},
                      x.storage_offset() + offset);
}

}  // namespace

AttentionBlocks::AttentionBlocks(at::Tensor queries, at::Tensor keys, at::Tensor values,
                                 const ScoreOptions& options, VisibleKeys seen)
    : q(std::move(queries)),
      k(std::move(keys)),
      v(std::move(values)),
      scale(static_cast<float>(options.scale)),
      softcap(static_cast<float>(options.softcap)),
      slopes(options.slopes.defined() ? options.slopes.to(at::kFloat).contiguous() : at::Tensor()),
      visible(std::move(seen)),
      group(q.size(2) / k.size(2)) {}

AttentionBlocks::Block AttentionBlocks::block(int64_t row, int64_t head, int64_t index) const {
  const int64_t first = index * kQueriesAtOnce;
  const int64_t last = std::min(first + kQueriesAtOnce, q.size(1));
  return {row, head, first, last, visible.first(row, first), visible.end(last - 1)};
}

at::Tensor AttentionBlocks::queries(const at::Tensor& x, const Block& block) {
  return part(x, block.row, block.head, block.first, block.last);
}

at::Tensor AttentionBlocks::keys(const at::Tensor& x, const Block& block) const {
  return part(x, block.row, block.head / group, block.from, block.to);
}

at::Tensor AttentionBlocks::products(const Block& block) const {
  return at::mm(queries(q, block), keys(k, block).t());
}

kernels::WeightTask AttentionBlocks::weight_task(const Block& block, int64_t query,
                                                 float* scores) const {
  kernels::WeightTask task;
  task.scores = scores;
  task.n_keys = block.n_keys();
  // A pad before the first real key sees nothing: its row of weights is zero.
  task.end = std::max<int64_t>(visible.end(query) - block.from, 0);
  const int64_t first = std::max<int64_t>(visible.first(block.row, query) - block.from, 0);
  task.first = std::min(first, task.end);
  task.scale = scale;
  task.softcap = softcap;
  task.slope = slope(block.head);
  return task;
}

void AttentionBlocks::to_weights(const Block& block, at::Tensor& products) const {
  float* scores = products.data_ptr<float>();
  for (int64_t query = block.first; query < block.last; ++query, scores += block.n_keys()) {
    kernels::best().attention_weights(weight_task(block, query, scores));
  }
}

}  // namespace weir
