#include "apps/cli/subnet/results.h"

#include <nlohmann/json.hpp>

#include "apps/cli/output.h"

namespace weir::cli {

using nlohmann::ordered_json;

ordered_json evaluation_json(const NamedEvaluation& of) {
  return {{"surprisal_pearson", of.of.dropped.pearson},
          {"surprisal_spearman", of.of.dropped.spearman},
          {"surprisal_pearson_replace", of.of.replaced.pearson},
          {"predicted_tokens", of.of.dropped.n},
          {"infinite_targets", of.of.dropped.infinite},
          {"kl", of.of.kl},
          {"ce", of.of.cross_entropy},
          {"loss", of.of.loss},
          {"active", of.active}};
}

ordered_json evaluations_json(const std::vector<NamedEvaluation>& all) {
  ordered_json json;
  for (const NamedEvaluation& entry : all) json[entry.name] = evaluation_json(entry);
  return json;
}

ordered_json counts_json(const Subnetwork& mask) {
  ordered_json json;
  for (const MatrixCount& count : active_by_matrix(mask)) {
    json[count.block] = {{"size", count.size}, {"active", count.active}};
  }
  return json;
}

ordered_json geometry_json(const StreamGeometry& of) {
  ordered_json json;
  const auto maps = [&](const char* name, const std::vector<LinearMap>& all) {
    for (const LinearMap& map : all) {
      json[name].push_back({{"median_rotation_degrees", map.median_degrees},
                            {"mean_magnitude", map.mean_magnitude},
                            {"r2", map.r2}});
    }
  };
  maps("in", of.to_input);
  maps("out", of.to_output);
  maps("second_to_last", of.to_second_to_last);
  json["covariance_similarity"] = to_json(of.similarity);
  json["covariance_similarity_with_top_direction"] = to_json(of.similarity_with_top);
  json["tokens"] = of.n_tokens;
  return json;
}

ordered_json overlap_json(const Overlap& of) {
  const auto entry = [](const OverlapCount& count) {
    return ordered_json{{"size", count.size},
                        {"a", count.a},
                        {"b", count.b},
                        {"both", count.both},
                        {"elem_mean", count.mean},
                        {"elem_var", count.variance},
                        {"elem_p_at_least", count.p_at_least},
                        {"row_mean", count.row_mean},
                        {"row_var", count.row_variance},
                        {"ratio", count.ratio()},
                        {"z_elem", count.z()},
                        {"z_row", count.row_z()},
                        {"share_of_a_inside_b", count.share_of_a()}};
  };
  ordered_json json;
  for (const OverlapCount& count : of.blocks) json["blocks"][count.block] = entry(count);
  json["total"] = entry(of.total);
  json["total"].erase("elem_p_at_least");
  return json;
}

}  // namespace weir::cli
