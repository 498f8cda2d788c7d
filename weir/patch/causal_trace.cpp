#include "weir/patch/causal_trace.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/patch/experiments.h"
#include "weir/patch/knockout.h"
#include "weir/patch/numpy_random.h"

namespace weir {
namespace {

at::Tensor embeddings(const LanguageModel& lm, const std::vector<int64_t>& ids) {
  const at::ScalarType dtype = lm.transformer().dtype();
  return lm.transformer().weights().W_E.lookup(at::tensor(ids, at::kLong), dtype) *
         lm.config().embed_scale;
}

/// [copies, n, D], numpy's draws in their order.
at::Tensor draw_noise(int64_t copies, int64_t n, int64_t d, uint32_t seed) {
  const at::Tensor noise = at::empty({copies, n, d}, at::kDouble);
  NumpyNormal normal(seed);
  for (int64_t i = 0; i < noise.numel(); ++i) noise.data_ptr<double>()[i] = normal.next();
  return noise;
}

class Tracer {
 public:
  Tracer(const LanguageModel& lm, const std::vector<int64_t>& tokens, const Intervention& noise,
         int64_t copies)
      : lm_(lm),
        clean_(lm, left_pad({tokens}), kNames),
        noised_(lm,
                left_pad(std::vector<std::vector<int64_t>>(static_cast<size_t>(copies), tokens)),
                kNames, {noise}),
        answer_(clean_.logits()[0].argmax().item<int64_t>()) {}

  int64_t answer() const { return answer_; }
  double p_clean() const { return clean_.logits()[0].softmax(-1)[answer_].item<double>(); }
  double p_corrupt() const { return score(noised_.logits()); }

  /// [T, L] with the state of one token and layer restored; `cut`: outputs of later layers that
  /// keep their noised value at that token ("mlp_out", "attn_out"; "": none).
  at::Tensor hidden(const std::string& cut) const {
    return table([&](int64_t layer) {
      std::vector<Change> changes = {{name(layer, "resid_post"), true}};
      for (int64_t later = layer + 1; !cut.empty() && later < lm_.config().n_layers; ++later) {
        changes.push_back({name(later, cut), false});
      }
      return std::pair{layer, changes};
    });
  }

  /// [T, L] with the outputs of the window about each layer restored at one token.
  at::Tensor window(const std::string& kind, int64_t width) const {
    return table([&](int64_t layer) {
      const LayerWindow window = window_about(layer, width, lm_.config().n_layers);
      std::vector<Change> changes;
      for (int64_t l = window.first; l < window.last; ++l) changes.push_back({name(l, kind), true});
      return std::pair{window.first, changes};
    });
  }

 private:
  /// A point whose token takes its value of the clean run, or keeps that of the noised one.
  struct Change {
    std::string name;
    bool is_restored;
  };
  static inline const std::vector<std::string> kNames = {"*hook_resid_post", "*hook_mlp_out",
                                                         "*hook_attn_out"};

  static std::string name(int64_t layer, const std::string& kind) {
    return fmt::format("blocks.{}.hook_{}", layer, kind);
  }
  double score(const at::Tensor& logits) const {  // [copies, V]
    return logits.softmax(-1).select(-1, answer_).to(at::kDouble).mean().item<double>();
  }

  /// Experiment t changes token t: rows t copies .. (t + 1) copies of the batch.
  std::vector<NamedHook> hooks(const std::vector<Change>& changes, int64_t first,
                               int64_t count) const {
    std::vector<NamedHook> all;
    for (const Change& change : changes) {
      const at::Tensor& source = (change.is_restored ? clean_ : noised_).cache()[change.name];
      const int64_t copies = noised_.n_prompts();
      all.emplace_back(change.name, [=](const at::Tensor& x, const HookContext&) {
        const at::Tensor changed = x.clone();
        for (int64_t e = 0; e < count; ++e) {
          const int64_t t = first + e;
          changed.slice(0, e * copies, (e + 1) * copies).select(1, t).copy_(source.select(1, t));
        }
        return changed;
      });
    }
    return all;
  }

  template <typename Plan>
  at::Tensor table(const Plan& plan) const {
    const int64_t n_tokens = clean_.batch().tokens.size(1), n_layers = lm_.config().n_layers;
    const at::Tensor found = at::empty({n_tokens, n_layers}, at::kDouble);
    for (int64_t layer = 0; layer < n_layers; ++layer) {
      const auto [start, changes] = plan(layer);
      noised_.run_hooked(
          start, 0, n_tokens,
          [&, &changed = changes](int64_t first, int64_t count) {
            return hooks(changed, first, count);
          },
          [&](int64_t first, const at::Tensor& logits) {
            for (int64_t e = 0; e < logits.size(0); ++e) {
              found[first + e][layer] = score(logits[e]);
            }
          });
    }
    return found;
  }

  const LanguageModel& lm_;
  Experiments clean_, noised_;
  int64_t answer_;
};

}  // namespace

double embedding_sigma(const LanguageModel& lm, const std::vector<std::vector<int64_t>>& subjects) {
  std::vector<at::Tensor> parts;
  for (const auto& ids : subjects) parts.push_back(embeddings(lm, ids).flatten());
  require(!parts.empty(), "causal tracing: expected at least one subject, got none");
  return at::cat(parts).to(at::kDouble).std(true).item<double>();
}

Trace causal_trace(const LanguageModel& lm, const std::vector<int64_t>& tokens,
                   int64_t subject_first, int64_t subject_last, const TraceOptions& options) {
  const at::NoGradGuard no_grad;
  const auto n_tokens = static_cast<int64_t>(tokens.size());
  require(0 <= subject_first && subject_first <= subject_last && subject_last < n_tokens,
          "causal tracing: expected a subject within {} tokens, got {} to {}", n_tokens,
          subject_first, subject_last);
  const std::vector<int64_t> subject(tokens.begin() + subject_first,
                                     tokens.begin() + subject_last + 1);
  Trace trace;
  trace.sigma = options.sigma > 0 ? options.sigma : embedding_sigma(lm, {subject});
  trace.noise = draw_noise(options.copies, static_cast<int64_t>(subject.size()),
                           lm.config().d_model, options.seed) *
                (options.scale * trace.sigma);
  Intervention noise;
  noise.where = "hook_embed";
  noise.op = Intervention::Op::kAdd;
  noise.positions.emplace();
  for (int64_t t = subject_first; t <= subject_last; ++t) noise.positions->push_back(t);
  noise.value = trace.noise.to(lm.transformer().dtype());
  const Tracer tracer(lm, tokens, noise, options.copies);
  trace.answer = tracer.answer();
  trace.p_clean = tracer.p_clean();
  trace.p_corrupt = tracer.p_corrupt();
  Progress progress("causal tracing", 1 + 2 * options.windows.size() + (options.severed ? 2 : 0),
                    "maps");
  trace.hidden = tracer.hidden("");
  progress.advance(1);
  for (const int64_t width : options.windows) {
    trace.mlp[width] = tracer.window("mlp_out", width);
    trace.attn[width] = tracer.window("attn_out", width);
    progress.advance(2);
  }
  if (options.severed) {
    trace.severed_mlp = tracer.hidden("mlp_out");
    trace.severed_attn = tracer.hidden("attn_out");
    progress.advance(2);
  }
  return trace;
}

}  // namespace weir
