#pragma once

#include <filesystem>
#include <vector>

#include "weir/data/text_documents.h"
#include "weir/text/tokenizer.h"

namespace weir::data {

/// Trains a byte-level BPE on all documents of the inputs (find_files; text only), in one pass that
/// keeps words and their counts. Shows progress; Ctrl-C while texts are read is kInterrupted.
/// Deterministic. Errors: those of TextDocuments and train_bpe; kInvalidArgument for files of ids.
Tokenizer train_tokenizer(const std::vector<std::filesystem::path>& inputs,
                          const BpeTrainOptions& options, const TextOptions& text = {});

}  // namespace weir::data
