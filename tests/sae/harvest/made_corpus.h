#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "tests/data/made_shard.h"
#include "tests/lm/tiny_models.h"
#include "weir/data/batches.h"

namespace weir::testing {

/// Rows of documents of 1 to 20 random ids, the last row padded.
inline data::TokenRows made_rows(const LanguageModel& lm, const data::RowOptions& options) {
  const int64_t n_vocab = lm.config().d_vocab;
  data::Documents documents = data::counted_documents(40, 20, 3);
  Draw draw(5);
  for (auto& document : documents) {
    for (int64_t& id : document) id = static_cast<int64_t>(draw.below(n_vocab));
  }
  const auto stream = std::make_shared<data::TokenStream>(data::shard_of(documents, n_vocab));
  return data::TokenRows({{stream, 1}}, options);
}

inline std::filesystem::path fresh_folder(const std::string& name) {
  const auto folder = std::filesystem::path(::testing::TempDir()) / ("weir-" + name);
  std::filesystem::remove_all(folder);
  return folder;
}

}  // namespace weir::testing
