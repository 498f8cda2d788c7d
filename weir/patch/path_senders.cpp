#include "weir/patch/path_senders.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/nn/norm.h"

namespace weir {
namespace {

std::string at_layer(int64_t layer, const char* site) {
  return fmt::format("blocks.{}.{}", layer, site);
}

/// One row [B, 1, ...] of an activation [B, T, ...] for each prompt.
at::Tensor rows_at(const at::Tensor& activation, const at::Tensor& positions) {
  const at::Tensor rows = at::arange(activation.size(0), at::kLong);
  return activation.index({rows, positions}).unsqueeze(1);
}

std::vector<std::string> names(PathReceiver receiver) {
  std::vector<std::string> globs = {"*hook_attn_out", "*hook_mlp_out", "*attn.hook_z"};
  if (receiver != PathReceiver::kFinal) globs.push_back("blocks.*." + site_of(receiver));
  return globs;
}

}  // namespace

std::string site_of(PathReceiver receiver) {
  switch (receiver) {
    case PathReceiver::kFinal:
      return "";
    case PathReceiver::kQuery:
      return "attn.hook_q";
    case PathReceiver::kKey:
      return "attn.hook_k";
    case PathReceiver::kValue:
      return "attn.hook_v";
    case PathReceiver::kMlp:
      return "hook_mlp_in";
  }
  fail(ErrorCode::kInternal, "path patching: unknown receiver");
}

PathSenders::PathSenders(const LanguageModel& lm, const PatchPairs& pairs,
                         const PathOptions& options)
    : lm_(lm),
      options_(options),
      clean_(lm, pairs.clean, names(options.receiver)),
      corrupt_(lm, pairs.corrupt, names(PathReceiver::kFinal)),
      end_(options.end.defined() ? options.end
                                 : at::full({pairs.clean.tokens.size(0)},
                                            pairs.clean.tokens.size(1) - 1, at::kLong)) {
  for (int64_t layer = 0; layer < lm.config().n_layers; ++layer) {
    run_.resid_pre.push_back(kept(at_layer(layer, "hook_resid_pre")));
    run_.attn_out.push_back(kept(at_layer(layer, "hook_attn_out")));
    run_.mlp_out.push_back(kept(at_layer(layer, "hook_mlp_out")));
    run_.z.push_back(kept(at_layer(layer, "attn.hook_z")));
    run_.raw_attn.push_back(written(layer, run_.z.back()));
  }
  run_.resid_post = run_.resid_pre.back() + run_.attn_out.back() + run_.mlp_out.back();
}

at::Tensor PathSenders::head_writes(int64_t layer) const {
  const ModelConfig& config = lm_.config();
  const at::Tensor W_O = lm_.transformer()
                             .weights()
                             .blocks[layer]
                             .attn.W_O.dense(lm_.transformer().dtype())
                             .view({config.n_heads, config.d_head, config.d_model});
  const at::Tensor other = value(at_layer(layer, "attn.hook_z"));
  // [B, T', H, K] x [H, K, D] -> [H, B, T', D]: what each head's write changes by.
  const at::Tensor change = at::einsum("bthk,hkd->hbtd", {other - run_.z[layer], W_O});
  const NormWeights& post = lm_.transformer().weights().blocks[layer].ln1_post;
  if (!post.present) return run_.attn_out[layer].unsqueeze(0) + change;
  return norm(run_.raw_attn[layer].unsqueeze(0) + change, config.norm, config.norm_eps, post.w,
              post.b, config.norm_offset);
}

at::Tensor PathSenders::mlp_write(int64_t layer) const {
  return value(at_layer(layer, "hook_mlp_out"));
}

at::Tensor PathSenders::kept(const std::string& name) const {
  const at::Tensor& all = clean_.cache()[name];
  return options_.everywhere ? all : rows_at(all, end_);
}

at::Tensor PathSenders::written(int64_t layer, const at::Tensor& z) const {
  const AttentionWeights& attn = lm_.transformer().weights().blocks[layer].attn;
  const at::Tensor out = attn.W_O.apply(z.flatten(-2));
  return attn.b_O.defined() ? out + attn.b_O : out;
}

at::Tensor PathSenders::value(const std::string& name) const {
  const at::Tensor& other = corrupt_.cache()[name];
  if (options_.everywhere) return other;
  const at::Tensor at_end = rows_at(other, end_);
  switch (options_.value) {
    case SenderValue::kMeanAtRole:
      return at_end.mean(0, true).expand_as(at_end);
    case SenderValue::kMeanRawPosition:
      return other.mean(0).index_select(0, end_).unsqueeze(1);
    case SenderValue::kPerPrompt:
      return at_end;
    case SenderValue::kZero:
      return at::zeros_like(at_end);
    case SenderValue::kResample:
      require(options_.resample.defined(),
              "path patching: expected the prompt whose values each prompt receives");
      return at_end.index_select(0, options_.resample);
  }
  fail(ErrorCode::kInternal, "path patching: unknown value");
}

}  // namespace weir
