#include <ATen/ATen.h>
#include <fmt/format.h>

#include "bench/gpt2_shape.h"
#include "bench/measure.h"
#include "weir/patch/grids.h"
#include "weir/patch/path_patching.h"

// Causal experiments on GPT-2-small's shape. The least work counts what a change can reach: layers
// above it, positions from its own on, and of the last block the last position. Random weights, so
// only the cost means anything.
namespace weir::bench {
namespace {

constexpr int64_t kPositions = 16;
// Of a block, multiply-add = 2: W_Q, W_K, W_V, W_O and the MLP; attention's own products are left
// out, 1 % at these lengths.
constexpr double kWidth = 768, kVocabulary = 50257, kBlock = 24 * kWidth * kWidth,
                 kLastBlock = 4 * kWidth * kWidth;  // Keys and values of positions before the last.

PatchPairs random_pairs(int64_t n) {
  at::manual_seed(1);
  PatchPairs pairs;
  pairs.clean.tokens = at::randint(50257, {n, kPositions}, at::kLong);
  pairs.corrupt.tokens = at::randint(50257, {n, kPositions}, at::kLong);
  pairs.answer = at::randint(50257, {n}, at::kLong);
  pairs.wrong = at::randint(50257, {n}, at::kLong);
  return pairs;
}

at::Tensor logit_diff(const at::Tensor& logits, const PatchPairs& pairs) {
  ReadingTargets targets;
  targets.answer = pairs.answer;
  targets.wrong = pairs.wrong;
  return read(Reading::kLogitDiff, logits.select(1, -1), targets);
}

Result patching_result(const std::string& name, const std::string& work, double amount) {
  Result result;
  result.name = name;
  result.work = "GPT-2-small shape (random), " + work;
  result.amount = amount;
  result.unit = "experiments/s";
  return result;
}

// What one experiment of the grid gives when the whole model runs, with the patch as an
// intervention.
double grid_gap(const LanguageModel& lm, const PatchPairs& pairs, const PatchGrid& grid,
                int64_t layer, int64_t position, int64_t head) {
  const std::string name = fmt::format("blocks.{}.attn.hook_z", layer);
  RunOptions keep;
  keep.cache = CacheOptions{};
  keep.cache->names = {name};
  const at::Tensor source = lm.run(pairs.clean, keep).cache[name];
  RunOptions run;
  run.hooks.emplace_back(name, [&](const at::Tensor& z, const HookContext&) {
    const at::Tensor changed = z.clone();
    changed.select(1, position).select(1, head).copy_(source.select(1, position).select(1, head));
    return changed;
  });
  const at::Tensor whole = logit_diff(lm.run(pairs.corrupt, run).logits, pairs);
  const at::Tensor& all = grid.readings.at(Reading::kLogitDiff);
  return (all[layer][position][head] - whole).abs().max().item<double>();
}

}  // namespace

Result bench_patch_head_z(const Options&) {
  const at::NoGradGuard no_grad;
  const LanguageModel lm = random_gpt2_small_lm();
  const PatchPairs pairs = random_pairs(8);
  GridOptions options;
  options.kind = "head_z";
  Result result = patching_result("patch-head-z",
                                  "8 prompts x 16 tokens: z of every head, layer "
                                  "and position, clean into corrupt",
                                  12 * 12 * kPositions);
  PatchGrid grid;
  result.seconds = {seconds_of([&] { grid = patch_grid(lm, pairs, options); })};
  for (int64_t layer = 0; layer < 12; ++layer) {
    for (int64_t position = 0; position < kPositions; ++position) {
      const double after = static_cast<double>(kPositions - position), above = 11.0 - layer;
      const double patched = 18 * kWidth * kWidth;  // W_O and the MLP where z changed.
      double row = patched + 2 * kWidth * kVocabulary;
      if (above > 0) row += (above - 1) * after * kBlock + kBlock + (after - 1) * kLastBlock;
      result.flops += 12 * 8 * row;
    }
  }
  result.peak_rss = peak_rss();
  const double gap =
      std::max({grid_gap(lm, pairs, grid, 0, 3, 7), grid_gap(lm, pairs, grid, 6, 15, 2),
                grid_gap(lm, pairs, grid, 11, 15, 5)});
  result.check = checked("logit differences of three experiments and of whole runs", gap, 1e-3);
  return result;
}

Result bench_path_patching(const Options& options) {
  const at::NoGradGuard no_grad;
  const LanguageModel lm = random_gpt2_small_lm();
  const PatchPairs pairs = random_pairs(16);
  PathOptions path;
  path.readings = {Reading::kLogitDiff};
  Result result = patching_result("path-patching",
                                  "16 prompts x 16 tokens: paths from every head "
                                  "and MLP to the final stream",
                                  12 * 13);
  PathGrid grid;
  result.seconds = measure(options.runs, [&] { grid = path_grid(lm, pairs, path); });
  // Two forwards; every sender's END through the MLPs above it (and a head's own), and unembedded.
  const double mlp = 16 * kWidth * kWidth, unembed = 2 * kWidth * kVocabulary;
  result.flops = 2 * 16 * (kPositions * 12 * kBlock + unembed);
  for (int64_t layer = 0; layer < 12; ++layer) {
    result.flops += 16 * (12 * (12.0 - layer) * mlp + (11.0 - layer) * mlp + 13 * unembed);
  }
  result.peak_rss = peak_rss();
  const PatchPairs same{pairs.clean, pairs.clean, pairs.answer, pairs.wrong};
  path.value = SenderValue::kPerPrompt;
  const PathGrid unchanged = path_grid(lm, same, path);
  const at::Tensor& heads = unchanged.heads.at(Reading::kLogitDiff);
  result.check =
      checked("logit differences after clean into clean and before",
              (heads - unchanged.clean.at(Reading::kLogitDiff)).abs().max().item<double>(), 1e-3);
  return result;
}

Result bench_attribution_grids(const Options& options) {
  const LanguageModel lm = random_gpt2_small_lm();
  const PatchPairs pairs = random_pairs(8);
  const std::vector<std::string> kinds = patch_kinds(lm.config());
  Result result = patching_result("attribution-grids",
                                  "8 prompts x 16 tokens: gradient estimates "
                                  "of every kind of patch at once",
                                  static_cast<double>(kinds.size()));
  result.unit = "grids/s";
  std::map<std::string, PatchGrid> grids;
  result.seconds = measure(options.runs, [&] { grids = attribution_grids(lm, pairs, kinds, {}); });
  // Two forwards and a backward for the activations alone.
  result.flops = 3 * 8 * (kPositions * 12 * kBlock + 2 * kWidth * kVocabulary);
  result.peak_rss = peak_rss();
  const auto total = [&](const char* kind) {
    return grids.at(kind).readings.at(Reading::kLogitDiff);
  };
  result.check =
      checked("estimates of attn_out and sums of its heads'",
              (total("head_z").sum(2) - total("attn_out")).abs().max().item<double>(), 1e-3);
  return result;
}

}  // namespace weir::bench
