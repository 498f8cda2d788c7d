#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "weir/sae/eval/core_evaluation.h"
#include "weir/sae/kinds/sae.h"

/// Results in SAEBench's JSON schema, so that its tables and plots read them. What is not a number
/// becomes -1, as upstream writes it. Categories that upstream does not have begin with "weir".
namespace weir {

/// Whose result it is.
struct EvalSubject {
  std::string release;  ///< Where the dictionary comes from: a folder or a release.
  std::string id;       ///< Its name there.
  std::string model;
};

/// {"eval_type_id", "eval_config", "eval_id", ..., "sae_cfg_dict", "eval_result_unstructured"}
nlohmann::ordered_json eval_document(const std::string& type, const EvalSubject& subject,
                                     const Sae& sae, const nlohmann::ordered_json& config,
                                     const nlohmann::ordered_json& metrics,
                                     const nlohmann::ordered_json& details,
                                     const nlohmann::ordered_json& unstructured);

/// The core metrics, upstream's keys as upstream computes them, and "weir_core": ev_total and the
/// other repaired forms, losses against both ablations, two thresholds of liveness (with the number
/// of tokens they hold for), each with its bootstrap interval as KEY_low and KEY_high.
nlohmann::ordered_json core_metrics(const CoreEvaluation& evaluation, const Sae& sae,
                                    uint64_t seed);
/// Of each latent: density, geometry (upstream's eval_result_details of "core").
nlohmann::ordered_json core_details(const CoreEvaluation& evaluation, const Sae& sae);

/// "<release>_<id>_eval_results.json", '/' as '_'.
std::string eval_file_name(const EvalSubject& subject);
/// Below FOLDER/TYPE; returns the file.
std::filesystem::path save_eval(const nlohmann::ordered_json& document, const EvalSubject& subject,
                                const std::filesystem::path& folder);

}  // namespace weir
