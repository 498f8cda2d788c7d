#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "apps/cli/command.h"
#include "weir/channels/channels.h"
#include "weir/channels/edit.h"
#include "weir/channels/improve.h"

/// The verbs below `weir channels`.
namespace weir::cli {

/// "20.0"; UsageError names the option.
HeadId head_named(const std::string& text, const std::string& option);
/// "20.0.0"
ComponentId component_named(const std::string& text, const std::string& option);
/// UsageError for a head that the model does not have.
void require_head(const LanguageModel& lm, const HeadId& head, const std::string& option);

nlohmann::ordered_json steering_json(const TaskSteering& steering, const SteerTaskOptions& options);
nlohmann::ordered_json improvement_json(const ImprovedWeights& improved);

/// The model with these weights in place of its own, as a folder that transformers loads.
void save_edited(const LanguageModel& lm, Weights weights, const std::string& folder,
                 bool overwrite);
void save_scaled(const LanguageModel& lm, const std::vector<ComponentScale>& scales,
                 const std::string& folder, bool overwrite);

void add_channel_components(Verb& channels);
void add_channel_edit(Verb& channels);
void add_channel_demo(Verb& channels);
void add_channel_search(Verb& channels);
void add_channel_steer(Verb& channels);
void add_channel_text(Verb& channels);

}  // namespace weir::cli
