#include "weir/channels/edit.h"

#include <algorithm>
#include <map>
#include <memory>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/nn/norm.h"

namespace weir {
namespace {

/// One head's factors [D, K] and [K, D], and the chosen components of a circuit.
struct Chosen {
  LayerHeads heads;
  int64_t head;
  HeadComponents components;  ///< [1, ...]
  at::Tensor index;           ///< int64 [c]

  at::Tensor left() const { return components.left[0].index_select(1, index); }    // [D, c]
  at::Tensor right() const { return components.right[0].index_select(1, index); }  // [D, c]
  at::Tensor S() const { return components.S[0].index_select(0, index); }
};

Chosen choose(const Weights& weights, const ModelConfig& config, const ComponentEdit& edit,
              const CircuitOptions& options) {
  require(edit.head.head >= 0 && edit.head.head < config.n_heads,
          "edit: expected a head from 0 to {}, got {}", config.n_heads - 1, edit.head.head);
  Chosen chosen{layer_heads(weights, config, edit.head.layer, options), edit.head.head, {}, {}};
  const bool is_ov = edit.circuit == EditedCircuit::kOv;
  const FactoredMatrix circuit = is_ov ? chosen.heads.ov() : chosen.heads.qk();
  chosen.components =
      head_components(one_head(circuit, chosen.head), is_ov ? SignRule::kRight : SignRule::kLeft);
  const std::vector<int64_t> scaled = scaled_components(edit, config.d_head);
  chosen.index = at::tensor(scaled, at::kLong);
  return chosen;
}

/// The gain of a norm [n], 1 where it has none; edits of folded weights are divided by it.
at::Tensor gain_of(const ModelConfig& config, const NormWeights& norm, bool is_folded, int64_t n,
                   at::ScalarType dtype) {
  if (!is_folded || !norm.w.defined()) return at::ones({n}, dtype);
  const at::Tensor gain = (norm.w + config.norm_offset).to(dtype);
  require((gain != 0).all().item<bool>(),
          "edit: a norm's gain is 0 in some dimension; edit the weights as stored (no folding)");
  return gain;
}

/// Columns (rows of W_O) of one head.
at::Tensor of_columns(const at::Tensor& w, int64_t head, int64_t d_head) {
  return w.slice(1, head * d_head, (head + 1) * d_head);
}

/// `factor`: one number, or one of each chosen component [c].
void edit_ov(const ModelConfig& config, const Chosen& chosen, const at::Tensor& factor,
             bool edit_bias, const CircuitOptions& options, BlockWeights* block) {
  const at::Tensor W_O = chosen.heads.W_O[chosen.head];  // [K, D]
  const at::Tensor V = chosen.right();
  const at::Tensor post =
      gain_of(config, block->ln1_post, options.fold, config.d_model, options.dtype);
  const at::Tensor change = at::matmul(at::matmul(W_O, V) * (factor - 1), V.t()) / post;
  at::Tensor all = block->attn.W_O.dense(options.dtype).clone();
  const int64_t first = chosen.head * config.d_head;
  all.slice(0, first, first + config.d_head).add_(change);
  block->attn.W_O = Matrix(all);
  const at::Tensor b_V = chosen.heads.b_V[chosen.head];
  if (edit_bias || (b_V == 0).all().item<bool>()) return;
  const at::Tensor lost = at::matmul(b_V, change);
  const at::Tensor& b_O = block->attn.b_O;
  block->attn.b_O = b_O.defined() ? b_O - lost.to(b_O.scalar_type()) : -lost;
}

/// Puts W [D, K] and b [K], as a norm's folded reader, in place of a head's columns.
void put_reader(const ModelConfig& config, const NormWeights& ln1, const CircuitOptions& options,
                int64_t head, const at::Tensor& w, const at::Tensor& b, Matrix* matrix,
                at::Tensor* bias) {
  const at::Tensor gain = gain_of(config, ln1, options.fold, config.d_model, options.dtype);
  const at::Tensor raw = w / gain.unsqueeze(1);
  at::Tensor all = matrix->dense(options.dtype).clone();
  of_columns(all, head, config.d_head).copy_(raw);
  *matrix = Matrix(all);
  at::Tensor own = b;
  if (options.fold && ln1.b.defined()) own = own - at::matmul(ln1.b.to(options.dtype), raw);
  const bool has_bias = bias->defined();
  if (!has_bias && own.abs().max().item<double>() < 1e-12) return;
  at::Tensor biases =
      has_bias ? bias->to(options.dtype).clone() : at::zeros({all.size(1)}, options.dtype);
  biases.slice(0, head * config.d_head, (head + 1) * config.d_head).copy_(own);
  *bias = biases;
}

void edit_query(const ModelConfig& config, const Chosen& chosen, const ComponentEdit& edit,
                const CircuitOptions& options, BlockWeights* block) {
  AttentionWeights& attn = block->attn;
  require(config.qk_norm != QkNorm::kWholeProjection,
          "edit: the queries of '{}' are normed over all heads together", config.family);
  const at::Tensor A = chosen.left(), W_Q = chosen.heads.W_Q[chosen.head];
  const at::Tensor norm_gain =
      gain_of(config, attn.q_norm, options.fold, config.d_head, options.dtype);
  const at::Tensor edited = W_Q + (edit.scale - 1) * at::matmul(A, at::matmul(A.t(), W_Q));
  put_reader(config, block->ln1, options, chosen.head, edited / norm_gain,
             chosen.heads.b_Q[chosen.head] / norm_gain, &attn.W_Q, &attn.b_Q);
}

void edit_augmented(const ModelConfig& config, const Chosen& chosen, const ComponentEdit& edit,
                    const CircuitOptions& options, BlockWeights* block) {
  AttentionWeights& attn = block->attn;
  const FactoredMatrix circuit = one_head(chosen.heads.qk_augmented(), chosen.head);
  const HeadComponents all = head_components(circuit, SignRule::kLeft);
  at::Tensor factor = at::ones({config.d_head}, options.dtype);
  factor.index_fill_(0, chosen.index, edit.scale);
  const at::Tensor root = all.S[0].sqrt();
  const at::Tensor q = all.left[0] * root * factor, k = all.right[0] * root;  // [D + 1, K]
  const int64_t d = config.d_model;
  put_reader(config, block->ln1, options, chosen.head, q.slice(0, 0, d), q[d], &attn.W_Q,
             &attn.b_Q);
  put_reader(config, block->ln1, options, chosen.head, k.slice(0, 0, d), k[d], &attn.W_K,
             &attn.b_K);
}

void require_plain_scores(const ModelConfig& config, int64_t layer, const char* what) {
  if (config.has_rotary(layer) || config.qk_norm != QkNorm::kNone) {
    fail(ErrorCode::kUnsupported,
         "edit: {} needs scores that are a product of the two streams; '{}' turns or norms queries "
         "and keys in between. Use the circuit qk",
         what, config.family);
  }
}

}  // namespace

EditedCircuit edited_circuit_of(const std::string& name) {
  if (name == "ov") return EditedCircuit::kOv;
  if (name == "qk") return EditedCircuit::kQkQuery;
  if (name == "qk_augmented") return EditedCircuit::kQkAugmented;
  fail(ErrorCode::kInvalidArgument, "edit: expected ov, qk or qk_augmented, got '{}'", name);
}

std::vector<int64_t> scaled_components(const ComponentEdit& edit, int64_t d_head) {
  for (const int64_t i : edit.components) {
    require(i >= 0 && i < d_head, "edit: expected components from 0 to {}, got {}", d_head - 1, i);
  }
  std::vector<int64_t> scaled;
  for (int64_t i = 0; i < d_head; ++i) {
    const bool is_named =
        std::find(edit.components.begin(), edit.components.end(), i) != edit.components.end();
    if (is_named != edit.keep) scaled.push_back(i);
  }
  return scaled;
}

Weights edit_components(const Weights& weights, const ModelConfig& config,
                        const ComponentEdit& edit, const CircuitOptions& options) {
  const at::NoGradGuard no_grad;
  const Chosen chosen = choose(weights, config, edit, options);
  Weights edited = weights;
  BlockWeights* block = &edited.blocks[static_cast<size_t>(edit.head.layer)];
  switch (edit.circuit) {
    case EditedCircuit::kOv:
      edit_ov(config, chosen, at::scalar_tensor(edit.scale, options.dtype), edit.edit_bias, options,
              block);
      break;
    case EditedCircuit::kQkQuery:
      edit_query(config, chosen, edit, options, block);
      break;
    case EditedCircuit::kQkAugmented:
      require_plain_scores(config, edit.head.layer, "qk_augmented");
      if (config.n_heads != config.n_kv_heads) {
        fail(ErrorCode::kUnsupported, "edit: heads of '{}' share keys; use the circuit qk",
             config.family);
      }
      edit_augmented(config, chosen, edit, options, block);
      break;
  }
  return edited;
}

Weights scale_components(const Weights& weights, const ModelConfig& config,
                         const std::vector<ComponentScale>& scales, const CircuitOptions& options) {
  const at::NoGradGuard no_grad;
  std::map<std::pair<int64_t, int64_t>, std::map<int64_t, double>> by_head;
  for (const ComponentScale& one : scales) {
    const HeadId& head = one.component.head;
    const bool is_new =
        by_head[{head.layer, head.head}].emplace(one.component.component, one.scale).second;
    require(is_new, "edit: component {} is named twice", one.component.name());
  }
  Weights edited = weights;
  for (const auto& [place, factors] : by_head) {
    ComponentEdit edit;
    edit.head = {place.first, place.second};
    std::vector<double> values;
    for (const auto& [component, scale] : factors) {  // In rising order, as `choose` has them.
      edit.components.push_back(component);
      values.push_back(scale);
    }
    const Chosen chosen = choose(edited, config, edit, options);
    edit_ov(config, chosen, at::tensor(values, options.dtype), false, options,
            &edited.blocks[static_cast<size_t>(place.first)]);
  }
  return edited;
}

std::vector<NamedHook> qk_score_edit(const Weights& weights, const ModelConfig& config,
                                     const ComponentEdit& edit, const CircuitOptions& options) {
  const int64_t layer = edit.head.layer;
  require_plain_scores(config, layer, "an edit of the scores alone");
  ComponentEdit of_qk = edit;
  of_qk.circuit = EditedCircuit::kQkQuery;
  const Chosen chosen = choose(weights, config, of_qk, options);
  const at::Tensor A = chosen.left() * chosen.S() * config.attn_scale, B = chosen.right();
  const NormWeights ln1 = weights.blocks[static_cast<size_t>(layer)].ln1;
  const auto read = std::make_shared<at::Tensor>();
  const bool is_folded = options.fold;
  const HookFn keep = [read, ln1, is_folded, &config](const at::Tensor& x, const HookContext&) {
    const NormWeights none;
    const NormWeights& own = is_folded ? none : ln1;
    *read =
        ln1.present ? norm(x, config.norm, config.norm_eps, own.w, own.b, config.norm_offset) : x;
    return x;
  };
  const double factor = edit.scale - 1;
  const int64_t head = edit.head.head;
  const HookFn change = [read, A, B, factor, head](const at::Tensor& scores, const HookContext&) {
    const at::Tensor more = at::matmul(at::matmul(*read, A), at::matmul(*read, B).transpose(1, 2));
    const at::Tensor changed = scores.clone();
    changed.select(1, head).add_(more, factor);  // -inf stays.
    return changed;
  };
  return {{fmt::format("blocks.{}.hook_resid_pre", layer), keep},
          {fmt::format("blocks.{}.attn.hook_attn_scores", layer), change}};
}

}  // namespace weir
