#include "weir/store/model_name.h"

#include <algorithm>

#include "weir/base/paths.h"

namespace weir::store {
namespace {

constexpr size_t kMaxSegment = 255;  // What file systems take.
constexpr size_t kMaxPath = 1024;

bool is_safe_segment(std::string_view segment) {
  if (segment.empty() || segment.size() > kMaxSegment) return false;
  if (segment == "." || segment == "..") return false;
  return std::all_of(segment.begin(), segment.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte != 0x7f && c != '\\' && c != '/';
  });
}

bool is_repository_name(std::string_view text) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '/';
  };
  return is_safe_relative_path(text) && std::all_of(text.begin(), text.end(), is_allowed);
}

}  // namespace

bool is_safe_relative_path(std::string_view path) {
  if (path.size() > kMaxPath) return false;
  while (true) {
    const size_t slash = path.find('/');
    if (!is_safe_segment(path.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

std::optional<ModelName> parse_model_name(const std::string& text) {
  ModelName name;
  const size_t colon = text.find(':');
  std::string rest = text.substr(0, colon);
  if (colon != std::string::npos) {
    name.file = text.substr(colon + 1);
    if (!is_safe_relative_path(name.file)) return std::nullopt;
  }
  const size_t at = rest.find('@');
  if (at != std::string::npos) {
    name.revision = rest.substr(at + 1);
    if (!is_safe_relative_path(name.revision)) return std::nullopt;
    rest.resize(at);
  }
  if (!is_repository_name(rest)) return std::nullopt;
  name.repository = rest;
  return name;
}

std::filesystem::path store_root() { return home_directory() / "models"; }

std::filesystem::path store_folder(const ModelName& name) {
  if (name.revision == "main") return store_root() / name.repository;
  std::string revision;
  for (const char c : name.revision) revision += c == '/' ? std::string("--") : std::string(1, c);
  return store_root() / (name.repository + "@" + revision);
}

}  // namespace weir::store
