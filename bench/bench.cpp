#include "bench/bench.h"

#include <algorithm>

#include <ATen/Parallel.h>
#include <nlohmann/json.hpp>

#include "bench/measure.h"
#include "weir/base/parallel.h"
#include "weir/tensor/kernels/kernels.h"

namespace weir::bench {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

const std::vector<Bench>& benches() {
  static const std::vector<Bench> all = {
      {"gemm", "float32 matrix product, the limit of the others", false, bench_gemm},
      {"forward", "GPT-2-small shape, 4 x 128 tokens, all logits", false, bench_forward},
      {"forward-cache", "the same with every activation kept", false, bench_forward_cache},
      {"hooks", "the same without hooks, with none attached, with one that changes nothing", false,
       bench_hooks},
      {"given", "the same with the outputs of attention given, so that none is computed", false,
       bench_given},
      {"train-step", "GPT-2 shape of 8 layers x 256, 8 x 256 tokens, 50257 words: a whole update",
       false, bench_train_step},
      {"mask-step", "Pythia-70M shape, 8 x 128 tokens: a step of training masks against bigrams",
       false, bench_mask_step},
      {"harvest", "activations of one site, GPT-2-small shape, out of a shuffled buffer", false,
       bench_harvest},
      {"dashboard", "the same with all latents of a dictionary collected", false, bench_dashboard},
      {"sae-step", "TopK dictionary 512 -> 8192, k 64, 4096 tokens: a step of training", false,
       bench_sae_step},
      {"sae-step-dead", "the same with half of the latents dead: AuxK is active", false,
       bench_sae_step_dead},
      {"vocab-loss", "log-probability and entropy of [512 x 49152], forward and backward", false,
       bench_vocab_loss},
      {"patch-head-z",
       "GPT-2-small shape, 8 x 16 tokens: z of every head, layer, position; one call", false,
       bench_patch_head_z},
      {"path-patching", "the same, 16 prompts: paths of every head and MLP to the final stream",
       false, bench_path_patching},
      {"attribution-grids", "the same, 8 prompts: gradient estimates of all kinds of patches",
       false, bench_attribution_grids},
      {"composition", "GPT-2-small shape: composition scores of all pairs of heads, three types",
       false, bench_composition},
      {"composition-components", "the same with scores of every singular component", false,
       bench_composition_components},
      {"composition-xl", "the first for GPT-2-XL's shape; one call", false, bench_composition_xl},
      {"composition-7b", "the first for Llama-2-7B's shape, layer by layer; one call of minutes",
       false, bench_composition_7b},
      {"tokenize", "8 MB of text from a file into a shard, SmolLM2's tokenizer", true,
       bench_tokenize},
      {"lens", "SmolLM2, 256 tokens: entropies of the lens at every layer", true, bench_lens},
      {"decode-1", "SmolLM2, 64 greedy tokens after 16", true, bench_decode_1},
      {"decode-busy", "the same while something else keeps one CPU busy", true, bench_decode_busy},
      {"decode-8", "SmolLM2, 64 greedy tokens after 16, for 8 prompts at once", true,
       bench_decode_8},
      {"prefill", "SmolLM2, 512-token prompt, last logits", true, bench_prefill},
      {"steer-sweep", "SmolLM2, 200 moves of the last position of 64 prompts of 40 tokens", true,
       bench_steer_sweep},
  };
  return all;
}

Machine machine() {
  Machine found;
  found.cpu = proc_field("/proc/cpuinfo", "model name");
  found.blas = blas_description();
  found.kernels = kernels::to_string(kernels::best().isa);
  found.threads = at::get_num_threads();
  return found;
}

nlohmann::ordered_json to_json(const Result& result, const Machine& machine) {
  const auto [least, most] = std::minmax_element(result.seconds.begin(), result.seconds.end());
  return {{"name", result.name},
          {"work", result.work},
          {"seconds_median", result.median()},
          {"seconds_min", *least},
          {"seconds_max", *most},
          {"runs", result.seconds.size()},
          {"rate", result.rate()},
          {"unit", result.unit},
          {"flops", result.flops},
          {"gflops_per_s", result.flops / result.median() / 1e9},
          {"peak_rss_mb", static_cast<double>(result.peak_rss) / (1 << 20)},
          {"check", result.check},
          {"extra", result.extra},
          {"cpu", machine.cpu},
          {"blas", machine.blas},
          {"kernels", machine.kernels},
          {"threads", machine.threads}};
}

}  // namespace weir::bench
