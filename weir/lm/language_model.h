#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/hooks/activation_cache.h"
#include "weir/hooks/intervention.h"
#include "weir/lm/lazy_tokenizer.h"
#include "weir/lm/token_batch.h"
#include "weir/model/loader.h"
#include "weir/model/transformer.h"
#include "weir/text/tokenizer.h"

namespace weir {

struct LoadOptions {
  at::ScalarType dtype = at::kFloat;  ///< Of the computation.
  at::Device device = at::kCPU;
  bool fold = false;  ///< TransformerLens's processing (model/process.h) after loading.
  bool hash = false;  ///< Fill LoadedModel::sha256 (reads the whole file).
};

/// The tokenizer that belongs to a model file or folder, without the model: in the folder, inside
/// the .gguf, or beside a llama2.c .bin. kNotFound when there is none.
Tokenizer load_tokenizer(const std::filesystem::path& model);

/// Where a run goes on from: `residual` [B, T, D] enters block `layer`, as a cache holds it at
/// "blocks.LAYER.hook_resid_pre".
struct Start {
  int64_t layer = 0;
  at::Tensor residual;
};

struct RunOptions {
  /// Positions count in the rectangle [B, T], pads included; -1 is the last token of every row.
  /// They act before the cache reads.
  std::vector<Intervention> interventions;
  /// Globs and functions of one's own, attached after the interventions and before the cache; see
  /// HookFn for what they may do, with gradients too.
  std::vector<NamedHook> hooks;
  /// Unset: the tokens are embedded. Else neither the embeddings nor blocks below start->layer run:
  /// hooks, interventions and caches there are not called, and the cache lacks their names.
  std::optional<Start> start;
  std::optional<CacheOptions> cache;  ///< Unset: nothing is kept.
  KvCache* keys = nullptr;            ///< An empty one is filled with the batch's keys and values.
  const Weights* weights = nullptr;   ///< An overlay for this call; nullptr: the model's own.
  LogitsAt logits = LogitsAt::kAll;
  std::optional<int64_t> stop_at_layer;
  /// Stop after the last layer that the cache or an intervention needs, without logits.
  bool stop_when_cached = false;
};

struct RunResult {
  at::Tensor logits;    ///< [B, T, V], or as LogitsAt says.
  at::Tensor residual;  ///< The stream where the forward stopped, as in ForwardOutput.
  ActivationCache cache;
};

/// A model with its tokenizer: what most users hold. Const methods are safe from several threads.
///
///   const auto lm = weir::LanguageModel::load("smollm2-135m.gguf");
///   const auto result = lm.run(lm.encode("The capital of France is"), {{}, weir::CacheOptions{}});
class LanguageModel {
 public:
  /// A folder in Hugging Face layout, a .gguf or a llama2.c .bin (weir/store resolves names).
  static LanguageModel load(const std::filesystem::path& path, const LoadOptions& options = {});
  /// `options.hash` is ignored: there may be no file.
  LanguageModel(LoadedModel model, std::optional<Tokenizer> tokenizer,
                const LoadOptions& options = {});

  const Transformer& transformer() const { return transformer_; }
  const ModelConfig& config() const { return transformer_.config(); }
  /// As it was loaded, before any processing.
  const LoadedModel& source() const { return source_; }
  at::Device device() const { return device_; }
  bool has_tokenizer() const { return tokenizer_ != nullptr; }
  const Tokenizer& tokenizer() const;  ///< kNotFound when the model came without one.
  const std::string& processing() const { return processing_; }  ///< "none" or "fold"

  TokenBatch encode(const std::string& text) const;
  TokenBatch encode(const std::vector<std::string>& texts) const;

  /// One forward. A graph for gradients is recorded only for CacheOptions::gradients, which makes
  /// the embeddings its leaves, or when the caller's overlay or intervention values require them.
  RunResult run(const TokenBatch& batch, const RunOptions& options = {}) const;
  /// log p(token t+1 | tokens up to t) [B, T-1], nats, float32 on the CPU; a prediction from or of
  /// a pad counts as 0. Never holds all logits of a long text at once (unless an intervention
  /// or hook at ln_final or unembed needs them). Of `options`, interventions, hooks, start and
  /// weights count. No gradients.
  at::Tensor token_log_probs(const TokenBatch& batch, const RunOptions& options = {}) const;
  /// Mean of -log p over real predictions.
  double loss(const TokenBatch& batch) const;

  /// A token as a reader knows it (Tokenizer::display); "#17" when there is no tokenizer.
  std::string token_text(int64_t id) const;

  /// True when an intervention acts after the last block (ln_final, unembed), where reads of the
  /// residual stream do not see it.
  bool changes_output(const std::vector<Intervention>& interventions) const;
  Hooks make_hooks() const { return Hooks(transformer_.hook_names()); }

 private:
  bool changes_output(const RunOptions& options) const;
  LanguageModel(const LoadOptions& options, LoadedModel model,
                std::shared_ptr<const LazyTokenizer> tokenizer);

  LoadedModel source_;
  std::string processing_;
  at::Device device_;
  Transformer transformer_;
  std::shared_ptr<const LazyTokenizer> tokenizer_;  ///< Null: none came with the model.
};

}  // namespace weir
