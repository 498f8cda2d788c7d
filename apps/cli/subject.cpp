#include "apps/cli/subject.h"

#include "weir/base/error.h"
#include "weir/tasks/prompt_text.h"

namespace weir::cli {

void require_subject(PromptSet& set, const std::string& subject, const LanguageModel& lm) {
  for (Prompt& prompt : set.prompts) {
    if (!subject.empty()) {
      const size_t at = prompt.clean.text.rfind(subject);
      require(at != std::string::npos,
              "--subject: expected '{}' in every prompt, found none in '{}'", subject,
              prompt.clean.text);
      const auto found =
          tokens_of(lm.tokenizer().encode(prompt.clean.text), {at, at + subject.size()});
      require(found.has_value(), "--subject: expected tokens for '{}' in '{}', found none", subject,
              prompt.clean.text);
      prompt.clean.roles["subject_first"] = found->first;
      prompt.clean.roles["subject_last"] = found->last;
    }
    require(prompt.clean.roles.count("subject_first") > 0 &&
                prompt.clean.roles.count("subject_last") > 0,
            "expected prompts whose subject is named (a task with subjects, or --subject TEXT)");
  }
}

}  // namespace weir::cli
