#include "weir/subnet/input_means.h"

#include <map>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/progress.h"

namespace weir {
namespace {

/// Where a matrix's input is read: an activation, and the gain and bias that follow it.
struct Input {
  std::string name;
  const NormWeights* norm = nullptr;
};

Input input_of(const Weights& weights, const ModelConfig& config, const BlockMatrix& matrix) {
  const std::string block = fmt::format("blocks.{}.", matrix.layer);
  const BlockWeights& of = weights.blocks[static_cast<size_t>(matrix.layer)];
  if (matrix.kind == MatrixKind::kO) return {block + "attn.hook_z"};
  if (matrix.kind == MatrixKind::kOut) return {block + "mlp.hook_post"};
  const bool norm_first = config.pre_norm && of.ln1.present;
  const Input attention =
      norm_first ? Input{block + "ln1.hook_normalized", &of.ln1} : Input{block + "hook_resid_pre"};
  const bool in_mlp = matrix.kind == MatrixKind::kIn || matrix.kind == MatrixKind::kGate;
  if (!in_mlp) return attention;
  if (config.pre_norm && of.ln2.present) return {block + "ln2.hook_normalized", &of.ln2};
  return config.parallel_block ? attention : Input{block + "hook_mlp_in"};
}

}  // namespace

std::vector<at::Tensor> input_means(const LanguageModel& lm, const MaskSpace& space,
                                    const at::Tensor& tokens, int64_t batch) {
  const at::NoGradGuard no_grad;
  const Weights& weights = lm.transformer().weights();
  std::vector<Input> inputs;
  RunOptions run;
  run.logits = LogitsAt::kNone;
  run.cache = CacheOptions{};
  std::map<std::string, at::Tensor> sums;
  for (const MaskPart& part : space.parts()) {
    inputs.push_back(input_of(weights, lm.config(), part.matrix));
    if (sums.emplace(inputs.back().name, at::Tensor()).second) {
      run.cache->names.push_back(inputs.back().name);
    }
  }
  Progress progress("mean inputs", static_cast<uint64_t>(tokens.size(0)), "rows");
  for (int64_t first = 0; first < tokens.size(0); first += batch) {
    const at::Tensor rows = tokens.slice(0, first, first + batch).contiguous();
    const RunResult result = lm.run({rows, {}}, run);
    for (auto& [name, sum] : sums) {
      const at::Tensor of = result.cache[name].flatten(2).flatten(0, 1).sum(0, false, at::kDouble);
      sum = sum.defined() ? sum + of : of;
    }
    progress.advance(static_cast<uint64_t>(rows.size(0)));
  }
  std::vector<at::Tensor> means;
  for (const Input& input : inputs) {
    at::Tensor mean = sums.at(input.name) / static_cast<double>(tokens.numel());
    if (input.norm != nullptr) {
      const NormWeights& norm = *input.norm;
      if (norm.w.defined()) mean = mean * (norm.w.to(at::kDouble) + lm.config().norm_offset);
      if (norm.b.defined()) mean = mean + norm.b.to(at::kDouble);
    }
    means.push_back(mean);
  }
  return means;
}

}  // namespace weir
