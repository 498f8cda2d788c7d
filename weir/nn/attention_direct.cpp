#include <algorithm>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include "weir/nn/attention_blocks.h"

namespace weir {
namespace {

constexpr int64_t kFewQueries = 4;  // Up to here one query at a time beats a GEMM.
constexpr int64_t kWorthAThread = 1 << 15;

kernels::DecodeTask decode_task(const AttentionBlocks& a, int64_t row, int64_t key_head) {
  kernels::DecodeTask task;
  task.n_queries = a.group;
  task.d_head = a.q.size(3);
  task.keys = a.k.data_ptr<float>() + row * a.k.stride(0) + key_head * a.k.stride(2);
  task.values = a.v.data_ptr<float>() + row * a.v.stride(0) + key_head * a.v.stride(2);
  task.key_stride = a.k.stride(1);
  task.value_stride = a.v.stride(1);
  task.scale = a.scale;
  task.softcap = a.softcap;
  if (a.slopes.defined()) task.slopes = a.slopes.data_ptr<float>() + key_head * a.group;
  return task;
}

// All queries of one row and key head, one after the other.
void decode(const AttentionBlocks& a, int64_t row, int64_t key_head, at::Tensor& z) {
  kernels::DecodeTask task = decode_task(a, row, key_head);
  std::vector<float> scores(a.group * a.k.size(1));
  task.scores = scores.data();
  for (int64_t query = 0; query < a.q.size(1); ++query) {
    const int64_t position = (row * a.q.size(1) + query) * a.q.size(2) + key_head * a.group;
    task.query = a.q.data_ptr<float>() + position * task.d_head;
    task.out = z.data_ptr<float>() + position * task.d_head;
    task.first_key = a.visible.first(row, query);
    task.n_keys = a.visible.end(query);
    if (task.first_key >= task.n_keys) {
      std::fill(task.out, task.out + a.group * task.d_head, 0.0F);
    } else {
      kernels::best().decode_attention(task);
    }
  }
}

void mix_block(const AttentionBlocks& a, const AttentionBlocks::Block& block, const at::Tensor& z) {
  at::Tensor out = AttentionBlocks::queries(z, block);
  if (block.is_blind()) {
    out.zero_();
    return;
  }
  at::Tensor weights = a.products(block);
  a.to_weights(block, weights);
  at::mm_out(out, weights, a.keys(a.v, block));
}

}  // namespace

at::Tensor direct_attention(const AttentionBlocks& a) {
  at::Tensor z = at::empty_like(a.q);
  const int64_t n_rows = a.q.size(0), n_queries = a.q.size(1), n_heads = a.q.size(2);
  const int64_t n_key_heads = a.k.size(2);
  if (n_queries <= kFewQueries) {
    const int64_t work = n_queries * a.group * a.k.size(1) * a.q.size(3);
    at::parallel_for(0, n_rows * n_key_heads, std::max<int64_t>(1, kWorthAThread / work),
                     [&](int64_t begin, int64_t end) {
                       for (int64_t i = begin; i < end; ++i) {
                         decode(a, i / n_key_heads, i % n_key_heads, z);
                       }
                     });
    return z;
  }
  const int64_t n_blocks = a.n_blocks();
  at::parallel_for(0, n_rows * n_heads * n_blocks, 1, [&](int64_t begin, int64_t end) {
    const at::AutoDispatchBelowADInplaceOrView no_graph;
    for (int64_t i = begin; i < end; ++i) {
      mix_block(a, a.block(i / (n_heads * n_blocks), i / n_blocks % n_heads, i % n_blocks), z);
    }
  });
  return z;
}

}  // namespace weir
