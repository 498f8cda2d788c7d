#include "weir/sae/formats/sae_site.h"

#include <algorithm>
#include <cctype>
#include <fstream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

const nlohmann::json kNoJson;

bool starts_with(const std::string& text, const std::string& start) {
  return text.rfind(start, 0) == 0;
}

// Files of tensors that training leaves beside a dictionary.
bool is_companion(const std::string& stem) {
  static const char* const kStems[] = {"sparsity", "activations_store_state", "trainer_state",
                                       "state", "training_args"};
  static const char* const kStarts[] = {"optimizer", "lr_scheduler", "rank_", "W_dec_"};
  return std::any_of(std::begin(kStems), std::end(kStems),
                     [&](const char* known) { return stem == known; }) ||
         std::any_of(std::begin(kStarts), std::end(kStarts),
                     [&](const char* start) { return starts_with(stem, start); });
}

bool holds_tensors(const fs::path& file) {
  const std::string ending = file.extension();
  static const char* const kEndings[] = {".safetensors", ".npz", ".pt", ".pth", ".bin"};
  return std::any_of(std::begin(kEndings), std::end(kEndings),
                     [&](const char* known) { return ending == known; });
}

std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (const auto& entry : fs::directory_iterator(folder, error)) entries.push_back(entry.path());
  if (error) fail(ErrorCode::kUnavailable, "{}: {}", folder.string(), error.message());
  std::sort(entries.begin(), entries.end());
  return entries;
}

// A folder with a dictionary of its own is not searched further: its `checkpoints` are older ones.
constexpr int kMostLevels = 8;
void find_files(const fs::path& folder, int level, std::vector<fs::path>* found) {
  const size_t before = found->size();
  const std::vector<fs::path> entries = sorted_entries(folder);
  for (const fs::path& entry : entries) {
    if (fs::is_regular_file(entry) && holds_tensors(entry) && !is_companion(entry.stem())) {
      found->push_back(entry);
    }
  }
  if (found->size() > before || level == kMostLevels) return;
  for (const fs::path& entry : entries) {
    if (fs::is_directory(entry)) find_files(entry, level + 1, found);
  }
}

fs::path only_file(const fs::path& folder) {
  std::vector<fs::path> found;
  find_files(folder, 0, &found);
  if (found.empty()) {
    fail(ErrorCode::kNotFound,
         "no dictionary in {}: expected a file of tensors (.safetensors, .npz or .pt), for example "
         "cfg.json with sae_weights.safetensors",
         folder.string());
  }
  std::vector<std::string> names;
  for (const fs::path& file : found) names.push_back(fs::relative(file, folder).string());
  const size_t n = names.size();
  if (n > 6) names.resize(6);
  require(n == 1, "{} holds {} dictionaries: {}{}; give the file of one of them", folder.string(),
          n, fmt::join(names, ", "), n > 6 ? ", ..." : "");
  return found[0];
}

fs::path find_config(const fs::path& file) {
  const fs::path folder = file.parent_path();
  std::vector<fs::path> places = {folder / (file.stem().string() + "_cfg.json"),
                                  folder / "cfg.json", folder / "config.json",
                                  folder / "hyperparams.json"};
  if (folder.filename() == "checkpoints") {
    places.push_back(folder.parent_path() / "hyperparams.json");
    places.push_back(folder.parent_path() / "config.json");
  }
  for (const fs::path& place : places) {
    if (fs::is_regular_file(place)) return place;
  }
  return {};
}

}  // namespace

bool SaeSite::has_all(std::initializer_list<const char*> names) const {
  return std::all_of(names.begin(), names.end(), [&](const char* name) { return has(name); });
}

bool SaeSite::is_torch() const {
  const std::string ending = file.extension();
  return ending == ".pt" || ending == ".pth" || ending == ".bin";
}

const nlohmann::json& SaeSite::config() const { return parsed == nullptr ? kNoJson : *parsed; }

const nlohmann::json& SaeSite::section(const char* key) const {
  if (!config().is_object()) return kNoJson;
  const auto found = config().find(key);
  return found != config().end() && found->is_object() ? *found : kNoJson;
}

std::vector<std::string> SaeSite::path_words() const {
  const fs::path whole = fs::absolute(file).lexically_normal();
  std::vector<std::string> words(whole.begin(), whole.end());
  std::reverse(words.begin(), words.end());
  return words;
}

SaeSite find_sae_site(const fs::path& path) {
  if (!fs::exists(path)) fail(ErrorCode::kNotFound, "no file or folder {}", path.string());
  SaeSite site;
  site.file = fs::is_directory(path) ? only_file(path) : path;
  require(holds_tensors(site.file), "{} is no file of tensors (.safetensors, .npz, .pt)",
          site.file.string());
  site.config_file = find_config(site.file);
  if (!site.config_file.empty()) {
    site.parsed = std::make_shared<const nlohmann::json>(io::read_json(site.config_file));
    if (!site.config().is_object()) {
      fail(ErrorCode::kCorruptData, "{} holds no JSON object", site.config_file.string());
    }
  }
  site.tensors = read_tensors(site.file.string());
  return site;
}

int64_t number_after(const std::vector<std::string>& words, const std::string& before) {
  for (const std::string& word : words) {
    for (size_t at = word.find(before); at != word.npos; at = word.find(before, at + 1)) {
      const size_t first = at + before.size();
      size_t end = first;
      while (end < word.size() && end < first + 9 && std::isdigit(word[end]) != 0) ++end;
      if (end > first) return std::stoll(word.substr(first, end - first));
    }
  }
  return -1;
}

std::string yaml_value(const fs::path& file, const std::string& key) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (!starts_with(line, key + ":")) continue;
    const size_t first = line.find_first_not_of(" \"'", key.size() + 1);
    const size_t last = line.find_last_not_of(" \"'\r");
    if (first == line.npos || last < first) return "";
    return line.substr(first, last - first + 1);
  }
  return "";
}

}  // namespace weir
