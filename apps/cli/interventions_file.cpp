#include "apps/cli/interventions_file.h"

#include <filesystem>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "weir/io/atomic_file.h"
#include "weir/io/safetensors.h"
#include "weir/tensor/convert.h"

namespace weir::cli {

void save_interventions(std::vector<Intervention> edits, const std::string& file,
                        const std::map<std::string, at::Tensor>& also,
                        const std::map<std::string, std::string>& metadata) {
  const std::filesystem::path json = file;
  const std::filesystem::path tensors =
      std::filesystem::path(json).replace_extension(".safetensors");
  require_usage(json != tensors, "--save: expected a .json file; the values go beside it");
  std::vector<at::Tensor> kept;
  std::vector<io::TensorView> views;
  const auto add = [&](const std::string& key, const at::Tensor& value) {
    kept.push_back(value.to(at::kFloat).contiguous());
    views.push_back(to_view(key, kept.back()));
  };
  for (size_t i = 0; i < edits.size(); ++i) {
    const std::string key = fmt::format("value{}", i);
    add(key, edits[i].value);
    edits[i].value_file = Intervention::File{tensors.filename().string(), key};
  }
  for (const auto& [key, value] : also) add(key, value);
  io::write_safetensors(tensors, views, metadata);
  io::write_file(json, interventions_to_json(edits).dump(1) + "\n");
}

}  // namespace weir::cli
