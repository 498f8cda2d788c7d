#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/base/bootstrap.h"
#include "weir/channels/subspace.h"
#include "weir/patch/experiments.h"
#include "weir/tasks/prompt_set.h"

/// How well a model does a task while its last position is moved within a subspace of the stream
/// (2406.09519: steering of longer lists). docs/methods/channels.md.
namespace weir {

/// A moves: x <- x + (s - 1) x P + alpha B^T. s 0 replaces what x has of the subspace, alpha 0
/// scales it.
struct SubspaceMoves {
  at::Tensor alpha;  ///< [A, c] along the subspace's basis
  at::Tensor scale;  ///< [A] or undefined: 1
  int64_t size() const { return alpha.size(0); }
  SubspaceMoves at(const at::Tensor& index) const;
};
/// No move, then n - 1 drawn evenly from the box [-radius, radius]^c.
SubspaceMoves draw_moves(int64_t n_directions, double radius, int64_t n, uint64_t seed);

/// The hooks of moves first .. first + count, for rows that are moves times prompts
/// (Experiments::run_hooked); the last position must be the only one.
std::vector<NamedHook> move_hooks(const Subspace& subspace, const SubspaceMoves& moves,
                                  const SubspacePlace& place, int64_t n_prompts, int64_t first,
                                  int64_t count);

/// bool [A, N]: the most probable token is the answer.
at::Tensor sweep(const Experiments& prompts, const at::Tensor& answers, const Subspace& subspace,
                 const SubspaceMoves& moves, const SubspacePlace& place);

/// Moves chosen on one set of prompts. `place` of a prompt: which item of the list it asks for
/// (group "place"); one place where the task has none.
struct ChosenMoves {
  int64_t constant = 0;           ///< The one that is best for all prompts
  std::vector<int64_t> by_place;  ///< The best of each place
};
/// Ties go to the earlier one: no move is the first.
ChosenMoves choose_moves(const at::Tensor& right, const std::vector<int64_t>& place);

/// Accuracy on a set that nothing was chosen on. `dial` is told the place that is asked for: how
/// well the subspace can point, an upper bound of what a constant move can do.
struct SteeringScore {
  MeanInterval constant, dial;            ///< Accuracy
  MeanInterval constant_gain, dial_gain;  ///< Above the same prompts without a move
};
struct SteeringResult {
  MeanInterval baseline;
  ChosenMoves chosen;
  SteeringScore score;
  std::vector<SteeringScore> controls;  ///< Random subspaces of as many dimensions, same budget
};
struct SteeringOptions {
  SubspacePlace place;
  SubspaceMoves moves;
  int64_t n_controls = 3;
  uint64_t seed = 0;
};
SteeringResult steer_task(const LanguageModel& lm, const PromptSet& dev, const PromptSet& test,
                          const Subspace& subspace, const SteeringOptions& options);

/// [N, T, D]; layers from `layer` on do not run. No gradient.
at::Tensor stream_entering(const LanguageModel& lm, const TokenBatch& batch, int64_t layer);
/// Median length of the stream entering `layer` at the last position: what moves are measured with.
double median_stream_norm(const LanguageModel& lm, const PromptSet& set, int64_t layer);

/// The place of each prompt, 0 where the task has no such group.
std::vector<int64_t> places_of(const PromptSet& set);

}  // namespace weir
