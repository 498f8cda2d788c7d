#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/data_verbs.h"
#include "weir/base/error.h"
#include "weir/data/batches.h"
#include "weir/data/permutation.h"
#include "weir/data/tokenize.h"
#include "weir/store/model_store.h"

namespace weir::cli {
namespace {

using data::TokenShard;
using nlohmann::ordered_json;

std::vector<int64_t> lengths(const TokenShard& shard) {
  std::vector<int64_t> lengths;
  for (int64_t d = 0; d < shard.n_documents(); ++d) lengths.push_back(shard.document(d).size());
  std::sort(lengths.begin(), lengths.end());
  return lengths;
}

// Of sorted numbers, one bin from each power of 2 to the next.
HistogramBlock length_histogram(const std::vector<int64_t>& lengths) {
  HistogramBlock block{"Lengths of documents", "tokens", {0, 1}, {0}};
  while (!lengths.empty() && block.edges.back() <= static_cast<double>(lengths.back())) {
    block.edges.push_back(block.edges.back() * 2);
    block.counts.push_back(0);
  }
  for (const int64_t length : lengths) {
    const auto above = std::upper_bound(block.edges.begin(), block.edges.end(), length);
    ++block.counts[above - block.edges.begin() - 1];
  }
  return block;
}

/// Of a shard's tokens; nothing for "".
std::optional<Tokenizer> shard_tokenizer(const std::string& name, const TokenShard& shard) {
  if (name.empty()) return std::nullopt;
  Tokenizer tokenizer = load_tokenizer(resolve_model(name));
  const std::string hash = data::tokenizer_sha256(tokenizer);
  require(hash == shard.info().tokenizer_sha256,
          "{}: expected the tokenizer that made {} (sha256 {}), found another ({})", name,
          shard.path(), shard.info().tokenizer_sha256, hash);
  return tokenizer;
}

struct InfoVerb {
  std::string shard, tokenizer;
  bool verify = false;
  OutputOptions output;
};

void info(const InfoVerb& verb) {
  const auto shard = TokenShard::open(verb.shard);
  shard_tokenizer(verb.tokenizer, *shard);
  if (verb.verify) shard->verify();
  const data::ShardInfo& info = shard->info();
  const std::vector<int64_t> sorted = lengths(*shard);
  const auto quantile = [&](double share) {
    const auto last = static_cast<double>(sorted.size()) - 1;
    return sorted.empty() ? int64_t{0} : sorted[static_cast<size_t>(std::round(last * share))];
  };
  const ordered_json document = {{"file", verb.shard},
                                 {"tokens", info.n_tokens},
                                 {"documents", info.n_documents},
                                 {"vocab_size", info.vocab_size},
                                 {"token_bytes", info.token_bytes},
                                 {"shortest", quantile(0)},
                                 {"median", quantile(0.5)},
                                 {"longest", quantile(1)},
                                 {"tokenizer_sha256", info.tokenizer_sha256},
                                 {"sha256", info.sha256},
                                 {"verified", verb.verify}};
  TableBlock table{"Shard", {"what", "value"}, {}, ""};
  for (const auto& [key, value] : document.items()) {
    table.rows.push_back({key, value.is_string() ? value.get<std::string>() : value.dump()});
  }
  Report report{"Shard of tokens", plain_provenance(), {std::move(table)}};
  if (info.n_documents > 0) report.blocks.emplace_back(length_histogram(sorted));
  show_document(report, verb.output, document);
}

struct SampleVerb {
  std::string shard, tokenizer, packing = "stream", part = "all";
  int64_t n = 3, length = 0, first = 0, most = 64;
  double validation = 0;
  uint64_t seed = 0;
  OutputOptions output;
};

std::string shown(const std::optional<Tokenizer>& tokenizer, const std::vector<int64_t>& ids) {
  if (tokenizer) return tokenizer->decode(ids);
  std::string text;
  for (const int64_t id : ids) text += (text.empty() ? "" : " ") + std::to_string(id);
  return text;
}

std::vector<int64_t> row_of(const at::Tensor& batch) {
  const at::Tensor row = batch[0].contiguous();
  return {row.data_ptr<int64_t>(), row.data_ptr<int64_t>() + row.numel()};
}

// Documents in a random order, as many tokens of each as were asked for.
void sample_documents(const SampleVerb& verb, const TokenShard& shard,
                      const std::optional<Tokenizer>& tokenizer, Report* report,
                      ordered_json* rows) {
  const data::Permutation order(std::max<int64_t>(shard.n_documents(), 1), verb.seed, 0);
  for (int64_t i = 0; i < std::min(verb.n, shard.n_documents()); ++i) {
    const int64_t document = order.at(i);
    const data::TokenSpan span = shard.document(document);
    std::vector<int64_t> ids;
    for (int64_t t = 0; t < std::min(span.size(), verb.most); ++t) ids.push_back(span[t]);
    report->blocks.push_back(TextBlock{fmt::format("document {}, {} tokens", document, span.size()),
                                       shown(tokenizer, ids)});
    rows->push_back({{"document", document}, {"tokens", span.size()}, {"ids", ids}});
  }
}

// Rows as a training with this length, packing, part and seed takes them.
void sample_rows(const SampleVerb& verb, const std::shared_ptr<const TokenShard>& shard,
                 const std::optional<Tokenizer>& tokenizer, Report* report, ordered_json* rows) {
  const auto part = verb.part == "train"        ? data::Part::kTrain
                    : verb.part == "validation" ? data::Part::kValidation
                                                : data::Part::kAll;
  const auto stream =
      std::make_shared<data::TokenStream>(shard, data::Split{part, verb.validation, verb.seed});
  const auto packing =
      verb.packing == "stream" ? data::Packing::kStream : data::Packing::kDocuments;
  const data::TokenRows source({{stream}}, {verb.length, packing, true, verb.seed});
  for (int64_t row = verb.first; row < verb.first + verb.n; ++row) {
    const data::Batch batch = source.batch(row, 1);
    const std::vector<int64_t> ids = row_of(batch.ids);
    const data::TokenRows::Place place = source.place(row);
    report->blocks.push_back(TextBlock{fmt::format("row {} of {} (epoch {}, place {})", row,
                                                   source.n_rows(), place.epoch, place.row),
                                       shown(tokenizer, ids)});
    rows->push_back({{"row", row},
                     {"epoch", place.epoch},
                     {"place", place.row},
                     {"ids", ids},
                     {"labels", row_of(batch.labels)}});
    if (!batch.document.defined()) continue;
    rows->back()["document"] = row_of(batch.document);
    rows->back()["positions"] = row_of(batch.positions);
  }
}

void sample(const SampleVerb& verb) {
  require_usage(verb.length != 1, "--length: expected at least 2 tokens in a row, found 1");
  const auto shard = TokenShard::open(verb.shard);
  const std::optional<Tokenizer> tokenizer = shard_tokenizer(verb.tokenizer, *shard);
  Report report{"Sample of " + verb.shard, plain_provenance(), {}};
  ordered_json rows = ordered_json::array();
  if (verb.length == 0) sample_documents(verb, *shard, tokenizer, &report, &rows);
  if (verb.length > 0) sample_rows(verb, shard, tokenizer, &report, &rows);
  show_document(report, verb.output, rows);
}

}  // namespace

void add_data_info(Verb& data) {
  auto options = std::make_shared<InfoVerb>();
  Verb& verb = data.verb(
      {"info", "what a shard of tokens holds", "", {"weir data info corpus.shard --verify"}});
  verb.argument("SHARD", &options->shard, "A file of weir data tokenize")
      .option("--tokenizer", &options->tokenizer, "T", "Also check that this one made it")
      .flag("--verify", &options->verify, "Also check every token and the checksum");
  add_output_options(verb, options->output);
  verb.run([options] { info(*options); });
}

void add_data_sample(Verb& data) {
  auto options = std::make_shared<SampleVerb>();
  Verb& verb = data.verb(
      {"sample",
       "documents of a shard, or rows as training takes them",
       "Without --length: documents in random order. With it: rows of so many tokens, in the order "
       "that the seed gives.",
       {"weir data sample corpus.shard --tokenizer smollm2-135m",
        "weir data sample corpus.shard --length 128 --packing documents --part validation "
        "--validation 0.01 --json"}});
  verb.argument("SHARD", &options->shard, "A file of weir data tokenize")
      .option("--tokenizer", &options->tokenizer, "T", "Shows text in place of ids")
      .option("-n", &options->n, "N", "How many", {1})
      .option("--seed", &options->seed, "S", "Of the order, and of the split")
      .option("--most", &options->most, "N", "Tokens shown of each document", {1})
      .option("--length", &options->length, "T", "Tokens in a row; 0: documents", {0, 1 << 24})
      .option("--first", &options->first, "ROW", "The first row", {0})
      .choice("--packing", &options->packing, {"stream", "documents"},
              "Rows: documents end to end, or each for itself")
      .choice("--part", &options->part, {"all", "train", "validation"}, "Rows of which documents")
      .option("--validation", &options->validation, "F", "Share of the documents held out", {0, 1});
  add_output_options(verb, options->output);
  verb.run([options] { sample(*options); });
}

}  // namespace weir::cli
