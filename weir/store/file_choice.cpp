#include "weir/store/file_choice.h"

#include <algorithm>
#include <functional>

#include <fmt/ranges.h>

#include "weir/base/ends_with.h"
#include "weir/base/error.h"
#include "weir/base/nearest.h"

namespace weir::store {
namespace {

using Files = std::vector<RemoteFile>;

bool starts_with(const std::string& text, std::string_view start) {
  return text.compare(0, start.size(), start) == 0;
}

bool is_at_root(const std::string& name) { return name.find('/') == std::string::npos; }

bool is_description(const std::string& name) {
  static const std::vector<std::string> kNames = {
      "config.json",        "generation_config.json", "special_tokens_map.json",
      "added_tokens.json",  "encoder.json",           "merges.txt",
      "chat_template.jinja"};
  return is_at_root(name) && (std::find(kNames.begin(), kNames.end(), name) != kNames.end() ||
                              starts_with(name, "tokenizer") || starts_with(name, "vocab"));
}

Files matching(const Files& files, const std::function<bool(const std::string&)>& is_wanted) {
  Files chosen;
  std::copy_if(files.begin(), files.end(), std::back_inserter(chosen),
               [&](const RemoteFile& file) { return is_wanted(file.name); });
  return chosen;
}

// STEM.EXT, or the index STEM.EXT.index.json with its STEM-00001-of-00002.EXT; else, of any name,
// what ends in .EXT. A repository often holds the same weights in other forms beside these.
Files weights_in_form(const Files& files, const std::string& stem, const std::string& extension) {
  const std::string single = stem + extension;
  const std::string index = single + ".index.json";
  Files sharded = matching(files, [&](const std::string& name) {
    return name == index || (is_at_root(name) && starts_with(name, stem + "-") &&
                             name.find("-of-") != std::string::npos && ends_with(name, extension));
  });
  if (!matching(sharded, [&](const std::string& name) { return name == index; }).empty()) {
    return sharded;
  }
  Files whole = matching(files, [&](const std::string& name) { return name == single; });
  if (!whole.empty()) return whole;
  return matching(files, [&](const std::string& name) {
    return is_at_root(name) && starts_with(name, stem) && ends_with(name, extension);
  });
}

Files weights(const ModelName& name, const Files& files) {
  Files chosen = weights_in_form(files, "model", ".safetensors");
  if (chosen.empty()) chosen = weights_in_form(files, "", ".safetensors");
  if (chosen.empty()) chosen = weights_in_form(files, "pytorch_model", ".bin");
  if (!chosen.empty()) return chosen;
  chosen = matching(files, [](const std::string& file) { return ends_with(file, ".gguf"); });
  if (chosen.size() > 1) {
    std::vector<std::string> names;
    for (const RemoteFile& file : chosen) names.push_back(file.name);
    fail(ErrorCode::kInvalidArgument, "{0} holds {1} .gguf files; name one as {0}:FILE: {2}",
         name.repository, names.size(), fmt::join(names, ", "));
  }
  if (chosen.empty()) {
    fail(ErrorCode::kUnsupported,
         "{0}: expected .safetensors, pytorch_model.bin or .gguf, found none; a llama2.c model is "
         "pulled as {0}:FILE.bin",
         name.repository);
  }
  return chosen;
}

Files named_file(const ModelName& name, const Files& files) {
  require(ends_with(name.file, ".gguf") || ends_with(name.file, ".bin"),
          "{}: expected a .gguf or .bin file after the colon, got '{}'", name.repository,
          name.file);
  const auto is_model = [](const std::string& file) {
    return ends_with(file, ".gguf") || ends_with(file, ".bin");
  };
  Files chosen = matching(files, [&](const std::string& file) { return file == name.file; });
  if (!chosen.empty()) return chosen;
  std::vector<std::string> names;
  for (const RemoteFile& file : matching(files, is_model)) names.push_back(file.name);
  const std::string guess = did_you_mean(name.file, names);
  fail(
      ErrorCode::kNotFound, "{} has no file '{}'{}", name.repository, name.file,
      !guess.empty() || names.empty() ? guess : fmt::format("; it has {}", fmt::join(names, ", ")));
}

}  // namespace

std::vector<RemoteFile> choose_files(const ModelName& name, const std::vector<RemoteFile>& files) {
  if (ends_with(name.file, ".gguf")) return named_file(name, files);  // Holds everything itself.
  const Files last = name.file.empty() ? weights(name, files) : named_file(name, files);
  Files chosen = matching(files, [](const std::string& file) { return is_description(file); });
  chosen.insert(chosen.end(), last.begin(), last.end());
  return chosen;
}

}  // namespace weir::store
