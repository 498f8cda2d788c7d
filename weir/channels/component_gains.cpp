#include "weir/channels/component_gains.h"

#include <algorithm>
#include <map>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/interrupt.h"
#include "weir/channels/sweep.h"
#include "weir/lm/token_batch.h"

namespace weir {
namespace {

constexpr int64_t kRows = 16;  // Prompts whose graph is kept at once.

struct Rows {
  TokenBatch batch;
  at::Tensor answers;  ///< [N]
  Start start;

  int64_t size() const { return batch.tokens.size(0); }
  Rows at(int64_t first, int64_t count) const {
    const int64_t last = std::min(first + count, size());
    const auto cut = [&](const at::Tensor& x) { return x.defined() ? x.slice(0, first, last) : x; };
    return {{cut(batch.tokens), cut(batch.attention_mask)},
            cut(answers),
            {start.layer, cut(start.residual)}};
  }
};

Rows rows_of(const LanguageModel& lm, const PromptSet& set, int64_t first_layer) {
  Rows rows{left_pad(set.clean_rows()), set.answers(), {}};
  rows.start = {first_layer, stream_entering(lm, rows.batch, first_layer)};
  return rows;
}

RunOptions run_of(const Rows& rows, const Change& change) {
  RunOptions run;
  change.apply_to(&run);
  run.logits = LogitsAt::kLast;
  run.start = rows.start;
  return run;
}

/// Of each layer's heads, from the first on: what reads component i's coefficient from z, and what
/// puts one of it back (its row times W_O is v_i): [H, K, K], components last and first.
struct Readers {
  std::vector<at::Tensor> coefficient, back;
  std::vector<at::Tensor> bias;  ///< [H, 1, K]: of b_V, which z holds and edits leave alone
};

Readers readers_of(const LanguageModel& lm, int64_t first_layer, const CircuitOptions& circuits) {
  const Weights& weights = lm.transformer().weights();
  Readers readers;
  for (int64_t l = first_layer; l < lm.config().n_layers; ++l) {
    const LayerHeads heads = layer_heads(weights, lm.config(), l, circuits);
    const at::Tensor v = head_components(heads.ov(), SignRule::kRight).right;  // [H, D, K]
    const at::Tensor to_components = at::matmul(heads.W_O, v);                 // [H, K, K]
    readers.coefficient.push_back(to_components.to(at::kFloat));
    readers.bias.push_back(at::matmul(heads.b_V.unsqueeze(1), to_components).to(at::kFloat));
    readers.back.push_back(at::linalg_inv(to_components).to(at::kFloat));
  }
  return readers;
}

/// Adds sums over prompts to the gains and means.
void add_gains(const LanguageModel& lm, const Rows& rows, const Change& change,
               const Readers& readers, bool last_only, ComponentGains* sums) {
  RunOptions run = run_of(rows, change);
  run.cache = CacheOptions{};
  run.cache->names = {"*attn.hook_z"};
  run.cache->gradients = true;
  const RunResult out = lm.run(rows.batch, run);
  const at::Tensor logits = out.logits.select(1, 0);
  const at::Tensor log_probs =
      at::log_softmax(logits.to(at::kFloat), -1).gather(1, rows.answers.unsqueeze(1));
  const auto gradients = out.cache.gradients(log_probs.sum());
  for (int64_t l = rows.start.layer; l < lm.config().n_layers; ++l) {
    const std::string name = fmt::format("blocks.{}.attn.hook_z", l);
    const at::Tensor& g = gradients.at(name);
    if (!g.defined()) continue;
    const auto by_head = [&](const at::Tensor& x) {  // [B, T, H, K] -> [H, B T, K]
      const at::Tensor kept = last_only ? x.slice(1, x.size(1) - 1) : x;
      return kept.detach().to(at::kFloat).permute({2, 0, 1, 3}).flatten(1, 2);
    };
    const auto layer = static_cast<size_t>(l - rows.start.layer);
    at::Tensor coefficients = at::matmul(by_head(out.cache[name]), readers.coefficient[layer]);
    if (!last_only) coefficients = coefficients - readers.bias[layer];
    const at::Tensor moved = at::matmul(by_head(g), readers.back[layer].transpose(1, 2));
    sums->gain[l].add_((coefficients * moved).sum(1).to(at::kDouble));
  }
  sums->log_prob += log_probs.sum().item<double>();
  sums->accuracy += (logits.argmax(-1) == rows.answers).sum().item<double>();
}

}  // namespace

struct GainRows::State {
  const LanguageModel& lm;
  Rows rows;
  Readers readers;
};

GainRows::GainRows(const LanguageModel& lm, const PromptSet& set, int64_t first_layer,
                   const CircuitOptions& circuits)
    : state_(new State{lm, rows_of(lm, set, first_layer), readers_of(lm, first_layer, circuits)}) {}
GainRows::~GainRows() = default;
GainRows::GainRows(GainRows&&) noexcept = default;
int64_t GainRows::size() const { return state_->rows.size(); }

ComponentGains GainRows::gains(const Change& change, bool last_only, int64_t first,
                               int64_t count) const {
  const ModelConfig& config = state_->lm.config();
  const Rows rows = state_->rows.at(first, count);
  ComponentGains found;
  found.gain = at::zeros({config.n_layers, config.n_heads, config.d_head}, at::kDouble);
  for (int64_t i = 0; i < rows.size(); i += kRows) {
    throw_if_interrupted();
    add_gains(state_->lm, rows.at(i, kRows), change, state_->readers, last_only, &found);
  }
  const auto n = static_cast<double>(rows.size());
  found.gain /= n;
  found.log_prob /= n;
  found.accuracy /= n;
  return found;
}

double GainRows::accuracy(const Change& change) const {
  const at::NoGradGuard no_grad;
  const Rows& rows = state_->rows;
  const at::Tensor logits = state_->lm.run(rows.batch, run_of(rows, change)).logits.select(1, 0);
  return (logits.argmax(-1) == rows.answers).to(at::kDouble).mean().item<double>();
}

void Change::apply_to(RunOptions* run) const {
  run->weights = weights;
  run->interventions = interventions;
}

std::vector<Intervention> steer_components(const Weights& weights, const ModelConfig& config,
                                           const std::vector<ComponentScale>& scales,
                                           const CircuitOptions& circuits) {
  std::map<int64_t, at::Tensor> right;  // Of a layer: [H, D, K]
  std::vector<Intervention> edits;
  for (const ComponentScale& one : scales) {
    const HeadId& head = one.component.head;
    at::Tensor& of_layer = right[head.layer];
    if (!of_layer.defined()) {
      const LayerHeads heads = layer_heads(weights, config, head.layer, circuits);
      of_layer = head_components(heads.ov(), SignRule::kRight).right;
    }
    Intervention edit;
    edit.where = fmt::format("blocks.{}.attn.hook_result", head.layer);
    edit.positions = {{-1}};
    edit.heads = {{head.head}};
    edit.op = Intervention::Op::kProject;
    edit.factor = one.scale;
    edit.value = of_layer[head.head].select(1, one.component.component).unsqueeze(0).clone();
    edits.push_back(std::move(edit));
  }
  return edits;
}

at::Tensor is_right(const LanguageModel& lm, const PromptSet& set, const Change& change) {
  const at::NoGradGuard no_grad;
  RunOptions run;
  change.apply_to(&run);
  run.logits = LogitsAt::kLast;
  const at::Tensor logits = lm.run(left_pad(set.clean_rows()), run).logits.select(1, 0);
  return (logits.argmax(-1) == set.answers()).to(at::kDouble);
}

}  // namespace weir
