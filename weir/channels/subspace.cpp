#include "weir/channels/subspace.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/base/error.h"

namespace weir {

Subspace subspace_of(const at::Tensor& directions) {
  require(
      directions.dim() == 2 && directions.size(1) > 0 && directions.size(1) <= directions.size(0),
      "subspace: expected directions [d_model, c], got {}", c10::str(directions.sizes()));
  const auto [q, r] = at::linalg_qr(directions.to(at::kDouble), "reduced");
  const at::Tensor diagonal = r.diagonal();
  require(diagonal.abs().min().item<double>() > 1e-6 * diagonal.abs().max().item<double>(),
          "subspace: expected directions that do not depend on each other, their QR has a diagonal "
          "from {:.2g} to {:.2g}",
          diagonal.abs().min().item<double>(), diagonal.abs().max().item<double>());
  const at::Tensor sign = diagonal.sign();
  const at::ScalarType dtype = directions.scalar_type();
  return {directions, (q * sign).to(dtype), (r * sign.unsqueeze(1)).to(dtype)};
}

Subspace subspace_of(const ModelComponents& components, const std::vector<ComponentId>& ids) {
  std::vector<at::Tensor> columns;
  for (const ComponentId& id : ids) {
    require(id.head.layer >= 0 && id.head.layer < static_cast<int64_t>(components.ov.size()),
            "subspace: no layer {}", id.head.layer);
    const at::Tensor& right = components.ov[static_cast<size_t>(id.head.layer)].right;
    require(id.head.head >= 0 && id.head.head < right.size(0) && id.component >= 0 &&
                id.component < right.size(2),
            "subspace: no component {}", id.name());
    columns.push_back(right[id.head.head].select(1, id.component));
  }
  require(!columns.empty(), "subspace: expected at least one component, got none");
  return subspace_of(at::stack(columns, 1));
}

Subspace subspace_of(const Weights& weights, const ModelConfig& config,
                     const std::vector<ComponentId>& ids, const CircuitOptions& options) {
  require(!ids.empty(), "subspace: expected at least one component, got none");
  std::vector<at::Tensor> columns;
  for (const ComponentId& id : ids) {
    require(id.head.layer >= 0 && id.head.layer < config.n_layers && id.head.head >= 0 &&
                id.head.head < config.n_heads && id.component >= 0 && id.component < config.d_head,
            "subspace: no component {} in {} layers of {} heads, {} wide", id.name(),
            config.n_layers, config.n_heads, config.d_head);
    const LayerHeads heads = layer_heads(weights, config, id.head.layer, options);
    columns.push_back(head_components(one_head(heads.ov(), id.head.head), SignRule::kRight)
                          .right[0]
                          .select(1, id.component));
  }
  return subspace_of(at::stack(columns, 1));
}

std::vector<Intervention> subspace_edit(const Subspace& subspace, SubspaceOp op,
                                        const at::Tensor& alpha, const SubspacePlace& place) {
  Intervention base;
  const bool is_query = place.query_head >= 0;
  base.where =
      fmt::format("blocks.{}.{}", place.layer, is_query ? "hook_q_input" : "hook_resid_pre");
  if (!place.positions.empty()) base.positions = place.positions;
  if (is_query) base.heads = std::vector<int64_t>{place.query_head};
  std::vector<Intervention> edits;
  if (op != SubspaceOp::kAdd) {
    Intervention project = base;
    project.op = Intervention::Op::kProject;
    project.value = subspace.basis.t().contiguous();
    if (op == SubspaceOp::kScale) project.factor = alpha.item<double>();
    edits.push_back(std::move(project));
  }
  if (op != SubspaceOp::kScale) {
    Intervention add = base;
    add.op = Intervention::Op::kAdd;
    add.value = at::matmul(alpha.to(subspace.basis.scalar_type()), subspace.basis.t());
    if (is_query && add.value.dim() == 3) add.value = add.value.unsqueeze(2);  // [B, 1, 1, D]
    edits.push_back(std::move(add));
  }
  return edits;
}

}  // namespace weir
