#include "weir/lens/logit_lens.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/base/memory.h"
#include "weir/lens/policies.h"
#include "weir/lm/unembedding.h"

namespace weir {
namespace {

const char* site_name(LensSite site) {
  switch (site) {
    case LensSite::kResidPre:
      return "hook_resid_pre";
    case LensSite::kResidMid:
      return "hook_resid_mid";
    case LensSite::kResidPost:
      return "hook_resid_post";
  }
  fail(ErrorCode::kInternal, "lens: unknown site");
}

// The hook names to read, in forward order.
std::vector<std::string> lens_points(const LanguageModel& lm, const LensOptions& options) {
  std::vector<std::string> globs;
  if (options.embedding) globs.push_back("blocks.0.hook_resid_pre");
  for (const LensSite site : options.sites) {
    require(site != LensSite::kResidMid || !lm.config().parallel_block,
            "lens: '{}' has parallel blocks, so there is no stream between attention and MLP; "
            "leave out resid_mid",
            lm.config().family);
    globs.push_back(std::string("blocks.*.") + site_name(site));
  }
  require(!globs.empty(), "lens: expected at least one site to read, got none");
  return lm.make_hooks().match(globs);
}

// The block that the stream of a point enters.
int64_t next_block(const std::string& point) {
  const size_t first = std::string("blocks.").size();
  const int64_t block = std::stoll(point.substr(first, point.find('.', first) - first));
  return point.find("hook_resid_post") == std::string::npos ? block : block + 1;
}

at::Tensor translated(const at::Tensor& reads, const std::vector<std::string>& points,
                      const TunedLens& lens) {
  std::vector<at::Tensor> streams;
  for (size_t i = 0; i < points.size(); ++i) {
    const at::Tensor stream = reads[static_cast<int64_t>(i)];
    const int64_t block = next_block(points[i]);
    streams.push_back(block < lens.n_layers() ? lens.translate(stream, block) : stream);
  }
  return at::stack(streams);
}

void check_tuned(const LanguageModel& lm, const LensOptions& options) {
  if (options.tuned == nullptr) return;
  require(options.final_norm, "lens: a tuned lens needs the final norm");
  for (const LensSite site : options.sites) {
    require(site != LensSite::kResidMid,
            "lens: a tuned lens has no translator for resid_mid; leave it out");
  }
  require(options.tuned->n_layers() == lm.config().n_layers &&
              options.tuned->bias.size(1) == lm.config().d_model,
          "lens: expected a tuned lens of {} layers of width {}, got {} of width {}",
          lm.config().n_layers, lm.config().d_model, options.tuned->n_layers(),
          options.tuned->bias.size(1));
}

// Rows [N T (+ T), D] for W_U: reads normed or not, then, when no row of them is the model's own
// output already, the output.
at::Tensor unembedding_rows(const LanguageModel& lm, const at::Tensor& reads,
                            const at::Tensor& output, bool final_norm, bool append_output) {
  const ModelConfig& config = lm.config();
  const Weights& weights = lm.transformer().weights();
  const at::Tensor read = final_norm ? final_normed(config, weights, reads) : reads;
  const at::Tensor rows = read.flatten(0, 1);
  if (!append_output) return rows;
  return at::cat({rows, final_normed(config, weights, output)});
}

// The token that follows each position; the last has none and gets token 0, which is cut off later.
at::Tensor next_tokens(const std::vector<int64_t>& tokens, int64_t n_repeats) {
  std::vector<int64_t> next(tokens.begin() + 1, tokens.end());
  next.push_back(0);
  return at::tensor(next, at::kLong).repeat({n_repeats});
}

// The streams, once as they are cached and once together, and the top tokens of each.
double least_memory(const LanguageModel& lm, size_t n_points, size_t n_tokens, int64_t top_k) {
  const auto element = static_cast<double>(c10::elementSize(lm.transformer().dtype()));
  const double stream = 2 * element * static_cast<double>(lm.config().d_model);
  const double top = static_cast<double>(top_k) * (sizeof(int64_t) + sizeof(float));
  return static_cast<double>(n_points) * static_cast<double>(n_tokens) * (stream + top);
}

}  // namespace

LensResult logit_lens(const LanguageModel& lm, const std::vector<int64_t>& tokens,
                      const LensOptions& options) {
  const at::NoGradGuard no_grad;
  require(options.top_k >= 0 && options.top_k <= lm.config().d_vocab,
          "lens: expected top_k between 0 and the vocabulary's {}, got {}", lm.config().d_vocab,
          options.top_k);
  require(!lm.changes_output(options.interventions),
          "lens: an intervention at ln_final or unembed acts after every stream that the lens "
          "reads; use the blocks' hooks");
  check_tuned(lm, options);
  LensResult result;
  result.tuned = options.tuned != nullptr;
  result.points = lens_points(lm, options);
  require_memory(least_memory(lm, result.points.size(), tokens.size(), options.top_k),
                 fmt::format("lens: {} streams of {} tokens", result.points.size(), tokens.size()));
  result.tokens = tokens;
  result.final_norm = options.final_norm;
  for (const int64_t token : tokens) result.token_text.push_back(lm.token_text(token));

  const ReadVectors vectors =
      read_vectors(lm, left_pad({tokens}), result.points, options.interventions);
  at::Tensor reads = vectors.values.select(1, 0);  // [N, T, D]
  if (result.tuned) reads = translated(reads, result.points, *options.tuned);
  const int64_t n = reads.size(0), t = reads.size(1);
  const std::string last_post =
      "blocks." + std::to_string(lm.config().n_layers - 1) + ".hook_resid_post";
  const bool has_output = options.final_norm && result.points.back() == last_post;
  const int64_t n_groups = has_output ? n : n + 1;
  VocabStatsOptions stats_options;
  stats_options.top_k = options.top_k;
  stats_options.targets = next_tokens(tokens, n_groups).to(lm.device());
  stats_options.reference =
      at::arange((n_groups - 1) * t, n_groups * t).repeat({n_groups}).to(lm.device());
  const VocabStats stats = unembedding_stats(
      lm.config(), lm.transformer().weights(),
      unembedding_rows(lm, reads, vectors.output[0], options.final_norm, !has_output),
      stats_options);

  const auto by_point = [&](const at::Tensor& x) {  // [N, T, ...]
    return x.slice(0, 0, n * t).unflatten(0, {n, t}).to(at::kCPU);
  };
  const auto of_output = [&](const at::Tensor& x) {  // [T, ...]
    return x.slice(0, (n_groups - 1) * t).to(at::kCPU);
  };
  result.entropy = by_point(stats.entropy);
  result.kl_to_final = by_point(stats.kl);
  result.next_log_prob = by_point(stats.log_prob).slice(1, 0, t - 1);
  result.next_rank = by_point(stats.rank).slice(1, 0, t - 1);
  result.output_log_prob = of_output(stats.log_prob).slice(0, 0, t - 1);
  result.output_rank = of_output(stats.rank).slice(0, 0, t - 1);
  if (options.top_k > 0) {
    result.top_ids = by_point(stats.top_ids);
    result.top_log_probs = by_point(stats.top_log_probs);
    result.output_top_ids = of_output(stats.top_ids);
    result.output_top_log_probs = of_output(stats.top_log_probs);
  }
  return result;
}

}  // namespace weir
