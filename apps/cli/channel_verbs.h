#pragma once

#include <string>

#include "apps/cli/command.h"
#include "weir/channels/channels.h"

/// The verbs below `weir channels`.
namespace weir::cli {

/// "20.0"; UsageError names the option.
HeadId head_named(const std::string& text, const std::string& option);
/// UsageError for a head that the model does not have.
void require_head(const LanguageModel& lm, const HeadId& head, const std::string& option);

void add_channel_components(Verb& channels);
void add_channel_edit(Verb& channels);
void add_channel_demo(Verb& channels);

}  // namespace weir::cli
