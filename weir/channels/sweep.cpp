#include "weir/channels/sweep.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/lm/token_batch.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

at::Generator generator_of(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

/// Each move once: the constant one first, then those of the places.
at::Tensor moves_to_test(const ChosenMoves& chosen) {
  std::vector<int64_t> index = {chosen.constant};
  index.insert(index.end(), chosen.by_place.begin(), chosen.by_place.end());
  return at::tensor(index, at::kLong);
}

struct Split {
  const Experiments& prompts;
  at::Tensor answers;
  std::vector<int64_t> place;
};

SteeringScore score_on(const Split& test, const Subspace& subspace, const SteeringOptions& options,
                       const ChosenMoves& chosen, const at::Tensor& clean) {
  const at::Tensor right =
      sweep(test.prompts, test.answers, subspace, options.moves.at(moves_to_test(chosen)),
            options.place)
          .to(at::kDouble);  // [1 + places, N]
  std::vector<int64_t> row_of;
  for (const int64_t place : test.place) {
    require(place < static_cast<int64_t>(chosen.by_place.size()),
            "steering: the test prompts ask for place {}, which none of the others does", place);
    row_of.push_back(1 + place);
  }
  const at::Tensor constant = right[0],
                   dial = right.gather(0, at::tensor(row_of, at::kLong).unsqueeze(0)).squeeze(0);
  return {bootstrap_mean(to_doubles(constant)), bootstrap_mean(to_doubles(dial)),
          bootstrap_mean(to_doubles(constant - clean)), bootstrap_mean(to_doubles(dial - clean))};
}

}  // namespace

SubspaceMoves SubspaceMoves::at(const at::Tensor& index) const {
  return {alpha.index_select(0, index), scale.defined() ? scale.index_select(0, index) : scale};
}

SubspaceMoves draw_moves(int64_t n_directions, double radius, int64_t n, uint64_t seed) {
  const at::Tensor alpha =
      radius * (2 * at::rand({n, n_directions}, generator_of(seed), at::kDouble) - 1);
  alpha[0].zero_();
  return {alpha, {}};
}

std::vector<NamedHook> move_hooks(const Subspace& subspace, const SubspaceMoves& moves,
                                  const SubspacePlace& place, int64_t n_prompts, int64_t first,
                                  int64_t count) {
  const auto of_rows = [&](const at::Tensor& x) {  // [A, ...] -> [count N, 1, ...]
    return x.slice(0, first, first + count).repeat_interleave(n_prompts, 0).unsqueeze(1);
  };
  const at::Tensor basis = subspace.basis.to(at::kFloat);  // [D, c]
  const at::Tensor add = of_rows(at::matmul(moves.alpha.to(at::kFloat), basis.t()));
  const at::Tensor keep =
      moves.scale.defined() ? of_rows(moves.scale.to(at::kFloat).unsqueeze(1)) - 1 : at::Tensor();
  const auto moved = [basis, add, keep](const at::Tensor& x) {
    const at::Tensor shifted = x + add.to(x.scalar_type());
    if (!keep.defined()) return shifted;
    const at::Tensor b = basis.to(x.scalar_type());
    return shifted + keep.to(x.scalar_type()) * at::matmul(at::matmul(x, b), b.t());
  };
  const int64_t head = place.query_head;
  if (head < 0) {
    return {{fmt::format("blocks.{}.hook_resid_pre", place.layer),
             [moved](const at::Tensor& x, const HookContext&) { return moved(x); }}};
  }
  return {{fmt::format("blocks.{}.hook_q_input", place.layer),
           [moved, head](const at::Tensor& x, const HookContext&) {  // [R, 1, H, D]
             const at::Tensor changed = x.clone();
             changed.select(2, head).copy_(moved(x.select(2, head)));
             return changed;
           }}};
}

