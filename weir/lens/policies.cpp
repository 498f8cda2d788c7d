#include "weir/lens/policies.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/lm/unembedding.h"

namespace weir {
namespace {

// Logits of a block of rows: some 16 MB in float32, and a few of them at a time.
constexpr int64_t kLogitsAtOnce = int64_t{1} << 22;

bool is_stream(const std::string& point) { return point.find("hook_resid_") != std::string::npos; }

/// Streams of which none is the same as the one before: resid_pre only of block 0.
std::vector<size_t> neighbour_points(const std::vector<std::string>& points) {
  std::vector<size_t> chosen;
  for (size_t p = 0; p < points.size(); ++p) {
    const bool is_pre = points[p].find("hook_resid_pre") != std::string::npos;
    if (is_stream(points[p]) && (!is_pre || chosen.empty())) chosen.push_back(p);
  }
  return chosen;
}

at::Tensor kl(const at::Tensor& log_p, const at::Tensor& log_q) {
  return (log_p.exp() * (log_p - log_q)).sum(-1);
}

/// Readings of the rows first .. last of [B T] for every point.
class BlockReader {
 public:
  BlockReader(const LanguageModel& lm, const ReadVectors& vectors, PolicyNorm norm,
              const at::Tensor& targets)
      : lm_(lm),
        values_(vectors.values.flatten(1, 2)),
        output_(vectors.output.flatten(0, 1)),
        scale_(vectors.final_scale.flatten()),
        targets_(targets.flatten()),
        norm_(norm),
        neighbours_(neighbour_points(vectors.points)) {}

  /// Entries [P or S - 1, rows].
  PolicyReadings read(int64_t first, int64_t last) const {
    const at::Tensor model = log_probs(output_.slice(0, first, last), true, first, last);
    const at::Tensor target = targets_.slice(0, first, last).unsqueeze(1);
    std::vector<PolicyReadings> each;
    std::vector<at::Tensor> forth, back;
    at::Tensor before;
    for (int64_t p = 0; p < values_.size(0); ++p) {
      const at::Tensor lens = log_probs(values_[p].slice(0, first, last), false, first, last);
      each.push_back(readings(lens, model, target));
      const bool is_neighbour = std::find(neighbours_.begin(), neighbours_.end(),
                                          static_cast<size_t>(p)) != neighbours_.end();
      if (!is_neighbour) continue;
      if (before.defined()) {
        forth.push_back(kl(lens, before));
        back.push_back(kl(before, lens));
      }
      before = lens;
    }
    PolicyReadings block;
    for (const auto field : fields()) {
      std::vector<at::Tensor> parts;
      for (const PolicyReadings& one : each) parts.push_back(one.*field);
      block.*field = at::stack(parts);
    }
    if (!forth.empty()) {
      block.kl_neighbour = at::stack(forth);
      block.kl_neighbour_back = at::stack(back);
    }
    return block;
  }

  static std::vector<at::Tensor PolicyReadings::*> fields() {
    return {
        &PolicyReadings::entropy,       &PolicyReadings::max_prob, &PolicyReadings::top1,
        &PolicyReadings::log_prob,      &PolicyReadings::rank,     &PolicyReadings::kl_final_lens,
        &PolicyReadings::kl_lens_final, &PolicyReadings::js_final, &PolicyReadings::tv_final};
  }

 private:
  at::Tensor log_probs(const at::Tensor& x, bool is_output, int64_t first, int64_t last) const {
    const at::Tensor rows = is_output ? policy_vector(lm_, x, PolicyNorm::kOwn)
                                      : policy_vector(lm_, x, norm_, scale_.slice(0, first, last));
    return lm_.transformer().unembed(rows, false).to(at::kCPU).log_softmax(-1);
  }

  static PolicyReadings readings(const at::Tensor& lens, const at::Tensor& model,
                                 const at::Tensor& target) {
    PolicyReadings one;
    const at::Tensor p = lens.exp(), q = model.exp();
    one.entropy = -(p * lens).sum(-1);
    const auto [max, top] = lens.max(-1);
    one.max_prob = max.exp();
    one.top1 = top;
    const at::Tensor of_target = lens.gather(1, target);
    one.log_prob = of_target.squeeze(1);
    one.rank = (lens > of_target).sum(-1);
    one.kl_final_lens = kl(model, lens);
    one.kl_lens_final = kl(lens, model);
    const at::Tensor log_mean = ((p + q) / 2).log();
    // Where both are 0 the logarithm is not finite, and the product counts as 0.
    const auto half = [&](const at::Tensor& prob, const at::Tensor& log_prob) {
      return at::where(prob > 0, prob * (log_prob - log_mean), at::zeros_like(prob)).sum(-1) / 2;
    };
    one.js_final = half(p, lens) + half(q, model);
    one.tv_final = (p - q).abs().sum(-1) / 2;
    return one;
  }

