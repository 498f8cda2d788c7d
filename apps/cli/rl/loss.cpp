#include <map>
#include <memory>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>
#include <torch/csrc/autograd/autograd.h>

#include "apps/cli/command.h"
#include "apps/cli/rl/rl_verbs.h"
#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/io/safetensors.h"
#include "weir/rl/objective/objective.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

struct LossVerb {
  std::string config, inputs, save;
  OutputOptions output;
};

/// The tensors of a file by their names in the settings ("names": {"mask": "mask_holes"}), in
/// float64 but for integers.
class Inputs {
 public:
  Inputs(const std::string& place, json names) : names_(std::move(names)) {
    const size_t colon = place.rfind(':');
    prefix_ = colon == std::string::npos ? "" : place.substr(colon + 1);
    file_ = place.substr(0, colon);
    for (const io::TensorView& view : read_tensors(file_).tensors) {
      if (view.name.rfind(prefix_, 0) != 0) continue;
      const at::Tensor tensor = to_tensor(view);
      tensors_[view.name.substr(prefix_.size())] =
          tensor.is_floating_point() ? tensor.to(at::kDouble) : tensor;
    }
  }
  at::Tensor find(const std::string& name) const {
    const auto at = tensors_.find(names_.is_object() ? names_.value(name, name) : name);
    return at == tensors_.end() ? at::Tensor() : at->second;
  }
  at::Tensor get(const std::string& name) const {
    const at::Tensor found = find(name);
    require(found.defined(), "{}: expected a tensor '{}{}'", file_, prefix_, name);
    return found;
  }

 private:
  json names_;
  std::string file_, prefix_;
  std::map<std::string, at::Tensor> tensors_;
};

rl::Advantages advantages_of(const Inputs& in, const rl::AdvantageOptions& options,
                             const at::Tensor& mask) {
  if (const at::Tensor given = in.find("advantage"); given.defined()) {
    return {given.dim() == 1 ? given.unsqueeze(1).expand_as(mask).contiguous() : given, {}};
  }
  rl::AdvantageInput input;
  input.mask = mask;
  input.rewards = in.get("reward");
  input.group = in.get("index");
  input.token_rewards = in.find("token_reward");
  input.values = in.find("values");
  input.greedy_reward = in.find("greedy_reward");
  return rl::advantages(input, options);
}

void loss(const LossVerb& verb) {
  json config = io::read_json(verb.config);
  require(config.is_object(), "{}: expected a JSON object", verb.config);
  json settings = json::object();
  if (config.contains("preset")) {
    settings = rl::objective_preset(io::get_string(config, "preset", verb.config));
  }
  const json names = config.value("names", json());
  config.erase("preset");
  config.erase("names");
  settings.merge_patch(config);
  const rl::ObjectiveOptions options = rl::objective_options(settings);
  const Inputs in(verb.inputs, names);
  rl::ObjectiveInput input;
  input.policy.mask = in.get("mask").to(at::kDouble);
  const rl::Advantages advantages = advantages_of(in, options.advantage, input.policy.mask);
  input.policy.advantage = advantages.advantages;
  input.policy.log_prob = in.get("logp").clone().requires_grad_(true);
  input.policy.old_log_prob = in.get("old_logp");
  input.ref_log_prob = in.find("ref_logp");
  input.entropy = in.find("entropy");
  input.sample_weights = in.find("sample_weights");
  const rl::Objective found = rl::objective(input, options);
  const at::Tensor gradient = torch::autograd::grad({found.loss}, {input.policy.log_prob})[0];
  std::vector<io::TensorView> views = {
      to_view("advantages", advantages.advantages), to_view("loss", found.loss.detach()),
      to_view("per_token_loss", found.losses.detach()), to_view("grad", gradient)};
  if (advantages.returns.defined()) views.push_back(to_view("returns", advantages.returns));
  if (!verb.save.empty()) io::write_safetensors(verb.save, views);
  ordered_json document = {{"loss", found.loss.item<double>()}};
  TableBlock table{
      "Loss", {"what", "value"}, {{std::string("loss"), found.loss.item<double>()}}, ""};
  for (const auto& [name, value] : found.stats) {
    document[name] = value;
    table.rows.push_back({name, value});
  }
  show_document({"Loss", plain_provenance(), {std::move(table)}}, verb.output, document);
}

}  // namespace

void add_rl_loss(Verb& rl) {
  auto options = std::make_shared<LossVerb>();
  Verb& verb = rl.verb(
      {"loss",
       "computes advantages, a policy loss and its gradient from given log-probabilities",
       "CONFIG is a JSON object of tables advantage, loss, aggregation, kl, entropy, off_policy, "
       "or a preset and what differs (docs/methods/reinforcement-learning.md). The file holds "
       "mask, logp, "
       "old_logp [B, T] and advantage, or reward and index (groups) [B]; where needed ref_logp, "
       "entropy, values, token_reward, greedy_reward, sample_weights; \"names\" renames them. OUT "
       "gets advantages, per_token_loss, loss, grad. All in float64.",
       {"weir rl loss --config dapo.json --inputs batch.safetensors --save out.safetensors"}});
  verb.option("--config", &options->config, "F.json", "The objective").required();
  verb.option("--inputs", &options->inputs, "F[:PREFIX]", "Tensors, whose names begin with PREFIX")
      .required();
  add_output_file(verb, "--save", &options->save, "OUT.safetensors", "Where the tensors go");
  add_output_options(verb, options->output);
  verb.run([options] { loss(*options); });
}

}  // namespace weir::cli
