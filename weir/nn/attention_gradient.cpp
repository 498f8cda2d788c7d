#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include "weir/nn/attention_blocks.h"

namespace weir {
namespace {

// P = softmax(s) over the visible keys, z = P v. With D = dz v^T:
//   dv += P^T dz,  ds = P (D - sum(P D)),  dq = ds k,  dk += ds^T q.
void block_gradient(const AttentionBlocks& a, const AttentionBlocks::Block& block,
                    const at::Tensor& dz, const std::vector<at::Tensor>& gradients) {
  at::Tensor dq = AttentionBlocks::queries(gradients[0], block);
  if (block.is_blind()) {
    dq.zero_();
    return;
  }
  const at::Tensor out = AttentionBlocks::queries(dz, block);
  at::Tensor weights = a.products(block);
  const at::Tensor products = a.softcap > 0 ? weights.clone() : at::Tensor();
  a.to_weights(block, weights);
  at::Tensor scores = at::mm(out, a.keys(a.v, block).t());
  for (int64_t query = block.first; query < block.last; ++query) {
    const int64_t offset = (query - block.first) * block.n_keys();
    const float* raw = products.defined() ? products.data_ptr<float>() + offset : nullptr;
    kernels::best().attention_weight_gradients(
        {a.weight_task(block, query, weights.data_ptr<float>() + offset), raw,
         scores.data_ptr<float>() + offset});
  }
  a.keys(gradients[2], block).addmm_(weights.t(), out);
  at::mm_out(dq, scores, a.keys(a.k, block));
  a.keys(gradients[1], block).addmm_(scores.t(), AttentionBlocks::queries(a.q, block));
}

}  // namespace

std::vector<at::Tensor> attention_gradient(const AttentionBlocks& a, const at::Tensor& dz) {
  std::vector<at::Tensor> gradients = {at::empty_like(a.q),
                                       at::zeros_like(a.k, at::MemoryFormat::Contiguous),
                                       at::zeros_like(a.v, at::MemoryFormat::Contiguous)};
  const int64_t n_key_heads = a.k.size(2);
  // One key head at a time: the queries that share it add to the same dk and dv.
  at::parallel_for(0, a.q.size(0) * n_key_heads, 1, [&](int64_t begin, int64_t end) {
    const at::AutoDispatchBelowADInplaceOrView no_graph;
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t j = 0; j < a.group * a.n_blocks(); ++j) {
        const int64_t head = i % n_key_heads * a.group + j / a.n_blocks();
        block_gradient(a, a.block(i / n_key_heads, head, j % a.n_blocks()), dz, gradients);
      }
    }
  });
  return gradients;
}

}  // namespace weir
