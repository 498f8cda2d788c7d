#pragma once

#include <string>

#include "weir/lm/language_model.h"
#include "weir/tasks/prompt_set.h"

namespace weir::cli {

/// Gives every prompt the roles subject_first and subject_last: those of the task, or, with
/// `subject`
/// (--subject), the last place where its words stand. kInvalidArgument where there is none.
void require_subject(PromptSet& set, const std::string& subject, const LanguageModel& lm);

}  // namespace weir::cli
