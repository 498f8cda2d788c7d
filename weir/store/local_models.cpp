#include <algorithm>

#include "weir/base/error.h"
#include "weir/base/nearest.h"
#include "weir/store/hub_cache.h"
#include "weir/store/model_folder.h"
#include "weir/store/model_name.h"
#include "weir/store/model_record.h"
#include "weir/store/model_store.h"
#include "weir/store/pip_package.h"

namespace weir {
namespace fs = std::filesystem;
namespace {

constexpr int kMaxStoreDepth = 4;  // models/OWNER/NAME, and folders within a repository.

bool is_model_file(const fs::path& path) {
  return path.extension() == ".gguf" || path.extension() == ".bin";
}

void add_model(const std::string& name, const fs::path& path, const std::string& origin,
               std::vector<StoredModel>* models) {
  models->push_back({name, path, store::model_bytes(path), origin, licence_of(path)});
}

// The models of one folder: itself, or its files, which need their own names when they are many.
void add_folder(const std::string& name, const fs::path& folder, const std::string& origin,
                std::vector<StoredModel>* models) {
  const store::ModelFolder found = store::inspect_folder(folder);
  if (found.is_hugging_face) add_model(name, folder, origin, models);
  const bool is_only = found.files.size() == 1 && !found.is_hugging_face;
  for (const fs::path& file : found.files) {
    add_model(is_only ? name : name + ":" + file.filename().string(), file, origin, models);
  }
}

// Folders without a model may hold folders with one: models/OWNER/NAME.
void add_store(const fs::path& folder, const std::string& prefix, int depth,
               std::vector<StoredModel>* models) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string file_name = entry.path().filename().string();
    const std::string name = prefix + file_name;
    if (file_name[0] == '.') continue;
    if (!entry.is_directory(ignored)) {
      if (depth == 1 && is_model_file(entry.path())) {
        add_model(name, entry.path(), "store", models);
      }
      continue;
    }
    add_folder(name, entry.path(), "store", models);
    if (depth < kMaxStoreDepth) add_store(entry.path(), name + "/", depth + 1, models);
  }
}

std::optional<fs::path> existing(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return std::nullopt;
  return path;
}

// The model of a name in a folder that may be it: NAME:FILE, or what the folder stands for.
std::optional<fs::path> pick(const fs::path& folder, const store::ModelName& name,
                             const std::string& model) {
  if (!name.file.empty()) return existing(folder / name.file);
  return store::model_in_folder(folder, model);
}

std::optional<fs::path> resolve_in_store(const std::string& model) {
  if (store::is_safe_relative_path(model)) {
    const fs::path path = store::store_root() / model;
    if (is_model_file(path) && existing(path)) return path;
    if (const auto found = store::model_in_folder(path, model)) return found;
  }
  const auto name = store::parse_model_name(model);
  return name ? pick(store::store_folder(*name), *name, model) : std::nullopt;
}

std::optional<fs::path> resolve_in_hub_cache(const std::string& model) {
  const auto name = store::parse_model_name(model);
  const auto folder = name ? store::find_cached_snapshot(*name) : std::nullopt;
  return folder ? pick(*folder, *name, model) : std::nullopt;
}

// How to get what is not here.
std::string pull_hint(const std::string& model) {
  const auto name = store::parse_model_name(model);
  const bool is_hub_name = name && name->repository.find('/') != std::string::npos;
  if (is_hub_name || store::find_package(model) != nullptr) {
    return fmt::format("run `weir models pull {}`", model);
  }
  return fmt::format("`weir models pull {}` or `weir models pull OWNER/NAME` gets one",
                     store::default_package().name);
}

}  // namespace

std::string licence_of(const fs::path& model) {
  const auto record = store::read_record(model.parent_path());
  if (!record) return "";
  for (const store::PipPackage& package : store::known_packages()) {
    if (record->origin == package.package + " " + package.version) return package.licence;
  }
  return "";
}

std::vector<StoredModel> list_models() {
  std::vector<StoredModel> models;
  add_store(store::store_root(), "", 1, &models);
  std::sort(models.begin(), models.end(),
            [](const StoredModel& a, const StoredModel& b) { return a.name < b.name; });
  for (const store::CachedSnapshot& snapshot : store::list_cached_snapshots()) {
    add_folder(snapshot.name, snapshot.folder, "hugging face cache", &models);
  }
  return models;
}

std::filesystem::path resolve_model(const std::string& model) {
  std::error_code ignored;
  if (fs::is_directory(model, ignored)) {
    return store::model_in_folder(model, model).value_or(model);
  }
  if (!model.empty() && fs::exists(model, ignored)) return model;
  if (const auto path = resolve_in_store(model)) return *path;
  if (const auto path = resolve_in_hub_cache(model)) return *path;
  std::vector<std::string> names;
  for (const store::PipPackage& package : store::known_packages()) names.push_back(package.name);
  for (const StoredModel& stored : list_models()) names.push_back(stored.name);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  names.erase(std::remove(names.begin(), names.end(), model), names.end());  // Known, but not here.
  fail(ErrorCode::kNotFound,
       "no model '{}': it is no file, no folder and no name in {} or Hugging Face's cache; {}{}",
       model, store::store_root().string(), pull_hint(model), did_you_mean(model, names));
}

}  // namespace weir