at::Tensor sweep(const Experiments& prompts, const at::Tensor& answers, const Subspace& subspace,
                 const SubspaceMoves& moves, const SubspacePlace& place) {
  require(moves.alpha.dim() == 2 && moves.alpha.size(1) == subspace.basis.size(1),
          "sweep: expected moves [A, {}], got {}", subspace.basis.size(1),
          c10::str(moves.alpha.sizes()));
  require(place.layer >= 0 && place.layer < prompts.lm().config().n_layers,
          "sweep: expected a layer from 0 to {}, got {}", prompts.lm().config().n_layers - 1,
          place.layer);
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> right;
  prompts.run_hooked(
      place.layer, prompts.n_positions() - 1, moves.size(),
      [&](int64_t first, int64_t count) {
        throw_if_interrupted();
        return move_hooks(subspace, moves, place, prompts.n_prompts(), first, count);
      },
      [&](int64_t, const at::Tensor& logits) { right.push_back(logits.argmax(-1) == answers); });
  return at::cat(right);
}

ChosenMoves choose_moves(const at::Tensor& right, const std::vector<int64_t>& place) {
  const at::Tensor hits = right.to(at::kDouble);  // [A, N]
  const auto best_of = [&](const at::Tensor& columns) {
    const at::Tensor sums = hits.index_select(1, columns).sum(1);
    const std::vector<double> values = to_doubles(sums);
    return std::max_element(values.begin(), values.end()) - values.begin();
  };
  ChosenMoves chosen;
  chosen.constant = best_of(at::arange(hits.size(1), at::kLong));
  const int64_t n_places = *std::max_element(place.begin(), place.end()) + 1;
  for (int64_t p = 0; p < n_places; ++p) {
    std::vector<int64_t> columns;
    for (size_t i = 0; i < place.size(); ++i) {
      if (place[i] == p) columns.push_back(static_cast<int64_t>(i));
    }
    chosen.by_place.push_back(columns.empty() ? chosen.constant
                                              : best_of(at::tensor(columns, at::kLong)));
  }
  return chosen;
}

SteeringResult steer_task(const LanguageModel& lm, const PromptSet& dev, const PromptSet& test,
                          const Subspace& subspace, const SteeringOptions& options) {
  const at::NoGradGuard no_grad;
  const Experiments dev_runs(lm, left_pad(dev.clean_rows()), {}),
      test_runs(lm, left_pad(test.clean_rows()), {});
  const Split on_dev{dev_runs, dev.answers(), places_of(dev)},
      on_test{test_runs, test.answers(), places_of(test)};
  const at::Tensor clean = (test_runs.logits().argmax(-1) == on_test.answers).to(at::kDouble);
  SteeringResult result;
  result.baseline = bootstrap_mean(to_doubles(clean));
  const auto of = [&](const Subspace& within, ChosenMoves* chosen) {
    *chosen = choose_moves(sweep(dev_runs, on_dev.answers, within, options.moves, options.place),
                           on_dev.place);
    return score_on(on_test, within, options, *chosen, clean);
  };
  result.score = of(subspace, &result.chosen);
  for (int64_t r = 0; r < options.n_controls; ++r) {
    ChosenMoves chosen;
    const at::Tensor directions =
        at::randn({lm.config().d_model, subspace.basis.size(1)},
                  generator_of(options.seed + 1 + static_cast<uint64_t>(r)), at::kFloat);
    result.controls.push_back(of(subspace_of(directions), &chosen));
  }
  return result;
}

at::Tensor stream_entering(const LanguageModel& lm, const TokenBatch& batch, int64_t layer) {
  const at::NoGradGuard no_grad;
  const std::string name = fmt::format("blocks.{}.hook_resid_pre", layer);
  RunOptions run;
  run.cache = CacheOptions{};
  run.cache->names = {name};
  run.stop_when_cached = true;
  return lm.run(batch, run).cache[name];
}

double median_stream_norm(const LanguageModel& lm, const PromptSet& set, int64_t layer) {
  const at::Tensor stream = stream_entering(lm, left_pad(set.clean_rows()), layer).select(1, -1);
  return stream.norm(2, -1).median().item<double>();
}

std::vector<int64_t> places_of(const PromptSet& set) {
  std::vector<int64_t> places;
  for (const Prompt& prompt : set.prompts) {
    const auto found = prompt.groups.find("place");
    places.push_back(found == prompt.groups.end() ? 0 : std::stoll(found->second));
  }
  return places;
}

}  // namespace weir
