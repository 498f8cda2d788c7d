#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "weir/model/weights.h"
#include "weir/train/optimizer.h"

/// Which parameters of a language model an optimiser treats how.
namespace weir {

/// Where weight decay acts.
enum class DecayRule {
  kMatrices,               ///< Weights of two axes, tables of tokens and positions among them.
  kMatricesNotEmbeddings,  ///< Without those tables and the unembedding.
  kAll,
};
/// "matrices", "matrices_not_embeddings", "all"; kInvalidArgument for others.
DecayRule parse_decay_rule(std::string_view name);

/// A rule for each parameter, by its TransformerLens name: decay 1 or 0.
std::vector<ParameterRule> decay_rules(const std::vector<Parameter>& parameters, DecayRule rule);

/// Whether each parameter is a matrix between layers, which Muon brings near an orthonormal one:
/// all matrices but tables and the unembedding.
std::vector<bool> hidden_matrices(const std::vector<Parameter>& parameters);

}  // namespace weir
