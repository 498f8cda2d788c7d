#include <ATen/ATen.h>
#include <fmt/format.h>

#include "bench/measure.h"
#include "weir/base/error.h"
#include "weir/channels/sweep.h"

// Moves of the last position within a subspace: what a sweep costs beside the same rows run through
// the layers above without any move.
namespace weir::bench {
namespace {

constexpr int64_t kMoves = 200, kPrompts = 64, kLength = 40, kLayer = 20, kDirections = 3;

/// The most probable tokens of one move as `run` gives them with the move as an intervention.
double move_gap(const LanguageModel& lm, const TokenBatch& batch, const Subspace& subspace,
                const SubspaceMoves& moves, const at::Tensor& found) {
  RunOptions run;
  run.logits = LogitsAt::kLast;
  run.interventions =
      subspace_edit(subspace, SubspaceOp::kAdd, moves.alpha[kMoves - 1], {kLayer, -1, {-1}});
  const at::Tensor tokens = lm.run(batch, run).logits.select(1, 0).argmax(-1);
  return (tokens != found).to(at::kDouble).mean().item<double>();
}

}  // namespace

Result bench_steer_sweep(const Options& options) {
  require(!options.model.empty(), "bench: this one needs a model; give SmolLM2's GGUF file");
  const LanguageModel lm = LanguageModel::load(options.model);
  const ModelConfig& config = lm.config();
  at::manual_seed(5);
  const TokenBatch batch{at::randint(1000, 40000, {kPrompts, kLength}, at::kLong), {}};
  const Experiments prompts(lm, batch, {});
  const Subspace subspace = subspace_of(at::randn({config.d_model, kDirections}));
  const SubspaceMoves moves = draw_moves(kDirections, 20, kMoves, 1);
  const SubspacePlace place{kLayer, -1, {-1}};
  // What the last move finds, on every prompt.
  at::Tensor last;
  const auto hooks_of = [&](int64_t first, int64_t count) {
    return move_hooks(subspace, moves, place, kPrompts, first, count);
  };
  prompts.run_hooked(kLayer, kLength - 1, kMoves, hooks_of,
                     [&](int64_t, const at::Tensor& logits) { last = logits[-1].argmax(-1); });
  const double gap = move_gap(lm, batch, subspace, moves, last);
  const at::Tensor answers = at::zeros({kPrompts}, at::kLong);
  const std::vector<double> pure = measure(options.runs, [&] {
    prompts.run_hooked(
        kLayer, kLength - 1, kMoves, [](int64_t, int64_t) { return std::vector<NamedHook>(); },
        [](int64_t, const at::Tensor&) {});
  });
  Result result;
  result.name = "steer-sweep";
  result.work = fmt::format("SmolLM2, {} moves x {} prompts of {} tokens, from layer {} on", kMoves,
                            kPrompts, kLength, kLayer);
  result.amount = static_cast<double>(kMoves * kPrompts);
  result.unit = "prompts/s";
  result.seconds = measure(options.runs, [&] { sweep(prompts, answers, subspace, moves, place); });
  LanguageModelShape above{
      config.n_layers - kLayer,          config.d_model,  config.d_mlp, config.d_vocab,
      config.n_kv_heads * config.d_head, config.gated_mlp};
  result.flops = forward_flops(above, result.amount, kLength, result.amount);
  result.peak_rss = peak_rss();
  Result alone;
  alone.seconds = pure;
  result.check =
      checked(fmt::format("share of prompts whose token differs from a run with the intervention "
                          "(layers above without moves: {:.2f} s)",
                          alone.median()),
              gap, 0.02);
  return result;
}

}  // namespace weir::bench
