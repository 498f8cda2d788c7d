#include "apps/cli/sae/corpus_options.h"

#include <algorithm>

#include "weir/base/error.h"
#include "weir/base/log.h"
#include "weir/data/tokenize.h"

namespace weir::cli {
namespace {

std::shared_ptr<const data::TokenShard> open_shard(const HarvestCorpusOptions& options,
                                                   const LanguageModel& lm,
                                                   const std::filesystem::path& folder) {
  const std::filesystem::path first = options.corpus.at(0);
  if (options.corpus.size() == 1 && data::is_shard(first)) {
    auto shard = data::TokenShard::open(first);
    const std::string& made_by = shard->info().tokenizer_sha256;
    if (lm.has_tokenizer() && !made_by.empty()) {
      require(made_by == data::tokenizer_sha256(lm.tokenizer()),
              "{}: made with another tokenizer than the model's; tokenise the text again",
              first.string());
    }
    return shard;
  }
  data::TokenizeOptions tokenize;
  const bool has_text_files =
      std::any_of(options.corpus.begin(), options.corpus.end(),
                  [](const std::string& file) { return file.find(".jsonl") == std::string::npos; });
  if (has_text_files) tokenize.text.separator = options.separator;
  tokenize.add_special = false;
  if (lm.tokenizer().special().eos) tokenize.end = data::end_of_text(lm.tokenizer());
  return data::tokenize_once({options.corpus.begin(), options.corpus.end()}, lm.tokenizer(),
                             folder / "corpus.shard", tokenize);
}

bool puts_bos(const HarvestCorpusOptions& options, const LanguageModel& lm) {
  if (options.bos != "auto") return options.bos == "yes";
  if (options.packing != "stream" || !lm.has_tokenizer()) return false;
  const auto bos = lm.tokenizer().special().bos;
  const std::vector<int64_t> ids = lm.tokenizer().encode("a").ids;
  return bos && !ids.empty() && ids[0] == *bos;
}

}  // namespace

void add_harvest_corpus_options(Verb& verb, HarvestCorpusOptions& options, bool is_required) {
  verb.texts("--corpus", &options.corpus, "F",
             "A shard (weir data tokenize), or texts: files and folders; may be repeated");
  if (is_required) verb.required();
  verb.option("--separator", &options.separator, "TEXT", "Lies between the documents of .txt files")
      .option("--tokens", &options.tokens, "N", "Tokens to read; 0: the corpus once", {0})
      .option("--length", &options.length, "T", "Tokens of a context", {2, int64_t{1} << 20})
      .choice("--packing", &options.packing, {"stream", "documents"},
              "Documents end to end, or each for itself in a shared context")
      .option("--seed", &options.seed, "S", "Of the order of the contexts")
      .flag("--in-order", &options.in_order, "Contexts as they lie in the corpus")
      .choice("--bos", &options.bos, {"auto", "yes", "no"},
              "BOS before each context; auto: where the tokenizer puts one before a text")
      .option("--skip-positions", &options.harvest.skip_positions, "N",
              "First positions left out, where attention sinks", {0})
      .option("--max-norm", &options.harvest.max_norm_multiple, "X",
              "Leave out tokens whose norm is above X times the median; 0: none", {0})
      .texts("--skip-token", &options.skip_tokens, "TOKEN",
             "A token to leave out, as the vocabulary spells it; may be repeated");
}

HarvestCorpus open_harvest_corpus(const HarvestCorpusOptions& options, const LanguageModel& lm,
                                  const std::vector<std::string>& names,
                                  const std::filesystem::path& folder) {
  const auto shard = open_shard(options, lm, folder);
  require(shard->info().vocab_size <= lm.config().d_vocab,
          "{}: made with a vocabulary of {}, the model has {}", shard->path(),
          shard->info().vocab_size, lm.config().d_vocab);
  HarvestOptions harvest = options.harvest;
  harvest.names = names;
  harvest.prepend_bos = puts_bos(options, lm);
  for (const std::string& token : options.skip_tokens) {
    const auto id = lm.tokenizer().id_of(token);
    require_usage(id.has_value(), "--skip-token: the vocabulary has no token '" + token + "'");
    harvest.skip_tokens.push_back(*id);
  }
  data::RowOptions row;
  row.length = corpus_row_length(options.length, harvest);
  require_usage(row.length >= 2, "--length: expected at least 2 tokens beside BOS");
  row.packing = options.packing == "stream" ? data::Packing::kStream : data::Packing::kDocuments;
  row.shuffle = !options.in_order;
  row.seed = options.seed;
  data::TokenRows rows({{std::make_shared<data::TokenStream>(shard), 1}}, row);
  int64_t n_contexts = rows.n_rows();
  if (options.tokens > 0) {
    const int64_t wanted = (options.tokens + options.length - 1) / options.length;
    if (wanted > n_contexts) {
      log::warn("the corpus has {} contexts of {} tokens, not {}; all are taken, once", n_contexts,
                options.length, wanted);
    }
    n_contexts = std::min(n_contexts, wanted);
  }
  return {std::move(rows), std::move(harvest), n_contexts, shard->info().sha256};
}

}  // namespace weir::cli
