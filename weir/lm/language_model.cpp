#include "weir/lm/language_model.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/lm/context_length.h"
#include "weir/lm/unembedding.h"
#include "weir/model/process.h"

namespace weir {
namespace {

std::shared_ptr<const LazyTokenizer> ready(std::optional<Tokenizer> tokenizer) {
  if (!tokenizer) return nullptr;
  return std::make_shared<LazyTokenizer>([made = *std::move(tokenizer)] { return made; });
}

Transformer make_transformer(const LoadedModel& model, const LoadOptions& options) {
  const LoadedModel used = options.fold ? process_weights(model) : model;
  return Transformer(
      used.config,
      options.device.is_cpu() ? used.weights : to(used.weights, options.device, options.dtype),
      options.dtype);
}

// Gradients of activations need something upstream that requires them: the embeddings.
void attach_leaves(Hooks& hooks) {
  for (const char* name : {"hook_embed", "hook_pos_embed"}) {
    const auto& names = hooks.names();
    if (std::find(names.begin(), names.end(), name) == names.end()) continue;
    hooks.add(name, [](const at::Tensor& activation, const HookContext&) {
      return activation.requires_grad() ? activation : activation.detach().requires_grad_(true);
    });
  }
}

// What of a hooked forward has to run.
std::optional<int64_t> stop_layer(const Hooks& hooks, const RunOptions& options, int64_t n_layers) {
  if (!options.stop_when_cached) return options.stop_at_layer;
  const int64_t first = options.start ? options.start->layer : 0;
  const int64_t last = std::max(hooks.last_layer(n_layers), first - 1);
  if (last == n_layers) return options.stop_at_layer;
  return std::min(last + 1, options.stop_at_layer.value_or(n_layers));
}

ForwardInput input_of(const TokenBatch& batch, const RunOptions& options, at::Device device) {
  ForwardInput input;
  if (options.start) {
    const at::Tensor& residual = options.start->residual;
    require(residual.defined() && residual.dim() == 3 &&
                residual.sizes().slice(0, 2) == batch.tokens.sizes(),
            "run: expected a start residual [{}, {}, d_model], got {}", batch.tokens.size(0),
            batch.tokens.size(1), residual.defined() ? c10::str(residual.sizes()) : "none");
    input.residual = residual.to(device);
    input.start_layer = options.start->layer;
  } else {
    input.tokens = batch.tokens.to(device);
  }
  input.logits = options.logits;
  input.stop_at_layer = options.stop_at_layer;
  input.cache = options.keys;
  if (batch.attention_mask.defined()) input.attention_mask = batch.attention_mask.to(device);
  return input;
}

// bool [B, T-1]: both the last token read and the one predicted are real.
at::Tensor real_predictions(const TokenBatch& batch) {
  const int64_t n = batch.tokens.size(1) - 1;
  if (!batch.attention_mask.defined()) return at::ones({batch.tokens.size(0), n}, at::kBool);
  const at::Tensor mask = batch.attention_mask.to(at::kCPU, at::kBool);
  return mask.slice(1, 0, n).logical_and(mask.slice(1, 1));
}

}  // namespace

LanguageModel::LanguageModel(const LoadOptions& options, LoadedModel model,
                             std::shared_ptr<const LazyTokenizer> tokenizer)
    : source_(std::move(model)),
      processing_(options.fold ? "fold" : "none"),
      device_(options.device),
      transformer_(make_transformer(source_, options)),
      tokenizer_(std::move(tokenizer)) {}

LanguageModel::LanguageModel(LoadedModel model, std::optional<Tokenizer> tokenizer,
                             const LoadOptions& options)
    : LanguageModel(options, std::move(model), ready(std::move(tokenizer))) {}

const Tokenizer& LanguageModel::tokenizer() const {
  if (!tokenizer_) {
    fail(ErrorCode::kNotFound,
         "model '{}' came without a tokenizer; give token ids instead of text",
         source_.path.string());
  }
  return tokenizer_->get();
}

TokenBatch LanguageModel::encode(const std::string& text) const {
  return left_pad({tokenizer().encode(text).ids});
}

TokenBatch LanguageModel::encode(const std::vector<std::string>& texts) const {
  std::vector<std::vector<int64_t>> rows;
  for (Encoding& encoding : tokenizer().encode_batch(texts)) {
    rows.push_back(std::move(encoding.ids));
  }
  const int64_t pad = tokenizer().special().pad.value_or(0);
  return left_pad(rows, pad < config().d_vocab ? pad : 0);
}

std::string LanguageModel::token_text(int64_t id) const {
  return has_tokenizer() ? tokenizer().display(id) : "#" + std::to_string(id);
}

RunResult LanguageModel::run(const TokenBatch& batch, const RunOptions& options) const {
  check_shape(batch);
  const Weights& weights = options.weights != nullptr ? *options.weights : transformer_.weights();
  ForwardInput input = input_of(batch, options, device_);
  warn_past_context(config(), batch.tokens.size(1));
  RunResult result;
  if (!options.cache && options.interventions.empty() && options.hooks.empty() &&
      !options.stop_when_cached) {
    ForwardOutput output = transformer_.forward(weights, input);
    result.logits = std::move(output.logits);
    result.residual = std::move(output.residual);
    return result;
  }
  const bool gradients = options.cache && options.cache->gradients;
  const at::AutoGradMode grad_mode(gradients || at::GradMode::is_enabled());
  Hooks hooks = make_hooks();
  if (gradients) attach_leaves(hooks);
  const int64_t n_positions = batch.tokens.size(1);
  const auto guards = attach(hooks, options.interventions, n_positions);
  const auto past = never_reached(options.interventions, hooks.names(), n_positions, n_positions);
  require(past.empty(), "{}", past.empty() ? "" : past[0]);
  for (const auto& [glob, function] : options.hooks) hooks.add(glob, function);
  if (options.cache) {
    result.cache = ActivationCache(*options.cache);
    result.cache.attach(hooks);
  }
  input.hooks = &hooks;
  input.stop_at_layer = stop_layer(hooks, options, config().n_layers);
  ForwardOutput output = transformer_.forward(weights, input);
  result.logits = std::move(output.logits);
  result.residual = std::move(output.residual);
  return result;
}

at::Tensor LanguageModel::token_log_probs(const TokenBatch& batch,
                                          const RunOptions& options) const {
  const at::NoGradGuard no_grad;
  check_shape(batch);
  const int64_t n_rows = batch.tokens.size(0), n = batch.tokens.size(1) - 1;
  if (n == 0) return at::zeros({n_rows, 0});
  const at::Tensor targets = batch.tokens.slice(1, 1).to(device_);
  RunOptions forward;
  forward.interventions = options.interventions;
  forward.hooks = options.hooks;
  forward.start = options.start;
  forward.weights = options.weights;
  at::Tensor log_probs;
  if (changes_output(options)) {
    const at::Tensor logits = run(batch, forward).logits.slice(1, 0, n).to(at::kFloat);
    log_probs = logits.log_softmax(-1).gather(2, targets.unsqueeze(2)).squeeze(2);
  } else {
    forward.logits = LogitsAt::kNone;
    const Weights& weights = options.weights != nullptr ? *options.weights : transformer_.weights();
    const at::Tensor residual = run(batch, forward).residual.slice(1, 0, n);
    const at::Tensor x = final_normed(config(), weights, residual).reshape({n_rows * n, -1});
    VocabStatsOptions stats;
    stats.entropy = false;
    stats.targets = targets.reshape({-1});
    log_probs = unembedding_stats(config(), weights, x, stats).log_prob.view({n_rows, n});
  }
  return log_probs.to(at::kCPU).masked_fill(real_predictions(batch).logical_not(), 0);
}

bool LanguageModel::changes_output(const std::vector<Intervention>& interventions) const {
  if (interventions.empty()) return false;
  Hooks hooks = make_hooks();
  for (const Intervention& intervention : interventions) {
    hooks.add(intervention.where, [](const at::Tensor& x, const HookContext&) { return x; });
  }
  return hooks.last_layer(config().n_layers) == config().n_layers;
}

bool LanguageModel::changes_output(const RunOptions& options) const {
  Hooks hooks = make_hooks();
  for (const auto& [glob, function] : options.hooks) hooks.add(glob, function);
  return hooks.last_layer(config().n_layers) == config().n_layers ||
         changes_output(options.interventions);
}

double LanguageModel::loss(const TokenBatch& batch) const {
  const int64_t n_predictions = real_predictions(batch).sum().item<int64_t>();
  require(n_predictions > 0, "loss: expected at least two tokens in some row");
  return -token_log_probs(batch).sum(at::kDouble).item<double>() /
         static_cast<double>(n_predictions);
}

}  // namespace weir
