#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/model/golden_model.h"
#include "tests/support/golden.h"
#include "tests/support/max_difference.h"
#include "weir/io/json.h"

namespace weir::testing {

/// What stands after KIND in the golden files KIND_NAME.safetensors.
inline std::vector<std::string> subnet_cases(const std::string& kind) {
  std::vector<std::string> names;
  for (const std::string& file : golden_files("subnet", ".safetensors")) {
    if (file.rfind(kind + "_", 0) == 0) names.push_back(file.substr(kind.size() + 1));
  }
  return names;
}

inline std::filesystem::path subnet_file(const std::string& name) {
  return golden_topic("subnet") / name;
}

/// A golden file of the topic.
struct SubnetGolden {
  explicit SubnetGolden(const std::string& stem)
      : tensors(read_all(subnet_file(stem + ".safetensors"))),
        notes(io::read_json(subnet_file(stem + ".json"))) {}
  const at::Tensor& at(const std::string& key) const { return tensors.at(key); }
  bool has(const std::string& key) const { return tensors.count(key) > 0; }

  std::map<std::string, at::Tensor> tensors;
  nlohmann::json notes;
};

}  // namespace weir::testing
