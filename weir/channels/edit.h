#pragma once

#include <string>
#include <vector>

#include "weir/channels/head_circuits.h"
#include "weir/channels/subspace.h"
#include "weir/hooks/hooks.h"
#include "weir/model/heads.h"

/// Changes to singular components of single heads: of their weights, as an overlay for a run or to
/// be saved, and of the scores (2406.09519; docs/methods/channels.md). Components are those of
/// CircuitOptions, edits are of the weights as loaded.
namespace weir {

enum class EditedCircuit {
  kOv,           ///< What the head writes: W_O <- W_O (I + (s - 1) V V^T), on the head's own W_O
  kQkQuery,      ///< What its queries read: W_Q <- (I + (s - 1) A A^T) W_Q, biases as they are
  kQkAugmented,  ///< Of [W_Q; b_Q] [W_K; b_K]^T, put back into both. Not for shared keys, rotary
                 ///< embedding or q and k norms: kUnsupported
};
EditedCircuit edited_circuit_of(const std::string& name);  ///< ov, qk, qk_augmented

struct ComponentEdit {
  HeadId head;
  EditedCircuit circuit = EditedCircuit::kOv;
  std::vector<int64_t> components;
  double scale = 0;   ///< 0 removes, 1 changes nothing, negative inverts.
  bool keep = false;  ///< The other components are scaled instead.
  /// OV: what the value bias adds, b_V W_O, goes through the same map; false: it stays.
  bool edit_bias = false;
};

/// An overlay: the edited layer's matrices are new, all else are handles of the same memory.
Weights edit_components(const Weights& weights, const ModelConfig& config,
                        const ComponentEdit& edit, const CircuitOptions& options = {});

/// A component of W_OV and what it is multiplied with.
struct ComponentScale {
  ComponentId component;
  double scale = 1;
};
/// Components of any heads, a factor each, as an overlay; value biases stay as they are.
Weights scale_components(const Weights& weights, const ModelConfig& config,
                         const std::vector<ComponentScale>& scales,
                         const CircuitOptions& options = {});

/// The components of QK taken out of the scores alone, whatever the biases:
///   score += (s - 1) sum_j S_j (x . a_j) (y . b_j) attn_scale.
/// No weights of a head K wide hold that. kUnsupported with rotary embedding or q and k norms.
std::vector<NamedHook> qk_score_edit(const Weights& weights, const ModelConfig& config,
                                     const ComponentEdit& edit, const CircuitOptions& options = {});

/// The component indices that an edit scales; kInvalidArgument for one that is not there.
std::vector<int64_t> scaled_components(const ComponentEdit& edit, int64_t d_head);

}  // namespace weir
