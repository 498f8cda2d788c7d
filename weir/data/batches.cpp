#include "weir/data/batches.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "weir/base/draw.h"
#include "weir/base/error.h"
#include "weir/data/permutation.h"

namespace weir::data {
namespace {

constexpr int64_t kNotPredicted = -100;

std::vector<double> weights_of(const std::vector<Source>& sources) {
  std::vector<double> weights;
  for (const Source& source : sources) weights.push_back(source.weight);
  return weights;
}

// Where the columns of one row of a batch lie in memory; the last two may be null.
struct RowMemory {
  int64_t* ids;
  int64_t* labels;
  int64_t* document;
  int64_t* positions;
};

void fill_row(const TokenStream& stream, int64_t row, int64_t length, const RowMemory& out) {
  const int64_t begin = row * length, n = std::min(length, stream.n_tokens() - begin);
  const bool keeps_apart = out.document != nullptr;
  int64_t t = 0, document = -1;
  const auto put = [&](int64_t id, int64_t label, int64_t position) {
    out.ids[t] = id;
    out.labels[t] = label;
    if (keeps_apart) {
      out.document[t] = document;
      out.positions[t] = position;
    }
    ++t;
  };
  stream.each_run(begin, n, [&](const TokenStream::Run& run) {
    ++document;
    for (int64_t i = 0; i < run.tokens.size(); ++i) {
      const bool is_first = t == 0 || (keeps_apart && i == 0);
      const int64_t id = run.tokens[i];
      put(id, is_first ? kNotPredicted : id, i);
    }
  });
  ++document;
  for (int64_t i = 0; t < length; ++i) put(0, kNotPredicted, i);
}

}  // namespace

TokenRows::TokenRows(std::vector<Source> sources, const RowOptions& options)
    : sources_(std::move(sources)), options_(options), mixture_(weights_of(sources_)) {
  require(options.length >= 2, "rows of tokens: expected a length of at least 2, got {}",
          options.length);
  for (const Source& source : sources_) {
    require(source.tokens != nullptr, "rows of tokens: a source has no tokens");
  }
}

int64_t TokenRows::n_rows(int64_t source) const {
  return (sources_.at(source).tokens->n_tokens() + options_.length - 1) / options_.length;
}

int64_t TokenRows::n_rows() const {
  int64_t sum = 0;
  for (int64_t source = 0; source < n_sources(); ++source) sum += n_rows(source);
  return sum;
}

TokenRows::Place TokenRows::place(int64_t row) const {
  require(row >= 0, "rows of tokens: expected a row of 0 or more, got {}", row);
  const Mixture::Place turn = mixture_.at(row);
  const int64_t n = n_rows(turn.source), epoch = turn.index / n, index = turn.index % n;
  if (!options_.shuffle) return {turn.source, epoch, index};
  // Sources of one size must not go in step.
  const uint64_t seed = Draw(options_.seed + static_cast<uint64_t>(turn.source)).next();
  return {turn.source, epoch, Permutation(n, seed, static_cast<uint64_t>(epoch)).at(index)};
}

int64_t TokenRows::n_real(int64_t row) const {
  const Place from = place(row);
  return std::min(options_.length,
                  sources_[from.source].tokens->n_tokens() - from.row * options_.length);
}

Batch TokenRows::batch(int64_t first, int64_t n) const {
  require(n >= 1, "rows of tokens: expected a batch of at least 1 row, got {}", n);
  const int64_t length = options_.length;
  const auto empty = [&] { return at::empty({n, length}, at::kLong); };
  Batch batch{empty(), empty(), {}, {}};
  if (options_.packing == Packing::kDocuments) {
    batch.document = empty();
    batch.positions = empty();
  }
  const auto row_of = [&](const at::Tensor& tensor, int64_t row) {
    return tensor.defined() ? tensor.data_ptr<int64_t>() + row * length : nullptr;
  };
  for (int64_t row = 0; row < n; ++row) {
    const Place from = place(first + row);
    fill_row(*sources_[from.source].tokens, from.row, length,
             {row_of(batch.ids, row), row_of(batch.labels, row), row_of(batch.document, row),
              row_of(batch.positions, row)});
  }
  return batch;
}

}  // namespace weir::data
