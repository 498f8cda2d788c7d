#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "weir/data/id_documents.h"
#include "weir/data/text_documents.h"
#include "weir/data/token_shard.h"
#include "weir/text/tokenizer.h"

namespace weir::data {

struct TokenizeOptions {
  TextOptions text;
  IdOptions ids;
  /// Put around each text what the tokenizer's own rules put there (BOS).
  bool add_special = true;
  /// An id after each text, unless the rules put it there already; see end_of_text.
  std::optional<int64_t> end;
  /// Of a shard made of ids alone, without a tokenizer.
  int64_t vocab_size = 0;
  uint64_t batch_bytes = uint64_t{4} << 20;  ///< Of text, tokenised at once by all CPUs.
  /// Bytes of the inputs after which the work so far is made certain.
  uint64_t record_bytes = uint64_t{8} << 20;
};

struct TokenizeResult {
  ShardInfo info;
  bool has_resumed = false;
  uint64_t n_text_bytes = 0;  ///< Of the documents tokenised now; those of an earlier try excluded.
};

/// The hash by which a shard knows its tokenizer: sha256 of its tokenizer.json
/// (Tokenizer::to_json).
std::string tokenizer_sha256(const Tokenizer& tokenizer);

/// The tokenizer's EOS; kInvalidArgument when it states none.
int64_t end_of_text(const Tokenizer& tokenizer);

/// Makes a shard of the documents of all inputs (find_files), in order. Text needs `tokenizer`; ids
/// are taken as they are and must lie within its vocabulary, or without one within `vocab_size`.
///
/// A second call after the first was killed, interrupted or failed goes on from its last record and
/// makes the same file, byte by byte, as one that ran through; with other inputs (names, sizes,
/// times of change), options or another tokenizer it begins anew. Shows progress; Ctrl-C leaves a
/// record and is kInterrupted. Memory: the largest document and about 150 MB. All
/// CPUs tokenise.
TokenizeResult tokenize(const std::vector<std::filesystem::path>& inputs,
                        const std::optional<Tokenizer>& tokenizer, const std::filesystem::path& out,
                        const TokenizeOptions& options = {});

/// The shard `out`, made as `tokenize` does unless it is there already, whatever of.
/// kInvalidArgument when it was made with another tokenizer.
std::shared_ptr<const TokenShard> tokenize_once(const std::vector<std::filesystem::path>& inputs,
                                                const Tokenizer& tokenizer,
                                                const std::filesystem::path& out,
                                                const TokenizeOptions& options);

}  // namespace weir::data
