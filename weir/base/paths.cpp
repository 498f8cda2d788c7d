#include "weir/base/paths.h"

#include <cstdlib>

namespace weir {
namespace fs = std::filesystem;

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

namespace {

fs::path cache_directory() {
  if (const auto xdg = environment("XDG_CACHE_HOME")) return fs::path(*xdg);
  return fs::path(environment("HOME").value_or("/tmp")) / ".cache";
}

}  // namespace

fs::path home_directory() {
  if (const auto home = environment("WEIR_HOME")) return fs::path(*home);
  return cache_directory() / "weir";
}

fs::path hugging_face_home() {
  if (const auto home = environment("HF_HOME")) return fs::path(*home);
  return cache_directory() / "huggingface";
}

fs::path hugging_face_cache() {
  if (const auto cache = environment("HF_HUB_CACHE")) return fs::path(*cache);
  return hugging_face_home() / "hub";
}

}  // namespace weir
