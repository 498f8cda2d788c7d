#include "weir/sae/formats/sae_config_json.h"

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"

namespace weir {
namespace {

constexpr int64_t kMost = int64_t{1} << 40;

void read_variational(const nlohmann::json& json, const std::string& what,
                      VariationalSaeConfig* out) {
  out->variance = parse_sae_variance(io::get_string(json, "variance", what));
  out->relu_mu = io::get_bool(json, "relu_mu", what);
  out->select_on = parse_sae_selection(io::get_string(json, "select_on", what));
  out->log_var_min = io::get_double(json, "log_var_min", what);
  out->log_var_max = io::get_double(json, "log_var_max", what);
}

void read_pursuit(const nlohmann::json& json, const std::string& what, MatchingPursuitConfig* out) {
  out->residual_threshold = io::get_double(json, "residual_threshold", what);
  out->max_iterations = io::get_int(json, "max_iterations", 0, kMost, what);
  out->stop_on_same_support = io::get_bool(json, "stop_on_same_support", what);
}

}  // namespace

nlohmann::ordered_json to_json(const SaeConfig& c) {
  nlohmann::ordered_json json = {{"kind", c.kind},
                                 {"d_in", c.d_in},
                                 {"d_out", c.d_out},
                                 {"d_sae", c.d_sae},
                                 {"n_sources", c.n_sources},
                                 {"k", c.k},
                                 {"widths", c.widths},
                                 {"apply_b_dec_to_input", c.apply_b_dec_to_input},
                                 {"rescale_acts_by_decoder_norm", c.rescale_acts_by_decoder_norm},
                                 {"normalisation", to_string(c.normalisation)},
                                 {"scale", c.scale},
                                 {"hook", c.hook},
                                 {"hook_out", c.hook_out},
                                 {"hook_head_shape", c.hook_head_shape},
                                 {"model", c.model},
                                 {"context_size", c.context_size},
                                 {"prepend_bos", nullptr},
                                 {"dtype", c.dtype}};
  if (c.prepend_bos) json["prepend_bos"] = *c.prepend_bos;
  if (c.kind == "matching_pursuit") {
    const MatchingPursuitConfig& pursuit = c.matching_pursuit;
    json["matching_pursuit"] = {{"residual_threshold", pursuit.residual_threshold},
                                {"max_iterations", pursuit.max_iterations},
                                {"stop_on_same_support", pursuit.stop_on_same_support}};
  }
  if (c.kind.rfind("vsae", 0) == 0) {
    const VariationalSaeConfig& how = c.variational;
    json["variational"] = {{"variance", to_string(how.variance)},
                           {"relu_mu", how.relu_mu},
                           {"select_on", to_string(how.select_on)},
                           {"log_var_min", how.log_var_min},
                           {"log_var_max", how.log_var_max}};
  }
  return json;
}

SaeConfig parse_sae_config(const nlohmann::json& json, const std::string& what) {
  SaeConfig c;
  c.kind = io::get_string(json, "kind", what);
  c.d_in = io::get_int(json, "d_in", 1, kMost, what);
  c.d_out = io::find_int(json, "d_out", 1, kMost, what).value_or(c.d_in);
  c.d_sae = io::get_int(json, "d_sae", 1, kMost, what);
  c.n_sources = io::find_int(json, "n_sources", 1, kMost, what).value_or(1);
  c.k = io::find_double(json, "k", what).value_or(0);
  if (json.contains("widths")) c.widths = json["widths"].get<std::vector<int64_t>>();
  c.apply_b_dec_to_input = io::get_bool(json, "apply_b_dec_to_input", what);
  c.rescale_acts_by_decoder_norm =
      io::find_bool(json, "rescale_acts_by_decoder_norm", what).value_or(false);
  c.normalisation = parse_sae_normalisation(io::get_string(json, "normalisation", what));
  c.scale = io::find_double(json, "scale", what).value_or(1);
  c.hook = io::find_string(json, "hook", what).value_or("");
  c.hook_out = io::find_string(json, "hook_out", what).value_or("");
  c.hook_head_shape = io::find_string(json, "hook_head_shape", what).value_or("none");
  c.model = io::find_string(json, "model", what).value_or("");
  c.context_size = io::find_int(json, "context_size", 0, kMost, what).value_or(0);
  c.prepend_bos = io::find_bool(json, "prepend_bos", what);
  c.dtype = io::find_string(json, "dtype", what).value_or("float32");
  if (json.contains("variational")) read_variational(json["variational"], what, &c.variational);
  if (json.contains("matching_pursuit")) {
    read_pursuit(json["matching_pursuit"], what, &c.matching_pursuit);
  }
  return c;
}

}  // namespace weir
