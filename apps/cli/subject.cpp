#include "apps/cli/subject.h"

#include "weir/base/error.h"

namespace weir::cli {

void require_subject(PromptSet& set, const std::string& subject, const LanguageModel& lm) {
  for (Prompt& prompt : set.prompts) {
    if (!subject.empty()) {
      const size_t at = prompt.clean.text.rfind(subject);
      require(at != std::string::npos,
              "--subject: expected '{}' in every prompt, found none in '{}'", subject,
              prompt.clean.text);
      const Encoding encoding = lm.tokenizer().encode(prompt.clean.text);
      int64_t first = -1, last = -1;
      for (size_t t = 0; t < encoding.offsets.size(); ++t) {
        const auto [begin, end] = encoding.offsets[t];
        const bool overlaps = end > static_cast<int64_t>(at) && begin != end &&
                              begin < static_cast<int64_t>(at + subject.size());
        if (!overlaps) continue;
        if (first < 0) first = static_cast<int64_t>(t);
        last = static_cast<int64_t>(t);
      }
      prompt.clean.roles["subject_first"] = first;
      prompt.clean.roles["subject_last"] = last;
    }
    require(prompt.clean.roles.count("subject_first") > 0 &&
                prompt.clean.roles.count("subject_last") > 0,
            "expected prompts whose subject is named (a task with subjects, or --subject TEXT)");
  }
}

}  // namespace weir::cli
