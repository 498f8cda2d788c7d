#include "tests/pretrain/golden_train.h"

#include <unistd.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "weir/io/json.h"
#include "weir/model/convert.h"
#include "weir/model/own.h"
#include "weir/tensor/vocab_cross_entropy.h"

namespace weir {

std::vector<std::string> train_cases(const std::string& start) {
  std::vector<std::string> names;
  for (const std::string& name : golden_files("train", ".safetensors")) {
    if (name.rfind(start + "_", 0) == 0) names.push_back(name);
  }
  return names;
}

Tensors train_tensors(const std::string& name) {
  return read_all(golden_topic("train") / (name + ".safetensors"));
}

nlohmann::json train_notes(const std::string& name) {
  return io::read_json(golden_topic("train") / (name + ".json"));
}

LoadedModel golden_own_model(const std::string& name) {
  return own(load_model(golden_topic("models") / name));
}

namespace {

// What a checkpoint of `model` holds with these values in it.
Tensors saved_with(const LoadedModel& model, const std::vector<std::string>& names,
                   const std::vector<at::Tensor>& values) {
  LoadedModel other = own(model);
  size_t i = 0;
  for (const Parameter& parameter : parameters(other.weights, other.config)) {
    const bool is_here = i < names.size() && names[i] == parameter.name;
    if (is_here) parameter.held().copy_(values[i++]);
  }
  EXPECT_EQ(i, names.size());
  const auto folder =
      std::filesystem::temp_directory_path() / ("weir-golden-train-" + std::to_string(::getpid()));
  std::filesystem::remove_all(folder);
  save_hf(other, folder);
  Tensors result;
  for (const auto& [name, tensor] : read_all(folder / "model.safetensors")) {
    result[name] = tensor.clone();
  }
  std::filesystem::remove_all(folder);
  return result;
}

}  // namespace

Tensors under_hf_names(const LoadedModel& model, const std::vector<std::string>& names,
                       const std::vector<at::Tensor>& values) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> zeros;
  for (const at::Tensor& value : values) zeros.push_back(at::zeros_like(value));
  // Rows that no parameter stands in (OPT's first positions) are nobody's values.
  const Tensors others = saved_with(model, names, zeros);
  Tensors result = saved_with(model, names, values);
  for (auto& [name, tensor] : result) tensor.sub_(others.at(name));
  // GPT-NeoX's files call it by the older name.
  if (result.count("embed_out.weight") > 0) result["lm_head.weight"] = result["embed_out.weight"];
  return result;
}

std::vector<std::string> names_of(const std::vector<Parameter>& parameters) {
  std::vector<std::string> names;
  for (const Parameter& parameter : parameters) names.push_back(parameter.name);
  return names;
}

data::Batch rows(const at::Tensor& ids) {
  data::Batch batch;
  batch.ids = ids;
  batch.labels = ids.clone();
  batch.labels.select(1, 0).fill_(kNotCounted);
  return batch;
}

}  // namespace weir
