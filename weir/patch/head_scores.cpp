#include "weir/patch/head_scores.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/draw.h"
#include "weir/base/error.h"
#include "weir/lm/token_batch.h"
#include "weir/model/heads.h"

namespace weir {
namespace {

/// Mean over rows and the queries [from, T) of A[i, i - back]: [H].
at::Tensor mean_back(const at::Tensor& pattern, int64_t from, int64_t back) {
  const at::Tensor diagonal = pattern.diagonal(-back, 2, 3);  // [B, H, T - back]: queries back .. T
  return diagonal.slice(2, from - back).to(at::kDouble).mean(c10::IntArrayRef{0, 2});
}

}  // namespace

at::Tensor repeated_rows(const LanguageModel& lm, int64_t n, int64_t half, uint64_t seed) {
  Draw draw(seed);
  const int64_t n_ids = lm.has_tokenizer()
                            ? std::min(lm.tokenizer().vocab_size(), lm.config().d_vocab)
                            : lm.config().d_vocab;
  const auto bos = lm.has_tokenizer() ? lm.tokenizer().special().bos : std::optional<int64_t>();
  std::vector<std::vector<int64_t>> rows;
  for (int64_t b = 0; b < n; ++b) {
    std::vector<int64_t> ids;
    while (static_cast<int64_t>(ids.size()) < half) {
      const auto id = static_cast<int64_t>(draw.below(static_cast<uint64_t>(n_ids)));
      if (!lm.has_tokenizer() || !lm.tokenizer().is_special(id)) ids.push_back(id);
    }
    std::vector<int64_t>& row = rows.emplace_back();
    if (bos) row.push_back(*bos);
    row.insert(row.end(), ids.begin(), ids.end());
    row.insert(row.end(), ids.begin(), ids.end());
  }
  return left_pad(rows).tokens;
}

HeadScores head_scores(const LanguageModel& lm, const at::Tensor& tokens, int64_t half) {
  const at::NoGradGuard no_grad;
  const int64_t length = tokens.size(1), second = length - half;
  require(half > 1 && second >= half,
          "head scores: expected two copies of {} tokens in a row, got {}", half, length);
  RunOptions run;
  run.cache = CacheOptions{};
  run.cache->names = {"*attn.hook_pattern"};
  run.logits = LogitsAt::kNone;
  const ActivationCache cache = lm.run({tokens, {}}, run).cache;
  std::vector<at::Tensor> previous, duplicate, induction, first, entropy;
  for (int64_t layer = 0; layer < lm.config().n_layers; ++layer) {
    const at::Tensor pattern = cache[fmt::format("blocks.{}.attn.hook_pattern", layer)];
    previous.push_back(mean_back(pattern, 1, 1));
    duplicate.push_back(mean_back(pattern, second, half));
    induction.push_back(mean_back(pattern, second, half - 1));
    first.push_back(pattern.select(3, 0).slice(2, 1).to(at::kDouble).mean(c10::IntArrayRef{0, 2}));
    const at::Tensor a = pattern.to(at::kDouble);
    const at::Tensor terms = at::where(a > 0, a * a.clamp_min(1e-300).log(), at::zeros_like(a));
    entropy.push_back(-terms.sum(-1).mean(c10::IntArrayRef{0, 2}));
  }
  return {at::stack(previous), at::stack(duplicate), at::stack(induction), at::stack(first),
          at::stack(entropy)};
}

double eigenvalue_positivity(const at::Tensor& matrix) {
  const at::Tensor values = at::linalg_eigvals(matrix.to(at::kDouble));
  return (at::real(values).sum() / values.abs().sum()).item<double>();
}

at::Tensor ov_eigenvalue_positivity(const LanguageModel& lm) {
  const at::NoGradGuard no_grad;
  const ModelConfig& config = lm.config();
  const at::Tensor found = at::empty({config.n_layers, config.n_heads}, at::kDouble);
  for (int64_t layer = 0; layer < config.n_layers; ++layer) {
    for (int64_t head = 0; head < config.n_heads; ++head) {
      const FactoredMatrix circuit = ov(lm.transformer().weights(), config, layer, head);
      // The eigenvalues of A B that are not 0 are those of B A.
      found[layer][head] = eigenvalue_positivity(
          at::matmul(circuit.right.to(at::kDouble), circuit.left.to(at::kDouble)));
    }
  }
  return found;
}

}  // namespace weir
