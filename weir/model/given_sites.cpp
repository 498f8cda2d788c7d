// What a forward pass leaves out because Hooks::give states values.
#include "weir/model/forward_pass.h"

namespace weir {
namespace {

// The sites that lead to scores and to nothing else.
constexpr const char* kBeforeScores[] = {"hook_attn_in",
                                         "hook_q_input",
                                         "attn.hook_q",
                                         "hook_k_input",
                                         "attn.hook_k",
                                         "attn.q_norm.hook_scale",
                                         "attn.hook_rot_q",
                                         "attn.q_norm.hook_normalized",
                                         "attn.k_norm.hook_scale",
                                         "attn.hook_rot_k",
                                         "attn.k_norm.hook_normalized"};

}  // namespace

at::Tensor ForwardPass::given(int64_t layer, const char* site, at::IntArrayRef shape) const {
  if (hooks_ == nullptr || !hooks_->gives()) return {};
  return hooks_->given_as(name_of(layer, site), shape, options_);
}

bool ForwardPass::skips(int64_t layer, const char* from, const char* site) const {
  if (hooks_ == nullptr || !hooks_->gives()) return false;
  const std::string name = name_of(layer, site);
  return hooks_->given(name).defined() && !hooks_->attached_between(name_of(layer, from), name);
}

bool ForwardPass::made_without_input(int64_t layer, const char* input_site,
                                     const char* site) const {
  if (hooks_ == nullptr || !hooks_->gives()) return false;
  return hooks_->given(name_of(layer, site)).defined() &&
         !hooks_->attached(name_of(layer, input_site)) &&
         !hooks_->attached(name_of(layer, "hook_attn_in"));
}

ForwardPass::AttentionNeeds ForwardPass::attention_needs(int64_t layer) const {
  AttentionNeeds needs;
  if (hooks_ == nullptr || !hooks_->gives()) return needs;
  const auto is_skipped = [&](const char* site) { return skips(layer, "hook_resid_pre", site); };
  const auto is_given = [&](const char* site) {
    return hooks_->given(name_of(layer, site)).defined();
  };
  const auto is_attached = [&](const char* site) { return hooks_->attached(name_of(layer, site)); };
  needs.output = !is_skipped("hook_attn_out") && !is_skipped("hook_resid_mid");
  needs.mixed = needs.output && !is_skipped("attn.hook_z") && !is_skipped("attn.hook_result");
  bool maps_given = is_given("attn.hook_attn_scores") ||
                    (is_given("attn.hook_pattern") && !is_attached("attn.hook_attn_scores"));
  for (const char* site : kBeforeScores) maps_given = maps_given && !is_attached(site);
  needs.scores = needs.mixed && !maps_given;
  needs.keys = needs.scores || input_.cache != nullptr;
  needs.values = needs.mixed || input_.cache != nullptr;
  needs.normalized =
      hooks_->attached_between(name_of(layer, "hook_resid_pre"), name_of(layer, "hook_attn_in")) ||
      (needs.scores && !made_without_input(layer, "hook_q_input", "attn.hook_q")) ||
      (needs.keys && !made_without_input(layer, "hook_k_input", "attn.hook_k")) ||
      (needs.values && !made_without_input(layer, "hook_v_input", "attn.hook_v"));
  return needs;
}

bool ForwardPass::reads_mlp_input(int64_t layer) const {
  if (hooks_ == nullptr || !hooks_->gives()) return true;
  if (skips(layer, "hook_mlp_in", "mlp.hook_post")) return false;
  return !skips(layer, "hook_mlp_in", "mlp.hook_pre") ||
         (config_.gated_mlp && !hooks_->given(name_of(layer, "mlp.hook_pre_linear")).defined());
}

}  // namespace weir
