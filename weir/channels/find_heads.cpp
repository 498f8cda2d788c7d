#include "weir/channels/find_heads.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/lens/attribution.h"
#include "weir/lm/token_batch.h"
#include "weir/patch/head_scores.h"
#include "weir/patch/path_patching.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

// What a head must reach to play a part: shares of the logit difference, or of attention.
constexpr double kLeastWrite = 0.02, kLeastInhibition = 0.05, kLeastAttention = 0.3;
constexpr int64_t kRandomRows = 10, kRandomHalf = 25;

MeanInterval interval(const at::Tensor& values) { return bootstrap_mean(to_doubles(values)); }

void sort_by(std::vector<FoundHead>* heads, bool falling) {
  std::stable_sort(heads->begin(), heads->end(), [falling](const auto& a, const auto& b) {
    return falling ? a.effect.mean > b.effect.mean : a.effect.mean < b.effect.mean;
  });
}

/// Attention of every head between two roles, [L, H, B], from one run.
class Attention {
 public:
  Attention(const LanguageModel& lm, const TokenBatch& batch) : lm_(lm) {
    RunOptions run;
    run.cache = CacheOptions{};
    run.cache->names = {"*attn.hook_pattern"};
    run.logits = LogitsAt::kNone;
    cache_ = lm.run(batch, run).cache;
  }
  at::Tensor between(const at::Tensor& from, const at::Tensor& to) const {  // int64 [B]
    std::vector<at::Tensor> layers;
    const at::Tensor rows = at::arange(from.numel(), at::kLong);
    for (int64_t layer = 0; layer < lm_.config().n_layers; ++layer) {
      const at::Tensor pattern = cache_[fmt::format("blocks.{}.attn.hook_pattern", layer)];
      layers.push_back(pattern.permute({0, 2, 3, 1}).index({rows, from, to}).t());  // [H, B]
    }
    return at::stack(layers);
  }

 private:
  const LanguageModel& lm_;
  ActivationCache cache_;
};

std::vector<FoundHead> attending(const at::Tensor& scores) {  // [L, H]
  std::vector<FoundHead> found;
  for (int64_t l = 0; l < scores.size(0); ++l) {
    for (int64_t h = 0; h < scores.size(1); ++h) {
      const auto value = scores[l][h].item<double>();
      if (value >= kLeastAttention) found.push_back({{l, h}, {value, value, value, 1}, value});
    }
  }
  sort_by(&found, true);
  return found;
}

}  // namespace

IoiHeads find_ioi_heads(const LanguageModel& lm, const PromptSet& set, uint64_t seed) {
  const at::NoGradGuard no_grad;
  const TokenBatch batch = left_pad(set.clean_rows());
  const at::Tensor end = at::full({set.size()}, batch.tokens.size(1) - 1, at::kLong);
  const at::Tensor io = set.positions("io_first"), s1 = set.positions("s1_first"),
                   s2 = set.positions("s2_first");
  const Attention attention(lm, batch);
  const at::Tensor to_io = attention.between(end, io);
  const AttributionTarget target{set.answers(), set.wrongs(), false};
  const Attribution parts = attribute(lm, batch, target);
  const Attribution of_partners = attribute(lm, left_pad(set.corrupt_rows()), target);
  IoiHeads found;
  found.logit_diff = interval(parts.total);
  RunOptions last;
  last.logits = LogitsAt::kLast;
  const at::Tensor logits = lm.run(batch, last).logits.select(1, 0);
  const at::Tensor ids = set.answers().unsqueeze(1), others = set.wrongs().unsqueeze(1);
  found.accuracy =
      interval((logits.gather(1, ids) > logits.gather(1, others)).squeeze(1).to(at::kDouble));
  // What a head adds because of the names, not what it adds to any prompt.
  const at::Tensor writes = parts.head - of_partners.head;  // [L, H, B]
  const double least =
      kLeastWrite * std::abs((parts.total - of_partners.total).mean().item<double>());
  const int64_t n_layers = lm.config().n_layers, n_heads = lm.config().n_heads;
  for (int64_t l = 0; l < n_layers; ++l) {
    for (int64_t h = 0; h < n_heads; ++h) {
      const auto look = to_io[l][h].mean().item<double>();
      if (look < kLeastAttention / 3) continue;
      const MeanInterval effect = interval(writes[l][h]);
      if (effect.low > 0 && effect.mean > least) found.movers.push_back({{l, h}, effect, look});
      if (effect.high < 0 && effect.mean < -least) found.negative.push_back({{l, h}, effect, look});
    }
  }
  sort_by(&found.movers, true);
  sort_by(&found.negative, false);
  const at::Tensor duplicate = attention.between(s2, s1).to(at::kDouble).mean(-1);
  found.duplicate = attending(duplicate);
  const HeadScores scores =
      head_scores(lm, repeated_rows(lm, kRandomRows, kRandomHalf, seed), kRandomHalf);
  found.previous = attending(scores.previous_token);
  found.induction = attending(scores.induction);
  if (found.movers.empty()) return found;

  PathOptions path;
  path.receiver = PathReceiver::kQuery;
  path.value = SenderValue::kPerPrompt;
  path.readings = {Reading::kLogitDiff};
  for (const FoundHead& mover : found.movers) path.together.push_back(mover.head);
  const PathGrid grid = path_grid(lm, pairs_of(set), path);
  const at::Tensor change =
      grid.heads.at(Reading::kLogitDiff) - grid.clean.at(Reading::kLogitDiff);  // [L, H, B]
  const at::Tensor to_s2 = attention.between(end, s2);
  for (int64_t l = 0; l < n_layers; ++l) {
    for (int64_t h = 0; h < n_heads; ++h) {
      const MeanInterval effect = interval(change[l][h]);
      if (effect.high < 0 && effect.mean < -kLeastInhibition * std::abs(found.logit_diff.mean)) {
        const auto look = to_s2[l][h].mean().item<double>();
        found.inhibitors.push_back({{l, h}, effect, look});
      }
    }
  }
  sort_by(&found.inhibitors, false);
  return found;
}

const std::vector<KnownHeads>& known_gpt2_small_heads() {
  static const std::vector<KnownHeads> known = {
      {"movers", {{9, 9}, {10, 0}, {9, 6}}},
      {"backup movers", {{10, 10}, {10, 6}, {10, 2}, {10, 1}, {11, 2}, {9, 7}, {9, 0}, {11, 9}}},
      {"negative movers", {{10, 7}, {11, 10}}},
      {"inhibition", {{7, 3}, {7, 9}, {8, 6}, {8, 10}}},
      {"induction", {{5, 5}, {5, 8}, {5, 9}, {6, 9}}},
      {"duplicate token", {{0, 1}, {0, 10}, {3, 0}}},
      {"previous token", {{2, 2}, {4, 11}}}};
  return known;
}

}  // namespace weir
