#pragma once

#include <string>
#include <string_view>

/// Where links lead and how pages name their blocks.
namespace weir::report {

/// Letters and digits of the text in lower case, the rest as single hyphens; at most `most` bytes.
/// Letters beyond ASCII stay when `keeps_unicode`, else they are as hyphens.
std::string slug(std::string_view text, size_t most, bool keeps_unicode = false);

/// The id of the section of a block with this title, "block-top-token-of-each-layer"; "" when the
/// title has no letter. Links find the block by it, also from another page.
std::string anchor_of(std::string_view title);

/// What is wrong with a target (see Link in report.h), or "".
std::string target_fault(std::string_view target);
/// The same for a path alone, relative to the page.
std::string path_fault(std::string_view path);
/// The block's title in a target that stays on its page; "" for others.
std::string_view local_title(std::string_view target);

/// A target as an address in the page's markup: percent-encoded, the title as its anchor.
std::string href_of(std::string_view target);
std::string href_of_path(std::string_view path);

}  // namespace weir::report
