#include "weir/lens/tuned_lens.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/atomic_file.h"
#include "weir/io/atomic_folder.h"
#include "weir/io/json.h"
#include "weir/io/torch_archive.h"
#include "weir/io/torch_writer.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

constexpr const char* kConfig = "config.json";
constexpr const char* kParameters = "params.pt";
constexpr const char* kLinear = "linear_tuned_lens";
constexpr int64_t kMost = int64_t{1} << 20;

void check_fits(const nlohmann::json& config, const LanguageModel& lm, const std::string& what) {
  const int64_t d_model = io::get_int(config, "d_model", 1, kMost, what);
  const int64_t n_layers = io::get_int(config, "num_hidden_layers", 1, kMost, what);
  require(d_model == lm.config().d_model && n_layers == lm.config().n_layers,
          "{}: a lens of {} layers of width {}, the model has {} of width {}", what, n_layers,
          d_model, lm.config().n_layers, lm.config().d_model);
  const std::string type = io::find_string(config, "lens_type", what).value_or(kLinear);
  if (type != kLinear) {
    fail(ErrorCode::kUnsupported, "{}: expected lens_type '{}', found '{}'", what, kLinear, type);
  }
}

at::Tensor parameter(const io::TensorMap& file, const std::string& name,
                     const std::vector<int64_t>& shape, const LanguageModel& lm) {
  const io::TensorView& view = file.at(name);
  require(view.shape == shape, "{}: '{}' has another shape than its config says", file.source,
          name);
  return to_tensor(view).to(at::TensorOptions(lm.transformer().dtype()).device(lm.device()));
}

}  // namespace

at::Tensor TunedLens::translate(const at::Tensor& h, int64_t layer) const {
  return h + at::matmul(h, weight[layer].t()) + bias[layer];
}

TunedLens zero_tuned_lens(const LanguageModel& lm) {
  const int64_t n = lm.config().n_layers, d = lm.config().d_model;
  const auto options = at::TensorOptions(lm.transformer().dtype()).device(lm.device());
  return {at::zeros({n, d, d}, options), at::zeros({n, d}, options), lm.config().family, ""};
}

TunedLens load_tuned_lens(const std::filesystem::path& folder, const LanguageModel& lm) {
  const std::string what = (folder / kConfig).string();
  const nlohmann::json config = io::read_json(folder / kConfig);
  check_fits(config, lm, what);
  const bool has_bias = io::find_bool(config, "bias", what).value_or(true);
  const io::TensorMap file = io::read_torch_archive(folder / kParameters);
  TunedLens lens = zero_tuned_lens(lm);
  lens.base_model = io::find_string(config, "base_model_name_or_path", what).value_or("");
  lens.unembed_hash = io::find_string(config, "unembed_hash", what).value_or("");
  const int64_t d = lm.config().d_model;
  for (int64_t layer = 0; layer < lens.n_layers(); ++layer) {
    lens.weight[layer].copy_(parameter(file, fmt::format("{}.weight", layer), {d, d}, lm));
    if (has_bias) lens.bias[layer].copy_(parameter(file, fmt::format("{}.bias", layer), {d}, lm));
  }
  return lens;
}

void save_tuned_lens(const TunedLens& lens, const std::filesystem::path& folder) {
  io::AtomicFolder files(folder, io::AtomicFolder::Existing::kReplace);
  const nlohmann::ordered_json config = {
      {"base_model_name_or_path", lens.base_model},
      {"d_model", lens.bias.size(1)},
      {"num_hidden_layers", lens.n_layers()},
      {"bias", true},
      {"base_model_revision", nullptr},
      {"unembed_hash", lens.unembed_hash.empty() ? nlohmann::ordered_json()
                                                 : nlohmann::ordered_json(lens.unembed_hash)},
      {"lens_type", kLinear}};
  io::write_file(files.path() / kConfig, io::dump_json(config) + "\n");
  std::vector<io::TensorView> views;
  for (int64_t layer = 0; layer < lens.n_layers(); ++layer) {
    const auto add = [&](const char* name, const at::Tensor& tensor) {
      views.push_back(to_view(fmt::format("{}.{}", layer, name), tensor.to(at::kFloat)));
    };
    add("weight", lens.weight[layer]);
    add("bias", lens.bias[layer]);
  }
  io::write_torch_archive(files.path() / kParameters, views);
  files.commit(kConfig);
}

LensLoss lens_loss_of(const std::string& name) {
  require(name == "kl" || name == "ce", "tuned lens: expected a loss kl or ce, got '{}'", name);
  return name == "kl" ? LensLoss::kKl : LensLoss::kCe;
}

}  // namespace weir
