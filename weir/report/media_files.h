#pragma once

#include <filesystem>

#include "weir/report/report.h"

namespace weir::report {

/// Whether the report holds media too large to stand in its page.
bool has_large_media(const Report& report);

/// The report as the page in `file` shows it: large media are written into the folder "NAME-media"
/// beside it, atomically each, and the blocks name those files.
Report with_media_beside(const Report& report, const std::filesystem::path& file);

}  // namespace weir::report
