#include "apps/cli/token_source.h"

#include <filesystem>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/base/log.h"
#include "weir/lm/token_batch.h"
#include "weir/tensor/convert.h"

namespace weir::cli {

void add_token_source(Verb& verb, TokenSource& source) {
  add_text_options(verb, source.text, "PROMPT", "The text to read; - reads stdin");
  verb.option("--tokens", &source.tokens, "F[:KEY]", "Token ids [T] or [B, T] of a file instead")
      .option("--mask", &source.mask, "F[:KEY]", "1 for tokens, 0 for pads, of their shape");
}

TokenBatch read_token_source(const TokenSource& source, const LanguageModel& lm) {
  const bool has_text = source.text.is_given(), has_tokens = !source.tokens.empty();
  require_usage(has_text != has_tokens, "expected one of PROMPT, --text-file and --tokens");
  require_usage(source.mask.empty() || has_tokens, "--mask goes with --tokens");
  return has_tokens ? read_rows(source.tokens, source.mask)
                    : lm.encode(read_some_text(source.text));
}

TokenBatch read_rows(const std::string& tokens, const std::string& mask) {
  TokenBatch batch;
  batch.tokens = to_token_ids(read_named(tokens, "tokens"));
  if (batch.tokens.dim() == 1) batch.tokens = batch.tokens.unsqueeze(0);
  if (!mask.empty()) {
    batch.attention_mask = to_attention_mask(read_named(mask, "attention_mask"));
    if (batch.attention_mask.dim() == 1) batch.attention_mask = batch.attention_mask.unsqueeze(0);
  }
  return batch;
}

at::Tensor read_named(const std::string& place, const std::string& fallback) {
  std::string file = place, key = fallback;
  const size_t colon = place.rfind(':');
  if (colon != std::string::npos && !std::filesystem::exists(place)) {
    file = place.substr(0, colon);
    key = place.substr(colon + 1);
  }
  return to_tensor(read_tensors(file).at(key));
}

int64_t token_of(const LanguageModel& lm, const std::string& word, const std::string& option) {
  const bool is_id = !word.empty() && word.find_first_not_of("0123456789") == std::string::npos;
  if (is_id) {
    const bool fits = word.size() < 10 && std::stoll(word) < lm.config().d_vocab;
    require_usage(fits, fmt::format("{}: expected a token id from 0 to {}, found '{}'", option,
                                    lm.config().d_vocab - 1, word));
    return std::stoll(word);
  }
  const auto ids = lm.tokenizer().encode(word, false).ids;
  require_usage(!ids.empty(), fmt::format("{}: expected a token, found '{}'", option, word));
  if (ids.size() > 1) {
    log::info("{}: '{}' is {} tokens; the first, '{}', counts", option, word, ids.size(),
              lm.token_text(ids.front()));
  }
  return ids.front();
}

}  // namespace weir::cli
