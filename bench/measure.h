#pragma once

#include <functional>

#include "bench/bench.h"

namespace weir::bench {

double seconds_of(const std::function<void()>& call);
/// Seconds of `runs` calls after one that is not counted.
std::vector<double> measure(int64_t runs, const std::function<void()>& call);
/// Throws kInternal unless `difference` is at most `tolerance`; otherwise says so in a sentence.
std::string checked(const std::string& what, double difference, double tolerance);
/// The value of "field : value" in a file of /proc; empty when there is none.
std::string proc_field(const std::string& path, const std::string& field);
int64_t peak_rss();

/// The least floating-point operations of a decoder's forward.
struct LanguageModelShape {
  int64_t n_layers, d_model, d_mlp, d_vocab, d_kv;
  bool gated;
};
/// `n_tokens` new tokens, each seeing `mean_keys` keys, logits for `n_logits` of them.
double forward_flops(const LanguageModelShape& shape, double n_tokens, double mean_keys,
                     double n_logits);

Result bench_gemm(const Options& options);
Result bench_forward(const Options& options);
Result bench_forward_cache(const Options& options);
Result bench_hooks(const Options& options);
Result bench_given(const Options& options);
Result bench_tokenize(const Options& options);
Result bench_lens(const Options& options);
Result bench_decode_1(const Options& options);
Result bench_decode_busy(const Options& options);
Result bench_decode_8(const Options& options);
Result bench_prefill(const Options& options);
Result bench_steer_sweep(const Options& options);
Result bench_mask_step(const Options& options);
Result bench_sae_step(const Options& options);
Result bench_sae_step_dead(const Options& options);
Result bench_harvest(const Options& options);
Result bench_dashboard(const Options& options);
Result bench_train_step(const Options& options);
Result bench_vocab_loss(const Options& options);
Result bench_patch_head_z(const Options& options);
Result bench_path_patching(const Options& options);
Result bench_attribution_grids(const Options& options);
Result bench_composition(const Options& options);
Result bench_composition_components(const Options& options);
Result bench_composition_xl(const Options& options);
Result bench_composition_7b(const Options& options);

}  // namespace weir::bench
