#include "apps/cli/generation_report.h"

#include <cmath>

#include <fmt/format.h>

namespace weir::cli {
namespace {

TokenStripBlock strip_of(const LanguageModel& lm, const Generation& row, const std::string& title) {
  TokenStripBlock strip;
  strip.title = title;
  strip.value_label = "log-probability (nats)";
  strip.values = row.log_probs;
  for (size_t i = 0; i < row.tokens.size(); ++i) {
    strip.tokens.push_back(lm.token_text(row.tokens[i]));
    strip.details.push_back(fmt::format("{:.3f} nats, p = {:.4f}, id {}", row.log_probs[i],
                                        std::exp(row.log_probs[i]), row.tokens[i]));
  }
  return strip;
}

TableBlock table_of(const LanguageModel& lm, const Generation& row, const std::string& title) {
  TableBlock table;
  table.title = title + ", token by token";
  table.columns = {"index", "id", "token", "log-probability (nats)", "probability"};
  for (size_t i = 0; i < row.tokens.size(); ++i) {
    table.rows.push_back({static_cast<int64_t>(i), row.tokens[i], lm.token_text(row.tokens[i]),
                          row.log_probs[i], std::exp(row.log_probs[i])});
  }
  table.note = "Under the model's own distribution. Stopped by: " + row.stopped_by + ".";
  return table;
}

}  // namespace

double tokens_per_second(const GenerateResult& result) {
  size_t count = 0;
  for (const Generation& row : result.rows) count += row.tokens.size();
  const double seconds = result.prefill_seconds + result.decode_seconds;
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

Report generation_report(const LanguageModel& lm, const std::string& prompt,
                         const GenerateResult& result) {
  Report report;
  report.title = "Generation";
  report.blocks.push_back(TextBlock{"Prompt", prompt});
  for (size_t i = 0; i < result.rows.size(); ++i) {
    const Generation& row = result.rows[i];
    const std::string title =
        result.rows.size() == 1 ? "Continuation" : fmt::format("Sample {}", i + 1);
    report.blocks.push_back(TextBlock{title, row.text});
    report.blocks.push_back(strip_of(lm, row, title + " by token"));
    report.blocks.push_back(table_of(lm, row, title));
  }
  return report;
}

}  // namespace weir::cli
