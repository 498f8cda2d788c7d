#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"
#include "weir/subnet/mask_space.h"

namespace weir {

/// What of a model is kept: a hard mask. A mask of weights, under the names and layouts of
/// block_matrices ([in, out]), or of coarser units.
struct Subnetwork {
  MaskUnit unit = MaskUnit::kWeight;
  std::vector<std::string> names;  ///< "blocks.0.attn.W_Q", ... in forward order
  std::vector<at::Tensor> keep;    ///< bool, of the shapes of MaskSpace::parts

  int64_t size() const;
  int64_t active() const;
  /// The part of that name; kNotFound.
  at::Tensor& part(const std::string& name);
  const at::Tensor& part(const std::string& name) const;
};

/// All, or nothing, of a space.
Subnetwork full_subnetwork(const MaskSpace& space, bool keep = true);
/// Hard masks of logits or of anything else that says what is kept.
Subnetwork subnetwork_of(const MaskSpace& space, std::vector<at::Tensor> keep);
/// As mask values of the space's parts, for MaskSpace::overlay. kInvalidArgument when it is a mask
/// of another model or unit.
std::vector<at::Tensor> mask_values(const MaskSpace& space, const Subnetwork& subnetwork);
/// The model with only the subnetwork's weights: space.overlay(mask_values(...)).
Weights applied(const MaskSpace& space, const Subnetwork& subnetwork);

/// Set operations of masks of one model. kInvalidArgument when their parts differ. What a circuit
/// adds to a minimal subnetwork is tested on their union (sufficiency), what a model loses without
/// it on the difference (necessity).
Subnetwork unite(const Subnetwork& a, const Subnetwork& b);
Subnetwork intersect(const Subnetwork& a, const Subnetwork& b);
Subnetwork without(const Subnetwork& a, const Subnetwork& b);
Subnetwork symmetric_difference(const Subnetwork& a, const Subnetwork& b);
Subnetwork complement(const Subnetwork& of);
/// As many entries of each part, in random places.
Subnetwork shuffled(const Subnetwork& of, uint64_t seed);
/// The `share` largest weights by size, of each matrix or of all together (units: by the norm of
/// what is masked).
Subnetwork largest_weights(const MaskSpace& space, double share, bool by_matrix = false);
/// Each entry kept with that probability.
Subnetwork random_subnetwork(const MaskSpace& space, double share, uint64_t seed);

/// Edits of masks of weights. A head's own columns of W_Q and rows of W_O; its W_K and W_V where no
/// other head shares them. A neuron: its columns of W_in and W_gate, its row of W_out.
void set_head(Subnetwork& mask, const ModelConfig& config, int64_t layer, int64_t head, bool keep);
void set_neurons(Subnetwork& mask, int64_t layer, const std::vector<int64_t>& neurons, bool keep);
void set_layer(Subnetwork& mask, int64_t layer, bool keep);

/// A safetensors file: bits of each part, eight a byte, the lowest first, row by row; shapes, unit
/// and `notes` in the metadata.
void save_subnetwork(const Subnetwork& subnetwork, const std::filesystem::path& file,
                     const std::map<std::string, std::string>& notes = {});
/// Such a file; or tensors under Hugging Face's names and layouts (safetensors, npz; bool or
/// numbers, kept where above 0), all of them beginning with `prefix`; or a pickle of such numpy
/// arrays, as the masks of 2504.15471 are released.
Subnetwork load_subnetwork(const std::filesystem::path& file, const LoadedModel& model,
                           const std::string& prefix = "");

/// Tensors under Hugging Face's names, shapes and layouts, from and to parts of weights in the
/// order of block_matrices. kNotFound where one is missing.
std::vector<at::Tensor> from_hugging_face(const LoadedModel& model,
                                          const std::map<std::string, at::Tensor>& tensors);
std::map<std::string, at::Tensor> to_hugging_face(const LoadedModel& model,
                                                  const std::vector<at::Tensor>& parts);

}  // namespace weir
