#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace weir {

/// An environment variable, if it is set and not empty. The only reader of the environment.
std::optional<std::string> environment(const char* name);

/// Where Weir keeps its files: $WEIR_HOME, else $XDG_CACHE_HOME/weir, else ~/.cache/weir.
std::filesystem::path home_directory();

/// Where Hugging Face's tools keep their files: $HF_HOME, else $XDG_CACHE_HOME/huggingface, else
/// ~/.cache/huggingface.
std::filesystem::path hugging_face_home();

/// The folder in which Hugging Face's tools keep hub downloads: $HF_HUB_CACHE, else the folder
/// "hub" of hugging_face_home().
std::filesystem::path hugging_face_cache();

}  // namespace weir
