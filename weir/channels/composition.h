#pragma once

#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/channels/head_circuits.h"

/// How much of what one head writes another reads, for all pairs of heads at once (Elhage et al.
/// 2021; by singular components: Merullo, Eickhoff, Pavlick 2024, 2406.09519). With A = W_OV of the
/// writer and B of the reader, CS = |A B|_F / (|A|_F |B|_F). docs/methods/channels.md.
/// L layers, H heads, K d_head, D d_model.
namespace weir {

/// Through which side the reader listens: its queries, its keys, or its values.
enum class CompositionType { kQ, kK, kV };
CompositionType composition_type_of(const std::string& name);  ///< "q", "k", "v"
std::string name_of(CompositionType type);                     ///< "Q", "K", "V"

/// Where heads come from: a layer's are asked for when they are needed, and let go.
struct HeadSource {
  int64_t n_layers = 0, n_heads = 0, d_model = 0, d_head = 0;
  std::function<LayerHeads(int64_t layer)> heads;
  /// What the scores of a layer are made of; unset: LayerHeads::qk, the content alone.
  std::function<FactoredMatrix(int64_t layer, const LayerHeads&)> qk;
};
HeadSource head_source(const Weights& weights, const ModelConfig& config,
                       const CircuitOptions& options = {});
/// The same at one offset of query and key (rotary models).
HeadSource head_source_at(const Weights& weights, const ModelConfig& config, int64_t offset,
                          const CircuitOptions& options = {});

/// CS of all pairs for each type: [L, H, L, H], writer first; 0 unless the writer's layer is below.
/// Without a product for each pair: |A B|^2 is the inner product of A^T A and B B^T, two symmetric
/// D x D matrices, of which slices of all heads are held at a time and multiplied at once.
std::vector<at::Tensor> composition_scores(const HeadSource& source,
                                           const std::vector<CompositionType>& types);

/// bool, of a table's shape: the writer's layer (axis 0) stands below the reader's (`reader_axis`).
at::Tensor has_path(const at::Tensor& table, int64_t reader_axis);

/// One link between two singular components.
struct ComponentLink {
  int64_t writer_layer, writer_head, writer_component;
  int64_t reader_layer, reader_head, reader_component;
  double cosine = 0;  ///< |v_i . r_j|
};

struct ComponentOptions {
  bool reader_side = true;      ///< Also CS of whole writers with each component of the reader
  int64_t n_links = 0;          ///< The component pairs with the largest cosines
  bool largest_cosine = false;  ///< Of each pair of heads
};

/// Scores of one type by component: of writers v_i (what OV writes), of readers a_j (Q), b_j (K),
/// u_j (V). Entries without a path are 0.
struct ComponentScores {
  at::Tensor head;            ///< [L, H, L, H] CS
  at::Tensor writer;          ///< [L, H, K, L, H] CS_i = |v_i^T B| / |B|
  at::Tensor reader;          ///< [L, H, L, H, K] CS_.j = |A r_j| / |A|; undefined unless asked for
  at::Tensor largest_cosine;  ///< [L, H, L, H] or undefined
  std::vector<ComponentLink> links;  ///< Strongest first
};

/// The singular components of all heads [L of HeadComponents].
struct ModelComponents {
  std::vector<HeadComponents> ov, qk;
};
ModelComponents model_components(const HeadSource& source);

/// One product for each pair of layers: the cosines of all writers' and readers' components, [H K,
/// H K], from which everything is reduced; memory is that tile and the result.
ComponentScores component_scores(const ModelComponents& components, CompositionType type,
                                 const ComponentOptions& options = {});

/// All |v_i . r_j| between two layers, [H, K, H, K].
at::Tensor component_cosines(const ModelComponents& components, CompositionType type,
                             int64_t writer_layer, int64_t reader_layer);

}  // namespace weir
