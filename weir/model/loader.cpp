#include "weir/model/loader.h"

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/io/safetensors.h"
#include "weir/io/torch_archive.h"
#include "weir/model/config_reader.h"
#include "weir/model/foreign_keys.h"
#include "weir/model/gguf_model.h"
#include "weir/model/llama2c_model.h"
#include "weir/model/mingpt_model.h"

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

LoadedModel load_folder(const fs::path& folder) {
  const fs::path config_path = folder / "config.json";
  if (!fs::exists(config_path)) {
    fail(ErrorCode::kNotFound, "{}: expected a model folder with config.json, found none",
         folder.string());
  }
  const nlohmann::json json = io::read_json(config_path);
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
