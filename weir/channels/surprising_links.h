#pragma once

#include <vector>

#include "weir/channels/composition.h"
#include "weir/model/heads.h"

/// Which heads talk to which, through which directions: the links between components that chance
/// does not explain (2406.09519; docs/methods/channels.md).
namespace weir {

/// A component that a head writes, and a head that reads it.
struct SurprisingLink {
  CompositionType type;
  HeadId writer;
  int64_t writer_component;
  HeadId reader;
  /// Those of the reader's components (a_j, b_j, u_j) whose cosine with v_i chance does not explain
  /// either, always with the one that carries most of the score; largest part of it first.
  std::vector<int64_t> reader_components;
  double score;   ///< CS_i
  double inside;  ///< Length of what of v_i lies in the reader's subspace, whatever its weights.
  double z;       ///< Of CS_i among all components of all heads below the same reader
  double p;       ///< Under the null of random directions
};

struct SurpriseOptions {
  std::vector<CompositionType> types = {CompositionType::kQ, CompositionType::kK,
                                        CompositionType::kV};
  /// Share of the links that may be false (Benjamini and Hochberg 1995), over all components of all
  /// writers, all readers above them and all types together; the same for reader components.
  double rate = 0.01;
  /// Links must also stand out among what else the reader could read. Directions of trained models
  /// are not random, so that there p alone accepts too much; 0 asks no more than the average.
  double min_z = 0;
};

/// Links with the largest z first. Each component and reader are tested twice, and the smaller p
/// counts double: by CS_i, which weighs directions as the reader does, and by `inside`, which also
/// sees what it reads weakly: a component with a share of S^2 near 1 / n tells nothing by CS_i.
/// `n_dimensions` as in composition_null: d_model, d_model - 1 of centred weights (is_centred).
/// p-values are those of null_p_values: within a factor of 2 of the truth down to 1e-8 for even
/// singular values; where they fall to nearly 0, four times too small at 1e-7, and worse beyond.
/// Heads that share keys or values read through the same directions, and are all found.
std::vector<SurprisingLink> surprising_links(const ModelComponents& components,
                                             int64_t n_dimensions,
                                             const SurpriseOptions& options = {});

}  // namespace weir