  const LanguageModel& lm_;
  at::Tensor values_, output_, scale_, targets_;
  PolicyNorm norm_;
  std::vector<size_t> neighbours_;
};

}  // namespace

PolicyNorm policy_norm_of(const std::string& name) {
  if (name == "none") return PolicyNorm::kNone;
  if (name == "own") return PolicyNorm::kOwn;
  if (name == "frozen") return PolicyNorm::kFrozen;
  if (name == "controlled") return PolicyNorm::kControlled;
  fail(ErrorCode::kInvalidArgument,
       "policies: expected a norm none, own, frozen or controlled, got '{}'", name);
}

at::Tensor policy_vector(const LanguageModel& lm, const at::Tensor& x, PolicyNorm norm,
                         const at::Tensor& final_scale) {
  return policy_vector(lm.config(), lm.transformer().weights(), x, norm, final_scale);
}

at::Tensor policy_vector(const ModelConfig& config, const Weights& weights, const at::Tensor& x,
                         PolicyNorm norm, const at::Tensor& final_scale) {
  switch (norm) {
    case PolicyNorm::kNone:
      return x;
    case PolicyNorm::kOwn:
      return final_normed(config, weights, x);
    case PolicyNorm::kFrozen: {
      if (!weights.ln_final.present) return x;
      require(final_scale.defined(), "policies: expected the final scale for the frozen norm");
      return norm_gain(norm_divide(x, final_scale.unsqueeze(-1), config.norm), weights.ln_final.w,
                       weights.ln_final.b, config.norm_offset);
    }
    case PolicyNorm::kControlled: {
      const at::Tensor rms = x.square().mean(-1, true).sqrt();
      return at::where(rms > 0, x / rms, at::zeros_like(x));
    }
  }
  fail(ErrorCode::kInternal, "policies: unknown norm");
}

std::vector<std::string> policy_points(const LanguageModel& lm) {
  std::vector<std::string> points;
  for (int64_t layer = 0; layer < lm.config().n_layers; ++layer) {
    for (const char* site : {"resid_pre", "attn_out", "resid_mid", "mlp_out", "resid_post"}) {
      if (lm.config().parallel_block && std::string(site) == "resid_mid") continue;
      points.push_back(fmt::format("blocks.{}.hook_{}", layer, site));
    }
  }
  return points;
}

ReadVectors read_vectors(const LanguageModel& lm, const TokenBatch& batch,
                         const std::vector<std::string>& points,
                         const std::vector<Intervention>& interventions) {
  const at::NoGradGuard no_grad;
  RunOptions run;
  run.interventions = interventions;
  run.cache = CacheOptions{};
  run.cache->names = points;
  run.logits = LogitsAt::kNone;
  const RunResult result = lm.run(batch, run);
  ReadVectors read;
  read.points = points;
  std::vector<at::Tensor> values;
  for (const std::string& point : points) values.push_back(result.cache[point]);
  read.values = at::stack(values);
  read.output = result.residual;
  read.final_scale = final_scale(lm.config(), lm.transformer().weights(), read.output);
  return read;
}

PolicyReadings read_policies(const LanguageModel& lm, const ReadVectors& vectors, PolicyNorm norm,
                             const at::Tensor& targets) {
  const at::NoGradGuard no_grad;
  const int64_t n_rows = vectors.output.size(0), n_positions = vectors.output.size(1);
  const int64_t block = std::max<int64_t>(1, kLogitsAtOnce / lm.config().d_vocab);
  const BlockReader reader(lm, vectors, norm, targets);
  std::vector<PolicyReadings> blocks;
  Progress progress("policies", static_cast<uint64_t>(n_rows * n_positions), "positions");
  for (int64_t first = 0; first < n_rows * n_positions; first += block) {
    const int64_t last = std::min(first + block, n_rows * n_positions);
    blocks.push_back(reader.read(first, last));
    progress.advance(static_cast<uint64_t>(last - first));
  }
  PolicyReadings all;
  auto fields = BlockReader::fields();
  fields.push_back(&PolicyReadings::kl_neighbour);
  fields.push_back(&PolicyReadings::kl_neighbour_back);
  for (const auto field : fields) {
    if (!(blocks.front().*field).defined()) continue;
    std::vector<at::Tensor> parts;
    for (const PolicyReadings& one : blocks) parts.push_back(one.*field);
    all.*field = at::cat(parts, 1).unflatten(1, {n_rows, n_positions});
  }
  for (const size_t p : neighbour_points(vectors.points)) {
    all.neighbours.push_back(vectors.points[p]);
  }
  return all;
}

at::Tensor policy_entropy(const LanguageModel& lm, const at::Tensor& rows) {
  return unembedding_stats(lm.config(), lm.transformer().weights(), rows, {}).entropy;
}

}  // namespace weir
