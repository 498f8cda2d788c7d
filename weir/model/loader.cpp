#include "weir/model/loader.h"

#include <fstream>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/io/printable.h"
#include "weir/io/safetensors.h"
#include "weir/io/torch_archive.h"
#include "weir/model/config_reader.h"
#include "weir/model/foreign_keys.h"
#include "weir/model/gguf_model.h"
#include "weir/model/llama2c_model.h"
#include "weir/model/mingpt_model.h"
#include "weir/model/stored_buffers.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

io::TensorMap read_folder_tensors(const fs::path& folder) {
  const fs::path single = folder / "model.safetensors";
  if (fs::exists(single)) return io::read_safetensors(single);
  const fs::path sharded = folder / "model.safetensors.index.json";
  if (fs::exists(sharded)) return io::read_sharded_safetensors(sharded);
  const fs::path torch = folder / "pytorch_model.bin";
  if (fs::exists(torch)) return io::read_torch_archive(torch);
  const fs::path sharded_torch = folder / "pytorch_model.bin.index.json";
  if (fs::exists(sharded_torch)) return io::read_sharded_torch(sharded_torch);
  fail(ErrorCode::kNotFound,
       "{}: expected model.safetensors, model.safetensors.index.json, pytorch_model.bin or "
       "pytorch_model.bin.index.json, found none",
       folder.string());
}

// What git leaves where Git LFS is not installed: three lines of text in place of the weights.
void refuse_pointer(const fs::path& file) {
  constexpr std::string_view kStart = "version https://git-lfs";
  std::error_code ignored;
  if (fs::file_size(file, ignored) > 1024 || ignored) return;
  std::string start(kStart.size(), '\0');
  std::ifstream(file, std::ios::binary).read(start.data(), static_cast<int64_t>(start.size()));
  if (start != kStart) return;
  fail(ErrorCode::kCorruptData,
       "{}: is a Git LFS pointer in place of the weights; fetch them with `git lfs pull`",
       file.string());
}

void refuse_adapter(const fs::path& folder) {
  const fs::path adapter = folder / "adapter_config.json";
  if (!fs::exists(adapter)) return;
  const nlohmann::json json = io::read_json(adapter);
  const std::string base =
      io::find_string(json, "base_model_name_or_path", "adapter_config.json").value_or("its base");
  fail(ErrorCode::kUnsupported,
       "{}: holds an adapter (PEFT) for '{}', not a model; merge it into that model first",
       folder.string(), io::printable(base));
}

LoadedModel load_folder(const fs::path& folder) {
  const fs::path config_path = folder / "config.json";
  if (!fs::exists(config_path)) {
    refuse_adapter(folder);
    fail(ErrorCode::kNotFound, "{}: expected a model folder with config.json, found none",
         folder.string());
  }
  const nlohmann::json json = io::read_json(config_path);
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const fs::path extension = entry.path().extension();
    if (extension == ".safetensors" || extension == ".bin") refuse_pointer(entry.path());
  }
  return load_model(json, read_folder_tensors(folder), folder);
}

}  // namespace

LoadedModel load_model(const nlohmann::json& config_json, const io::TensorMap& tensors,
                       const fs::path& path) {
  const ConfigReader read(config_json);
  const Family& kind = family(read.text_or("model_type", ""));
  refuse_foreign_keys(read);
  LoadedModel model;
  model.config = kind.config(config_json);
  model.config.name = path.filename().string();
  model.checkpoint = tensors;
  CheckpointReader reader(model.checkpoint);
  model.weights = kind.weights(model.config, config_json, reader);
  reader.finish();
  compare_buffers(model.config, model.checkpoint);
  model.origins = reader.origins(model.weights, model.config);
  model.config.tied = model.weights.W_U.is_same(model.weights.W_E);
  model.config_json = io::dump_json(config_json, 2);
  model.path = path;
  return model;
}

LoadedModel load_model(const fs::path& path) {
  if (!fs::exists(path)) {
    fail(ErrorCode::kNotFound,
         "{}: no such model; expected a folder with config.json or a model file", path.string());
  }
  if (fs::is_directory(path)) return load_folder(path);
  refuse_pointer(path);
  const fs::path extension = path.extension();
  if (extension == ".gguf") return load_gguf_model(path);
  if (extension == ".bin") return load_llama2c_model(path);
  if (extension == ".safetensors" || extension == ".pt") return load_mingpt_model(path);
  fail(ErrorCode::kUnsupported,
       "{}: expected a folder with config.json, or a .gguf, .bin (llama2.c), .safetensors or .pt "
       "(minGPT, nanoGPT) file",
       path.string());
}

}  // namespace weir
