#include "weir/report/media_files.h"

#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/io/atomic_file.h"
#include "weir/report/links.h"
#include "weir/report/media_type.h"

namespace weir::report {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLargestInline = size_t{256} << 10;  ///< Bytes.

bool is_large(const Block& block) {
  const auto* media = std::get_if<MediaBlock>(&block);
  return media != nullptr && media->bytes.size() > kLargestInline;
}

bool has_large(const std::vector<Block>& blocks) {
  for (const Block& block : blocks) {
    const auto* group = std::get_if<GroupBlock>(&block);
    if (is_large(block) || (group != nullptr && has_large(group->blocks))) return true;
  }
  return false;
}

// `number` is that of the group, "03-".
void move_out(std::vector<Block>& blocks, const std::string& number, const fs::path& parent,
              const std::string& folder) {
  for (size_t i = 0; i < blocks.size(); ++i) {
    const std::string own = fmt::format("{}{:02}-", number, i + 1);
    if (auto* group = std::get_if<GroupBlock>(&blocks[i])) {
      move_out(group->blocks, own, parent, folder);
    }
    if (!is_large(blocks[i])) continue;
    auto& media = std::get<MediaBlock>(blocks[i]);
    const std::string name = slug(media.title, 40);
    media.path = fmt::format("{}/{}{}.{}", folder, own, name.empty() ? "media" : name,
                             media_type(media.mime)->extension);
    io::write_file(parent / media.path, media.bytes);
    media.bytes.clear();
  }
}

}  // namespace

bool has_large_media(const Report& report) { return has_large(report.blocks); }

Report with_media_beside(const Report& report, const fs::path& file) {
  const std::string folder = file.stem().string() + "-media";
  std::error_code error;
  fs::create_directories(file.parent_path() / folder, error);
  if (error) {
    fail(ErrorCode::kUnavailable, "{}: cannot make the folder: {}",
         (file.parent_path() / folder).string(), error.message());
  }
  Report light = report;
  move_out(light.blocks, "", file.parent_path(), folder);
  return light;
}

}  // namespace weir::report
