#include "weir/pretrain/parameter_groups.h"

#include <algorithm>

#include "weir/base/error.h"

namespace weir {
namespace {

bool is_embedding(const Parameter& parameter) {
  const auto names = {"embed.W_E", "pos_embed.W_pos", "unembed.W_U"};
  return std::find(names.begin(), names.end(), parameter.name) != names.end();
}

bool is_matrix(const Parameter& parameter) { return parameter.held().dim() >= 2; }

}  // namespace

DecayRule parse_decay_rule(std::string_view name) {
  if (name == "matrices") return DecayRule::kMatrices;
  if (name == "matrices_not_embeddings") return DecayRule::kMatricesNotEmbeddings;
  if (name == "all") return DecayRule::kAll;
  fail(ErrorCode::kInvalidArgument,
       "decay: expected matrices, matrices_not_embeddings or all; found '{}'", name);
}

std::vector<ParameterRule> decay_rules(const std::vector<Parameter>& parameters, DecayRule rule) {
  std::vector<ParameterRule> rules;
  for (const Parameter& parameter : parameters) {
    const bool is_left_out = rule == DecayRule::kMatricesNotEmbeddings && is_embedding(parameter);
    const bool decays = rule == DecayRule::kAll || (is_matrix(parameter) && !is_left_out);
    rules.push_back({decays ? 1.0 : 0.0, 1.0});
  }
  return rules;
}

std::vector<bool> hidden_matrices(const std::vector<Parameter>& parameters) {
  std::vector<bool> hidden;
  for (const Parameter& parameter : parameters) {
    hidden.push_back(is_matrix(parameter) && !is_embedding(parameter));
  }
  return hidden;
}

}  // namespace weir
