#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "weir/lens/score_prompts.h"
#include "weir/report/report.h"

/// What `weir tasks score` shows of a model's scores.
namespace weir::cli {

/// The end of a prompt, which is what differs when examples stand before it.
std::string tail(const std::string& text);

/// Every measure with its interval; also as rows of `result`'s "summary". Prompts of one subject
/// are drawn together.
TableBlock interval_table(const PromptSet& set, const PromptScores& scores,
                          nlohmann::ordered_json* result);
/// kNotFound names the groups that there are.
TableBlock group_table(const PromptSet& set, const PromptScores& scores, const std::string& group);
/// A row a prompt: its answer's probability and rank, and what the model says instead.
TableBlock prompt_table(const LanguageModel& lm, const PromptSet& set, const PromptScores& scores);

}  // namespace weir::cli
