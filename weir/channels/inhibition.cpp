#include "weir/channels/inhibition.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/channels/edit.h"

namespace weir {
namespace {

std::string name_of(int64_t layer, const char* site) {
  return fmt::format("blocks.{}.{}", layer, site);
}

/// One head's share of hook_result changed at the last position.
NamedHook at_last(const HeadId& head, std::function<at::Tensor(const at::Tensor&)> change) {
  return {name_of(head.layer, "attn.hook_result"),
          [head, change](const at::Tensor& result, const HookContext&) {
            const at::Tensor changed = result.clone();
            const at::Tensor row = changed.select(1, -1).select(1, head.head);  // [N, D]
            row.copy_(change(row));
            return changed;
          }};
}

class Reader {
 public:
  Reader(const LanguageModel& lm, const TokenBatch& batch, const NamePositions& names,
         const InhibitionOptions& options)
      : lm_(lm), batch_(batch), options_(options) {
    where_ = at::stack({names.io, names.s1, names.s2}, 1);
    require(!options.inhibitors.empty(), "inhibition: expected at least one head, got none");
    for (const HeadId& head : options.inhibitors) {
      require(head.layer < options.mover.layer,
              "inhibition: head {} does not stand below the mover {}", head.name(),
              options.mover.name());
    }
    from_ = options.mover.layer;
    for (const HeadId& head : options.inhibitors) from_ = std::min(from_, head.layer);
    RunOptions run;
    run.cache = CacheOptions{};
    run.cache->names = {name_of(from_, "hook_resid_pre"),
                        name_of(options.inhibitors[0].layer, "hook_resid_pre"),
                        name_of(options.mover.layer, "hook_resid_pre")};
    run.stop_when_cached = true;
    cache_ = lm_.run(batch_, run).cache;
  }

  /// `from`: the first layer in which something is changed.
  MoverLook look(const Weights* weights, std::vector<NamedHook> hooks, int64_t from) const {
    at::Tensor scores, pattern;
    const int64_t head = options_.mover.head, layer = options_.mover.layer;
    const auto keep = [head](at::Tensor* place) {
      return [head, place](const at::Tensor& x, const HookContext&) {
        *place = x.select(1, head).select(1, -1);
        return x;
      };
    };
    hooks.emplace_back(name_of(layer, "attn.hook_attn_scores"), keep(&scores));
    hooks.emplace_back(name_of(layer, "attn.hook_pattern"), keep(&pattern));
    RunOptions run;
    run.hooks = std::move(hooks);
    run.weights = weights;
    run.start = Start{from, cache_[name_of(from, "hook_resid_pre")]};
    run.stop_at_layer = layer + 1;
    run.logits = LogitsAt::kNone;
    lm_.run(batch_, run);
    return {pattern.gather(1, where_), scores.gather(1, where_)};
  }

  int64_t first_inhibitor() const { return from_; }

  /// Outputs of the first inhibitor at the last position [N, D], in the stream.
  at::Tensor output() const {
    const HeadId& head = options_.inhibitors[0];
    RunOptions run;
    run.cache = CacheOptions{};
    run.cache->names = {name_of(head.layer, "attn.hook_result")};
    run.stop_when_cached = true;
    const ActivationCache cache = lm_.run(batch_, run).cache;
    return cache[run.cache->names[0]].select(1, -1).select(1, head.head);
  }

  /// The last-position outputs of all inhibitors are 0.
  std::vector<NamedHook> without_any() const {
    std::vector<NamedHook> hooks;
    for (const HeadId& head : options_.inhibitors) {
      hooks.push_back(at_last(head, [](const at::Tensor& x) { return at::zeros_like(x); }));
    }
    return hooks;
  }

 private:
  const LanguageModel& lm_;
  const TokenBatch& batch_;
  const InhibitionOptions& options_;
  at::Tensor where_;
  int64_t from_ = 0;
  ActivationCache cache_;
};

MoverBias difference(const MoverBias& a, const MoverBias& b) {
  return {a.all - b.all, a.order0 - b.order0, a.order1 - b.order1};
}

/// The mover's query input at the last position, plus `change` [N, D].
std::vector<NamedHook> into_query(const HeadId& mover, const at::Tensor& change) {
  return {{name_of(mover.layer, "hook_q_input"),
           [mover, change](const at::Tensor& x, const HookContext&) {
             const at::Tensor changed = x.clone();
             changed.select(1, -1).select(1, mover.head).add_(change);
             return changed;
           }}};
}

}  // namespace

MoverBias mover_bias(const at::Tensor& look, const NamePositions& names) {
  const at::Tensor z = (look.select(1, 0) - look.select(1, 1)).to(at::kDouble);
  const auto mean = [&](const at::Tensor& chosen) {
    return z.masked_select(chosen).mean().item<double>();
  };
  return {z.mean().item<double>(), mean(names.order == 0), mean(names.order == 1)};
}

Inhibition inhibition(const LanguageModel& lm, const TokenBatch& batch, const NamePositions& names,
                      InhibitionVariant variant, const InhibitionOptions& options) {
  const at::NoGradGuard no_grad;
  const Reader reader(lm, batch, names, options);
  const Weights& weights = lm.transformer().weights();
  const HeadId head = options.inhibitors[0];
  const LayerHeads heads = layer_heads(weights, lm.config(), head.layer, options.circuits);
  const HeadComponents all = head_components(one_head(heads.ov(), head.head), SignRule::kRight);
  const at::Tensor V = all.right[0];  // [D, K]
  Inhibition found;
  const int64_t first = reader.first_inhibitor(), at_mover = options.mover.layer;
  found.clean = reader.look(nullptr, {}, at_mover);
  found.none = reader.look(nullptr, reader.without_any(), first);
  at::Tensor output = reader.output().to(options.circuits.dtype);
  // A run with weights as loaded leaves folded biases of the norm in what heads read: part of z.
  const at::Tensor constant = at::matmul(heads.b_V[head.head], heads.W_O[head.head]);
  if (!options.with_bias) output = output - constant;
  found.coefficients = at::matmul(output, V);
  const bool is_addition = variant == InhibitionVariant::kAddition;
  const MoverLook& base = is_addition ? found.none : found.clean;
  Progress progress("inhibition", static_cast<uint64_t>(V.size(1)), "components");
  for (int64_t i = 0; i < V.size(1); ++i) {
    const at::Tensor part = (found.coefficients.select(1, i).unsqueeze(1) * V.select(1, i))
                                .to(lm.transformer().dtype());
    MoverLook look;
    if (variant == InhibitionVariant::kRemoval) {
      ComponentEdit edit;
      edit.head = head;
      edit.components = {i};
      edit.edit_bias = options.with_bias;
      const Weights edited = edit_components(weights, lm.config(), edit, options.circuits);
      look = reader.look(&edited, {}, head.layer);
    } else if (variant == InhibitionVariant::kPath) {
      look = reader.look(nullptr, into_query(options.mover, -part), at_mover);
    } else {
      std::vector<NamedHook> hooks = reader.without_any();
      hooks.push_back(at_last(head, [part](const at::Tensor& x) { return x + part; }));
      look = reader.look(nullptr, std::move(hooks), first);
    }
    const auto score = [&](const at::Tensor MoverLook::*what) {
      const MoverBias clean = mover_bias(base.*what, names), now = mover_bias(look.*what, names);
      return is_addition ? difference(now, clean) : difference(clean, now);
    };
    found.by_attention.push_back(score(&MoverLook::attention));
    found.by_scores.push_back(score(&MoverLook::scores));
    found.looks.push_back(std::move(look));
    progress.advance(1);
  }
  return found;
}

}  // namespace weir
