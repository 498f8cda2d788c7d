#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/io/corruption.h"
#include "weir/base/draw.h"
#include "weir/data/token_shard.h"
#include "weir/io/little_endian.h"
#include "weir/io/sha256.h"

namespace weir::data {

using Documents = std::vector<std::vector<int64_t>>;

/// The bytes of a shard, put together here by the description of the format.
inline std::string shard_bytes(const Documents& documents, int64_t vocab_size, int token_bytes) {
  ShardInfo info;
  info.vocab_size = vocab_size;
  info.token_bytes = token_bytes;
  info.n_documents = static_cast<int64_t>(documents.size());
  info.tokenizer_sha256 = std::string(64, 'a');
  std::string tokens, table;
  io::store<uint64_t>(&table, 0);
  for (const auto& document : documents) {
    for (const int64_t id : document) {
      if (token_bytes == 2) io::store(&tokens, static_cast<uint16_t>(id));
      if (token_bytes == 4) io::store(&tokens, static_cast<uint32_t>(id));
      ++info.n_tokens;
    }
    io::store(&table, static_cast<uint64_t>(info.n_tokens));
  }
  while ((256 + tokens.size()) % 8 != 0) tokens += '\0';
  info.sha256 = io::sha256_hex(shard_header(info) + tokens + table);
  return shard_header(info) + tokens + table;
}

inline std::shared_ptr<const TokenShard> shard_of(const Documents& documents,
                                                  int64_t vocab_size = 1000, int token_bytes = 2) {
  return TokenShard::parse(io::file_of(shard_bytes(documents, vocab_size, token_bytes), "made"));
}

/// `n` documents of 0 to `most` tokens, each token another number: 0, 1, 2, ...
inline Documents counted_documents(int64_t n, int64_t most, uint64_t seed) {
  Draw draw(seed);
  Documents documents(n);
  int64_t id = 0;
  for (auto& document : documents) {
    document.resize(draw.below(most + 1));
    for (int64_t& token : document) token = id++;
  }
  return documents;
}

}  // namespace weir::data
