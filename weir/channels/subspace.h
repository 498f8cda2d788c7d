#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/channels/composition.h"
#include "weir/hooks/intervention.h"
#include "weir/model/heads.h"

/// Directions of the stream, and edits of activations within their span (2406.09519).
namespace weir {

struct ComponentId {
  HeadId head;
  int64_t component = 0;  ///< Of W_OV
  std::string name() const { return head.name() + "." + std::to_string(component); }
};

/// What c components write, and an orthonormal basis of their span: directions = basis r, with a
/// positive diagonal of r. Coordinates alpha [c] are along the basis.
struct Subspace {
  at::Tensor directions;  ///< [D, c]
  at::Tensor basis;       ///< [D, c]
  at::Tensor r;           ///< [c, c]
};
/// kInvalidArgument for directions that depend on each other.
Subspace subspace_of(const at::Tensor& directions);
Subspace subspace_of(const ModelComponents& components, const std::vector<ComponentId>& ids);
/// The same, of the heads that are named alone.
Subspace subspace_of(const Weights& weights, const ModelConfig& config,
                     const std::vector<ComponentId>& ids, const CircuitOptions& options = {});

enum class SubspaceOp {
  kReplace,  ///< x <- x - x P + alpha B^T
  kAdd,      ///< x <- x + alpha B^T
  kScale     ///< x <- x + (s - 1) x P
};

/// Where: the stream entering `layer`, or, with a head, what that head's queries alone read of it.
struct SubspacePlace {
  int64_t layer = 0;
  int64_t query_head = -1;
  std::vector<int64_t> positions = {-1};  ///< Empty: all
};
/// As interventions that run, generate and every verb with --intervene take. `alpha` [c] or, a row
/// of the batch each, [B, 1, c]; of kScale the factor, one number.
std::vector<Intervention> subspace_edit(const Subspace& subspace, SubspaceOp op,
                                        const at::Tensor& alpha, const SubspacePlace& place);

}  // namespace weir
